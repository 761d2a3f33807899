//! How the queue stands, and cleaning it.

use async_graphql::{ComplexObject, Context, Object, SimpleObject, Subscription};
use chrono::{DateTime, Utc};
use entity::{ApiScope, Priority, Status, breaker};
use futures::{Stream, StreamExt};
use jobs::reconcile::mark::Standing;
use jobs::{bulk, stats};
use serde_json::json;

use super::asked::Asked;
use super::audit::trail;
use super::count::int;
use super::fault::Fault;
use super::guard::Needs;
use super::hold::Pause;
use super::mask::Words;
use super::refusal::{UserError, UserErrorCode};

/// How the queue stands.
#[derive(SimpleObject)]
pub struct QueueStats {
    /// Being handed over, or perhaps with Mailgun: SENDING and UNCONFIRMED.
    active: i32,
    /// Due and waiting for a free slot or the end of a hold: QUEUED.
    waiting: i32,
    /// Accepted by Mailgun, whatever happened later.
    completed: i32,
    /// FAILED.
    failed: i32,
    /// Due later, retries too: SCHEDULED.
    delayed: i32,
    /// Perhaps with Mailgun: UNCONFIRMED.
    unconfirmed: i32,
    /// The queue as a whole is paused.
    paused: bool,
    /// Every pause there is.
    pauses: Vec<Pause>,
    /// Since when the longest waiting email that nothing holds has been due; null when none waits.
    oldest_waiting_at: Option<DateTime<Utc>>,
    /// Emails that Mailgun accepted in the last minute.
    sent_per_minute: f64,
    /// The queue by priority.
    lanes: Vec<LaneStats>,
    /// Ways to Mailgun that are closed at the moment.
    breakers: Vec<Breaker>,
    /// How far Mailgun's log was read for events that no webhook brought, by sending domain.
    reconciliation: Vec<Reconciliation>,
    /// How many emails stand in each state.
    ledger: Ledger,
}

/// The queue of one priority.
#[derive(SimpleObject)]
pub struct LaneStats {
    /// Which one.
    priority: Priority,
    /// QUEUED.
    waiting: i32,
    /// SCHEDULED.
    delayed: i32,
    /// SENDING and UNCONFIRMED.
    active: i32,
    /// Since when the longest waiting email that nothing holds has been due.
    oldest_due_at: Option<DateTime<Utc>>,
}

/// A way to Mailgun that is closed after failures; one email at a time goes ahead to see whether it is open again.
#[derive(SimpleObject)]
pub struct Breaker {
    /// The sending domain; null for the way to Mailgun as a whole.
    domain: Option<String>,
    /// What Mailgun answered last, or why it did not.
    reason: Option<Words>,
    /// Since when it is closed.
    opened_at: Option<DateTime<Utc>>,
    /// When the next email goes ahead.
    probe_at: Option<DateTime<Utc>>,
    /// How many went ahead so far.
    probes: i32,
}

/// How far Mailgun's log was read for the events of a sending domain that no webhook brought.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct Reconciliation {
    /// The sending domain.
    domain: String,
    /// Everything that happened up to here is recorded.
    checked_through: DateTime<Utc>,
    /// Events that no webhook had brought, ever.
    recovered: i32,
    /// Since when no webhook has come although events happen; null while they come.
    silent_since: Option<DateTime<Utc>>,
    /// Since when Mailgun's log can't be read; null while it can.
    failing_since: Option<DateTime<Utc>>,
}

#[ComplexObject]
impl Reconciliation {
    /// How long ago `checkedThrough` was, in seconds: half an hour and some minutes as a rule, since the log may still grow until
    /// then.
    async fn lag_seconds(&self, ctx: &Context<'_>) -> Result<i32, Fault> {
        Ok(int((ctx.app()?.ctx.clock.now() - self.checked_through).num_seconds().max(0)))
    }
}

/// How many emails stand in each state. The states, `pending` and `cleaned` add up to `total`, at every moment.
#[derive(SimpleObject)]
pub struct Ledger {
    /// Every email that was ever accepted, and every recipient of a campaign who has none yet.
    total: i32,
    /// Recipients of campaigns who have no email yet.
    pending: i32,
    /// Cleaned away since.
    cleaned: i32,
    /// SCHEDULED.
    scheduled: i32,
    /// QUEUED.
    queued: i32,
    /// SENDING.
    sending: i32,
    /// UNCONFIRMED.
    unconfirmed: i32,
    /// SENT.
    sent: i32,
    /// DEFERRED.
    deferred: i32,
    /// DELIVERED.
    delivered: i32,
    /// BOUNCED.
    bounced: i32,
    /// COMPLAINED.
    complained: i32,
    /// FAILED.
    failed: i32,
    /// CANCELLED.
    cancelled: i32,
    /// SUPPRESSED.
    suppressed: i32,
    /// EXPIRED.
    expired: i32,
}

impl From<stats::QueueStats> for QueueStats {
    fn from(queue: stats::QueueStats) -> Self {
        Self {
            active: int(queue.active),
            waiting: int(queue.waiting),
            completed: int(queue.completed),
            failed: int(queue.failed),
            delayed: int(queue.delayed),
            unconfirmed: int(queue.unconfirmed),
            paused: queue.paused,
            pauses: queue.pauses.into_iter().map(Pause::from).collect(),
            oldest_waiting_at: queue.oldest_waiting_at,
            sent_per_minute: queue.sent_per_minute,
            lanes: queue.lanes.into_iter().map(LaneStats::from).collect(),
            breakers: queue.breakers.into_iter().map(Breaker::from).collect(),
            reconciliation: queue.reconciliation.into_iter().map(Reconciliation::from).collect(),
            ledger: queue.ledger.into(),
        }
    }
}

impl From<stats::LaneStats> for LaneStats {
    fn from(lane: stats::LaneStats) -> Self {
        Self {
            priority: lane.priority,
            waiting: int(lane.waiting),
            delayed: int(lane.delayed),
            active: int(lane.active),
            oldest_due_at: lane.oldest_due_at,
        }
    }
}

impl From<breaker::Model> for Breaker {
    fn from(row: breaker::Model) -> Self {
        let breaker::Model { key, reason, opened_at, probe_at, probes, .. } = row;
        let domain = key.strip_prefix("domain:").map(str::to_owned);
        Self { domain, reason: reason.map(Words), opened_at, probe_at, probes }
    }
}

impl From<Standing> for Reconciliation {
    fn from(standing: Standing) -> Self {
        let Standing { domain, checked_through, recovered, silent_since, failing_since } = standing;
        Self { domain, checked_through, recovered: int(recovered), silent_since, failing_since }
    }
}

impl From<stats::Ledger> for Ledger {
    fn from(ledger: stats::Ledger) -> Self {
        let of = |status| int(ledger.of(status));
        Self {
            total: int(ledger.total()),
            pending: int(ledger.pending),
            cleaned: int(ledger.cleaned),
            scheduled: of(Status::Scheduled),
            queued: of(Status::Queued),
            sending: of(Status::Sending),
            unconfirmed: of(Status::Unconfirmed),
            sent: of(Status::Sent),
            deferred: of(Status::Deferred),
            delivered: of(Status::Delivered),
            bounced: of(Status::Bounced),
            complained: of(Status::Complained),
            failed: of(Status::Failed),
            cancelled: of(Status::Cancelled),
            suppressed: of(Status::Suppressed),
            expired: of(Status::Expired),
        }
    }
}

/// What was cleaned.
#[derive(SimpleObject)]
pub struct CleanQueuePayload {
    /// Emails that were cleaned away.
    removed: i32,
    /// Emails still to be cleaned away; the work goes on in the background.
    remaining: i32,
    /// There may be more than `remaining` says.
    remaining_is_capped: bool,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// How the queue stands.
#[derive(Default)]
pub struct QueueQueries;

#[Object]
impl QueueQueries {
    /// How the queue stands at this moment, at a cost that does not grow with the emails in it. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn queue_stats(&self, ctx: &Context<'_>) -> Result<QueueStats, Fault> {
        Ok(stats::queue(&ctx.app()?.ctx).await?.into())
    }
}

/// Cleaning the queue.
#[derive(Default)]
pub struct QueueMutations;

#[Object]
impl QueueMutations {
    /// Removes emails that came to their end before a time, with their content and history; the ledger counts them as
    /// `cleaned`. Requires the scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn clean_queue(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Emails that ended before this; without it, those past retention.")] finished_before: Option<
            DateTime<Utc>,
        >,
    ) -> Result<CleanQueuePayload, Fault> {
        let ctx = &ctx.app()?.ctx;
        let now = ctx.clock.now();
        let finished_before = finished_before.unwrap_or(now - ctx.settings.retention.emails);
        if finished_before > now {
            let error = UserError::at(&["finishedBefore"], UserErrorCode::Invalid, "is in the future");
            return Ok(CleanQueuePayload {
                removed: 0,
                remaining: 0,
                remaining_is_capped: false,
                user_errors: vec![error],
            });
        }
        let progress = bulk::clean(ctx, finished_before).await?;
        trail::did(progress.done);
        trail::after(json!({ "finishedBefore": finished_before, "remaining": progress.remaining }));
        Ok(CleanQueuePayload {
            removed: int(progress.done),
            remaining: int(progress.remaining),
            remaining_is_capped: progress.remaining_is_capped,
            user_errors: Vec::new(),
        })
    }
}

/// Following the queue.
#[derive(Default)]
pub struct QueueSubscriptions;

#[Subscription]
impl QueueSubscriptions {
    /// How the queue stands: at once, and then whenever it changed, at most twice a second. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn queue_stats_updated(
        &self,
        ctx: &Context<'_>,
    ) -> Result<impl Stream<Item = Result<QueueStats, Fault>> + use<>, Fault> {
        let stats = ctx.app()?.queue.follow();
        Ok(stats.map(|stats| Ok(stats::QueueStats::clone(&*stats?).into())))
    }
}

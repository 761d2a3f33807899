//! Work on many emails at once, in groups of 500 that walk by id. A group's changes and the operation's cursor are one
//! transaction, so whoever goes on after a crash starts behind the last group that holds: nothing is done twice. A request
//! works on its operation itself for a while and leaves the rest to [`carry_on`].

mod group;

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::bulk_operation::{self, Kind};
use entity::{Status, email};
use sea_orm::{ActiveEnum, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryOrder, QuerySelect, Value};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use crate::Context;
use crate::control::repeat;
use crate::error::Result;
pub use crate::filter::Filter;
use crate::find;
use crate::store::{execute, rows};
use crate::timing::delta;

/// How long one goes at an operation before another gets its turn, and how long a request works itself.
pub(crate) const TURN: Duration = Duration::from_secs(8);

/// States that `cancel_many` can do something about: the first two end, the others are asked.
const CANCELLABLE: [Status; 4] = [Status::Scheduled, Status::Queued, Status::Sending, Status::Unconfirmed];

/// How far a request for many came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Emails changed so far.
    pub done: u64,
    /// Emails under way that were asked to stop; they end CANCELLED if they turn out not to have left.
    pub asked: u64,
    /// Emails that are still to be done; of retries all that stand in FAILED, whatever the limit was.
    pub remaining: u64,
    /// There may be more than `remaining`: counting stopped.
    pub remaining_is_capped: bool,
    /// The operation that goes on in the background; `None` when nothing is left to do.
    pub operation: Option<Uuid>,
}

/// Which emails an operation means, as its row keeps it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Which {
    filter: Filter,
    /// Those alone that were finished before.
    finished_before: Option<DateTime<Utc>>,
    /// Of those that wait, the ones to these addresses, in their key form, ..
    #[serde(default)]
    recipients: Vec<String>,
    /// .. or the ones to any address at this domain.
    #[serde(default)]
    recipients_at: Option<String>,
}

/// Cancels every email that meets `filter`: the waiting end CANCELLED, those under way are asked to stop. A dry run changes
/// nothing and says in `remaining` how many it would.
///
/// # Errors
/// The database's own; what was done by then stays done.
pub async fn cancel_many(ctx: &Context, filter: &Filter, dry_run: bool) -> Result<Progress> {
    let Some(filter) = filter.within(&CANCELLABLE) else { return Ok(Progress::default()) };
    if dry_run {
        return would(find::count(ctx, &filter).await?);
    }
    begin(ctx, Kind::Cancel, Which { filter, ..Which::default() }, None).await
}

/// Queues up to `limit` FAILED emails anew, the oldest first. `remaining` says how many stand in FAILED afterwards, those
/// included that can't be retried. A dry run changes nothing.
///
/// # Errors
/// The database's own; what was done by then stays done.
pub async fn retry_failed(ctx: &Context, filter: Option<&Filter>, limit: u64, dry_run: bool) -> Result<Progress> {
    let all = Filter::default();
    let Some(filter) = filter.unwrap_or(&all).within(&[Status::Failed]) else { return Ok(Progress::default()) };
    if dry_run {
        return would(find::count(ctx, &filter).await?);
    }
    begin(ctx, Kind::Retry, Which { filter, ..Which::default() }, Some(limit)).await
}

/// Takes the emails out of the queue that were finished before a time, with their tries and contents; the ledger counts them
/// as cleaned from then on.
///
/// # Errors
/// The database's own; what was done by then stays done.
pub async fn clean(ctx: &Context, finished_before: DateTime<Utc>) -> Result<Progress> {
    let statuses = Status::all().filter(|s| s.is_finished()).collect();
    // An email finished before a time was accepted before it: most of a long queue need not be looked at.
    let filter = Filter { statuses, created_until: Some(finished_before), ..Filter::default() };
    begin(ctx, Kind::Clean, Which { filter, finished_before: Some(finished_before), ..Which::default() }, None).await
}

fn would((remaining, remaining_is_capped): (u64, bool)) -> Result<Progress> {
    Ok(Progress { remaining, remaining_is_capped, ..Progress::default() })
}

/// Notes the operation, so that it will be finished whatever happens to this request, and works on it for a turn.
async fn begin(ctx: &Context, kind: Kind, which: Which, bound: Option<u64>) -> Result<Progress> {
    let last = email::Entity::find().select_only().column(email::Column::Id).order_by_desc(email::Column::Id);
    let reach: Option<Uuid> = last.into_tuple().one(ctx.store.write()).await?;
    let id = note(ctx.store.write(), ctx, kind, &which, reach, bound).await?;
    let operation = turn(ctx, id, Instant::now() + TURN).await?;
    progress_of(ctx, &operation).await
}

async fn note(
    db: &impl ConnectionTrait,
    ctx: &Context,
    kind: Kind,
    which: &Which,
    reach: Option<Uuid>,
    bound: Option<u64>,
) -> Result<Uuid> {
    let id = ctx.clock.id();
    let text = "INSERT INTO bulk_operations (id, kind, filter, reach, done, asked, bound, lease_until, created_at) \
                VALUES ($1, $2, $3, $4, 0, 0, $5, $6, $7)";
    let values = [
        Value::from(id),
        Value::from(kind.to_value()),
        Value::from(serde_json::to_string(which)?),
        Value::from(reach),
        Value::from(bound.map(|n| i64::try_from(n).unwrap_or(i64::MAX))),
        Value::from(lease(ctx)),
        Value::from(ctx.clock.now()),
    ];
    execute(db, ctx.store.sql(text, values)).await?;
    Ok(id)
}

/// Whose waiting emails follow an entry of the suppression list.
#[derive(Clone, Debug)]
pub(crate) enum Recipients {
    /// These addresses, in their key form.
    Addresses(Vec<String>),
    /// Every address at this domain.
    At(String),
}

impl Which {
    fn waiting_for(recipients: Recipients) -> Self {
        let filter = Filter { statuses: vec![Status::Scheduled, Status::Queued], ..Filter::default() };
        match recipients {
            Recipients::Addresses(recipients) => Which { filter, recipients, ..Which::default() },
            Recipients::At(domain) => Which { filter, recipients_at: Some(domain), ..Which::default() },
        }
    }
}

/// Notes, in the transaction that enters them into the suppression list, that the waiting emails of these recipients are to end.
/// Whoever has the answer goes on with [`work_on`].
pub(crate) async fn note_suppressed(tx: &DatabaseTransaction, ctx: &Context, recipients: Recipients) -> Result<Uuid> {
    // No email may be overlooked, whatever its id: those accepted from now on are not waiting.
    note(tx, ctx, Kind::Suppress, &Which::waiting_for(recipients), Some(Uuid::max()), None).await
}

/// Notes, in the transaction that cancels it, that what waits of a campaign is to end. Whoever has the answer goes on with
/// [`work_on`].
pub(crate) async fn note_cancelled(tx: &DatabaseTransaction, ctx: &Context, campaign: Uuid) -> Result<Uuid> {
    let filter = Filter { statuses: CANCELLABLE.to_vec(), campaign: Some(campaign), ..Filter::default() };
    // Emails accepted for it from now on are the gate's.
    note(tx, ctx, Kind::Cancel, &Which { filter, ..Which::default() }, Some(Uuid::max()), None).await
}

/// How many emails wait for these recipients.
pub(crate) async fn waiting_for(ctx: &Context, recipients: Recipients) -> Result<(u64, bool)> {
    group::waiting(ctx, &Which::waiting_for(recipients), Uuid::nil()).await
}

/// Works on operations until they are finished or it is `end`; what is left then is anybody's. Answers how far all came.
pub(crate) async fn work_on(ctx: &Context, ids: &[Uuid], end: Instant) -> Result<Progress> {
    let mut sum = Progress::default();
    for id in ids {
        let operation = turn(ctx, *id, end).await?;
        let one = progress_of(ctx, &operation).await?;
        sum.done += one.done;
        sum.asked += one.asked;
        sum.remaining += one.remaining;
        sum.remaining_is_capped |= one.remaining_is_capped;
        sum.operation = sum.operation.or(one.operation);
    }
    Ok(sum)
}

/// How far an operation came; `None` when there is none.
///
/// # Errors
/// The database's own.
pub async fn progress(ctx: &Context, id: Uuid) -> Result<Option<Progress>> {
    match bulk_operation::Entity::find_by_id(id).one(ctx.store.read()).await? {
        Some(operation) => Ok(Some(progress_of(ctx, &operation).await?)),
        None => Ok(None),
    }
}

async fn progress_of(ctx: &Context, operation: &bulk_operation::Model) -> Result<Progress> {
    let unfinished = operation.finished_at.is_none();
    let which: Which = serde_json::from_str(&operation.filter)?;
    let remaining = match operation.kind {
        Kind::Retry => find::count(ctx, &which.filter).await,
        Kind::Suppress if unfinished => group::waiting(ctx, &which, operation.cursor.unwrap_or_default()).await,
        Kind::Cancel | Kind::Clean if unfinished => find::counted(ctx, group::ahead(operation, &which)).await,
        Kind::Cancel | Kind::Clean | Kind::Suppress => Ok((0, false)),
    };
    // What was done is known even when counting the rest takes longer than a reader may.
    let (remaining, remaining_is_capped) = remaining.unwrap_or((0, true));
    Ok(Progress {
        done: operation.done.max(0) as u64,
        asked: operation.asked.max(0) as u64,
        remaining,
        remaining_is_capped,
        operation: unfinished.then_some(operation.id),
    })
}

/// Finishes, turn by turn, the operations that nobody works on any longer. Called every second or so by each process with
/// workers; of several one takes an operation. Answers how many it finished.
///
/// # Errors
/// The database's own, when it can't be asked for operations; trouble with one of them is logged and tried again later.
pub async fn carry_on(ctx: &Context) -> Result<u64> {
    let mut finished = 0;
    while !ctx.stop.is_cancelled() {
        let Some(id) = take(ctx).await? else { break };
        match turn(ctx, id, Instant::now() + TURN).await {
            Ok(operation) => finished += u64::from(operation.finished_at.is_some()),
            Err(error) => tracing::warn!(operation.id = %id, cause = %error, "A bulk operation is interrupted"),
        }
    }
    Ok(finished)
}

/// Takes the operation that has waited longest for somebody.
async fn take(ctx: &Context) -> Result<Option<Uuid>> {
    let text = format!(
        "UPDATE bulk_operations SET lease_until = $1 WHERE id = (SELECT id FROM bulk_operations \
         WHERE finished_at IS NULL AND lease_until <= $2 ORDER BY lease_until LIMIT 1 {}) RETURNING id",
        ctx.store.skip_locked()
    );
    let values = [Value::from(lease(ctx)), Value::from(ctx.clock.now())];
    let taken = rows(ctx.store.write(), ctx.store.sql(text, values)).await?;
    Ok(taken.first().map(|row| row.try_get("", "id")).transpose()?)
}

/// Group after group until it is finished, its turn is over or the process stops; then it is anybody's.
async fn turn(ctx: &Context, id: Uuid, end: Instant) -> Result<bulk_operation::Model> {
    loop {
        let operation = repeat(|| group::step(ctx, id)).await?;
        if operation.finished_at.is_some() {
            return Ok(operation);
        }
        if Instant::now() >= end || ctx.stop.is_cancelled() {
            let text = "UPDATE bulk_operations SET lease_until = $1 WHERE id = $2 AND finished_at IS NULL";
            let values = [Value::from(ctx.clock.now()), Value::from(id)];
            execute(ctx.store.write(), ctx.store.sql(text, values)).await?;
            return Ok(operation);
        }
    }
}

/// Until when whoever works on an operation is taken to be alive; each group prolongs it.
fn lease(ctx: &Context) -> DateTime<Utc> {
    ctx.clock.now() + delta(ctx.timing.lease)
}

//! How the queue stands, from tallies, holds and breakers: what it costs grows with the campaigns that wait, never with the
//! emails.

mod failures;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::{Priority, Status, breaker, hold, tally};
use sea_orm::{ActiveEnum, Value};
use uuid::Uuid;

use crate::Context;
use crate::error::Result;
use crate::hold::{Holds, Leave};
use crate::reconcile::mark::{Standing, standings};
use crate::rows::Rows;
use crate::scope::Scope;
use crate::store::{execute, rows};

pub use failures::{FailureGroup, failures};

/// How many emails stand where. Equal to the rows at every commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// By the number of the [`Status`].
    pub by_status: [i64; 13],
    /// Recipients of campaigns who have no email yet.
    pub pending: i64,
    /// Once here, cleaned away since.
    pub cleaned: i64,
}

impl Ledger {
    /// How many stand in `status`.
    pub fn of(&self, status: Status) -> i64 {
        self.by_status[status as usize]
    }

    /// Every email that was ever accepted, and every recipient who is to have one.
    pub fn total(&self) -> i64 {
        self.pending + self.by_status.iter().sum::<i64>() + self.cleaned
    }

    /// Those whose end is still open.
    pub fn open(&self) -> i64 {
        self.pending + self.delayed() + self.waiting() + self.active()
    }

    /// The spec's "waiting": due now.
    pub fn waiting(&self) -> i64 {
        self.of(Status::Queued)
    }

    /// The spec's "delayed": due later.
    pub fn delayed(&self) -> i64 {
        self.of(Status::Scheduled)
    }

    /// The spec's "active": being handed over, or perhaps with Mailgun.
    pub fn active(&self) -> i64 {
        self.of(Status::Sending) + self.of(Status::Unconfirmed)
    }

    /// The spec's "completed": accepted by Mailgun, whatever happened later.
    pub fn completed(&self) -> i64 {
        Status::all().filter(|s| s.is_accepted()).map(|s| self.of(s)).sum()
    }

    pub(crate) fn add(&mut self, status: i16, n: i64) {
        if status == tally::CLEANED {
            self.cleaned += n;
        } else if status == tally::PENDING {
            self.pending += n;
        } else if let Some(count) = usize::try_from(status).ok().and_then(|i| self.by_status.get_mut(i)) {
            *count += n;
        }
    }
}

/// The queue in the spec's words, and what makes it wait.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueStats {
    pub active: i64,
    pub waiting: i64,
    pub completed: i64,
    pub failed: i64,
    pub delayed: i64,
    pub unconfirmed: i64,
    /// The queue as a whole is paused.
    pub paused: bool,
    /// Every pause there is.
    pub pauses: Vec<hold::Model>,
    /// Since when the longest waiting email that nothing holds has been due.
    pub oldest_waiting_at: Option<DateTime<Utc>>,
    /// Accepted by Mailgun in the last 60 s, over all processes.
    pub sent_per_minute: f64,
    pub lanes: Vec<LaneStats>,
    /// The breakers that are open.
    pub breakers: Vec<breaker::Model>,
    /// How far Mailgun's log was read.
    pub reconciliation: Vec<Standing>,
    pub ledger: Ledger,
}

/// One lane of [`QueueStats`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneStats {
    pub priority: Priority,
    pub waiting: i64,
    pub delayed: i64,
    pub active: i64,
    pub oldest_due_at: Option<DateTime<Utc>>,
}

/// Counts by status, of one campaign or of everything.
///
/// # Errors
/// The database's own.
pub async fn ledger(ctx: &Context, campaign: Option<Uuid>) -> Result<Ledger> {
    let (text, values) = match campaign {
        None => ("SELECT t.status, CAST(sum(t.n) AS bigint) AS n FROM email_tallies t GROUP BY t.status", Vec::new()),
        Some(id) => (
            "SELECT t.status, CAST(sum(t.n) AS bigint) AS n FROM email_tallies t \
             WHERE t.scope IN (SELECT s.id FROM email_scopes s WHERE s.campaign_id = $1) GROUP BY t.status",
            vec![Value::from(id)],
        ),
    };
    let mut ledger = Ledger::default();
    for row in rows(ctx.store.read(), ctx.store.sql(text, values)).await? {
        ledger.add(row.try_get("", "status")?, row.try_get("", "n")?);
    }
    Ok(ledger)
}

/// The queue as it stands.
///
/// # Errors
/// The database's own.
pub async fn queue(ctx: &Context) -> Result<QueueStats> {
    let db = ctx.store.read();
    let now = ctx.clock.now();
    let by_lane = by_lane(ctx).await?;
    let mut ledger = Ledger::default();
    for counts in &by_lane {
        counts.by_status.iter().zip(&mut ledger.by_status).for_each(|(n, sum)| *sum += n);
        ledger.pending += counts.pending;
        ledger.cleaned += counts.cleaned;
    }
    let holds = Holds::load(db, now).await?;
    let oldest = oldest_due(ctx, &open_scopes(ctx, &holds, now).await?).await?;
    let lanes = Priority::ALL.map(|priority| LaneStats {
        priority,
        waiting: by_lane[priority.lane()].waiting(),
        delayed: by_lane[priority.lane()].delayed(),
        active: by_lane[priority.lane()].active(),
        oldest_due_at: oldest[priority.lane()],
    });
    let pauses: Vec<hold::Model> = holds.pauses().cloned().collect();
    Ok(QueueStats {
        active: ledger.active(),
        waiting: ledger.waiting(),
        completed: ledger.completed(),
        failed: ledger.of(Status::Failed),
        delayed: ledger.delayed(),
        unconfirmed: ledger.of(Status::Unconfirmed),
        paused: pauses.iter().any(|pause| pause.kind == hold::Kind::Queue),
        pauses,
        oldest_waiting_at: oldest.into_iter().flatten().min(),
        sent_per_minute: sent_per_minute(ctx).await?,
        lanes: lanes.into(),
        breakers: holds.breakers,
        reconciliation: standings(ctx).await?,
        ledger,
    })
}

async fn by_lane(ctx: &Context) -> Result<[Ledger; 3]> {
    let text = "SELECT t.lane, t.status, CAST(sum(t.n) AS bigint) AS n FROM email_tallies t GROUP BY t.lane, t.status";
    let mut lanes = [Ledger::default(); 3];
    for row in rows(ctx.store.read(), ctx.store.sql(text, [])).await? {
        let lane: Priority = row.try_get("", "lane")?;
        lanes[lane.lane()].add(row.try_get("", "status")?, row.try_get("", "n")?);
    }
    Ok(lanes)
}

/// A lane and scope with QUEUED emails, and how many.
struct Waiting {
    lane: Priority,
    scope: Arc<Scope>,
    n: i64,
}

async fn waiting(ctx: &Context) -> Result<Vec<Waiting>> {
    let text = "SELECT t.lane, t.scope, CAST(sum(t.n) AS bigint) AS n FROM email_tallies t WHERE t.status = $1 \
                GROUP BY t.lane, t.scope HAVING sum(t.n) > 0";
    let mut waiting = Vec::new();
    for row in rows(ctx.store.read(), ctx.store.sql(text, [Value::from(tally::column(Status::Queued))])).await? {
        let scope = ctx.scopes.get(ctx.store.read(), &ctx.store, row.try_get("", "scope")?).await?;
        waiting.push(Waiting { lane: row.try_get("", "lane")?, scope, n: row.try_get("", "n")? });
    }
    Ok(waiting)
}

async fn open_scopes(ctx: &Context, holds: &Holds, now: DateTime<Utc>) -> Result<Vec<Waiting>> {
    let transport = ctx.settings.transport();
    let open = |w: &Waiting| holds.over(w.lane, &w.scope, &transport, now) == Leave::Open;
    Ok(waiting(ctx).await?.into_iter().filter(open).collect())
}

/// The first due time of each lane, one look into the due index for each scope.
async fn oldest_due(ctx: &Context, open: &[Waiting]) -> Result<[Option<DateTime<Utc>>; 3]> {
    let mut oldest = [None; 3];
    if open.is_empty() {
        return Ok(oldest);
    }
    // Before the first QUEUED one stand at most those claimed at this moment: a claim leaves due_at alone.
    let text = "SELECT v.lane, (SELECT q.due_at FROM email_queue q WHERE q.lane = v.lane AND q.scope = v.scope \
                AND q.due_at IS NOT NULL AND q.status = $1 ORDER BY q.due_at LIMIT 1) AS due_at FROM {rows} AS v";
    let asked =
        Rows::new().int("lane", open.iter().map(|w| w.lane.to_value())).int("scope", open.iter().map(|w| w.scope.id));
    let queued = Value::from(tally::column(Status::Queued));
    for row in rows(ctx.store.read(), ctx.store.sql_rows(text, [queued], asked)).await? {
        let lane: i64 = row.try_get("", "lane")?;
        let due: Option<DateTime<Utc>> = row.try_get("", "due_at")?;
        if let Some(first) = usize::try_from(lane).ok().and_then(|lane| oldest.get_mut(lane)) {
            *first = [*first, due].into_iter().flatten().min();
        }
    }
    Ok(oldest)
}

/// Forgets rates older than two hours. Answers how many rows went.
///
/// # Errors
/// The database's own.
pub async fn forget_rates(ctx: &Context) -> Result<u64> {
    let oldest = ctx.clock.now().timestamp().div_euclid(60) - 120;
    let text = "DELETE FROM email_rates WHERE minute < $1";
    Ok(execute(ctx.store.write(), ctx.store.sql(text, [Value::from(oldest)])).await?.rows_affected())
}

async fn sent_per_minute(ctx: &Context) -> Result<f64> {
    let now = ctx.clock.now().timestamp();
    let (minute, second) = (now.div_euclid(60), now.rem_euclid(60));
    let text = "SELECT minute, CAST(sum(n) AS bigint) AS n FROM email_rates WHERE minute >= $1 GROUP BY minute";
    let mut counts = [0, 0];
    for row in rows(ctx.store.read(), ctx.store.sql(text, [Value::from(minute - 1)])).await? {
        let (of, n): (i64, i64) = (row.try_get("", "minute")?, row.try_get("", "n")?);
        counts[usize::from(of >= minute)] += n;
    }
    Ok(last_sixty_seconds(counts[0], counts[1], second))
}

/// What of two minutes' counts falls into the last 60 s, `second` seconds into the newer one, as if the older one's were spread
/// evenly.
fn last_sixty_seconds(before: i64, current: i64, second: i64) -> f64 {
    before as f64 * (60 - second) as f64 / 60.0 + current as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_adds_up_in_the_specs_words() {
        let mut ledger = Ledger::default();
        for status in Status::all() {
            ledger.add(tally::column(status), 1 << status as i64);
        }
        ledger.add(tally::CLEANED, 1 << 20);
        ledger.add(tally::PENDING, 1 << 21);
        let words = ledger.waiting() + ledger.delayed() + ledger.active() + ledger.completed();
        let ends = [Status::Failed, Status::Cancelled, Status::Suppressed, Status::Expired];
        let ends: i64 = ends.into_iter().map(|s| ledger.of(s)).sum();
        assert_eq!(words + ends + (1 << 20) + (1 << 21), ledger.total());
        assert_eq!(ledger.open(), (1 << 21) + 0b1111);
        assert_eq!(ledger.completed(), 0b1_1111_0000);
    }

    #[test]
    fn the_rate_is_that_of_the_last_sixty_seconds() {
        for (before, current, second, rate) in
            [(60, 0, 0, 60.0), (60, 30, 30, 60.0), (0, 30, 30, 30.0), (60, 0, 59, 1.0), (0, 0, 12, 0.0)]
        {
            assert_eq!(last_sixty_seconds(before, current, second), rate, "{before} {current} {second}");
        }
    }
}

//! The one door: nothing else writes `email_queue.status`.
//!
//! A batch of causes is applied in the caller's transaction: the rows are locked in the order of their ids, each cause is
//! decided by the pure table in [`transition`], and the rows, the attempt history, the list of failures and the tallies
//! change together. Tally deltas come from rows that moved, never from intentions, so counts equal rows at every commit.

mod join;
mod posting;
mod terms;
#[cfg(test)]
pub(crate) mod tests;
pub mod transition;
pub mod usual;

use std::collections::{BTreeMap, HashMap, HashSet};

use entity::{Outcome, Status, attempt};
use sea_orm::{ActiveEnum, DatabaseTransaction, QueryResult, Value};
use uuid::Uuid;

pub use posting::{Deltas, forget_failures, post};
pub use terms::{Cause, Effect, Facts, Handed, Name, Refusal, Report, Row, Said, Settlement};

use crate::error::Result;
use crate::rows::Rows;
use crate::store::{Store, rows};
use crate::timing::delta;
use crate::{Context, hold, suppress};

/// One cause for one email.
#[derive(Clone, Debug)]
pub struct Move {
    pub email: Uuid,
    pub cause: Cause,
}

/// What became of one [`Move`].
#[derive(Clone, Debug)]
pub struct Moved {
    pub before: Row,
    pub after: Row,
    pub effect: Effect,
}

/// Which writer's counters a transaction adds to: writers of different shards never wait for each other on a tally.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum Shard {
    Accept = 0,
    Claim = 1,
    Settle = 2,
    Control = 3,
    Record = 4,
    Campaign = 5,
}

impl Shard {
    /// The counters' column: each process has its own.
    pub(crate) fn of(self, ctx: &Context) -> i16 {
        ctx.shard_of_process * 8 + self as i16
    }
}

/// The columns of a [`Row`], for a select with the alias `q`.
pub const COLUMNS: &str = "q.id, q.lane, q.scope, q.status, q.fence, q.attempts, q.due_at, q.lease_until, q.resolve_at, \
     q.send_at, q.deliver_by, q.on_unconfirmed, q.cancel_requested, q.acceptances, q.heard, q.rejected, \
     q.last_error, q.provider_id, q.omitted, q.first_try_at, q.sent_at, q.finished_at, \
     q.content_deleted_at IS NOT NULL AS content_gone";

/// Reads a [`Row`] from a result with [`COLUMNS`].
pub fn read_row(row: &QueryResult) -> Result<Row> {
    Ok(Row {
        id: row.try_get("", "id")?,
        lane: row.try_get("", "lane")?,
        scope: row.try_get("", "scope")?,
        status: row.try_get("", "status")?,
        fence: row.try_get("", "fence")?,
        attempts: row.try_get("", "attempts")?,
        due_at: row.try_get("", "due_at")?,
        lease_until: row.try_get("", "lease_until")?,
        resolve_at: row.try_get("", "resolve_at")?,
        send_at: row.try_get("", "send_at")?,
        deliver_by: row.try_get("", "deliver_by")?,
        policy: row.try_get("", "on_unconfirmed")?,
        cancel_requested: row.try_get("", "cancel_requested")?,
        acceptances: row.try_get("", "acceptances")?,
        heard: row.try_get("", "heard")?,
        rejected: row.try_get("", "rejected")?,
        last_error: row.try_get("", "last_error")?,
        provider_id: row.try_get("", "provider_id")?,
        omitted: row.try_get("", "omitted")?,
        first_try_at: row.try_get("", "first_try_at")?,
        sent_at: row.try_get("", "sent_at")?,
        finished_at: row.try_get("", "finished_at")?,
        content_gone: row.try_get("", "content_gone")?,
    })
}

/// Applies causes in order; the answers stand in the order of `moves`.
///
/// # Errors
/// The database's own; then nothing of the batch holds.
pub async fn apply(
    tx: &DatabaseTransaction,
    ctx: &Context,
    shard: Shard,
    moves: &[Move],
) -> Result<Vec<Result<Moved, Refusal>>> {
    let locked = lock(tx, &ctx.store, moves.iter().map(|m| m.email)).await?;
    apply_to(tx, ctx, shard, &locked, moves).await
}

/// The same for rows that this transaction has locked, in the order of their ids.
///
/// # Errors
/// The database's own; then nothing of the batch holds.
pub async fn apply_to(
    tx: &DatabaseTransaction,
    ctx: &Context,
    shard: Shard,
    locked: &HashMap<Uuid, Row>,
    moves: &[Move],
) -> Result<Vec<Result<Moved, Refusal>>> {
    let settled = settled_already(tx, &ctx.store, moves, locked).await?;
    let facts = gather_facts(tx, ctx, moves, locked).await?;
    let lease = delta(ctx.timing.lease);

    let mut standing = locked.clone();
    let mut history: BTreeMap<(Uuid, i32), attempt::Model> = BTreeMap::new();
    let mut answers = Vec::with_capacity(moves.len());
    for Move { email, cause } in moves {
        let Some(row) = standing.get_mut(email) else {
            answers.push(Err(Refusal::NotFound));
            continue;
        };
        let before = row.clone();
        if let Cause::Settle(report) = cause
            && (settled.contains(&(*email, report.fence)) || history.contains_key(&(*email, report.fence)))
        {
            answers.push(Ok(Moved { after: before.clone(), before, effect: Effect::Nothing }));
            continue;
        }
        let facts = facts.of(&before);
        let answer = transition::step(row, cause, &facts);
        if answer.is_ok()
            && let Some(tried) = transition::attempt(&before, row, cause, &facts, lease)
        {
            history.insert((tried.email_id, tried.fence), tried);
        }
        answers.push(answer.map(|effect| Moved { before, after: row.clone(), effect }));
    }
    post(tx, ctx, shard, locked, standing, history.into_values().collect(), Deltas::default()).await?;
    Ok(answers)
}

/// Locks rows in the order of their ids, so that no two groups wait for each other in a circle.
async fn lock(tx: &DatabaseTransaction, store: &Store, ids: impl Iterator<Item = Uuid>) -> Result<HashMap<Uuid, Row>> {
    let mut ids: Vec<Uuid> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    let text = format!("SELECT {COLUMNS} FROM email_queue q WHERE q.id {{ids}} ORDER BY q.id {}", store.for_update());
    let found = rows(tx, store.sql_ids(&text, [], ids)).await?;
    found.iter().map(|row| read_row(row).map(|row| (row.id, row))).collect()
}

/// The reports among `moves` that an earlier commit took already: a settle is repeated until it is known to be stored.
async fn settled_already(
    tx: &DatabaseTransaction,
    store: &Store,
    moves: &[Move],
    locked: &HashMap<Uuid, Row>,
) -> Result<HashSet<(Uuid, i32)>> {
    let doubtful: Vec<(Uuid, i32)> = moves
        .iter()
        .filter_map(|Move { email, cause }| match cause {
            Cause::Settle(report) => Some((*email, report.fence)),
            _ => None,
        })
        // While the very claim is open nothing can have been settled: the usual case asks nothing.
        .filter(|(email, fence)| locked.get(email).is_none_or(|r| r.status != Status::Sending || r.fence != *fence))
        .collect();
    if doubtful.is_empty() {
        return Ok(HashSet::new());
    }
    let open = Outcome::LeaseRanOut.to_value();
    let asked = Rows::new().uuid("id", doubtful.iter().map(|d| d.0)).int("fence", doubtful.iter().map(|d| d.1));
    let text = "SELECT a.email_id, a.fence FROM email_attempts a JOIN {rows} AS v ON a.email_id = v.id AND a.fence = v.fence \
                WHERE a.outcome <> $1";
    let found = rows(tx, store.sql_rows(text, [Value::from(open)], asked)).await?;
    found.iter().map(|r| Ok((r.try_get("", "email_id")?, r.try_get("", "fence")?))).collect()
}

/// What the decisions of a batch rest on; suppressions and pauses are asked only where they can matter.
struct AllFacts {
    base: Facts,
    suppressed: HashMap<Uuid, String>,
    of_cancelled: HashSet<Uuid>,
    pauses: Vec<hold::Ended>,
}

impl AllFacts {
    fn of(&self, row: &Row) -> Facts {
        let pause_ended = self.pauses.iter().filter(|ended| ended.covers(row.lane, row.scope)).map(|e| e.at).max();
        Facts {
            suppressed: self.suppressed.get(&row.id).cloned(),
            pause_ended,
            campaign_cancelled: self.of_cancelled.contains(&row.id),
            ..self.base.clone()
        }
    }
}

async fn gather_facts(
    tx: &DatabaseTransaction,
    ctx: &Context,
    moves: &[Move],
    locked: &HashMap<Uuid, Row>,
) -> Result<AllFacts> {
    let base = ctx.facts();
    let unsent: Vec<Uuid> =
        moves.iter().filter(|m| may_leave_unsent(&m.cause) && locked.contains_key(&m.email)).map(|m| m.email).collect();
    if unsent.is_empty() {
        return Ok(AllFacts { base, suppressed: HashMap::new(), of_cancelled: HashSet::new(), pauses: Vec::new() });
    }
    let suppressed = suppress::of_emails(tx, ctx, base.now, &unsent).await?;
    let of_cancelled = of_cancelled_campaigns(tx, &ctx.store, &unsent).await?;
    let pauses = hold::ended(tx, ctx, base.now - base.max_age).await?;
    Ok(AllFacts { base, suppressed, of_cancelled, pauses })
}

/// Which of these emails belong to a cancelled campaign.
async fn of_cancelled_campaigns(tx: &DatabaseTransaction, store: &Store, ids: &[Uuid]) -> Result<HashSet<Uuid>> {
    let text = "SELECT q.id FROM email_queue q JOIN campaigns k ON k.id = q.campaign_id \
                WHERE q.id {ids} AND k.cancelled_at IS NOT NULL";
    let found = rows(tx, store.sql_ids(text, [], ids.iter().copied())).await?;
    found.iter().map(|row| Ok(row.try_get("", "id")?)).collect()
}

fn may_leave_unsent(cause: &Cause) -> bool {
    match cause {
        Cause::Settle(report) => !matches!(report.handed, Handed::Sent { .. } | Handed::Failed { .. }),
        Cause::Resend | Cause::Absent { .. } | Cause::Resolve { .. } | Cause::Retry => true,
        Cause::Due
        | Cause::Claim { .. }
        | Cause::Suppress { .. }
        | Cause::WrongMode { .. }
        | Cause::CampaignCancelled
        | Cause::DeadlineOver
        | Cause::Snooze { .. }
        | Cause::LeaseOver
        | Cause::Look { .. }
        | Cause::Cancel
        | Cause::Reschedule { .. }
        | Cause::Report(_) => false,
    }
}

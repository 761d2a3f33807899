//! The one door: nothing else writes `email_queue.status`.
//!
//! A batch of causes is applied in the caller's transaction: the rows are locked in the order of their ids, each cause is
//! decided by the pure table in [`transition`], and the rows, the attempt history, the list of failures and the tallies
//! change together. Tally deltas come from rows that moved, never from intentions, so counts equal rows at every commit.

#[cfg(test)]
mod tests;
pub mod transition;

use std::collections::{BTreeMap, HashMap};

use chrono::TimeDelta;
use entity::{Outcome, Priority, Status, attempt, tally};
use sea_orm::{ActiveEnum, ConnectionTrait, DatabaseTransaction, QueryResult, Value};
use uuid::Uuid;

pub use transition::{Cause, Effect, Facts, Handed, Refusal, Row, Settlement};

use crate::error::Result;
use crate::rows::Rows;
use crate::store::{Store, execute, rows};
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
}

/// The columns of a [`Row`], for a select with the alias `q`.
pub const COLUMNS: &str = "q.id, q.lane, q.scope, q.status, q.fence, q.attempts, q.due_at, q.lease_until, q.resolve_at, \
     q.send_at, q.deliver_by, q.on_unconfirmed, q.cancel_requested, q.acceptances, q.last_error, q.provider_id, q.omitted, \
     q.first_try_at, q.sent_at, q.finished_at";

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
        last_error: row.try_get("", "last_error")?,
        provider_id: row.try_get("", "provider_id")?,
        omitted: row.try_get("", "omitted")?,
        first_try_at: row.try_get("", "first_try_at")?,
        sent_at: row.try_get("", "sent_at")?,
        finished_at: row.try_get("", "finished_at")?,
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
    let settled = settled_already(tx, &ctx.store, moves, &locked).await?;
    let facts = gather_facts(tx, ctx, moves, &locked).await?;
    let lease = TimeDelta::from_std(ctx.timing.lease).unwrap_or(TimeDelta::MAX);

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
    write(tx, ctx, shard, &locked, standing).await?;
    record_attempts(tx, &ctx.store, history.into_values().collect()).await?;
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
) -> Result<std::collections::HashSet<(Uuid, i32)>> {
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
        return Ok(std::collections::HashSet::new());
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
    pauses: Vec<hold::Ended>,
}

impl AllFacts {
    fn of(&self, row: &Row) -> Facts {
        let pause_ended = self.pauses.iter().filter(|ended| ended.covers(row.lane, row.scope)).map(|e| e.at).max();
        Facts { suppressed: self.suppressed.get(&row.id).cloned(), pause_ended, ..self.base.clone() }
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
        return Ok(AllFacts { base, suppressed: HashMap::new(), pauses: Vec::new() });
    }
    let suppressed = suppress::of_emails(tx, &ctx.store, base.now, &unsent).await?;
    let pauses = hold::ended(tx, ctx, base.now - base.max_age).await?;
    Ok(AllFacts { base, suppressed, pauses })
}

fn may_leave_unsent(cause: &Cause) -> bool {
    match cause {
        Cause::Settle(report) => !matches!(report.handed, Handed::Sent { .. } | Handed::Failed { .. }),
        Cause::Resend | Cause::Resolve { .. } | Cause::Retry => true,
        Cause::Due
        | Cause::Claim { .. }
        | Cause::Suppress { .. }
        | Cause::WrongMode { .. }
        | Cause::DeadlineOver
        | Cause::LeaseOver
        | Cause::Cancel
        | Cause::Reschedule { .. } => false,
    }
}

/// Writes what changed, guarded by what was locked, with failures and tallies.
pub async fn write(
    tx: &DatabaseTransaction,
    ctx: &Context,
    shard: Shard,
    before: &HashMap<Uuid, Row>,
    after: HashMap<Uuid, Row>,
) -> Result<()> {
    let mut changed: Vec<(&Row, Row)> = after
        .into_iter()
        .filter_map(|(id, row)| before.get(&id).filter(|old| **old != row).map(|old| (old, row)))
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    changed.sort_unstable_by_key(|(_, row)| row.id);
    update(tx, ctx, &changed).await?;
    keep_failures(tx, ctx, &changed).await?;
    let mut deltas = Deltas::default();
    for (old, new) in &changed {
        deltas.moved(old, new);
    }
    deltas.store(tx, &ctx.store, shard, ctx.shard_of_process).await
}

async fn update(tx: &DatabaseTransaction, ctx: &Context, changed: &[(&Row, Row)]) -> Result<()> {
    let text = "UPDATE email_queue AS q SET status = v.status, fence = v.fence, attempts = v.attempts, due_at = v.due_at, \
         lease_until = v.lease_until, resolve_at = v.resolve_at, send_at = v.send_at, cancel_requested = v.cancel_requested, \
         acceptances = v.acceptances, last_error = v.last_error, provider_id = v.provider_id, omitted = v.omitted, \
         first_try_at = v.first_try_at, sent_at = v.sent_at, finished_at = v.finished_at, updated_at = $1, \
         fed_at = CASE WHEN v.rest THEN NULL ELSE q.fed_at END \
         FROM {rows} AS v WHERE q.id = v.id AND q.status = v.was AND q.fence = v.was_fence";
    let new = || changed.iter().map(|(_, row)| row);
    let values = Rows::new()
        .uuid("id", new().map(|r| r.id))
        .int("was", changed.iter().map(|(old, _)| old.status.to_value()))
        .int("was_fence", changed.iter().map(|(old, _)| old.fence))
        .int("status", new().map(|r| r.status.to_value()))
        .int("fence", new().map(|r| r.fence))
        .int("attempts", new().map(|r| r.attempts))
        .time("due_at", new().map(|r| r.due_at))
        .time("lease_until", new().map(|r| r.lease_until))
        .time("resolve_at", new().map(|r| r.resolve_at))
        .time("send_at", new().map(|r| r.send_at))
        .flag("cancel_requested", new().map(|r| r.cancel_requested))
        .int("acceptances", new().map(|r| r.acceptances))
        .text("last_error", new().map(|r| r.last_error.clone()))
        .text("provider_id", new().map(|r| r.provider_id.clone()))
        .text("omitted", new().map(|r| r.omitted.clone()))
        .time("first_try_at", new().map(|r| r.first_try_at))
        .time("sent_at", new().map(|r| r.sent_at))
        .time("finished_at", new().map(|r| r.finished_at))
        // An email that waits anew, or for another time, is not fed: the feeder may ring for it as soon as it is due.
        .flag("rest", changed.iter().map(|(old, r)| waits_anew(old.status, r.status)));
    let result = execute(tx, ctx.store.sql_rows(text, [Value::from(ctx.clock.now())], values)).await?;
    if result.rows_affected() != changed.len() as u64 {
        // Cannot happen while every writer of a status locks first; if it does, nothing of the group may hold.
        return Err(sea_orm::DbErr::RecordNotUpdated.into());
    }
    Ok(())
}

fn waits_anew(before: Status, after: Status) -> bool {
    after.is_waiting() && (before, after) != (Status::Queued, Status::Queued)
}

/// Keeps `email_failures` in step with FAILED.
async fn keep_failures(tx: &DatabaseTransaction, ctx: &Context, changed: &[(&Row, Row)]) -> Result<()> {
    let failed = |row: &Row| row.status == Status::Failed;
    let gone: Vec<Uuid> = changed.iter().filter(|(old, new)| failed(old) && !failed(new)).map(|(_, r)| r.id).collect();
    if !gone.is_empty() {
        let text = "DELETE FROM email_failures WHERE email_id {ids}";
        execute(tx, ctx.store.sql_ids(text, [], gone)).await?;
    }
    let come: Vec<&Row> = changed.iter().filter(|(old, new)| !failed(old) && failed(new)).map(|(_, r)| r).collect();
    if !come.is_empty() {
        let text = "INSERT INTO email_failures (email_id, scope, lane, cause, failed_at) \
                    SELECT v.id, v.scope, v.lane, v.cause, $1 FROM {rows} AS v WHERE true ON CONFLICT (email_id) DO NOTHING";
        let values = Rows::new()
            .uuid("id", come.iter().map(|r| r.id))
            .int("scope", come.iter().map(|r| r.scope))
            .int("lane", come.iter().map(|r| r.lane.to_value()))
            .text("cause", come.iter().map(|r| group_of(r.last_error.as_deref().unwrap_or("unknown"))));
        execute(tx, ctx.store.sql_rows(text, [Value::from(ctx.clock.now())], values)).await?;
    }
    Ok(())
}

/// Mailgun's words without what is particular to one email (addresses, ids, numbers), so that equal causes group.
fn group_of(words: &str) -> String {
    words
        .split_whitespace()
        .map(
            |word| {
                if word.contains('@') || word.chars().filter(char::is_ascii_digit).count() > 3 { "…" } else { word }
            },
        )
        .collect::<Vec<_>>()
        .join(" ")
}

async fn record_attempts(tx: &DatabaseTransaction, store: &Store, history: Vec<attempt::Model>) -> Result<()> {
    if history.is_empty() {
        return Ok(());
    }
    // A report may come after the lease ran out: it knows better.
    let text = "INSERT INTO email_attempts (email_id, fence, outcome, http_status, error, started_at, finished_at, retry_at) \
         SELECT v.id, v.fence, v.outcome, v.http_status, v.error, v.started_at, v.finished_at, v.retry_at FROM {rows} AS v \
         WHERE true ON CONFLICT (email_id, fence) DO UPDATE SET outcome = excluded.outcome, http_status = excluded.http_status, \
         error = excluded.error, started_at = excluded.started_at, finished_at = excluded.finished_at, retry_at = excluded.retry_at";
    let values = Rows::new()
        .uuid("id", history.iter().map(|a| a.email_id))
        .int("fence", history.iter().map(|a| a.fence))
        .int("outcome", history.iter().map(|a| a.outcome.to_value()))
        .maybe_int("http_status", history.iter().map(|a| a.http_status.map(i64::from)))
        .text("error", history.iter().map(|a| a.error.clone()))
        .time("started_at", history.iter().map(|a| a.started_at))
        .time("finished_at", history.iter().map(|a| a.finished_at))
        .time("retry_at", history.iter().map(|a| a.retry_at));
    execute(tx, store.sql_rows(text, [], values)).await?;
    Ok(())
}

/// Changes of counters, gathered while rows move and stored with them.
#[derive(Debug, Default)]
pub struct Deltas(BTreeMap<(i16, i32, i16), i64>);

impl Deltas {
    /// Adds `n` to a counter.
    pub fn add(&mut self, lane: Priority, scope: i32, status: i16, n: i64) {
        *self.0.entry((lane.to_value(), scope, status)).or_default() += n;
    }

    /// An email moved.
    pub fn moved(&mut self, old: &Row, new: &Row) {
        if old.status != new.status {
            self.add(old.lane, old.scope, tally::column(old.status), -1);
            self.add(new.lane, new.scope, tally::column(new.status), 1);
        }
    }

    /// Stores them, the keys in order.
    pub async fn store(self, tx: &impl ConnectionTrait, store: &Store, shard: Shard, process: i16) -> Result<()> {
        let deltas: Vec<_> = self.0.into_iter().filter(|(_, n)| *n != 0).collect();
        if deltas.is_empty() {
            return Ok(());
        }
        let text = "INSERT INTO email_tallies (lane, scope, status, shard, n) \
                    SELECT v.lane, v.scope, v.status, $1, v.n FROM {rows} AS v WHERE true ORDER BY v.lane, v.scope, v.status \
                    ON CONFLICT (lane, scope, status, shard) DO UPDATE SET n = email_tallies.n + excluded.n";
        let values = Rows::new()
            .int("lane", deltas.iter().map(|((lane, _, _), _)| *lane))
            .int("scope", deltas.iter().map(|((_, scope, _), _)| *scope))
            .int("status", deltas.iter().map(|((_, _, status), _)| *status))
            .int("n", deltas.iter().map(|(_, n)| *n));
        let shard = process * 4 + shard as i16;
        execute(tx, store.sql_rows(text, [Value::from(shard)], values)).await?;
        Ok(())
    }
}

/// Removes `email_failures` rows of emails that leave the queue altogether.
pub async fn forget_failures(tx: &DatabaseTransaction, store: &Store, ids: Vec<Uuid>) -> Result<()> {
    let text = "DELETE FROM email_failures WHERE email_id {ids}";
    execute(tx, store.sql_ids(text, [], ids)).await?;
    Ok(())
}

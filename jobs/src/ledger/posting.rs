//! Writing what moved: the rows, guarded by what was locked, and everything that follows from it, in one batch.

use std::collections::{BTreeMap, HashMap};

use entity::campaign_metrics::Metric;
use entity::{Priority, Status, attempt, tally};
use sea_orm::{ActiveEnum, ConnectionTrait, DatabaseTransaction, Value};
use uuid::Uuid;

use super::{Row, Shard};
use crate::Context;
use crate::batch::Batch;
use crate::error::Result;
use crate::guard::{Guard, stands};
use crate::metric::Counts;
use crate::rows::Rows;
use crate::store::{Store, execute};

/// Writes the rows of `after` that differ from `before`, with tries, failures, tallies and the rate of sending. `deltas` are of
/// what this transaction moved before and told no tally of yet.
///
/// # Errors
/// The database's own.
pub async fn post(
    tx: &DatabaseTransaction,
    ctx: &Context,
    shard: Shard,
    before: &HashMap<Uuid, Row>,
    after: HashMap<Uuid, Row>,
    tries: Vec<attempt::Model>,
    mut deltas: Deltas,
) -> Result<()> {
    let mut changed: Vec<(&Row, Row)> = after
        .into_iter()
        .filter_map(|(id, row)| before.get(&id).filter(|old| **old != row).map(|old| (old, row)))
        .collect();
    changed.sort_unstable_by_key(|(_, row)| row.id);
    let mut batch = Batch::new(&ctx.store);
    update(&mut batch, ctx, &changed);
    record_tries(&mut batch, &tries);
    keep_failures(&mut batch, ctx, &changed);
    count_accepted(&mut batch, ctx, shard, &changed);
    changed.iter().for_each(|(old, new)| deltas.moved(new, old.status, new.status));
    deltas.add_to(&mut batch, shard.of(ctx));
    batch.run(tx).await
}

fn update(batch: &mut Batch<'_>, ctx: &Context, changed: &[(&Row, Row)]) {
    if changed.is_empty() {
        return;
    }
    let text = "UPDATE email_queue AS q SET status = v.status, fence = v.fence, attempts = v.attempts, due_at = v.due_at, \
         lease_until = v.lease_until, resolve_at = v.resolve_at, send_at = v.send_at, cancel_requested = v.cancel_requested, \
         acceptances = v.acceptances, heard = v.heard, rejected = v.rejected, last_error = v.last_error, provider_id = v.provider_id, omitted = v.omitted, \
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
        .flag("heard", new().map(|r| r.heard))
        .flag("rejected", new().map(|r| r.rejected))
        .text("last_error", new().map(|r| r.last_error.clone()))
        .text("provider_id", new().map(|r| r.provider_id.clone()))
        .text("omitted", new().map(|r| r.omitted.clone()))
        .time("first_try_at", new().map(|r| r.first_try_at))
        .time("sent_at", new().map(|r| r.sent_at))
        .time("finished_at", new().map(|r| r.finished_at))
        // An email that waits anew, or for another time, is not fed: the feeder may ring for it as soon as it is due.
        .flag("rest", changed.iter().map(|(old, r)| waits_anew(old.status, r.status)));
    batch.add(text, [Value::from(ctx.clock.now())], values);
    // Cannot fail while every writer of a status locks first; if it does, nothing of the group may hold.
    batch.exactly(changed.len());
}

fn waits_anew(before: Status, after: Status) -> bool {
    after.is_waiting() && (before, after) != (Status::Queued, Status::Queued)
}

fn record_tries(batch: &mut Batch<'_>, tries: &[attempt::Model]) {
    if tries.is_empty() {
        return;
    }
    // A report may come after the lease ran out: it knows better.
    let text = "INSERT INTO email_attempts (email_id, fence, outcome, http_status, error, started_at, finished_at, retry_at) \
         SELECT v.id, v.fence, v.outcome, v.http_status, v.error, v.started_at, v.finished_at, v.retry_at FROM {rows} AS v \
         WHERE true ON CONFLICT (email_id, fence) DO UPDATE SET outcome = excluded.outcome, http_status = excluded.http_status, \
         error = excluded.error, started_at = excluded.started_at, finished_at = excluded.finished_at, retry_at = excluded.retry_at";
    let values = Rows::new()
        .uuid("id", tries.iter().map(|a| a.email_id))
        .int("fence", tries.iter().map(|a| a.fence))
        .int("outcome", tries.iter().map(|a| a.outcome.to_value()))
        .maybe_int("http_status", tries.iter().map(|a| a.http_status.map(i64::from)))
        .text("error", tries.iter().map(|a| a.error.clone()))
        .time("started_at", tries.iter().map(|a| a.started_at))
        .time("finished_at", tries.iter().map(|a| a.finished_at))
        .time("retry_at", tries.iter().map(|a| a.retry_at));
    batch.add(text, [], values);
}

/// Keeps `email_failures` in step with FAILED.
fn keep_failures(batch: &mut Batch<'_>, ctx: &Context, changed: &[(&Row, Row)]) {
    let failed = |row: &Row| row.status == Status::Failed;
    let gone: Vec<Uuid> = changed.iter().filter(|(old, new)| failed(old) && !failed(new)).map(|(_, r)| r.id).collect();
    if !gone.is_empty() {
        let text = "DELETE FROM email_failures WHERE email_id IN (SELECT v.id FROM {rows} AS v)";
        batch.add(text, [], Rows::new().uuid("id", gone));
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
        batch.add(text, [Value::from(ctx.clock.now())], values);
    }
}

/// Mailgun's words without what is particular to one email (addresses, ids, numbers), so that equal causes group.
fn group_of(words: &str) -> String {
    let particular = |word: &str| word.contains('@') || word.chars().filter(char::is_ascii_digit).count() > 3;
    words.split_whitespace().map(|word| if particular(word) { "…" } else { word }).collect::<Vec<_>>().join(" ")
}

/// Adds what Mailgun accepted to this minute's count (`email_rates`) and to its campaign's.
fn count_accepted(batch: &mut Batch<'_>, ctx: &Context, shard: Shard, changed: &[(&Row, Row)]) {
    let now = ctx.clock.now();
    let accepted = changed.iter().filter(|(old, new)| old.acceptances == 0 && new.acceptances > 0).map(|(_, new)| new);
    let (mut n, mut sent) = (0_i64, Counts::default());
    for row in accepted {
        n += 1;
        sent.add(row.scope, row.sent_at.unwrap_or(now), Metric::Sent, 1);
    }
    if n == 0 {
        return;
    }
    let text = "INSERT INTO email_rates (minute, shard, n) SELECT v.minute, v.shard, v.n FROM {rows} AS v WHERE true \
                ON CONFLICT (minute, shard) DO UPDATE SET n = email_rates.n + excluded.n";
    let values =
        Rows::new().int("minute", [now.timestamp().div_euclid(60)]).int("shard", [shard.of(ctx)]).int("n", [n]);
    batch.add(text, [], values);
    sent.add_to(batch, shard.of(ctx));
}

/// Changes of counters, gathered while rows move and stored with them: once in a transaction, which so takes their locks in order.
#[derive(Debug, Default)]
pub struct Deltas(BTreeMap<(i16, i32, i16), i64>);

impl Deltas {
    /// Adds `n` to a counter.
    pub fn add(&mut self, lane: Priority, scope: i32, status: i16, n: i64) {
        *self.0.entry((lane.to_value(), scope, status)).or_default() += n;
    }

    /// An email moved.
    pub fn moved(&mut self, row: &Row, from: Status, to: Status) {
        if from != to {
            self.add(row.lane, row.scope, tally::column(from), -1);
            self.add(row.lane, row.scope, tally::column(to), 1);
        }
    }

    /// Adds them to a batch, the keys in order.
    pub(crate) fn add_to(self, batch: &mut Batch<'_>, shard: i16) {
        let deltas: Vec<_> = self.0.into_iter().filter(|(_, n)| *n != 0).collect();
        if deltas.is_empty() || !stands(Guard::Tally) {
            return;
        }
        let text = "INSERT INTO email_tallies (lane, scope, status, shard, n) \
                    SELECT v.lane, v.scope, v.status, $1, v.n FROM {rows} AS v WHERE true ORDER BY v.lane, v.scope, v.status \
                    ON CONFLICT (lane, scope, status, shard) DO UPDATE SET n = email_tallies.n + excluded.n";
        let values = Rows::new()
            .int("lane", deltas.iter().map(|((lane, _, _), _)| *lane))
            .int("scope", deltas.iter().map(|((_, scope, _), _)| *scope))
            .int("status", deltas.iter().map(|((_, _, status), _)| *status))
            .int("n", deltas.iter().map(|(_, n)| *n));
        batch.add(text, [Value::from(shard)], values);
    }

    /// Stores them.
    ///
    /// # Errors
    /// The database's own.
    pub async fn store(self, tx: &DatabaseTransaction, ctx: &Context, shard: Shard) -> Result<()> {
        let mut batch = Batch::new(&ctx.store);
        self.add_to(&mut batch, shard.of(ctx));
        batch.run(tx).await
    }
}

/// Removes `email_failures` rows of emails that leave the queue altogether.
///
/// # Errors
/// The database's own.
pub async fn forget_failures(tx: &impl ConnectionTrait, store: &Store, ids: Vec<Uuid>) -> Result<()> {
    execute(tx, store.sql_ids("DELETE FROM email_failures WHERE email_id {ids}", [], ids)).await?;
    Ok(())
}

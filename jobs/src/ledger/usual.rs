//! The two transitions of an email that nothing stands against (QUEUED to SENDING, SENDING to SENT), each in one statement
//! with all that follows from it. What they leave out goes by the table in [`super::transition`], which they must agree with:
//! a test compares the two. On PostgreSQL only, where they save round trips.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use entity::campaign_metrics::Metric;
use entity::{Outcome, Status};
use sea_orm::{ActiveEnum, DatabaseTransaction, QueryResult, Value};
use uuid::Uuid;

use super::{COLUMNS, Handed, Move, Shard};
use crate::Context;
use crate::error::Result;
use crate::ledger::Cause;
use crate::metric;
use crate::rows::Rows;
use crate::store::rows;

/// What a claim asks for.
pub struct Wanted<'a> {
    /// The emails.
    pub ids: &'a [Uuid],
    /// Noted of each that is claimed: it goes in one call with others.
    pub together: bool,
    /// What is read besides [`COLUMNS`], of the email as `q` and of what `tables` joins to it.
    pub columns: &'a str,
    /// The joins.
    pub tables: &'a str,
}

/// Claims those that are due and that no hold, breaker, suppression, lift under way, deadline, cancelled campaign or copy asks a
/// closer look of. Where these are not all of `ids`, their tallies are left to the caller, to be written with those of the rest:
/// a transaction that writes tallies twice takes their locks out of order, and two of them wait for each other.
///
/// # Errors
/// The database's own.
pub async fn claim(
    tx: &DatabaseTransaction,
    ctx: &Context,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    wanted: &Wanted<'_>,
) -> Result<Vec<QueryResult>> {
    let Wanted { ids, together, columns, tables } = *wanted;
    let text = format!(
        "WITH free AS (SELECT q.id FROM email_queue q WHERE q.id {{ids}} AND q.status = $5 AND q.due_at <= $1 \
           AND q.sandbox = $2 AND (q.deliver_by IS NULL OR q.deliver_by > $1) AND q.cc IS NULL AND q.bcc IS NULL \
           AND NOT EXISTS (SELECT 1 FROM email_holds h WHERE h.until IS NULL OR h.until > $1) \
           AND NOT EXISTS (SELECT 1 FROM email_breakers b WHERE b.open) \
           AND NOT EXISTS (SELECT 1 FROM campaigns k WHERE k.id = q.campaign_id AND k.cancelled_at IS NOT NULL) \
           AND NOT EXISTS (SELECT 1 FROM email_suppression_list s \
             WHERE s.target IN (q.recipient_key, substring(q.recipient_key from '[^@]*$'), q.recipient_mark) \
             AND s.lifted_at IS NULL \
             AND (s.expires_at IS NULL OR s.expires_at > $1) AND (NOT s.sandbox OR $2)) \
           AND NOT EXISTS (SELECT 1 FROM email_provider_orders o WHERE o.target = q.recipient_key AND o.lift \
             AND o.done_at IS NULL) \
           AND (q.recipient_mark IS NOT NULL OR NOT EXISTS (SELECT 1 FROM recipient_erasures)) \
           ORDER BY q.id FOR UPDATE OF q SKIP LOCKED), \
         moved AS (UPDATE email_queue AS q SET status = $6, fence = q.fence + 1, lease_until = $3, \
           first_try_at = coalesce(q.first_try_at, $1), batched = q.batched OR $7, updated_at = $1 \
           FROM free WHERE q.id = free.id RETURNING q.*), \
         tallied AS ({}) \
         SELECT {COLUMNS}, {columns} FROM moved q {tables}",
        tally("$5", "$6", "WHERE (SELECT count(*) FROM moved) = $8")
    );
    let values = [
        Value::from(now),
        Value::from(ctx.settings.sandbox),
        Value::from(until),
        Value::from(Shard::Claim.of(ctx)),
        Value::from(Status::Queued.to_value()),
        Value::from(Status::Sending.to_value()),
        Value::from(together),
        Value::from(ids.len() as i64),
    ];
    Ok(rows(tx, ctx.store.sql_ids(&text, values, ids.iter().copied())).await?)
}

/// It reports Sent.
pub fn fits(one: &Move) -> bool {
    matches!(&one.cause, Cause::Settle(report) if matches!(report.handed, Handed::Sent { .. }))
}

/// Settles those of `moves` that report Sent for a claim that is still open. Answers their emails and fences.
///
/// # Errors
/// The database's own.
pub async fn sent(tx: &DatabaseTransaction, ctx: &Context, moves: &[Move]) -> Result<HashSet<(Uuid, i32)>> {
    let reports: Vec<_> = moves
        .iter()
        .filter_map(|Move { email, cause }| match cause {
            Cause::Settle(report) => match &report.handed {
                Handed::Sent { provider_id } => Some((*email, report, provider_id)),
                _ => None,
            },
            _ => None,
        })
        .collect();
    if reports.is_empty() {
        return Ok(HashSet::new());
    }
    // PostgreSQL runs the parts of a statement in an order of its own, where none reads another. Counters are locked in one
    // order, which is that of [`super::post`]: so each waits for the one before.
    let text = format!(
        "WITH v AS (SELECT given.* FROM {{rows}} AS given JOIN email_queue q ON q.id = given.id \
           ORDER BY q.id FOR UPDATE OF q), \
         moved AS (UPDATE email_queue AS q SET status = $6, due_at = NULL, lease_until = NULL, resolve_at = NULL, \
           last_error = NULL, acceptances = q.acceptances + 1, sent_at = $1, finished_at = $1, updated_at = $1, \
           provider_id = v.provider_id FROM v \
           WHERE q.id = v.id AND q.status = $5 AND q.fence = v.fence \
           RETURNING q.id, q.lane, q.scope, v.fence, v.http_status, v.started_at, v.finished_at), \
         tried AS (INSERT INTO email_attempts (email_id, fence, outcome, http_status, started_at, finished_at) \
           SELECT m.id, m.fence, $3, m.http_status, m.started_at, m.finished_at FROM moved m), \
         rated AS (INSERT INTO email_rates (minute, shard, n) SELECT $2, $4, count(*) FROM moved HAVING count(*) > 0 \
           ON CONFLICT (minute, shard) DO UPDATE SET n = email_rates.n + excluded.n RETURNING 1), \
         counted AS (INSERT INTO campaign_delivery_metrics (scope, hour, metric, shard, n) \
           SELECT m.scope, $7, $8, $4, count(*) FROM moved m WHERE (SELECT count(*) FROM rated) >= 0 \
           GROUP BY m.scope ORDER BY m.scope ON CONFLICT (scope, hour, metric, shard) \
           DO UPDATE SET n = campaign_delivery_metrics.n + excluded.n RETURNING 1), \
         tallied AS ({}) \
         SELECT id, fence::int4 AS fence FROM moved",
        tally("$5", "$6", "WHERE (SELECT count(*) FROM counted) >= 0")
    );
    let now = ctx.clock.now();
    let values = [
        Value::from(now),
        Value::from(now.timestamp().div_euclid(60)),
        Value::from(Outcome::Sent.to_value()),
        Value::from(Shard::Settle.of(ctx)),
        Value::from(Status::Sending.to_value()),
        Value::from(Status::Sent.to_value()),
        Value::from(metric::hour(now)),
        Value::from(Metric::Sent.to_value()),
    ];
    let given = Rows::new()
        .uuid("id", reports.iter().map(|r| r.0))
        .int("fence", reports.iter().map(|r| r.1.fence))
        .maybe_int("http_status", reports.iter().map(|r| r.1.http_status.map(i64::from)))
        .time("started_at", reports.iter().map(|r| r.1.started_at))
        .time("finished_at", reports.iter().map(|r| r.1.finished_at))
        .text("provider_id", reports.iter().map(|r| r.2.clone()));
    let found = rows(tx, ctx.store.sql_rows(&text, values, given)).await?;
    found.iter().map(|row| Ok((row.try_get("", "id")?, row.try_get("", "fence")?))).collect()
}

/// The tallies of what `moved` from one status to another, `only` under a condition; `$4` is the shard.
fn tally(from: &str, to: &str, only: &str) -> String {
    format!(
        "INSERT INTO email_tallies (lane, scope, status, shard, n) \
         SELECT m.lane, m.scope, s.status, $4, sum(s.n) FROM moved m \
         CROSS JOIN (VALUES ({from}::int2, -1), ({to}::int2, 1)) AS s (status, n) {only} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 \
         ON CONFLICT (lane, scope, status, shard) DO UPDATE SET n = email_tallies.n + excluded.n"
    )
}

//! What goes when its time is over: finished emails past retention, idempotency keys, webhook tokens, events that nobody
//! confirmed, ended holds, old runs and rates; and the suppressions that expired leave the list.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use entity::{Priority, Status, bulk_operation, cron_run, tally};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryResult, Value};
use uuid::Uuid;

use crate::Context;
use crate::campaign::recipients::mark;
use crate::control::repeat;
use crate::error::Result;
use crate::ledger::{self, Deltas, Shard};
use crate::rows::Rows;
use crate::store::{execute, rows};
use crate::{bulk, hold, stats};

/// How long an idempotency key stands for its email, whatever becomes of the email.
const KEYS: TimeDelta = TimeDelta::days(7);

/// How long a webhook's token is remembered: a signature older than 12 hours has no effect anyway.
const TOKENS: TimeDelta = TimeDelta::days(3);

/// How long an event stays in quarantine; Mailgun's log reaches back no further.
const QUARANTINE: TimeDelta = TimeDelta::days(30);

/// How long a run of a schedule is remembered.
const RUNS: TimeDelta = TimeDelta::days(90);

/// How long a finished bulk operation is remembered.
const OPERATIONS: TimeDelta = TimeDelta::days(7);

/// Rows changed in one statement.
const GROUP: i64 = 500;

/// Hourly: emails that were finished longer ago than the retention, and whatever else has had its time. Answers what it did.
///
/// # Errors
/// The database's own; what was done by then stays done.
pub async fn finished(ctx: &Context) -> Result<String> {
    let now = ctx.clock.now();
    let emails = bulk::clean(ctx, now - ctx.settings.retention).await?;
    let keys = in_groups(ctx, FORGET_KEYS, now - KEYS).await?;
    let tokens = in_groups(ctx, FORGET_TOKENS, now - TOKENS).await?;
    let unconfirmed = in_groups(ctx, FORGET_QUARANTINED, now - QUARANTINE).await?;
    let holds = hold::clean(ctx).await?;
    let db = ctx.store.write();
    let runs = cron_run::Entity::delete_many().filter(cron_run::Column::Tick.lt(now - RUNS)).exec(db).await?;
    let old = bulk_operation::Column::FinishedAt.lt(now - OPERATIONS);
    bulk_operation::Entity::delete_many().filter(old).exec(db).await?;
    stats::forget_rates(ctx).await?;
    let rest = if emails.operation.is_some() { " so far, the rest follows" } else { "" };
    Ok(format!(
        "cleaned {} emails{rest}; forgot {keys} idempotency keys, {tokens} webhook tokens, {unconfirmed} unconfirmed \
         events, {holds} ended holds, {} runs",
        emails.done, runs.rows_affected
    ))
}

/// Six-hourly: archives suppressions that expired; they stay for the history. Answers what it did.
///
/// # Errors
/// The database's own; what was done by then stays done.
pub async fn suppressions(ctx: &Context) -> Result<String> {
    let archived = crate::suppress::list::archive(ctx).await?;
    Ok(format!("archived {archived} expired suppressions"))
}

const FORGET_KEYS: &str = "DELETE FROM idempotency_keys WHERE (api_key_id, key) IN \
     (SELECT k.api_key_id, k.key FROM idempotency_keys k WHERE k.created_at < $1 ORDER BY k.created_at LIMIT $2)";

const FORGET_TOKENS: &str = "DELETE FROM webhook_tokens WHERE token IN \
     (SELECT t.token FROM webhook_tokens t WHERE t.created_at < $1 ORDER BY t.created_at LIMIT $2)";

const FORGET_QUARANTINED: &str = "DELETE FROM email_event_quarantine WHERE id IN \
     (SELECT e.id FROM email_event_quarantine e WHERE e.recorded_at < $1 ORDER BY e.recorded_at LIMIT $2)";

/// Repeats a statement over a group of rows until it meets fewer. Answers how many it met in all.
async fn in_groups(ctx: &Context, text: &str, time: chrono::DateTime<chrono::Utc>) -> Result<u64> {
    let mut sum = 0;
    loop {
        let statement = || ctx.store.sql(text, [Value::from(time), Value::from(GROUP)]);
        let met = repeat(|| async { Ok(execute(ctx.store.write(), statement()).await?.rows_affected()) }).await?;
        sum += met;
        if met < GROUP as u64 || ctx.stop.is_cancelled() {
            return Ok(sum);
        }
    }
}

/// An email that leaves the queue.
pub(crate) struct Gone {
    id: Uuid,
    lane: Priority,
    scope: i32,
    status: Status,
    content: Uuid,
}

impl Gone {
    /// From a row with id, lane, scope, status and content_id.
    pub(crate) fn read(row: &QueryResult) -> Result<Self> {
        Ok(Self {
            id: row.try_get("", "id")?,
            lane: row.try_get("", "lane")?,
            scope: row.try_get("", "scope")?,
            status: row.try_get("", "status")?,
            content: row.try_get("", "content_id")?,
        })
    }
}

/// Deletes emails whose rows this transaction has locked: their tries, their facts, their recipients' rows, their place among the failed, and a content with the
/// last email that uses it. The tallies move from their status to CLEANED, so the total stays what was ever accepted.
pub(crate) async fn remove(tx: &DatabaseTransaction, ctx: &Context, gone: &[Gone]) -> Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    let store = &ctx.store;
    let ids = || Rows::new().uuid("id", gone.iter().map(|g| g.id));
    ledger::forget_failures(tx, store, gone.iter().map(|g| g.id).collect()).await?;
    forget_recipients(tx, ctx, gone).await?;
    for table in ["email_attempts", "email_facts"] {
        let text = format!("DELETE FROM {table} WHERE email_id IN (SELECT v.id FROM {{rows}} AS v)");
        execute(tx, store.sql_rows(&text, [], ids())).await?;
    }
    let text = "DELETE FROM email_queue WHERE id IN (SELECT v.id FROM {rows} AS v)";
    execute(tx, store.sql_rows(text, [], ids())).await?;
    release_contents(tx, ctx, gone).await?;
    let mut deltas = Deltas::default();
    for one in gone {
        deltas.add(one.lane, one.scope, tally::column(one.status), -1);
        deltas.add(one.lane, one.scope, tally::CLEANED, 1);
    }
    deltas.store(tx, ctx, Shard::Control).await
}

/// The recipients that these emails were made for go with them, but for a mark of each. Asked before the emails are gone.
async fn forget_recipients(tx: &DatabaseTransaction, ctx: &Context, gone: &[Gone]) -> Result<()> {
    let text = format!(
        "SELECT r.campaign_id, r.address_key FROM email_queue q JOIN campaign_recipients r \
         ON r.campaign_id = q.campaign_id AND r.address_key = q.recipient_key AND r.email_id = q.id \
         WHERE q.id {{ids}} ORDER BY r.campaign_id, r.address_key {}",
        ctx.store.for_update_of("r")
    );
    let found = rows(tx, ctx.store.sql_ids(&text, [], gone.iter().map(|g| g.id))).await?;
    let read = |row: &QueryResult| Ok((row.try_get("", "campaign_id")?, row.try_get("", "address_key")?));
    mark::leave(tx, ctx, &found.iter().map(read).collect::<Result<Vec<_>>>()?).await
}

async fn release_contents(tx: &DatabaseTransaction, ctx: &Context, gone: &[Gone]) -> Result<()> {
    let mut released: BTreeMap<Uuid, i32> = BTreeMap::new();
    for one in gone {
        *released.entry(one.content).or_default() += 1;
    }
    let contents = || Rows::new().uuid("id", released.keys().copied());
    // Locked in order first: emails of one content may be cleaned by two groups at once.
    let text = format!(
        "SELECT c.id FROM email_contents c WHERE c.id IN (SELECT v.id FROM {{rows}} AS v) ORDER BY c.id {}",
        ctx.store.for_update()
    );
    execute(tx, ctx.store.sql_rows(&text, [], contents())).await?;
    let text = "UPDATE email_contents AS c SET emails = c.emails - v.n FROM {rows} AS v WHERE c.id = v.id";
    let counted = contents().int("n", released.values().copied());
    execute(tx, ctx.store.sql_rows(text, [], counted)).await?;
    let text = "DELETE FROM email_contents WHERE id IN (SELECT v.id FROM {rows} AS v) AND emails <= 0";
    execute(tx, ctx.store.sql_rows(text, [], contents())).await?;
    Ok(())
}

//! What webhooks and the log brought, as it came: taken from the events by their numbers, each once. The events stay. When no
//! payload needs it any longer, the key of an hour's payloads goes as well, which shreds those in backups.

use chrono::{DateTime, TimeDelta, Utc};
use entity::delivery_event::Model;
use sea_orm::{DatabaseTransaction, Value};

use super::{GROUP, Group, in_groups};
use crate::Context;
use crate::error::Result;
use crate::filter::first_id;
use crate::store::{execute, rows};

/// What stands where a payload was: no sealed one is as short.
pub(crate) const GONE: &[u8] = &[0];

/// For how long after it was made a key may be in use, generously.
const IN_USE: TimeDelta = TimeDelta::hours(6);

/// Whether a row's payload was taken away.
pub(crate) fn is_gone(event: &Model) -> bool {
    event.raw == GONE
}

/// Takes payloads from before. Answers how many.
pub(super) async fn run(ctx: &Context, before: DateTime<Utc>) -> Result<u64> {
    let recorded = in_groups(ctx, || next(ctx, before)).await?;
    let kept = in_groups(ctx, || quarantined(ctx, before)).await?;
    if !ctx.stop.is_cancelled() {
        in_groups(ctx, || keys(ctx, before - IN_USE)).await?;
    }
    Ok(recorded + kept)
}

async fn next(ctx: &Context, before: DateTime<Utc>) -> Result<Group> {
    let tx = ctx.store.begin().await?;
    let text =
        format!("SELECT r.event_mark FROM retention_runs r WHERE r.rule = 'webhooks' {}", ctx.store.for_update());
    let found = rows(&tx, ctx.store.sql(text, [])).await?;
    let mark: i64 = found.first().map(|row| row.try_get("", "event_mark")).transpose()?.flatten().unwrap_or_default();
    let (seen, last) = recorded_before(&tx, ctx, mark, before).await?;
    let Some(last) = last else { return Ok(Group { removed: 0, more: false }) };
    let text = "UPDATE email_delivery_events SET raw = $1 WHERE seq > $2 AND seq <= $3 AND raw <> $1";
    let values = [Value::from(GONE.to_vec()), Value::from(mark), Value::from(last)];
    let removed = execute(&tx, ctx.store.sql(text, values)).await?.rows_affected();
    let text = "UPDATE retention_runs SET event_mark = $1 WHERE rule = 'webhooks'";
    execute(&tx, ctx.store.sql(text, [Value::from(last)])).await?;
    tx.commit().await?;
    Ok(Group { removed, more: seen as i64 == GROUP })
}

/// Of the next events after a number, as far as they were recorded before a time: how many, and the last of them. What was
/// recorded later may stand before what was recorded earlier; then both wait.
pub(super) async fn recorded_before(
    tx: &DatabaseTransaction,
    ctx: &Context,
    mark: i64,
    before: DateTime<Utc>,
) -> Result<(usize, Option<i64>)> {
    let text = "SELECT e.seq, e.recorded_at FROM email_delivery_events e WHERE e.seq > $1 ORDER BY e.seq LIMIT $2";
    let (mut seen, mut last) = (0, None);
    for row in rows(tx, ctx.store.sql(text, [Value::from(mark), Value::from(GROUP)])).await? {
        if row.try_get::<DateTime<Utc>>("", "recorded_at")? >= before {
            break;
        }
        last = Some(row.try_get("", "seq")?);
        seen += 1;
    }
    Ok((seen, last))
}

async fn quarantined(ctx: &Context, before: DateTime<Utc>) -> Result<Group> {
    let text = "UPDATE email_event_quarantine SET raw = $1 WHERE id IN (SELECT e.id FROM email_event_quarantine e \
                WHERE e.recorded_at < $2 AND e.raw <> $1 ORDER BY e.recorded_at LIMIT $3)";
    let values = [Value::from(GONE.to_vec()), Value::from(before), Value::from(GROUP)];
    let removed = execute(ctx.store.write(), ctx.store.sql(text, values)).await?.rows_affected();
    Ok(Group { removed, more: removed == GROUP.unsigned_abs() })
}

async fn keys(ctx: &Context, before: DateTime<Utc>) -> Result<Group> {
    let text = "DELETE FROM email_event_seals WHERE id IN \
                (SELECT s.id FROM email_event_seals s WHERE s.id < $1 ORDER BY s.id LIMIT $2)";
    let values = [Value::from(first_id(before)), Value::from(GROUP)];
    let removed = execute(ctx.store.write(), ctx.store.sql(text, values)).await?.rows_affected();
    Ok(Group { removed: 0, more: removed == GROUP.unsigned_abs() })
}

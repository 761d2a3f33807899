//! Delivery events, always the first ones: numbers keep having no gaps, so whoever stands at a number knows whether something
//! behind it is gone ([`crate::find::events::is_kept`]).

use chrono::{DateTime, Utc};
use entity::delivery_event::Model;
use sea_orm::{DatabaseTransaction, FromQueryResult, Value};

use super::payloads::recorded_before;
use super::{Group, in_groups};
use crate::Context;
use crate::error::Result;
use crate::record;
use crate::rows::Rows;
use crate::store::{execute, rows};

/// Deletes events from before. Answers how many.
pub(super) async fn run(ctx: &Context, before: DateTime<Utc>) -> Result<u64> {
    in_groups(ctx, || next(ctx, before)).await
}

async fn next(ctx: &Context, before: DateTime<Utc>) -> Result<Group> {
    let tx = ctx.store.begin().await?;
    let (seen, last) = recorded_before(&tx, ctx, i64::MIN, before).await?;
    let Some(last) = last else { return Ok(Group { removed: 0, more: false }) };
    forget_keys(&tx, ctx, last).await?;
    let text = "DELETE FROM email_delivery_events WHERE seq <= $1";
    let removed = execute(&tx, ctx.store.sql(text, [Value::from(last)])).await?.rows_affected();
    tx.commit().await?;
    Ok(Group { removed, more: seen as i64 == super::GROUP })
}

/// What made these events known as the same ones: Mailgun's log, which reaches back a month, can't bring them again.
async fn forget_keys(tx: &DatabaseTransaction, ctx: &Context, last: i64) -> Result<()> {
    let text = "SELECT e.* FROM email_delivery_events e WHERE e.seq <= $1 ORDER BY e.seq";
    let found = rows(tx, ctx.store.sql(text, [Value::from(last)])).await?;
    let events = found.iter().map(|row| Model::from_query_result(row, "")).collect::<Result<Vec<_>, _>>()?;
    let keys: Vec<_> = events.iter().flat_map(|row| record::keys_of(row).map(|key| (key, row.id))).collect();
    // Of the event's own alone: a key may have been taken again by a later one.
    let text = "DELETE FROM email_event_keys WHERE (key, event_id) IN (SELECT v.key, v.event_id FROM {rows} AS v)";
    let values =
        Rows::new().uuid("key", keys.iter().map(|(key, _)| *key)).uuid("event_id", keys.iter().map(|(_, id)| *id));
    execute(tx, ctx.store.sql_rows(text, [], values)).await?;
    Ok(())
}

//! What emails said, given up some time after they were finished; the emails stay. Emails are looked at once each, in the order
//! of their ids, and those that had not been finished for long enough are noted to be looked at again: so neither the queue's
//! indexes nor a hand-over know of retention.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{DatabaseTransaction, Value};
use uuid::Uuid;

use super::{GROUP, Group, in_groups};
use crate::Context;
use crate::clean;
use crate::error::Result;
use crate::filter::first_id;
use crate::rows::Rows;
use crate::store::{execute, rows};

/// Gives up what has had its time. Answers how many emails lost their content.
pub(super) async fn run(ctx: &Context, before: DateTime<Utc>) -> Result<u64> {
    let first = in_groups(ctx, || next(ctx, before)).await?;
    Ok(first + in_groups(ctx, || again(ctx, before)).await?)
}

/// The next emails that nobody has looked at yet.
async fn next(ctx: &Context, before: DateTime<Utc>) -> Result<Group> {
    let tx = ctx.store.begin().await?;
    let text = format!("SELECT r.email_mark FROM retention_runs r WHERE r.rule = 'bodies' {}", ctx.store.for_update());
    let found = rows(&tx, ctx.store.sql(text, [])).await?;
    let mark: Option<Uuid> = found.first().map(|row| row.try_get("", "email_mark")).transpose()?.flatten();
    // What was finished before a time was accepted before it.
    let text = "SELECT q.id FROM email_queue q WHERE q.id > $1 AND q.id < $2 ORDER BY q.id LIMIT $3";
    let values = [Value::from(mark.unwrap_or_default()), Value::from(first_id(before)), Value::from(GROUP)];
    let seen = rows(&tx, ctx.store.sql(text, values)).await?;
    let ids = seen.iter().map(|row| row.try_get("", "id")).collect::<Result<Vec<Uuid>, _>>()?;
    let Some(last) = ids.last() else { return Ok(Group { removed: 0, more: false }) };
    let gone = finished_before(&tx, ctx, &ids, before).await?;
    give_up(&tx, ctx, &gone).await?;
    let gone: BTreeSet<Uuid> = gone.iter().map(|had| had.email).collect();
    let rest: Vec<Uuid> = ids.iter().copied().filter(|id| !gone.contains(id)).collect();
    look_later(&tx, ctx, &rest, before).await?;
    let text = "UPDATE retention_runs SET email_mark = $1 WHERE rule = 'bodies'";
    execute(&tx, ctx.store.sql(text, [Value::from(*last)])).await?;
    tx.commit().await?;
    Ok(Group { removed: gone.len() as u64, more: ids.len() as i64 == GROUP })
}

/// Those that were noted to be looked at by now.
async fn again(ctx: &Context, before: DateTime<Utc>) -> Result<Group> {
    let tx = ctx.store.begin().await?;
    let text = format!(
        "SELECT l.email_id AS id FROM retention_later l WHERE l.look_at <= $1 ORDER BY l.look_at LIMIT $2 {}",
        ctx.store.skip_locked()
    );
    let values = [Value::from(ctx.clock.now()), Value::from(GROUP)];
    let seen = rows(&tx, ctx.store.sql(text, values)).await?;
    let ids = seen.iter().map(|row| row.try_get("", "id")).collect::<Result<Vec<Uuid>, _>>()?;
    let gone = finished_before(&tx, ctx, &ids, before).await?;
    give_up(&tx, ctx, &gone).await?;
    let text = "DELETE FROM retention_later WHERE email_id IN (SELECT v.id FROM {rows} AS v)";
    execute(&tx, ctx.store.sql_rows(text, [], Rows::new().uuid("id", ids.iter().copied()))).await?;
    let done: BTreeSet<Uuid> = gone.iter().map(|had| had.email).collect();
    let rest: Vec<Uuid> = ids.iter().copied().filter(|id| !done.contains(id)).collect();
    look_later(&tx, ctx, &rest, before).await?;
    tx.commit().await?;
    Ok(Group { removed: gone.len() as u64, more: ids.len() as i64 == GROUP })
}

/// An email with a content, in a transaction that holds its row.
pub(crate) struct Had {
    pub email: Uuid,
    pub content: Uuid,
}

/// Locks those of `ids` that were finished before and have their content still.
async fn finished_before(
    tx: &DatabaseTransaction,
    ctx: &Context,
    ids: &[Uuid],
    before: DateTime<Utc>,
) -> Result<Vec<Had>> {
    let text = format!(
        "SELECT q.id, q.content_id FROM email_queue q WHERE q.id {{ids}} AND q.finished_at <= $1 \
         AND q.content_deleted_at IS NULL ORDER BY q.id {}",
        ctx.store.for_update()
    );
    let found = rows(tx, ctx.store.sql_ids(&text, [Value::from(before)], ids.iter().copied())).await?;
    found.iter().map(|row| Ok(Had { email: row.try_get("", "id")?, content: row.try_get("", "content_id")? })).collect()
}

/// Takes their contents from emails whose rows this transaction holds, and the variables that their campaigns had for them.
/// A content goes with its last user.
pub(crate) async fn give_up(tx: &DatabaseTransaction, ctx: &Context, had: &[Had]) -> Result<()> {
    if had.is_empty() {
        return Ok(());
    }
    let ids = || had.iter().map(|had| had.email);
    let text = "UPDATE campaign_recipients SET variables = NULL WHERE variables IS NOT NULL \
                AND (campaign_id, address_key, email_id) IN (SELECT q.campaign_id, q.recipient_key, q.id FROM email_queue q \
                WHERE q.id {ids} AND q.campaign_id IS NOT NULL)";
    execute(tx, ctx.store.sql_ids(text, [], ids())).await?;
    let text = "UPDATE email_queue SET content_id = $1, content_deleted_at = $2 WHERE id {ids}";
    let values = [Value::from(Uuid::nil()), Value::from(ctx.clock.now())];
    execute(tx, ctx.store.sql_ids(text, values, ids())).await?;
    clean::release_contents(tx, ctx, had.iter().map(|had| had.content)).await
}

/// Notes when those that are still there and have a content are to be looked at again.
async fn look_later(tx: &DatabaseTransaction, ctx: &Context, ids: &[Uuid], before: DateTime<Utc>) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let now = ctx.clock.now();
    let kept = now - before;
    let text =
        "SELECT q.id, q.finished_at, q.send_at FROM email_queue q WHERE q.id {ids} AND q.content_deleted_at IS NULL";
    let (mut emails, mut times) = (Vec::new(), Vec::new());
    for row in rows(tx, ctx.store.sql_ids(text, [], ids.iter().copied())).await? {
        let (finished_at, send_at): (Option<DateTime<Utc>>, DateTime<Utc>) =
            (row.try_get("", "finished_at")?, row.try_get("", "send_at")?);
        emails.push(row.try_get::<Uuid>("", "id")?);
        // One that waits is finished at its send time at the earliest. Not before the next run, so that this one ends.
        times.push((finished_at.unwrap_or(send_at.max(now)) + kept).max(now + TimeDelta::minutes(1)));
    }
    if emails.is_empty() {
        return Ok(());
    }
    let text = "INSERT INTO retention_later (email_id, look_at) SELECT v.id, v.look_at FROM {rows} AS v WHERE true \
                ON CONFLICT (email_id) DO UPDATE SET look_at = excluded.look_at";
    execute(tx, ctx.store.sql_rows(text, [], Rows::new().uuid("id", emails).time("look_at", times))).await?;
    Ok(())
}

//! The emails to an erased address: cancelled, emptied and named by the mark; and its place in campaigns.

use entity::{Priority, tally};
use sea_orm::Value;
use uuid::Uuid;

use super::{Erasure, GROUP};
use crate::Context;
use crate::campaign::recipients::mark;
use crate::control::repeat;
use crate::error::Result;
use crate::ledger::{self, Cause, Deltas, Effect, Move, Shard};
use crate::retention;
use crate::rows::Rows;
use crate::store::{execute, rows};

/// Cancels what waits, and asks what is under way to stop. Answers how many were cancelled.
pub(super) async fn cancel(ctx: &Context, erasure: &Erasure) -> Result<u64> {
    // Standing 1 is QUEUED or SENDING, 3 UNCONFIRMED.
    let text = "SELECT q.id FROM email_queue q WHERE q.recipient_key = $1 AND q.standing IN (0, 1, 3) AND q.id <= $2 \
                AND NOT q.cancel_requested ORDER BY q.id LIMIT $3";
    let mut cancelled = 0;
    loop {
        let (met, moved) = repeat(|| async {
            let tx = ctx.store.begin().await?;
            let ids = erasure.ids(&tx, ctx, text).await?;
            let moves: Vec<Move> = ids.iter().map(|id| Move { email: *id, cause: Cause::Cancel }).collect();
            let answers = ledger::apply(&tx, ctx, Shard::Control, &moves).await?;
            tx.commit().await?;
            let done = answers.iter().flatten().filter(|moved| moved.effect == Effect::Moved).count();
            Ok((ids.len(), done))
        })
        .await?;
        cancelled += moved as u64;
        if (met as i64) < GROUP {
            return Ok(cancelled);
        }
    }
}

/// Erases those that have ended. Answers how many.
pub(super) async fn erase(ctx: &Context, erasure: &Erasure) -> Result<u64> {
    let mut erased = 0;
    loop {
        let met = repeat(|| group(ctx, erasure)).await?;
        erased += met;
        if met < GROUP.unsigned_abs() {
            return Ok(erased);
        }
    }
}

async fn group(ctx: &Context, erasure: &Erasure) -> Result<u64> {
    let tx = ctx.store.begin().await?;
    let text = format!(
        "SELECT q.id, q.content_id FROM email_queue q WHERE q.recipient_key = $1 AND q.id <= $2 \
         AND q.finished_at IS NOT NULL ORDER BY q.id LIMIT $3 {}",
        ctx.store.for_update()
    );
    let values = [Value::from(erasure.address.clone()), Value::from(erasure.email_reach), Value::from(GROUP)];
    let mut had = Vec::new();
    for row in rows(&tx, ctx.store.sql(text, values)).await? {
        had.push(retention::Had { email: row.try_get("", "id")?, content: row.try_get("", "content_id")? });
    }
    if had.is_empty() {
        return Ok(0);
    }
    let ids: Vec<Uuid> = had.iter().map(|had| had.email).collect();
    retention::give_up(&tx, ctx, &had).await?;
    let text = "DELETE FROM campaign_recipients WHERE (campaign_id, address_key, email_id) IN \
                (SELECT q.campaign_id, q.recipient_key, q.id FROM email_queue q WHERE q.id {ids} AND q.campaign_id IS NOT NULL)";
    execute(&tx, ctx.store.sql_ids(text, [], ids.iter().copied())).await?;
    // Mailgun's words often name the address.
    let text = "UPDATE email_queue SET recipient = $1, recipient_key = $1, recipient_mark = NULL, lead_id = NULL, \
                last_error = NULL WHERE id {ids}";
    execute(&tx, ctx.store.sql_ids(text, [Value::from(erasure.mark.clone())], ids.iter().copied())).await?;
    let text = "UPDATE email_attempts SET error = NULL WHERE email_id {ids} AND error IS NOT NULL";
    execute(&tx, ctx.store.sql_ids(text, [], ids.iter().copied())).await?;
    tx.commit().await?;
    Ok(ids.len() as u64)
}

/// How many emails to the address can't be changed yet.
pub(super) async fn under_way(ctx: &Context, erasure: &Erasure) -> Result<u64> {
    let text = "SELECT count(*) AS n FROM email_queue q WHERE q.recipient_key = $1 AND q.id <= $2";
    let values = [Value::from(erasure.address.clone()), Value::from(erasure.email_reach)];
    let found = rows(ctx.store.write(), ctx.store.sql(text, values)).await?;
    let n: i64 = found.first().map(|row| row.try_get("", "n")).transpose()?.unwrap_or_default();
    Ok(n.max(0) as u64)
}

/// Takes the address out of campaigns in which it has no email yet. They count it as cleaned. Answers of how many campaigns.
pub(super) async fn forget_pending(ctx: &Context, erasure: &Erasure) -> Result<u64> {
    let text = "SELECT r.campaign_id AS id FROM campaigns k JOIN campaign_recipients r \
                ON r.campaign_id = k.id AND r.address_key = $1 WHERE r.email_id IS NULL ORDER BY k.id";
    let found = rows(ctx.store.write(), ctx.store.sql(text, [Value::from(erasure.address.clone())])).await?;
    let campaigns = found.iter().map(|row| row.try_get("", "id")).collect::<Result<Vec<Uuid>, _>>()?;
    let mut gone = 0;
    for campaign in campaigns {
        gone += repeat(|| forget_in(ctx, erasure, campaign)).await?;
    }
    Ok(gone)
}

/// Campaigns know whom they mailed by marks without a key, from which an address could be guessed: they go as well.
pub(super) async fn forget_marks(ctx: &Context, erasure: &Erasure) -> Result<()> {
    let found = rows(ctx.store.write(), ctx.store.sql("SELECT k.id FROM campaigns k", [])).await?;
    let campaigns = found.iter().map(|row| row.try_get("", "id")).collect::<Result<Vec<Uuid>, _>>()?;
    for group in campaigns.chunks(GROUP as usize) {
        let text = "DELETE FROM campaign_recipients WHERE (campaign_id, address_key) IN \
                    (SELECT v.campaign_id, v.mark FROM {rows} AS v)";
        repeat(|| async {
            let marks = group.iter().map(|campaign| mark::mark(*campaign, &erasure.address));
            let values = Rows::new().uuid("campaign_id", group.iter().copied()).text("mark", marks);
            Ok(execute(ctx.store.write(), ctx.store.sql_rows(text, [], values)).await?)
        })
        .await?;
    }
    Ok(())
}

async fn forget_in(ctx: &Context, erasure: &Erasure, campaign: Uuid) -> Result<u64> {
    let tx = ctx.store.begin().await?;
    let text = format!("SELECT k.lane, k.scope FROM campaigns k WHERE k.id = $1 {}", ctx.store.for_update());
    let found = rows(&tx, ctx.store.sql(text, [Value::from(campaign)])).await?;
    let Some(row) = found.first() else { return Ok(0) };
    let (lane, scope): (Priority, i32) = (row.try_get("", "lane")?, row.try_get("", "scope")?);
    let text = "DELETE FROM campaign_recipients WHERE campaign_id = $1 AND address_key = $2 AND email_id IS NULL";
    let values = [Value::from(campaign), Value::from(erasure.address.clone())];
    let gone = execute(&tx, ctx.store.sql(text, values)).await?.rows_affected();
    let mut deltas = Deltas::default();
    let n = i64::try_from(gone).unwrap_or(i64::MAX);
    deltas.add(lane, scope, tally::PENDING, -n);
    deltas.add(lane, scope, tally::CLEANED, n);
    deltas.store(&tx, ctx, Shard::Campaign).await?;
    tx.commit().await?;
    Ok(gone)
}

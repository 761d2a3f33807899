//! Cancelling: from the commit on no recipient becomes an email and the gate lets none of the emails pass; what waits ends in
//! groups ([`crate::bulk`]).

use entity::campaign::Model;
use sea_orm::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::standing::{self, Campaign, ledgers};
use super::{Refusal, lock};
use crate::Context;
use crate::bulk::{self, Progress};
use crate::control::repeat;
use crate::error::Result;
use crate::store::execute;

/// Cancels a campaign. Recipients without an email never get one; emails that wait end CANCELLED, those under way if they turn
/// out not to have left. Cancelling twice is cancelling once.
///
/// # Errors
/// The database's own; a [`Refusal`] inside when there is nothing to cancel.
pub async fn cancel(ctx: &Context, id: Uuid) -> Result<Result<(Campaign, Progress), Refusal>> {
    let (row, operation) = match repeat(|| store(ctx, id)).await? {
        Ok(done) => done,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let progress = bulk::work_on(ctx, &[operation], Instant::now() + bulk::TURN).await?;
    Ok(Ok((standing::of(ctx, row).await?, progress)))
}

/// The campaign's row, and the operation that ends what waits. Both are one transaction: whatever becomes of this process, the
/// operation is carried on.
async fn store(ctx: &Context, id: Uuid) -> Result<Result<(Model, Uuid), Refusal>> {
    let tx = ctx.store.begin().await?;
    let Some(mut row) = lock(&tx, ctx, id).await? else { return Ok(Err(Refusal::NotFound)) };
    if row.cancelled_at.is_none() {
        let open = ledgers(&tx, ctx, [id]).await?.get(&id).map_or(0, |ledger| ledger.open());
        let now = ctx.clock.now();
        // A launched one that nobody was added to yet may still be cancelled before its time.
        if row.launched_at.is_some() && open == 0 && row.send_at.is_none_or(|at| at <= now) {
            return Ok(Err(Refusal::Completed));
        }
        (row.cancelled_at, row.expand_at, row.updated_at) = (Some(now), None, now);
        let text = "UPDATE campaigns SET cancelled_at = $1, expand_at = NULL, updated_at = $1 WHERE id = $2";
        execute(&tx, ctx.store.sql(text, [Value::from(now), Value::from(id)])).await?;
    }
    let operation = bulk::note_cancelled(&tx, ctx, id).await?;
    tx.commit().await?;
    Ok(Ok((row, operation)))
}

//! Looking after what no bell rings for: leases that ran out, deadlines that passed, resends whose wait is over, and the
//! clock. Every process with workers looks; all of it is guarded, so that looking twice does nothing twice.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use entity::{Priority, Status};
use sea_orm::{ActiveEnum, Value};
use tokio::time::Instant;
use uuid::Uuid;

use crate::breaker;
use crate::context::Context;
use crate::error::Result;
use crate::ledger::{self, Cause, Move, Shard};
use crate::resolve;
use crate::store::rows;

/// At most this many emails in one transaction.
const GROUP: i64 = 500;
/// Emails under way are the oldest due of their scope, so leases that ran out are found near the front; and when not all
/// that are under way are found there, among all that are due.
const FRONT: i64 = 2_000;

/// Looks until the process is to stop.
pub async fn run(ctx: Arc<Context>) {
    // What passed while no process ran is found by the first look, far back.
    let mut deadlines_from = ctx.clock.now() - TimeDelta::days(2 * 365);
    let mut aligned = Instant::now();
    loop {
        if let Err(error) = look(&ctx, &mut deadlines_from).await {
            tracing::warn!(cause = %error, "A look after leases and deadlines failed");
        }
        if aligned.elapsed() >= ctx.timing.align {
            align(&ctx).await;
            aligned = Instant::now();
        }
        tokio::select! {
            () = tokio::time::sleep(ctx.timing.watch) => {}
            () = ctx.stop.cancelled() => return,
        }
    }
}

/// Sets this process's clock to the database's.
pub async fn align(ctx: &Context) {
    match ctx.store.now().await {
        Ok(truth) => {
            let off = ctx.clock.align(truth);
            if off.abs() > TimeDelta::seconds(1) {
                tracing::warn!(off_ms = off.num_milliseconds(), "This machine's clock differs from the database's");
            }
        }
        Err(error) => tracing::warn!(cause = %error, "The database could not be asked for the time"),
    }
}

async fn look(ctx: &Context, deadlines_from: &mut DateTime<Utc>) -> Result<()> {
    ctx.trouble.set(breaker::any_trouble(ctx.store.by_key(), ctx).await?);
    leases(ctx).await?;
    resends(ctx).await?;
    deadlines(ctx, deadlines_from).await
}

/// Emails whose worker fell silent become UNCONFIRMED.
pub async fn leases(ctx: &Context) -> Result<()> {
    let text =
        "SELECT lane, scope, sum(n) AS n FROM email_tallies WHERE status = $1 GROUP BY lane, scope HAVING sum(n) > 0";
    let text = text.replace("sum(n) AS n", "CAST(sum(n) AS bigint) AS n");
    let sending = Value::from(Status::Sending.to_value());
    for row in rows(ctx.store.by_key(), ctx.store.sql(text, [sending])).await? {
        let (lane, scope, under_way): (Priority, i32, i64) =
            (row.try_get("", "lane")?, row.try_get("", "scope")?, row.try_get("", "n")?);
        let (found, over) = expired(ctx, lane, scope, FRONT).await?;
        let over = if found < under_way { expired(ctx, lane, scope, i64::MAX).await?.1 } else { over };
        if !over.is_empty() {
            tracing::warn!(
                emails = over.len(),
                lane = lane.name(),
                "Leases ran out; whether Mailgun has these emails is unknown"
            );
            apply(ctx, over.into_iter().map(|email| Move { email, cause: Cause::LeaseOver }).collect()).await?;
        }
    }
    Ok(())
}

/// How many emails under way are among the first `most` due ones of a scope, and those of them whose lease ran out.
async fn expired(ctx: &Context, lane: Priority, scope: i32, most: i64) -> Result<(i64, Vec<Uuid>)> {
    let text = "SELECT f.id, f.lease_until FROM (SELECT q.id, q.status, q.lease_until FROM email_queue q \
                WHERE q.lane = $1 AND q.scope = $2 AND q.due_at IS NOT NULL ORDER BY q.due_at LIMIT $3) f WHERE f.status = $4";
    let values =
        [Value::from(lane.to_value()), Value::from(scope), Value::from(most), Value::from(Status::Sending.to_value())];
    let now = ctx.clock.now();
    let found = rows(ctx.store.by_key(), ctx.store.sql(text, values)).await?;
    let mut over = Vec::new();
    for row in &found {
        if row.try_get::<Option<DateTime<Utc>>>("", "lease_until")?.is_some_and(|until| until < now) {
            over.push(row.try_get("", "id")?);
        }
    }
    Ok((found.len() as i64, over))
}

/// UNCONFIRMED emails of policy RESEND whose wait is over go again.
pub async fn resends(ctx: &Context) -> Result<()> {
    let ids = resolve::resends(ctx).await?;
    apply(ctx, ids.into_iter().map(|email| Move { email, cause: Cause::Resend }).collect()).await
}

/// Waiting emails whose `deliverBy` is over end EXPIRED, held or not.
pub async fn deadlines(ctx: &Context, from: &mut DateTime<Utc>) -> Result<()> {
    let now = ctx.clock.now();
    loop {
        let text = "SELECT id FROM email_queue WHERE deliver_by > $1 AND deliver_by <= $2 AND status IN ($3, $4) \
                    ORDER BY deliver_by LIMIT $5";
        let values = [
            Value::from(*from),
            Value::from(now),
            Value::from(Status::Scheduled.to_value()),
            Value::from(Status::Queued.to_value()),
            Value::from(GROUP),
        ];
        let ids = ids(ctx, text, values).await?;
        let full = ids.len() as i64 == GROUP;
        apply(ctx, ids.into_iter().map(|email| Move { email, cause: Cause::DeadlineOver }).collect()).await?;
        if !full {
            break;
        }
    }
    // A while back: what was accepted or retried late, by a clock a little behind, is found as well.
    *from = now - TimeDelta::minutes(10);
    Ok(())
}

async fn ids(ctx: &Context, text: &str, values: impl IntoIterator<Item = Value>) -> Result<Vec<Uuid>> {
    let found = rows(ctx.store.by_key(), ctx.store.sql(text, values)).await?;
    found.iter().map(|row| Ok(row.try_get("", "id")?)).collect()
}

/// Applies causes in a transaction of their own. What no longer fits is refused and harms nothing.
async fn apply(ctx: &Context, moves: Vec<Move>) -> Result<()> {
    for group in moves.chunks(GROUP as usize) {
        let tx = ctx.store.begin().await?;
        let answers = ledger::apply(&tx, ctx, Shard::Control, group).await?;
        tx.commit().await?;
        for moved in answers.iter().flatten().filter(|moved| moved.after.status == Status::Queued) {
            ctx.nudge(moved.after.lane);
        }
    }
    Ok(())
}

//! One group of a bulk operation: the next emails it means, what happens to them, and how far it came, in one transaction.

use std::collections::BTreeSet;

use entity::bulk_operation::{Kind, Model};
use entity::{Priority, Status};
use sea_orm::{DatabaseTransaction, DbErr, FromQueryResult, QueryResult, Value};
use uuid::Uuid;

use super::{Which, lease};
use crate::Context;
use crate::clean::{self, Gone};
use crate::error::Result;
use crate::filter::{Clauses, Order};
use crate::ledger::{self, Cause, Effect, Move, Shard};
use crate::rows::Rows;
use crate::store::{Dialect, execute, rows};
use crate::{find, suppress};

/// Emails changed in one transaction.
const MOST: i64 = 500;

/// Emails looked at in one transaction: where an index can't tell all and few are meant, a group ends without them, so that
/// none takes long.
const LOOK: u64 = 2_000;

/// What a group did.
#[derive(Default)]
struct Done {
    changed: i64,
    asked: i64,
}

/// Does the next group. Whoever else works on the same operation waits at its row and goes on behind it.
pub(super) async fn step(ctx: &Context, id: Uuid) -> Result<Model> {
    let tx = ctx.store.begin().await?;
    let text = format!("SELECT * FROM bulk_operations WHERE id = $1 {}", ctx.store.for_update());
    let found = rows(&tx, ctx.store.sql(text, [Value::from(id)])).await?;
    let row = found.first().ok_or_else(|| DbErr::RecordNotFound(format!("bulk operation {id}")))?;
    let mut operation = Model::from_query_result(row, "")?;
    if operation.finished_at.is_some() {
        return Ok(operation);
    }
    let which: Which = serde_json::from_str(&operation.filter)?;
    let allowed = operation.bound.map_or(MOST, |bound| MOST.min(bound - operation.done));
    let end = if allowed > 0 { end_of_look(&tx, ctx, &operation, &which).await? } else { None };
    let group = if allowed > 0 { meant(&tx, ctx, &operation, &which, end, allowed).await? } else { Vec::new() };
    let ids = group.iter().map(|row| row.try_get("", "id")).collect::<Result<Vec<Uuid>, _>>()?;
    let mut rung = BTreeSet::new();
    let done = match operation.kind {
        Kind::Cancel => apply(&tx, ctx, &ids, Cause::Cancel, &mut rung).await?,
        Kind::Retry => apply(&tx, ctx, &ids, Cause::Retry, &mut rung).await?,
        Kind::Suppress => end_suppressed(&tx, ctx, &ids, &mut rung).await?,
        Kind::Clean => {
            let gone = group.iter().map(Gone::read).collect::<Result<Vec<_>>>()?;
            clean::remove(&tx, ctx, &gone).await?;
            Done { changed: gone.len() as i64, asked: 0 }
        }
    };
    operation.done += done.changed;
    operation.asked += done.asked;
    let full = (allowed > 0 && ids.len() as i64 >= allowed).then(|| ids.last().copied()).flatten();
    match full.or(end) {
        Some(cursor) => operation.cursor = Some(cursor),
        None => operation.finished_at = Some(ctx.clock.now()),
    }
    if operation.bound.is_some_and(|bound| operation.done >= bound) {
        operation.finished_at = Some(ctx.clock.now());
    }
    store(&tx, ctx, &operation).await?;
    tx.commit().await?;
    rung.into_iter().for_each(|lane| ctx.nudge(lane));
    Ok(operation)
}

/// The emails an operation still has before it: what it means behind its cursor and within its reach.
pub(super) fn ahead(operation: &Model, which: &Which) -> Clauses {
    let mut clauses = which.filter.clauses();
    clauses.after(operation.cursor.unwrap_or_default());
    clauses.up_to(operation.reach.unwrap_or_default());
    if let Some(before) = which.finished_before {
        clauses.and("q.finished_at < ?", before);
    }
    if let Some(domain) = &which.recipients_at {
        // A domain holds neither of LIKE's own characters.
        clauses.and("q.recipient_key LIKE ?", format!("%@{domain}"));
    }
    clauses
}

/// How many emails wait for the recipients an operation means, after the email named.
pub(super) async fn waiting(ctx: &Context, which: &Which, after: Uuid) -> Result<(u64, bool)> {
    if which.recipients.is_empty() {
        let mut clauses = which.filter.clauses();
        clauses.after(after);
        if let Some(domain) = &which.recipients_at {
            clauses.and("q.recipient_key LIKE ?", format!("%@{domain}"));
        }
        return find::counted(ctx, clauses).await;
    }
    let most = find::COUNTED + 1;
    let text = waiting_each(ctx.store.dialect());
    let values = [Value::from(after), Value::from(most as i64)];
    let found = rows(ctx.store.read(), ctx.store.sql_rows(text, values, keys(which))).await?.len() as u64;
    Ok((found.min(find::COUNTED), found > find::COUNTED))
}

/// The ids of the first `$2` emails after `$1` that wait for any of the addresses, read from the end of a run for each.
fn waiting_each(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => {
            "SELECT x.id FROM {rows} AS v CROSS JOIN (SELECT 0 AS standing UNION ALL SELECT 1) AS c CROSS JOIN LATERAL \
             (SELECT q.id FROM email_queue q WHERE q.recipient_key = v.target AND q.standing = c.standing AND q.id > $1 \
              AND q.status <> 2 ORDER BY q.id LIMIT $2) AS x ORDER BY x.id LIMIT $2"
        }
        Dialect::Sqlite => {
            "SELECT x.id FROM {rows} AS v CROSS JOIN (SELECT 0 AS standing UNION ALL SELECT 1) AS c CROSS JOIN email_queue x \
             ON x.id IN (SELECT q.id FROM email_queue q INDEXED BY email_queue_recipient WHERE q.recipient_key = v.target \
              AND q.standing = c.standing AND q.id > $1 AND q.status <> 2 ORDER BY q.id LIMIT $2) ORDER BY x.id LIMIT $2"
        }
    }
}

fn keys(which: &Which) -> Rows {
    Rows::new().text("target", which.recipients.iter().cloned())
}

/// Where this group stops looking; `None` = within its reach anyway.
async fn end_of_look(
    tx: &DatabaseTransaction,
    ctx: &Context,
    operation: &Model,
    which: &Which,
) -> Result<Option<Uuid>> {
    if !which.recipients.is_empty() {
        return Ok(None);
    }
    let Some(last) = ahead(operation, which).nth_looked_at(&ctx.store, LOOK) else { return Ok(None) };
    Ok(rows(tx, last).await?.first().map(|row| row.try_get("", "id")).transpose()?)
}

/// The group itself. What is to be cleaned is locked here; the others are locked and looked at again by the ledger.
async fn meant(
    tx: &DatabaseTransaction,
    ctx: &Context,
    operation: &Model,
    which: &Which,
    end: Option<Uuid>,
    most: i64,
) -> Result<Vec<QueryResult>> {
    if !which.recipients.is_empty() {
        let values = [Value::from(operation.cursor.unwrap_or_default()), Value::from(most)];
        let text = waiting_each(ctx.store.dialect());
        return Ok(rows(tx, ctx.store.sql_rows(text, values, keys(which))).await?);
    }
    let mut clauses = ahead(operation, which);
    if let Some(end) = end {
        clauses.up_to(end);
    }
    let lock = match operation.kind {
        Kind::Clean => ctx.store.for_update_of("q"),
        Kind::Cancel | Kind::Retry | Kind::Suppress => String::new(),
    };
    let columns = "q.id, q.lane, q.scope, q.status, q.content_id";
    Ok(rows(tx, clauses.page(&ctx.store, columns, Order::Ascending, most.unsigned_abs(), &lock)).await?)
}

async fn apply(
    tx: &DatabaseTransaction,
    ctx: &Context,
    ids: &[Uuid],
    cause: Cause,
    rung: &mut BTreeSet<Priority>,
) -> Result<Done> {
    let moves: Vec<Move> = ids.iter().map(|id| Move { email: *id, cause: cause.clone() }).collect();
    apply_each(tx, ctx, &moves, rung).await
}

/// Ends those that must not be sent by what the list says now: an entry may have been lifted meanwhile.
async fn end_suppressed(
    tx: &DatabaseTransaction,
    ctx: &Context,
    ids: &[Uuid],
    rung: &mut BTreeSet<Priority>,
) -> Result<Done> {
    let mut blocked = suppress::of_emails(tx, ctx, ctx.clock.now(), ids).await?;
    let moves: Vec<Move> = ids
        .iter()
        .filter_map(|id| Some(Move { email: *id, cause: Cause::Suppress { why: blocked.remove(id)? } }))
        .collect();
    apply_each(tx, ctx, &moves, rung).await
}

async fn apply_each(
    tx: &DatabaseTransaction,
    ctx: &Context,
    moves: &[Move],
    rung: &mut BTreeSet<Priority>,
) -> Result<Done> {
    let mut done = Done::default();
    if moves.is_empty() {
        return Ok(done);
    }
    // A refusal here is an email that went its way meanwhile, or can't be retried: it stays as it is.
    for moved in ledger::apply(tx, ctx, Shard::Control, moves).await?.into_iter().flatten() {
        match moved.effect {
            Effect::Moved => done.changed += 1,
            Effect::Noted => done.asked += 1,
            Effect::Nothing => {}
        }
        if moved.after.status == Status::Queued {
            rung.insert(moved.after.lane);
        }
    }
    Ok(done)
}

async fn store(tx: &DatabaseTransaction, ctx: &Context, operation: &Model) -> Result<()> {
    let text = "UPDATE bulk_operations SET cursor = $1, done = $2, asked = $3, finished_at = $4, lease_until = $5 WHERE id = $6";
    let values = [
        Value::from(operation.cursor),
        Value::from(operation.done),
        Value::from(operation.asked),
        Value::from(operation.finished_at),
        Value::from(lease(ctx)),
        Value::from(operation.id),
    ];
    execute(tx, ctx.store.sql(text, values)).await?;
    Ok(())
}

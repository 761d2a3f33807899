//! Emails that leave the queue, with all that hangs on them; and the suppressions that expired leave the list.

use std::collections::BTreeMap;

use entity::{Priority, Status, tally};
use sea_orm::{DatabaseTransaction, QueryResult};
use uuid::Uuid;

use crate::Context;
use crate::campaign::recipients::mark;
use crate::error::Result;
use crate::ledger::{self, Deltas, Shard};
use crate::rows::Rows;
use crate::store::{execute, rows};

/// Six-hourly: archives suppressions that expired; they stay for the history. Answers what it did.
///
/// # Errors
/// The database's own; what was done by then stays done.
pub async fn suppressions(ctx: &Context) -> Result<String> {
    let archived = crate::suppress::list::archive(ctx).await?;
    Ok(format!("archived {archived} expired suppressions"))
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
    release_contents(tx, ctx, gone.iter().map(|g| g.content)).await?;
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

/// One user less for each of these contents, as often as it is named; the last one takes it along. Those that were given up
/// before have none.
pub(crate) async fn release_contents(
    tx: &DatabaseTransaction,
    ctx: &Context,
    given_up: impl Iterator<Item = Uuid>,
) -> Result<()> {
    let mut released: BTreeMap<Uuid, i32> = BTreeMap::new();
    for content in given_up.filter(|content| !content.is_nil()) {
        *released.entry(content).or_default() += 1;
    }
    if released.is_empty() {
        return Ok(());
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

//! What stays of a recipient whose email was cleaned: a mark that its campaign knows the address again by. A campaign mails nobody
//! twice, however long ago it did, and keeps no address longer than the email.

use std::collections::HashSet;

use entity::recipient;
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use crate::Context;
use crate::error::Result;
use crate::event::digest;
use crate::rows::Rows;
use crate::store::{execute, rows};

/// In place of an address: no address is like it, as it has no @.
pub(crate) fn mark(campaign: Uuid, address_key: &str) -> String {
    digest(&[b"recipient", campaign.as_bytes(), address_key.as_bytes()]).simple().to_string()
}

/// Leaves marks in place of these recipients, who are named by campaign and address and whose rows the transaction has locked.
pub(crate) async fn leave(tx: &DatabaseTransaction, ctx: &Context, recipients: &[(Uuid, String)]) -> Result<()> {
    if recipients.is_empty() {
        return Ok(());
    }
    let text = "UPDATE campaign_recipients AS r SET address_key = v.mark, recipient = '', lead_id = NULL, variables = NULL \
                FROM {rows} AS v WHERE r.campaign_id = v.campaign_id AND r.address_key = v.address_key";
    let values = Rows::new()
        .uuid("campaign_id", recipients.iter().map(|(campaign, _)| *campaign))
        .text("address_key", recipients.iter().map(|(_, key)| key.clone()))
        .text("mark", recipients.iter().map(|(campaign, key)| mark(*campaign, key)));
    execute(tx, ctx.store.sql_rows(text, [], values)).await?;
    Ok(())
}

/// The addresses of those of these that their campaign had mailed before and left a mark of.
pub(super) async fn left(
    db: &impl sea_orm::ConnectionTrait,
    ctx: &Context,
    group: &[recipient::Model],
) -> Result<HashSet<String>> {
    let text = "SELECT v.address_key FROM {rows} AS v JOIN campaign_recipients r \
                ON r.campaign_id = v.campaign_id AND r.address_key = v.mark";
    let values = Rows::new()
        .uuid("campaign_id", group.iter().map(|r| r.campaign_id))
        .text("address_key", group.iter().map(|r| r.address_key.clone()))
        .text("mark", group.iter().map(|r| mark(r.campaign_id, &r.address_key)));
    let found = rows(db, ctx.store.sql_rows(text, [], values)).await?;
    found.iter().map(|row| Ok(row.try_get("", "address_key")?)).collect()
}

/// Takes those back that were just added and have a mark. Answers the addresses of all that have one.
///
/// They are looked for only now: who is being cleaned meanwhile keeps the address until the commit, for which the adding waited.
pub(super) async fn withdraw(
    tx: &DatabaseTransaction,
    ctx: &Context,
    group: &[recipient::Model],
) -> Result<HashSet<String>> {
    let left = left(tx, ctx, group).await?;
    let ids = group.iter().filter(|r| left.contains(&r.address_key));
    if !left.is_empty() {
        let text = "DELETE FROM campaign_recipients WHERE (campaign_id, address_key, id) IN \
                    (SELECT v.campaign_id, v.address_key, v.id FROM {rows} AS v)";
        let values = Rows::new()
            .uuid("campaign_id", ids.clone().map(|r| r.campaign_id))
            .text("address_key", ids.clone().map(|r| r.address_key.clone()))
            .uuid("id", ids.map(|r| r.id));
        execute(tx, ctx.store.sql_rows(text, [], values)).await?;
    }
    Ok(left)
}

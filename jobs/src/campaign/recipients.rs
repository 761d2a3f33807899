//! Adding recipients: up to 10,000 in a call, in one transaction. An address stands once in a campaign, whoever names it again;
//! the first name, lead and variables count.

pub(crate) mod mark;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use entity::address::Mailbox;
use entity::sealed::{DataKey, Wrapped};
use entity::{EmailAddress, campaign, recipient, tally};
use sea_orm::{ConnectionTrait, DatabaseTransaction, EntityTrait, Value};
use serde_json::Value as Json;
use uuid::Uuid;

use super::Refusal;
use crate::Context;
use crate::accept::Complaint;
use crate::control::repeat;
use crate::error::Result;
use crate::ledger::{Deltas, Shard};
use crate::rows::Rows;
use crate::store::{execute, rows};
use crate::suppress::List;

/// Recipients in one call.
pub const MOST: usize = 10_000;

/// Variables of one recipient, as JSON.
pub const MOST_VARIABLES: usize = 16 * 1024;

/// Recipients stored in one statement.
const GROUP: usize = 1_000;

/// The name that content finds the recipient's address and name under.
const RESERVED: &str = "recipient";

/// Somebody to write to, nothing checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRecipient {
    pub address: String,
    pub name: Option<String>,
    /// The application's own id of its lead; without one it meets or becomes the lead of its address.
    pub lead: Option<Uuid>,
    /// An object: what the content's placeholders stand for.
    pub variables: Option<Json>,
}

/// What adding came to: `added`, `known` and the refused are together what was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    pub added: u64,
    /// The campaign, or this very call, had the address already.
    pub known: u64,
    /// Of the added: they are on the suppression list now, and would end SUPPRESSED.
    pub suppressed: u64,
    /// In the order of the call.
    pub refused: Vec<Refused>,
}

/// A recipient that can't be added as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its place in the call, the first is 0.
    pub index: usize,
    pub complaints: Vec<Complaint>,
}

/// Adds recipients to a campaign; those of a launched one become emails at once, or at its `sendAt`. A dry run adds nobody and
/// counts as it would.
///
/// # Errors
/// The database's own: then nobody was added. A [`Refusal`] inside when the campaign takes none.
pub async fn add(
    ctx: &Context,
    campaign: Uuid,
    recipients: Vec<NewRecipient>,
    dry_run: bool,
) -> Result<Result<Added, Refusal>> {
    if recipients.len() > MOST {
        return Ok(Err(Refusal::TooMany));
    }
    let Some(row) = campaign::Entity::find_by_id(campaign).one(ctx.store.by_key()).await? else {
        return Ok(Err(Refusal::NotFound));
    };
    if row.cancelled_at.is_some() {
        return Ok(Err(Refusal::Cancelled));
    }
    let wrapped = Wrapped { key_id: row.key_id.clone(), wrapped: row.wrapped_key.clone() };
    let key = ctx.keyring.unwrap(&wrapped, campaign::TABLE, row.id)?;
    let (fresh, given) = check(ctx, &key, &row, recipients);
    if dry_run {
        return Ok(Ok(would(ctx, &row, &fresh, given).await?));
    }
    repeat(|| store(ctx, &row, &fresh, given.clone())).await
}

/// Those to be added, each address once and in the order of their keys, so that no two calls wait for each other in a circle;
/// and what is known of the others.
fn check(
    ctx: &Context,
    key: &DataKey,
    campaign: &campaign::Model,
    recipients: Vec<NewRecipient>,
) -> (Vec<recipient::Model>, Added) {
    let (mut fresh, mut given, mut keys) = (Vec::with_capacity(recipients.len()), Added::default(), HashSet::new());
    let now = ctx.clock.now();
    for (index, new) in recipients.into_iter().enumerate() {
        let (mailbox, variables) = match new.check() {
            Ok(checked) => checked,
            Err(complaints) => {
                given.refused.push(Refused { index, complaints });
                continue;
            }
        };
        let address_key = mailbox.address.key();
        if !keys.insert(address_key.clone()) {
            given.known += 1;
            continue;
        }
        let id = ctx.clock.id();
        fresh.push(recipient::Model {
            campaign_id: campaign.id,
            address_key,
            id,
            recipient: mailbox.to_string(),
            lead_id: new.lead,
            variables: variables.map(|text| key.seal(recipient::TABLE, id, "variables", text.as_bytes())),
            email_id: None,
            created_at: now,
        });
    }
    fresh.sort_unstable_by(|a, b| a.address_key.cmp(&b.address_key));
    (fresh, given)
}

impl NewRecipient {
    /// Its mailbox, and its variables as JSON.
    ///
    /// # Errors
    /// Everything there is to mend.
    pub fn check(&self) -> Result<(Mailbox, Option<String>), Vec<Complaint>> {
        let mut complaints = Vec::new();
        let mut complain =
            |field: &str, message: String| complaints.push(Complaint { path: vec![field.to_owned()], message });
        let mailbox = match EmailAddress::parse(&self.address) {
            Ok(address) => {
                let name = self.name.as_deref().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
                let mailbox = Mailbox { name, address };
                // No header line holds every name.
                Mailbox::parse(&mailbox.to_string()).map_err(|error| complain("name", error.to_string())).ok()
            }
            Err(error) => {
                complain("address", error.to_string());
                None
            }
        };
        let variables = match &self.variables {
            None | Some(Json::Null) => None,
            Some(Json::Object(all)) if all.contains_key(RESERVED) => {
                complain("variables", format!("must not hold {RESERVED}: it stands for the recipient itself"));
                None
            }
            Some(all @ Json::Object(_)) => Some(all.to_string()),
            Some(_) => {
                complain("variables", "must be an object".to_owned());
                None
            }
        };
        if variables.as_ref().is_some_and(|text| text.len() > MOST_VARIABLES) {
            complain("variables", format!("are larger than {} KiB", MOST_VARIABLES >> 10));
        }
        match mailbox {
            Some(mailbox) if complaints.is_empty() => Ok((mailbox, variables)),
            Some(_) | None => Err(complaints),
        }
    }
}

/// One transaction over all. Done again after a commit whose answer was lost, it finds its own rows and says the same.
async fn store(
    ctx: &Context,
    campaign: &campaign::Model,
    fresh: &[recipient::Model],
    mut given: Added,
) -> Result<Result<Added, Refusal>> {
    let tx = ctx.store.begin().await?;
    let mut inserted = 0;
    for group in fresh.chunks(GROUP) {
        let mut new = insert(&tx, ctx, group).await?;
        let mailed = mailed(campaign, async || mark::withdraw(&tx, ctx, group).await).await?;
        new.retain(|key| !mailed.contains(key));
        let others: Vec<&recipient::Model> = group.iter().filter(|r| !new.contains(&r.address_key)).collect();
        // Those that are there with our own ids are ours.
        let others = there(&tx, ctx, &others).await?.into_iter().filter(|(_, own)| !own);
        let known: HashSet<String> = others.map(|(key, _)| key).chain(mailed).collect();
        inserted += new.len();
        given.count(ctx, &tx, campaign, group, &known).await?;
    }
    // Only now, so that a batch of this campaign waits for the commit alone.
    let row = match super::lock(&tx, ctx, campaign.id).await? {
        None => return Ok(Err(Refusal::NotFound)),
        Some(row) if row.cancelled_at.is_some() => return Ok(Err(Refusal::Cancelled)),
        Some(row) => row,
    };
    if row.launched_at.is_some() && inserted > 0 {
        let now = ctx.clock.now();
        let text = "UPDATE campaigns SET expand_at = $1, updated_at = $2 WHERE id = $3";
        let values = [Value::from(row.send_at.unwrap_or(now).max(now)), Value::from(now), Value::from(row.id)];
        execute(&tx, ctx.store.sql(text, values)).await?;
    }
    let mut deltas = Deltas::default();
    deltas.add(row.lane, row.scope, tally::PENDING, inserted as i64);
    deltas.store(&tx, ctx, Shard::Campaign).await?;
    tx.commit().await?;
    if row.launched_at.is_some() {
        ctx.executor.notify_one();
    }
    Ok(Ok(given))
}

/// Of whom there are marks, where there may be any: none before the launch.
async fn mailed(
    campaign: &campaign::Model,
    ask: impl AsyncFnOnce() -> Result<HashSet<String>>,
) -> Result<HashSet<String>> {
    if campaign.launched_at.is_some() { ask().await } else { Ok(HashSet::new()) }
}

/// What [`store`] would come to.
async fn would(
    ctx: &Context,
    campaign: &campaign::Model,
    fresh: &[recipient::Model],
    mut given: Added,
) -> Result<Added> {
    let db = ctx.store.by_key();
    for group in fresh.chunks(GROUP) {
        let mailed = mailed(campaign, async || mark::left(db, ctx, group).await).await?;
        let there = there(db, ctx, &group.iter().collect::<Vec<_>>()).await?;
        let known = there.into_iter().map(|(key, _)| key).chain(mailed).collect();
        given.count(ctx, db, campaign, group, &known).await?;
    }
    Ok(given)
}

impl Added {
    /// Counts a group, of which these addresses were there before.
    async fn count(
        &mut self,
        ctx: &Context,
        db: &impl ConnectionTrait,
        campaign: &campaign::Model,
        group: &[recipient::Model],
        known: &HashSet<String>,
    ) -> Result<()> {
        let added: Vec<&str> =
            group.iter().map(|r| r.address_key.as_str()).filter(|key| !known.contains(*key)).collect();
        self.known += known.len() as u64;
        self.added += added.len() as u64;
        let list = List::ask(db, ctx, ctx.clock.now(), campaign.sandbox, added.iter().copied()).await?;
        self.suppressed += added.iter().filter(|key| list.blocks(key, campaign.transactional).is_some()).count() as u64;
        Ok(())
    }
}

/// Inserts those that are not there. Answers their keys.
async fn insert(tx: &DatabaseTransaction, ctx: &Context, group: &[recipient::Model]) -> Result<HashSet<String>> {
    let text = "INSERT INTO campaign_recipients (campaign_id, address_key, id, recipient, lead_id, variables, created_at) \
         SELECT v.campaign_id, v.address_key, v.id, v.recipient, v.lead_id, v.variables, v.created_at FROM {rows} AS v \
         WHERE true ORDER BY v.address_key ON CONFLICT (campaign_id, address_key) DO NOTHING RETURNING address_key";
    let values = Rows::new()
        .uuid("campaign_id", group.iter().map(|r| r.campaign_id))
        .text("address_key", group.iter().map(|r| r.address_key.clone()))
        .uuid("id", group.iter().map(|r| r.id))
        .text("recipient", group.iter().map(|r| r.recipient.clone()))
        .uuid("lead_id", group.iter().map(|r| r.lead_id))
        .bytes("variables", group.iter().map(|r| r.variables.clone()))
        .time("created_at", group.iter().map(|r| r.created_at));
    let found = rows(tx, ctx.store.sql_rows(text, [], values)).await?;
    found.iter().map(|row| Ok(row.try_get("", "address_key")?)).collect()
}

/// Those of these addresses that their campaign has, and whether by the very ids given here.
async fn there(db: &impl ConnectionTrait, ctx: &Context, asked: &[&recipient::Model]) -> Result<Vec<(String, bool)>> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let text = "SELECT r.address_key, r.id = v.id AS own FROM campaign_recipients r JOIN {rows} AS v \
                ON r.campaign_id = v.campaign_id AND r.address_key = v.address_key";
    let values = Rows::new()
        .uuid("campaign_id", asked.iter().map(|r| r.campaign_id))
        .text("address_key", asked.iter().map(|r| r.address_key.clone()))
        .uuid("id", asked.iter().map(|r| r.id));
    let found = rows(db, ctx.store.sql_rows(text, [], values)).await?;
    found.iter().map(|row| Ok((row.try_get("", "address_key")?, row.try_get("", "own")?))).collect()
}

//! One batch: up to 500 recipients become emails in one transaction. Done again after a commit whose answer was lost, it finds
//! them no longer pending; so none is lost and none has two.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use entity::campaign::Model;
use entity::{Status, email, recipient, tally};
use sea_orm::{DatabaseTransaction, FromQueryResult, Value};
use uuid::Uuid;

use super::Done;
use crate::Context;
use crate::accept::insert_emails;
use crate::batch::Batch;
use crate::campaign::lock;
use crate::error::Result;
use crate::event::digest;
use crate::filter::made_at;
use crate::find::models;
use crate::hold::Holds;
use crate::lead;
use crate::ledger::{Deltas, Shard};
use crate::rows::Rows;
use crate::store::{Dialect, execute, rows};
use crate::suppress::List;

/// Recipients of one batch.
const MOST: usize = 500;

/// Makes emails of the next recipients beyond `passed` that have none.
pub(super) async fn expand(ctx: &Context, campaign: Uuid, passed: Uuid) -> Result<Done> {
    let tx = ctx.store.begin().await?;
    let now = ctx.clock.now();
    let Some(row) = shared(&tx, ctx, campaign).await? else { return Ok(Done::Over) };
    if row.cancelled_at.is_some() || row.expand_at.is_none_or(|at| at > now) {
        return Ok(Done::Over);
    }
    let scope = ctx.scopes.get(&tx, &ctx.store, row.scope).await?;
    if Holds::load(&tx, now).await?.is_paused(row.lane, &scope) {
        return Ok(Done::Paused);
    }
    let recipients = pending(&tx, ctx, campaign, passed, MOST, ctx.store.skip_locked()).await?;
    let last = match recipients.last() {
        None => return Ok(Done::Last),
        Some(recipient) => recipient.id,
    };
    let emails = emails(&tx, ctx, &row, &recipients, now).await?;
    insert_emails(&tx, ctx, &emails.iter().collect::<Vec<_>>()).await?;
    let mut batch = Batch::new(&ctx.store);
    assign(&mut batch, &recipients, &emails);
    lead::keep(&mut batch, emails.iter());
    let text = "UPDATE email_contents AS c SET emails = c.emails + v.n FROM {rows} AS v WHERE c.id = v.id";
    batch.add(text, [], Rows::new().uuid("id", [row.content_id]).int("n", [emails.len() as i64]));
    batch.exactly(1);
    let mut deltas = Deltas::default();
    for email in &emails {
        deltas.add(row.lane, row.scope, tally::PENDING, -1);
        deltas.add(row.lane, row.scope, tally::column(email.status), 1);
    }
    deltas.add_to(&mut batch, Shard::Campaign.of(ctx));
    batch.run(&tx).await?;
    tx.commit().await?;
    metrics::counter!("mailmind_accepted_total").increment(emails.len() as u64);
    ctx.nudge(row.lane);
    Ok(if emails.len() < MOST { Done::Last } else { Done::More(last) })
}

/// Looks for recipients without an email when no batch of the campaign is under way, and notes when there are none.
pub(super) async fn close(ctx: &Context, campaign: Uuid) -> Result<Done> {
    let tx = ctx.store.begin().await?;
    let Some(row) = lock(&tx, ctx, campaign).await? else { return Ok(Done::Closed) };
    // A new statement, so that what was committed before the lock was given is seen.
    if row.expand_at.is_some() && !pending(&tx, ctx, campaign, Uuid::nil(), 1, "").await?.is_empty() {
        return Ok(Done::Left);
    }
    let text = "UPDATE campaigns SET expand_at = NULL WHERE id = $1";
    execute(&tx, ctx.store.sql(text, [Value::from(campaign)])).await?;
    tx.commit().await?;
    Ok(Done::Closed)
}

/// The campaign, which nobody may cancel, launch or close until the commit; other batches may go on.
async fn shared(tx: &DatabaseTransaction, ctx: &Context, id: Uuid) -> Result<Option<Model>> {
    let lock = match ctx.store.dialect() {
        Dialect::Postgres => "FOR SHARE",
        Dialect::Sqlite => "",
    };
    let text = format!("SELECT * FROM campaigns WHERE id = $1 {lock}");
    let found = rows(tx, ctx.store.sql(text, [Value::from(id)])).await?;
    Ok(found.first().map(|row| Model::from_query_result(row, "")).transpose()?)
}

async fn pending(
    tx: &DatabaseTransaction,
    ctx: &Context,
    campaign: Uuid,
    passed: Uuid,
    most: usize,
    lock: &str,
) -> Result<Vec<recipient::Model>> {
    let text = format!(
        "SELECT r.* FROM campaign_recipients r WHERE r.campaign_id = $1 AND r.email_id IS NULL AND r.id > $2 \
         ORDER BY r.id LIMIT $3 {lock}"
    );
    let values = [Value::from(campaign), Value::from(passed), Value::from(most as i64)];
    models(&rows(tx, ctx.store.sql(text, values)).await?)
}

/// The emails that the recipients become.
async fn emails(
    tx: &DatabaseTransaction,
    ctx: &Context,
    campaign: &Model,
    recipients: &[recipient::Model],
    now: DateTime<Utc>,
) -> Result<Vec<email::Model>> {
    let keys = || recipients.iter().map(|recipient| recipient.address_key.as_str());
    let list = List::ask(tx, ctx, now, campaign.sandbox, keys()).await?;
    let leads =
        leads(tx, ctx, recipients.iter().filter(|r| r.lead_id.is_none()).map(|r| r.address_key.as_str())).await?;
    let email = |recipient: &recipient::Model| {
        let key = &recipient.address_key;
        let lead = recipient.lead_id.or_else(|| leads.get(key).copied()).unwrap_or_else(|| own_lead(key));
        let why = list.blocks(key, campaign.transactional);
        email(ctx, campaign, recipient, lead, why)
    };
    Ok(recipients.iter().map(email).collect())
}

fn email(
    ctx: &Context,
    campaign: &Model,
    recipient: &recipient::Model,
    lead: Uuid,
    suppressed: Option<String>,
) -> email::Model {
    let id = ctx.clock.id();
    let at = made_at(id);
    email::Model {
        id,
        scope: campaign.scope,
        lane: campaign.lane,
        status: if suppressed.is_some() { Status::Suppressed } else { Status::Queued },
        due_at: suppressed.is_none().then_some(at),
        fence: 0,
        attempts: 0,
        lease_until: None,
        fed_at: None,
        resolve_at: None,
        send_at: at,
        deliver_by: campaign.deliver_by,
        content_id: campaign.content_id,
        content_deleted_at: None,
        campaign_id: Some(campaign.id),
        lead_id: Some(lead),
        sender: campaign.sender.clone(),
        recipient: recipient.recipient.clone(),
        recipient_key: recipient.address_key.clone(),
        recipient_mark: ctx.marks.known().map(|key| key.mark(&recipient.address_key)),
        cc: None,
        bcc: None,
        reply_to: campaign.reply_to.clone(),
        omitted: None,
        on_unconfirmed: campaign.on_unconfirmed,
        transactional: campaign.transactional,
        test_mode: campaign.test_mode,
        sandbox: campaign.sandbox,
        cancel_requested: false,
        acceptances: 0,
        heard: false,
        rejected: false,
        finished_at: suppressed.is_some().then_some(at),
        last_error: suppressed,
        provider_id: None,
        created_at: at,
        updated_at: at,
        first_try_at: None,
        sent_at: None,
    }
}

/// The leads that these addresses have, each address's first.
async fn leads<'a>(
    tx: &DatabaseTransaction,
    ctx: &Context,
    keys: impl Iterator<Item = &'a str>,
) -> Result<HashMap<String, Uuid>> {
    let keys: BTreeSet<String> = keys.map(str::to_owned).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let text = "SELECT v.address_key, (SELECT l.id FROM leads l WHERE l.address_key = v.address_key ORDER BY l.id LIMIT 1) AS id \
                FROM {rows} AS v";
    let mut leads = HashMap::new();
    for row in rows(tx, ctx.store.sql_rows(text, [], Rows::new().text("address_key", keys))).await? {
        if let Some(id) = row.try_get::<Option<Uuid>>("", "id")? {
            leads.insert(row.try_get("", "address_key")?, id);
        }
    }
    Ok(leads)
}

/// The id of the lead that an address becomes: derived, so that two batches that meet it at once make the same.
fn own_lead(address_key: &str) -> Uuid {
    // RFC 9562, 5.8: a UUIDv8 of one's own making.
    uuid::Builder::from_custom_bytes(digest(&[b"lead", address_key.as_bytes()]).into_bytes()).into_uuid()
}

/// Tells the recipients which emails they became.
fn assign(batch: &mut Batch<'_>, recipients: &[recipient::Model], emails: &[email::Model]) {
    let text = "UPDATE campaign_recipients AS r SET email_id = v.email_id FROM {rows} AS v \
                WHERE r.campaign_id = v.campaign_id AND r.address_key = v.address_key AND r.email_id IS NULL";
    let values = Rows::new()
        .uuid("campaign_id", recipients.iter().map(|r| r.campaign_id))
        .text("address_key", recipients.iter().map(|r| r.address_key.clone()))
        .uuid("email_id", emails.iter().map(|email| email.id));
    batch.add(text, [], values);
    // Cannot fail while they are locked; if it does, nobody of the batch has an email.
    batch.exactly(recipients.len());
}

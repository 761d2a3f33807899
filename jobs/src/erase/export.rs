//! Everything that is known of an address, as one document for whoever asks about themselves: in parts of at most
//! [`EMAILS`] emails and [`EVENTS`] events.

use entity::{delivery_event, email};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Value};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::Context;
use crate::content::Parts;
use crate::error::Result;
use crate::find::{attempts, facts, models};
use crate::send::personal;
use crate::store::rows;
use crate::suppress::state;

/// Emails in one part, with what they say.
pub const EMAILS: u64 = 100;

/// Events in one part.
pub const EVENTS: u64 = 1_000;

/// Where a part begins: behind this email and this event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub email: Uuid,
    pub event: i64,
}

/// A part of the document.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub document: Json,
    /// Where the next one begins; `None` when this is the last.
    pub next: Option<Place>,
}

/// The part that begins there. The suppression list, leads and campaigns stand in the first.
///
/// # Errors
/// The database's own; a content that the keyring can't open.
pub async fn part(ctx: &Context, address_key: &str, from: Option<Place>) -> Result<Part> {
    let place = from.unwrap_or_default();
    let emails = emails(ctx, address_key, place.email).await?;
    let events = events(ctx, address_key, place.event).await?;
    let next = Place {
        email: emails.last().map_or(place.email, |email| email.id),
        event: events.last().map_or(place.event, |event| event.seq),
    };
    let more = emails.len() as u64 == EMAILS || events.len() as u64 == EVENTS;
    let mut document = json!({
        "address": address_key,
        "exportedAt": ctx.clock.now(),
        "emails": written(ctx, &emails).await?,
        "events": events.iter().map(told).collect::<Vec<_>>(),
    });
    if from.is_none() {
        document["suppressions"] = suppressions(ctx, address_key).await?;
        document["leads"] = leads(ctx, address_key).await?;
        document["campaigns"] = campaigns(ctx, address_key).await?;
    }
    Ok(Part { document, next: more.then_some(next) })
}

async fn emails(ctx: &Context, address: &str, after: Uuid) -> Result<Vec<email::Model>> {
    let text = "SELECT q.* FROM email_queue q WHERE q.recipient_key = $1 AND q.id > $2 ORDER BY q.id LIMIT $3";
    let values = [Value::from(address), Value::from(after), Value::from(EMAILS as i64)];
    models(&rows(ctx.store.by_key(), ctx.store.sql(text, values)).await?)
}

async fn events(ctx: &Context, address: &str, after: i64) -> Result<Vec<delivery_event::Model>> {
    Ok(delivery_event::Entity::find()
        .filter(delivery_event::Column::RecipientKey.eq(address))
        .filter(delivery_event::Column::Seq.gt(after))
        .order_by_asc(delivery_event::Column::Seq)
        .limit(EVENTS)
        .all(ctx.store.by_key())
        .await?)
}

/// Emails with what they say, their tries, and what is known of them besides.
async fn written(ctx: &Context, emails: &[email::Model]) -> Result<Vec<Json>> {
    let ids: Vec<Uuid> = emails.iter().map(|email| email.id).collect();
    let (mut tries, facts) = (attempts(ctx, &ids).await?, facts(ctx, &ids).await?);
    let mut all = Vec::with_capacity(emails.len());
    for email in emails {
        let content = entity::content::Entity::find_by_id(email.content_id).one(ctx.store.read()).await?;
        let content = content.map(|row| Parts::open(ctx, &row)).transpose()?;
        let tries = tries.remove(&email.id).unwrap_or_default();
        let facts = facts.get(&email.id);
        all.push(json!({
            "id": email.id,
            "status": email.status.name(),
            "from": email.sender,
            "to": email.recipient,
            "replyTo": email.reply_to,
            "campaignId": email.campaign_id,
            "leadId": email.lead_id,
            "acceptedAt": email.created_at,
            "sentAt": email.sent_at,
            "finishedAt": email.finished_at,
            "lastError": email.last_error,
            "contentDeletedAt": email.content_deleted_at,
            "content": content.map(|parts| json!({
                "subject": parts.head.subject,
                "headers": parts.head.headers,
                "tags": parts.head.tags,
                "metadata": parts.head.metadata,
                "html": parts.html,
                "text": parts.text,
                "attachments": parts.head.attachments.iter().map(|file| &file.filename).collect::<Vec<_>>(),
            })),
            "tries": tries.iter().map(|one| json!({ "at": one.started_at, "error": one.error })).collect::<Vec<_>>(),
            "deliveredAt": facts.and_then(|facts| facts.delivered_at),
            "openedAt": facts.and_then(|facts| facts.opened_at),
            "clickedAt": facts.and_then(|facts| facts.clicked_at),
        }));
    }
    Ok(all)
}

fn told(event: &delivery_event::Model) -> Json {
    json!({
        "id": event.id,
        "type": event.kind,
        "emailId": event.email_id,
        "campaignId": event.campaign_id,
        "occurredAt": event.occurred_at,
        "reason": event.reason,
        "message": event.message,
        "client": event.client,
        "country": event.country,
        "url": event.url,
    })
}

/// What blocks it, and what ever did.
async fn suppressions(ctx: &Context, address: &str) -> Result<Json> {
    let state = state::state(ctx, address).await?;
    let entries = state.by.iter().map(|entry| json!({ "target": entry.target, "reason": entry.reason, "since": entry.occurred_at, "until": entry.expires_at, "note": entry.note }));
    let history = state.history.iter().map(|fact| json!({ "target": fact.target, "reason": fact.reason, "lift": fact.lift, "at": fact.occurred_at, "note": fact.note }));
    Ok(json!({ "active": entries.collect::<Vec<_>>(), "history": history.collect::<Vec<_>>() }))
}

async fn leads(ctx: &Context, address: &str) -> Result<Json> {
    let text = "SELECT l.* FROM leads l WHERE l.address_key = $1 ORDER BY l.id";
    let found = rows(ctx.store.by_key(), ctx.store.sql(text, [Value::from(address)])).await?;
    let leads = models::<entity::lead::Model>(&found)?;
    Ok(leads.iter().map(|lead| json!({ "id": lead.id, "since": lead.created_at })).collect())
}

/// The campaigns that have it as a recipient, with the name and the variables they have for it.
async fn campaigns(ctx: &Context, address: &str) -> Result<Json> {
    let text = "SELECT k.id, k.name, r.id AS recipient_id, r.recipient, r.variables FROM campaigns k \
                JOIN campaign_recipients r ON r.campaign_id = k.id AND r.address_key = $1 ORDER BY k.id";
    let mut all = Vec::new();
    for row in rows(ctx.store.by_key(), ctx.store.sql(text, [Value::from(address)])).await? {
        let (id, name, recipient): (Uuid, String, String) =
            (row.try_get("", "id")?, row.try_get("", "name")?, row.try_get("", "recipient")?);
        let variables = match row.try_get::<Option<Vec<u8>>>("", "variables")? {
            Some(sealed) => personal::open(ctx, id, row.try_get("", "recipient_id")?, &sealed).await?,
            None => serde_json::Map::new(),
        };
        all.push(json!({ "id": id, "name": name, "recipient": recipient, "variables": variables }));
    }
    Ok(Json::Array(all))
}

//! What an endpoint is told of an event: the payload of Standard Webhooks (`type`, `timestamp`, `data`), described in
//! `docs/webhooks.md`. It is made of the event's row each time it is told, and stored nowhere.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use entity::content::{self, Head};
use entity::delivery_event::{Kind, Source};
use entity::event_endpoint::Wanted;
use entity::suppression::BounceType;
use sea_orm::{FromQueryResult, QueryResult, Value};
use serde::Serialize;
use uuid::Uuid;

use crate::Context;
use crate::content::key;
use crate::erase::is_mark;
use crate::error::Result;
use crate::find::events::{COLUMNS, Event};
use crate::find::models;
use crate::rows::Rows;
use crate::store::rows;

/// Rises when something is taken away or changes its meaning; what is added leaves it.
pub const VERSION: u8 = 1;

/// An event with what its email adds to it.
#[derive(Clone, Debug)]
pub struct News {
    pub event: Event,
    /// The sending domain.
    pub domain: Option<String>,
    pub sandbox: Option<bool>,
    pub lead: Option<Uuid>,
    /// Tags and metadata, where the email's content is still there.
    pub head: Arc<Head>,
}

/// What joins an event's email to it.
const FROM: &str =
    "email_delivery_events e LEFT JOIN email_queue q ON q.id = e.email_id LEFT JOIN email_scopes s ON s.id = q.scope";
const BESIDES: &str = "coalesce(e.domain, s.sending_domain) AS domain, q.sandbox, q.lead_id, q.content_id";

/// The events after a number, up to another, in their order.
///
/// # Errors
/// The database's own; a content that the keyring can't open.
pub(super) async fn after(ctx: &Context, seq: i64, last: i64, most: i64) -> Result<Vec<News>> {
    let text =
        format!("SELECT {COLUMNS}, {BESIDES} FROM {FROM} WHERE e.seq > $1 AND e.seq <= $2 ORDER BY e.seq LIMIT $3");
    let values = [Value::from(seq), Value::from(last), Value::from(most)];
    read(ctx, rows(ctx.store.by_key(), ctx.store.sql(text, values)).await?).await
}

/// The events of these numbers, as far as they are still there.
///
/// # Errors
/// As [`after`].
pub(super) async fn of(ctx: &Context, seqs: &[i64]) -> Result<HashMap<i64, News>> {
    let text = format!("SELECT {COLUMNS}, {BESIDES} FROM {{rows}} AS v CROSS JOIN {FROM} WHERE e.seq = v.seq");
    let asked = ctx.store.sql_rows(&text, [], Rows::new().int("seq", seqs.iter().copied()));
    let found = read(ctx, rows(ctx.store.by_key(), asked).await?).await?;
    Ok(found.into_iter().map(|news| (news.event.seq, news)).collect())
}

async fn read(ctx: &Context, found: Vec<QueryResult>) -> Result<Vec<News>> {
    let mut contents = Vec::with_capacity(found.len());
    for row in &found {
        contents.push(row.try_get::<Option<Uuid>>("", "content_id")?.filter(|id| !id.is_nil()));
    }
    let heads = heads(ctx, contents.iter().flatten().copied().collect()).await?;
    let mut all = Vec::with_capacity(found.len());
    for (row, content) in found.iter().zip(contents) {
        all.push(News {
            event: Event::from_query_result(row, "")?,
            domain: row.try_get("", "domain")?,
            sandbox: row.try_get("", "sandbox")?,
            lead: row.try_get("", "lead_id")?,
            head: content.and_then(|id| heads.get(&id).cloned()).unwrap_or_default(),
        });
    }
    Ok(all)
}

/// What contents hold besides their bodies, which are not read.
async fn heads(ctx: &Context, mut ids: Vec<Uuid>) -> Result<HashMap<Uuid, Arc<Head>>> {
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let text = "SELECT c.id, c.key_id, c.wrapped_key, c.head, c.template, c.emails, c.created_at, NULL AS html, NULL AS text, \
                NULL AS attachments FROM email_contents c WHERE c.id {ids}";
    let found = rows(ctx.store.by_key(), ctx.store.sql_ids(text, [], ids)).await?;
    let open = |row: content::Model| {
        let head = key(ctx, &row)?.open(content::TABLE, row.id, "head", &row.head)?;
        Ok((row.id, Arc::new(serde_json::from_slice(&head)?)))
    };
    models::<content::Model>(&found)?.into_iter().map(open).collect()
}

impl News {
    /// Whether an endpoint that wants these events wants this one.
    pub fn is_wanted(&self, wanted: &Wanted) -> bool {
        let campaign = |id: Uuid| wanted.campaigns.contains(&id);
        (wanted.kinds.is_empty() || wanted.kinds.contains(&self.event.kind))
            && (wanted.campaigns.is_empty() || self.event.campaign_id.is_some_and(campaign))
            && (wanted.domains.is_empty() || self.domain.as_ref().is_some_and(|domain| wanted.domains.contains(domain)))
            && (wanted.tags.is_empty() || self.head.tags.iter().any(|tag| wanted.tags.contains(tag)))
    }

    /// `webhook-id`: the event's id, by which it can be asked for in the API as well.
    pub fn id(&self) -> String {
        global("delivery-event", self.event.id)
    }

    /// The payload; `test` says that nothing of it happened.
    ///
    /// # Errors
    /// None that is to be expected.
    pub fn body(&self, test: bool) -> Result<Bytes> {
        Ok(serde_json::to_vec(&Payload::of(self, test))?.into())
    }
}

/// An id as the API has it.
pub(super) fn global(kind: &str, id: Uuid) -> String {
    format!("{kind}:{id}")
}

/// The part of `type` behind `email.`: a kind's name.
pub fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Accepted => "accepted",
        Kind::Delivered => "delivered",
        Kind::Deferred => "deferred",
        Kind::Bounced => "bounced",
        Kind::Opened => "opened",
        Kind::Clicked => "clicked",
        Kind::Complained => "complained",
        Kind::Unsubscribed => "unsubscribed",
        Kind::Rejected => "rejected",
        Kind::Unknown => "unknown",
    }
}

#[derive(Serialize)]
struct Payload<'a> {
    #[serde(rename = "type")]
    kind: String,
    timestamp: DateTime<Utc>,
    version: u8,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    test: bool,
    data: Data<'a>,
}

/// Of every kind.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    event_id: String,
    sequence: i64,
    email_id: Option<String>,
    campaign_id: Option<String>,
    lead_id: Option<String>,
    recipient: Option<&'a str>,
    copy: bool,
    sending_domain: Option<&'a str>,
    sandbox: Option<bool>,
    source: Source,
    recorded_at: DateTime<Utc>,
    tags: &'a [String],
    metadata: Option<&'a serde_json::Value>,
    #[serde(flatten)]
    more: Option<More<'a>>,
}

/// Of a kind alone.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum More<'a> {
    Failure(Failure<'a>),
    Engagement(Engagement<'a>),
    Rejection(Rejection<'a>),
    Unknown(Unknown<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    bounce_type: Option<&'static str>,
    smtp_code: Option<i32>,
    enhanced_code: Option<&'a str>,
    reason: Option<&'a str>,
    message: Option<&'a str>,
    attempt: Option<i32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Engagement<'a> {
    url: Option<&'a str>,
    /// The machine that did it; a person where it is null.
    bot: Option<&'a str>,
    client: Option<&'a str>,
    country: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rejection<'a> {
    reason: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Unknown<'a> {
    name: Option<&'a str>,
}

impl<'a> Payload<'a> {
    fn of(news: &'a News, test: bool) -> Self {
        let event = &news.event;
        Self {
            kind: format!("email.{}", name(event.kind)),
            timestamp: event.occurred_at,
            version: VERSION,
            test,
            data: Data {
                event_id: news.id(),
                sequence: event.seq,
                email_id: event.email_id.map(|id| global("email", id)),
                campaign_id: event.campaign_id.map(|id| global("campaign", id)),
                lead_id: news.lead.map(|id| global("lead", id)),
                // Of who was erased there is a mark, which says nothing to anybody.
                recipient: event.recipient_key.as_deref().filter(|key| !is_mark(key)),
                copy: event.copy,
                sending_domain: news.domain.as_deref(),
                sandbox: news.sandbox,
                source: event.source,
                recorded_at: event.recorded_at,
                tags: &news.head.tags,
                metadata: news.head.metadata.as_ref(),
                more: More::of(event),
            },
        }
    }
}

impl<'a> More<'a> {
    fn of(event: &'a Event) -> Option<Self> {
        Some(match event.kind {
            Kind::Deferred | Kind::Bounced => Self::Failure(Failure {
                bounce_type: event.bounce_type.map(|kind| if kind == BounceType::Hard { "HARD" } else { "SOFT" }),
                smtp_code: event.smtp_code,
                enhanced_code: event.enhanced_code.as_deref(),
                reason: event.reason.as_deref(),
                message: event.message.as_deref(),
                attempt: event.attempt,
            }),
            Kind::Opened | Kind::Clicked => Self::Engagement(Engagement {
                url: event.url.as_deref(),
                bot: event.bot.as_deref(),
                client: event.client.as_deref(),
                country: event.country.as_deref(),
            }),
            Kind::Rejected => Self::Rejection(Rejection { reason: event.reason.as_deref() }),
            Kind::Unknown => Self::Unknown(Unknown { name: event.name.as_deref() }),
            Kind::Accepted | Kind::Delivered | Kind::Complained | Kind::Unsubscribed => return None,
        })
    }
}

#[cfg(test)]
mod tests;

//! An endpoint told of an event that never happened, so that somebody sees whether it listens.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::delivery_event::{Kind, Source};
use entity::event_dispatch::State;
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use super::{find, signing};
use crate::Context;
use crate::dispatch::address;
use crate::dispatch::payload::News;
use crate::dispatch::post::Letter;
use crate::dispatch::rule::{Answer, outcome};
use crate::dispatch::sign::signatures;
use crate::error::Result;
use crate::find::events::Event;

/// How an endpoint took an event that never happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    pub taken: bool,
    pub http_status: Option<u16>,
    /// Why it was not taken.
    pub error: Option<String>,
    pub took_ms: u64,
}

/// Tells an endpoint, now and from this process, of an event of this kind that never happened, which its payload says. Nothing of
/// it is stored. `None` when there is no such endpoint.
///
/// # Errors
/// The database's own; a secret that the keyring can't open.
pub async fn try_out(ctx: &Context, id: Uuid, kind: Kind) -> Result<Option<Trial>> {
    let Some(endpoint) = find(ctx, id).await? else { return Ok(None) };
    let secrets = signing(ctx, id).await?;
    let at = ctx.clock.now();
    let news = sample(ctx, kind, at);
    let (body, id) = (news.body(true)?, news.id());
    let signatures = signatures(&secrets, &id, at.timestamp(), &body);
    let begun = Instant::now();
    let answer = match address::url(&endpoint.url, &ctx.settings.outbound_networks) {
        Ok(url) => ctx.poster.post(ctx, &url, Letter { id, at, signatures, body }).await,
        Err(why) => Answer::None(format!("its URL {why}")),
    };
    let took = begun.elapsed();
    let outcome = outcome(&answer, 1, at, &ctx.timing, 0.5);
    Ok(Some(Trial {
        taken: outcome.state == State::Taken,
        http_status: outcome.http_status,
        error: outcome.error,
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    }))
}

/// An event that never happened, to nobody (RFC 2606).
fn sample(ctx: &Context, kind: Kind, at: DateTime<Utc>) -> News {
    let failed = matches!(kind, Kind::Bounced | Kind::Deferred);
    let event = Event {
        seq: 0,
        id: ctx.clock.id(),
        kind,
        source: Source::Webhook,
        email_id: Some(ctx.clock.id()),
        campaign_id: None,
        copy: false,
        recipient_key: Some("reader@example.com".to_owned()),
        occurred_at: at,
        recorded_at: at,
        name: (kind == Kind::Unknown).then(|| "example".to_owned()),
        smtp_code: failed.then_some(if kind == Kind::Bounced { 550 } else { 421 }),
        enhanced_code: failed.then(|| if kind == Kind::Bounced { "5.1.1" } else { "4.7.0" }.to_owned()),
        reason: (failed || kind == Kind::Rejected).then(|| "example".to_owned()),
        message: failed.then(|| "An example of what a server says".to_owned()),
        bounce_type: (kind == Kind::Bounced).then_some(entity::suppression::BounceType::Hard),
        attempt: failed.then_some(1),
        bot: None,
        client: None,
        country: None,
        url: (kind == Kind::Clicked).then(|| "https://example.com/".to_owned()),
    };
    let head = entity::content::Head {
        tags: vec!["example".to_owned()],
        metadata: Some(json!({ "example": true })),
        ..Default::default()
    };
    let domain = ctx.settings.domains.first().cloned();
    News { event, domain, sandbox: Some(ctx.settings.sandbox), lead: None, head: Arc::new(head) }
}

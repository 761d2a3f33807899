//! The endpoints: entered, changed, given another secret, tried out, taken away.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use entity::delivery_event::{Kind, Source};
use entity::endpoint_secret::{self, TABLE};
use entity::event_dispatch::State;
use entity::event_endpoint::{Disabled, Model, Wanted};
use entity::sealed::{DataKey, Wrapped};
use sea_orm::{ActiveEnum, ConnectionTrait, DatabaseTransaction, FromQueryResult, Value};
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use super::address;
use super::payload::News;
use super::post::Letter;
use super::rule::{Answer, outcome};
use super::sign::{Secret, signatures};
use crate::Context;
use crate::accept::Complaint;
use crate::control::repeat;
use crate::error::Result;
use crate::find::events::{self, Event};
use crate::find::models;
use crate::store::{execute, rows};

/// Endpoints there may be.
pub const MOST: usize = 50;

/// A description, in characters.
const MOST_DESCRIPTION: usize = 500;

/// Campaigns, domains or tags that an endpoint may name.
const MOST_NAMED: usize = 100;

/// Secrets that may sign at the same time, the newest among them.
pub const MOST_SECRETS: usize = 4;

/// For how long a replaced secret may go on signing.
pub const LONGEST_OVERLAP: TimeDelta = TimeDelta::days(7);

/// What a secret is sealed for.
const COLUMN: &str = "secret";

/// An endpoint as it is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    pub url: String,
    pub description: Option<String>,
    pub wanted: Wanted,
}

/// Why an endpoint is not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is none with this id.
    NotFound,
    /// There are [`MOST`] of them.
    TooMany,
    /// [`MOST_SECRETS`] sign already.
    TooManySecrets,
    /// What to mend; the ways are `url`, `description`, `campaignIds`, `sendingDomains` and `tags`.
    Complaints(Vec<Complaint>),
}

impl Draft {
    /// What is stored of it: the URL in its one spelling, the description, the filter.
    fn check(self, ctx: &Context) -> Result<(String, Option<String>, Wanted), Vec<Complaint>> {
        let mut complaints = Vec::new();
        let mut complain =
            |field: &str, message: String| complaints.push(Complaint { path: vec![field.to_owned()], message });
        let url = address::url(&self.url, &ctx.settings.outbound_networks);
        let url = url.map_err(|why| complain("url", why)).map(|url| url.to_string()).unwrap_or_default();
        let description = self.description.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        if description.as_ref().is_some_and(|text| text.chars().count() > MOST_DESCRIPTION) {
            complain("description", format!("is longer than {MOST_DESCRIPTION} characters"));
        }
        let Wanted { mut kinds, campaigns, domains, tags } = self.wanted;
        kinds.sort_unstable();
        kinds.dedup();
        for (field, n) in [("campaignIds", campaigns.len()), ("sendingDomains", domains.len()), ("tags", tags.len())] {
            if n > MOST_NAMED {
                complain(field, format!("has {n} entries; {MOST_NAMED} are allowed"));
            }
        }
        let domains: Vec<String> = domains.iter().map(|domain| domain.trim().to_lowercase()).collect();
        let tags: Vec<String> = tags.iter().map(|tag| tag.trim().to_owned()).collect();
        for (field, texts) in [("sendingDomains", &domains), ("tags", &tags)] {
            if texts.iter().any(|text| text.is_empty() || text.len() > 255) {
                complain(field, "must hold texts of 1 to 255 bytes".to_owned());
            }
        }
        let wanted = Wanted { kinds, campaigns, domains, tags };
        if complaints.is_empty() { Ok((url, description, wanted)) } else { Err(complaints) }
    }
}

/// The endpoint with this id.
///
/// # Errors
/// The database's own.
pub async fn find(ctx: &Context, id: Uuid) -> Result<Option<Model>> {
    let text = "SELECT e.* FROM event_endpoints e WHERE e.id = $1";
    Ok(models(&rows(ctx.store.by_key(), ctx.store.sql(text, [Value::from(id)])).await?)?.pop())
}

/// All of them, the oldest first.
///
/// # Errors
/// The database's own.
pub async fn all(ctx: &Context) -> Result<Vec<Model>> {
    let text = "SELECT e.* FROM event_endpoints e ORDER BY e.id";
    models(&rows(ctx.store.by_key(), ctx.store.sql(text, [])).await?)
}

/// How all endpoints stand, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Standing {
    /// Those that are told and take what they are told.
    pub well: u64,
    /// Those that took nothing of late.
    pub failing: u64,
    pub disabled: u64,
    /// For how long the oldest event has been recorded that one of them was not offered.
    pub lag: TimeDelta,
    /// Events that are tried again, and those that are not; as far as one counts.
    pub waiting: u64,
    pub dead: u64,
}

/// How all endpoints stand.
///
/// # Errors
/// The database's own.
pub async fn standing(ctx: &Context) -> Result<Standing> {
    let now = ctx.clock.now();
    let text = "SELECT e.failing_since, e.disabled_at, (SELECT v.recorded_at FROM email_delivery_events v WHERE v.seq > e.seq \
                ORDER BY v.seq LIMIT 1) AS oldest FROM event_endpoints e";
    let mut standing = Standing::default();
    for row in rows(ctx.store.read(), ctx.store.sql(text, [])).await? {
        let time = |column: &str| row.try_get::<Option<DateTime<Utc>>>("", column);
        if time("disabled_at")?.is_some() {
            standing.disabled += 1;
            continue;
        }
        let state = if time("failing_since")?.is_some() { &mut standing.failing } else { &mut standing.well };
        *state += 1;
        standing.lag = standing.lag.max(time("oldest")?.map_or(TimeDelta::zero(), |oldest| now - oldest));
    }
    let text =
        "SELECT count(*) AS n FROM (SELECT 1 AS one FROM event_dispatches d WHERE d.state = $1 LIMIT 100000) AS few";
    for (state, n) in [(State::Waiting, &mut standing.waiting), (State::Dead, &mut standing.dead)] {
        let found = rows(ctx.store.read(), ctx.store.sql(text, [Value::from(state.to_value())])).await?;
        let counted: i64 = found.first().map(|row| row.try_get("", "n")).transpose()?.unwrap_or_default();
        *n = counted.unsigned_abs();
    }
    Ok(standing)
}

/// Enters an endpoint, which is told of what is recorded from now on. Its secret is answered here alone.
///
/// # Errors
/// The database's own.
pub async fn create(ctx: &Context, draft: Draft) -> Result<Result<(Model, Secret), Refusal>> {
    let (url, description, wanted) = match draft.check(ctx) {
        Ok(checked) => checked,
        Err(complaints) => return Ok(Err(Refusal::Complaints(complaints))),
    };
    if all(ctx).await?.len() >= MOST {
        return Ok(Err(Refusal::TooMany));
    }
    let (id, now, secret) = (ctx.clock.id(), ctx.clock.now(), Secret::generate());
    let sealed = seal(ctx, id, &secret, now);
    let wanted = serde_json::to_string(&wanted)?;
    let row = repeat(|| async {
        let tx = ctx.store.begin().await?;
        // What is recorded while this is under way is told or not, as it comes.
        let text = "INSERT INTO event_endpoints (id, url, description, wanted, seq, failures, taken, created_at, updated_at) \
                    VALUES ($1, $2, $3, $4, $5, 0, 0, $6, $6) ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at \
                    RETURNING *";
        let values = [
            Value::from(id),
            Value::from(url.clone()),
            Value::from(description.clone()),
            Value::from(wanted.clone()),
            Value::from(events::last(ctx).await?),
            Value::from(now),
        ];
        let stored = models::<Model>(&rows(&tx, ctx.store.sql(text, values)).await?)?.pop();
        insert_secret(&tx, ctx, &sealed).await?;
        tx.commit().await?;
        Ok(stored)
    })
    .await?;
    Ok(row.map(|row| (row, secret)).ok_or(Refusal::NotFound))
}

/// Changes where an endpoint lies and what it wants. What it has not been told yet goes there too.
///
/// # Errors
/// The database's own.
pub async fn update(ctx: &Context, id: Uuid, draft: Draft) -> Result<Result<Model, Refusal>> {
    let (url, description, wanted) = match draft.check(ctx) {
        Ok(checked) => checked,
        Err(complaints) => return Ok(Err(Refusal::Complaints(complaints))),
    };
    let wanted = serde_json::to_string(&wanted)?;
    let text =
        "UPDATE event_endpoints SET url = $2, description = $3, wanted = $4, updated_at = $5 WHERE id = $1 RETURNING *";
    let values = [
        Value::from(id),
        Value::from(url),
        Value::from(description),
        Value::from(wanted),
        Value::from(ctx.clock.now()),
    ];
    changed(ctx, text, &values).await
}

/// Tells an endpoint nothing more, until somebody enables it: events wait for it.
///
/// # Errors
/// The database's own.
pub async fn disable(ctx: &Context, id: Uuid) -> Result<Result<Model, Refusal>> {
    let text = "UPDATE event_endpoints SET disabled_at = coalesce(disabled_at, $2), disabled_by = coalesce(disabled_by, $3), \
                updated_at = $2 WHERE id = $1 RETURNING *";
    let values = [Value::from(id), Value::from(ctx.clock.now()), Value::from(Disabled::ByHand.to_value())];
    changed(ctx, text, &values).await
}

/// Goes on telling an endpoint: of everything since it was disabled or, with `skip`, of what is recorded from now on. What failed
/// before is tried again either way.
///
/// # Errors
/// The database's own.
pub async fn enable(ctx: &Context, id: Uuid, skip: bool) -> Result<Result<Model, Refusal>> {
    // Whoever tells it at this moment loses its claim, so that nothing it stores undoes this.
    let text = "UPDATE event_endpoints SET disabled_at = NULL, disabled_by = NULL, failures = 0, failing_since = NULL, \
                held_until = NULL, last_error = NULL, lease_until = NULL, seq = CASE WHEN $2 > seq THEN $2 ELSE seq END, \
                updated_at = $3 WHERE id = $1 RETURNING *";
    let seq = if skip { events::last(ctx).await? } else { 0 };
    let values = [Value::from(id), Value::from(seq), Value::from(ctx.clock.now())];
    changed(ctx, text, &values).await
}

async fn changed(ctx: &Context, text: &str, values: &[Value]) -> Result<Result<Model, Refusal>> {
    let stored = repeat(|| async {
        let found = rows(ctx.store.write(), ctx.store.sql(text, values.to_vec())).await?;
        Ok(models::<Model>(&found)?.pop())
    })
    .await?;
    Ok(stored.ok_or(Refusal::NotFound))
}

/// Takes an endpoint away, with its secrets and with what became of the events it was told of. `false` when there is none.
///
/// # Errors
/// The database's own.
pub async fn delete(ctx: &Context, id: Uuid) -> Result<bool> {
    let gone = repeat(|| async {
        let tx = ctx.store.begin().await?;
        let mut gone = 0;
        for text in [
            "DELETE FROM event_endpoint_secrets WHERE endpoint_id = $1",
            "DELETE FROM event_replays WHERE endpoint_id = $1",
            "DELETE FROM event_endpoints WHERE id = $1",
        ] {
            gone = execute(&tx, ctx.store.sql(text, [Value::from(id)])).await?.rows_affected();
        }
        tx.commit().await?;
        Ok(gone == 1)
    })
    .await?;
    // Whatever of these is left by one who is killed goes with its age.
    let text = "DELETE FROM event_dispatches WHERE id IN \
                (SELECT d.id FROM event_dispatches d WHERE d.endpoint_id = $1 ORDER BY d.seq LIMIT 500)";
    let some = || async { Ok(execute(ctx.store.write(), ctx.store.sql(text, [Value::from(id)])).await?) };
    let mut left = gone;
    while left {
        left = repeat(some).await?.rows_affected() >= 500;
    }
    Ok(gone)
}

/// Another secret for an endpoint. Those that sign until now go on for so long, so that it can be told the new one; where that is
/// nothing, they end at once.
///
/// # Errors
/// The database's own.
pub async fn rotate(ctx: &Context, id: Uuid, overlap: TimeDelta) -> Result<Result<(Model, Secret), Refusal>> {
    let now = ctx.clock.now();
    let until = now + overlap.clamp(TimeDelta::zero(), LONGEST_OVERLAP);
    let secret = Secret::generate();
    let sealed = seal(ctx, id, &secret, now);
    let done = repeat(|| async {
        let tx = ctx.store.begin().await?;
        let text = format!("SELECT e.* FROM event_endpoints e WHERE e.id = $1 {}", ctx.store.for_update());
        let Some(row) = models::<Model>(&rows(&tx, ctx.store.sql(text, [Value::from(id)])).await?)?.pop() else {
            return Ok(Err(Refusal::NotFound));
        };
        let signing = stored(&tx, ctx, id, now).await?.iter().filter(|row| row.id != sealed.id).count();
        if until > now && signing >= MOST_SECRETS {
            return Ok(Err(Refusal::TooManySecrets));
        }
        // None of them signs for longer than it would have.
        let text = "UPDATE event_endpoint_secrets SET expires_at = $1 WHERE endpoint_id = $2 AND id <> $3 \
                    AND (expires_at IS NULL OR expires_at > $1)";
        let values = [Value::from(until), Value::from(id), Value::from(sealed.id)];
        execute(&tx, ctx.store.sql(text, values)).await?;
        insert_secret(&tx, ctx, &sealed).await?;
        tx.commit().await?;
        Ok(Ok(row))
    })
    .await?;
    Ok(done.map(|row| (row, secret)))
}

fn seal(ctx: &Context, endpoint: Uuid, secret: &Secret, now: DateTime<Utc>) -> endpoint_secret::Model {
    let id = ctx.clock.id();
    let (key, Wrapped { key_id, wrapped }) = DataKey::generate(&ctx.keyring, TABLE, id);
    let secret = key.seal(TABLE, id, COLUMN, secret.bytes());
    endpoint_secret::Model {
        id,
        endpoint_id: endpoint,
        key_id,
        wrapped_key: wrapped,
        secret,
        created_at: now,
        expires_at: None,
    }
}

async fn insert_secret(tx: &DatabaseTransaction, ctx: &Context, row: &endpoint_secret::Model) -> Result<()> {
    let text = "INSERT INTO event_endpoint_secrets (id, endpoint_id, key_id, wrapped_key, secret, created_at) \
                VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING";
    let values = [
        Value::from(row.id),
        Value::from(row.endpoint_id),
        Value::from(row.key_id.clone()),
        Value::from(row.wrapped_key.clone()),
        Value::from(row.secret.clone()),
        Value::from(row.created_at),
    ];
    execute(tx, ctx.store.sql(text, values)).await?;
    Ok(())
}

/// The rows of the secrets that sign for an endpoint at `now`, the newest first.
async fn stored(
    db: &impl ConnectionTrait,
    ctx: &Context,
    endpoint: Uuid,
    now: DateTime<Utc>,
) -> Result<Vec<endpoint_secret::Model>> {
    let text = "SELECT s.* FROM event_endpoint_secrets s WHERE s.endpoint_id = $1 AND (s.expires_at IS NULL OR s.expires_at > $2) \
                ORDER BY s.created_at DESC, s.id DESC";
    let values = [Value::from(endpoint), Value::from(now)];
    models(&rows(db, ctx.store.sql(text, values)).await?)
}

/// A secret that signs, without itself.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Signing {
    pub created_at: DateTime<Utc>,
    /// Until when; `None` for the newest.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Which secrets sign for an endpoint, the newest first.
///
/// # Errors
/// The database's own.
pub async fn secrets(ctx: &Context, endpoint: Uuid) -> Result<Vec<Signing>> {
    let found = stored(ctx.store.by_key(), ctx, endpoint, ctx.clock.now()).await?;
    Ok(found.into_iter().map(|row| Signing { created_at: row.created_at, expires_at: row.expires_at }).collect())
}

/// The secrets that sign for an endpoint, the newest first.
pub(super) async fn signing(ctx: &Context, endpoint: Uuid) -> Result<Vec<Secret>> {
    let open = |row: endpoint_secret::Model| {
        let wrapped = Wrapped { key_id: row.key_id, wrapped: row.wrapped_key };
        let key = ctx.keyring.unwrap(&wrapped, TABLE, row.id)?;
        Ok(Secret::of(key.open(TABLE, row.id, COLUMN, &row.secret)?))
    };
    // By the writers' pool: a secret that was just made signs the very next event.
    stored(ctx.store.write(), ctx, endpoint, ctx.clock.now()).await?.into_iter().map(open).collect()
}

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

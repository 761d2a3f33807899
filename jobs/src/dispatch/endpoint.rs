//! The endpoints: entered, changed, disabled and taken away; how they stand (`standing`), what they sign with (`secret`), and how
//! one takes an event that never happened (`trial`).

mod secret;
mod standing;
mod trial;

use entity::event_endpoint::{Disabled, Model, Wanted};
use sea_orm::{ActiveEnum, Value};
use uuid::Uuid;

pub(super) use secret::signing;
pub use secret::{LONGEST_OVERLAP, MOST_SECRETS, Signing, rotate, secrets};
pub use standing::{Standing, deaf, standing};
pub use trial::{Trial, try_out};

use super::address;
use super::sign::Secret;
use crate::Context;
use crate::accept::Complaint;
use crate::control::repeat;
use crate::error::Result;
use crate::find::{events, models};
use crate::store::{execute, rows};

/// Endpoints there may be.
pub const MOST: usize = 50;

/// A description, in characters.
const MOST_DESCRIPTION: usize = 500;

/// Campaigns, domains or tags that an endpoint may name.
const MOST_NAMED: usize = 100;

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
    let sealed = secret::seal(ctx, id, &secret, now);
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
        secret::insert(&tx, ctx, &sealed).await?;
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

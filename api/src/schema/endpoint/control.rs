//! Keeping endpoints. Who decides where events go must be ADMIN: they name people.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::TimeDelta;
use entity::ApiScope;
use entity::delivery_event::Kind as EventKind;
use entity::event_endpoint::{Model, Wanted};
use jobs::dispatch::endpoint::{self, Draft, LONGEST_OVERLAP, MOST, MOST_SECRETS, Refusal, Trial};
use reqwest::Url;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

use super::EventEndpoint;
use crate::schema::asked::Asked;
use crate::schema::audit::trail;
use crate::schema::count::int;
use crate::schema::fault::Fault;
use crate::schema::guard::Needs;
use crate::schema::node::Kind;
use crate::schema::refusal::{UserError, UserErrorCode};

/// An endpoint as it is to be. It hears of events that meet every part that is given.
#[derive(Debug, InputObject)]
pub struct EventEndpointInput {
    /// Where events are posted to: https, and a name or address that is public, unless OUTBOUND_PRIVATE_NETWORKS allows others.
    url: String,
    /// What it is, up to 500 characters.
    description: Option<String>,
    /// Of these types; without any, of all.
    types: Option<Vec<EventKind>>,
    /// Of emails of these campaigns, 100 at most.
    campaign_ids: Option<Vec<ID>>,
    /// Of emails that went through these sending domains, 100 at most.
    sending_domains: Option<Vec<String>>,
    /// Of emails with one of these tags, 100 at most; as long as their content is kept.
    tags: Option<Vec<String>>,
}

impl EventEndpointInput {
    fn read(self) -> Result<Draft, Vec<UserError>> {
        let (mut campaigns, mut errors) = (Vec::new(), Vec::new());
        for (place, id) in self.campaign_ids.unwrap_or_default().iter().enumerate() {
            match Kind::Campaign.read(id) {
                Some(id) => campaigns.push(id),
                None => {
                    let path = ["input", "campaignIds", &place.to_string()];
                    errors.push(UserError::at(&path, UserErrorCode::NotFound, "is no campaign's id"));
                }
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let wanted = Wanted {
            kinds: self.types.unwrap_or_default(),
            campaigns,
            domains: self.sending_domains.unwrap_or_default(),
            tags: self.tags.unwrap_or_default(),
        };
        Ok(Draft { url: self.url, description: self.description, wanted })
    }
}

/// What became of the wish to change an endpoint.
#[derive(SimpleObject)]
pub struct EventEndpointPayload {
    /// The endpoint as it stands; null where it was refused.
    event_endpoint: Option<EventEndpoint>,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// What became of the wish for an endpoint, or for another secret.
#[derive(SimpleObject)]
pub struct EventEndpointSecretPayload {
    /// The endpoint as it stands; null where it was refused.
    event_endpoint: Option<EventEndpoint>,
    /// The secret (`whsec_…`) by which it knows that events are ours: here, and never again.
    secret: Option<String>,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// What became of the wish to take an endpoint away.
#[derive(SimpleObject)]
pub struct DeleteEventEndpointPayload {
    /// The id of what was taken away; null where there is none.
    deleted_id: Option<ID>,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// How an endpoint took an event that never happened.
#[derive(SimpleObject)]
pub struct EventEndpointTrial {
    /// It took it.
    taken: bool,
    /// The HTTP status of its answer; null where none came.
    http_status: Option<i32>,
    /// Why it was not taken.
    error: Option<String>,
    /// How long it took, in milliseconds.
    took_ms: i32,
}

impl From<Trial> for EventEndpointTrial {
    fn from(Trial { taken, http_status, error, took_ms }: Trial) -> Self {
        Self { taken, http_status: http_status.map(i32::from), error, took_ms: int(took_ms) }
    }
}

/// What became of the wish to try an endpoint out.
#[derive(SimpleObject)]
pub struct TestEventEndpointPayload {
    /// How it went; null where there is no such endpoint.
    trial: Option<EventEndpointTrial>,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// Keeping endpoints.
#[derive(Default)]
pub struct EndpointMutations;

#[Object]
impl EndpointMutations {
    /// Enters an endpoint, which is told of every delivery event that is recorded from now on and that it wants. Its secret is
    /// answered once. Requires the scope ADMIN.
    #[graphql(guard = "Needs(ApiScope::Admin)")]
    async fn create_event_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint.")] input: EventEndpointInput,
    ) -> Result<EventEndpointSecretPayload, Fault> {
        let draft = match input.read() {
            Ok(draft) => draft,
            Err(user_errors) => {
                return Ok(EventEndpointSecretPayload { event_endpoint: None, secret: None, user_errors });
            }
        };
        let done = endpoint::create(&ctx.app()?.ctx, draft).await?;
        if let Ok((row, _)) = &done {
            trail::subject(&Kind::EventEndpoint.id(row.id));
            trail::after(state(row));
            tracing::info!(event_endpoint.id = %row.id, by = %ctx.principal()?.key, "An endpoint was entered");
        }
        Ok(EventEndpointSecretPayload::of(done))
    }

    /// Changes where an endpoint lies and what it hears of, as a whole. What it was not told yet goes there too. Requires the scope
    /// ADMIN.
    #[graphql(guard = "Needs(ApiScope::Admin)")]
    async fn update_event_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint's id.")] id: ID,
        #[graphql(desc = "The endpoint as it is to be.")] input: EventEndpointInput,
    ) -> Result<EventEndpointPayload, Fault> {
        let draft = match input.read() {
            Ok(draft) => draft,
            Err(user_errors) => return Ok(EventEndpointPayload { event_endpoint: None, user_errors }),
        };
        before(ctx, &id).await?;
        Ok(endpoint::update(&ctx.app()?.ctx, read(&id), draft).await?.into())
    }

    /// Tells an endpoint nothing more. What is recorded meanwhile waits for it. Requires the scope ADMIN.
    #[graphql(guard = "Needs(ApiScope::Admin)")]
    async fn disable_event_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint's id.")] id: ID,
    ) -> Result<EventEndpointPayload, Fault> {
        before(ctx, &id).await?;
        Ok(endpoint::disable(&ctx.app()?.ctx, read(&id)).await?.into())
    }

    /// Goes on telling an endpoint, from where it was left. Requires the scope ADMIN.
    #[graphql(guard = "Needs(ApiScope::Admin)")]
    async fn enable_event_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint's id.")] id: ID,
        #[graphql(desc = "Pass over what was recorded since it was left.", default)] skip_waiting: bool,
    ) -> Result<EventEndpointPayload, Fault> {
        before(ctx, &id).await?;
        Ok(endpoint::enable(&ctx.app()?.ctx, read(&id), skip_waiting).await?.into())
    }

    /// Makes another secret for an endpoint, which signs from now on. Those that signed until now go on beside it for a while, so
    /// that the endpoint can be told; with 0 hours they end at once. Requires the scope ADMIN.
    #[graphql(guard = "Needs(ApiScope::Admin)")]
    async fn rotate_event_endpoint_secret(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint's id.")] id: ID,
        #[graphql(desc = "For how many hours the old ones go on signing, 168 at most.", default = 24)]
        overlap_hours: i32,
    ) -> Result<EventEndpointSecretPayload, Fault> {
        let overlap = TimeDelta::hours(i64::from(overlap_hours));
        if overlap < TimeDelta::zero() || overlap > LONGEST_OVERLAP {
            let message = format!("must be between 0 and {}", LONGEST_OVERLAP.num_hours());
            let user_errors = vec![UserError::at(&["overlapHours"], UserErrorCode::Invalid, message)];
            return Ok(EventEndpointSecretPayload { event_endpoint: None, secret: None, user_errors });
        }
        before(ctx, &id).await?;
        let done = endpoint::rotate(&ctx.app()?.ctx, read(&id), overlap).await?;
        if let Ok((row, _)) = &done {
            tracing::info!(event_endpoint.id = %row.id, by = %ctx.principal()?.key, "An endpoint was given another secret");
        }
        Ok(EventEndpointSecretPayload::of(done))
    }

    /// Takes an endpoint away, with its secrets and what became of the events it was told of. Requires the scope ADMIN.
    #[graphql(guard = "Needs(ApiScope::Admin)")]
    async fn delete_event_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint's id.")] id: ID,
    ) -> Result<DeleteEventEndpointPayload, Fault> {
        before(ctx, &id).await?;
        if endpoint::delete(&ctx.app()?.ctx, read(&id)).await? {
            tracing::info!(event_endpoint.id = %read(&id), by = %ctx.principal()?.key, "An endpoint was taken away");
            return Ok(DeleteEventEndpointPayload { deleted_id: Some(id), user_errors: Vec::new() });
        }
        Ok(DeleteEventEndpointPayload { deleted_id: None, user_errors: vec![unknown()] })
    }

    /// Tells an endpoint, now and from the process that answers, of an event that never happened (`"test": true`), and answers how
    /// it took it. A disabled one too. Requires the scope ADMIN.
    #[graphql(guard = "Needs(ApiScope::Admin)")]
    async fn test_event_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint's id.")] id: ID,
        #[graphql(name = "type", desc = "What is said to have happened.", default_with = "EventKind::Delivered")]
        kind: EventKind,
    ) -> Result<TestEventEndpointPayload, Fault> {
        before(ctx, &id).await?;
        Ok(match endpoint::try_out(&ctx.app()?.ctx, read(&id), kind).await? {
            Some(trial) => TestEventEndpointPayload { trial: Some(trial.into()), user_errors: Vec::new() },
            None => TestEventEndpointPayload { trial: None, user_errors: vec![unknown()] },
        })
    }
}

/// Notes which endpoint it is about, and how it stood.
async fn before(ctx: &Context<'_>, id: &ID) -> Result<(), Fault> {
    if let Some(row) = endpoint::find(&ctx.app()?.ctx, read(id)).await? {
        trail::subject(id);
        trail::before(state(&row));
    }
    Ok(())
}

/// What the audit log keeps of an endpoint. The rest of its URL may hold a token.
fn state(row: &Model) -> Value {
    let host = Url::parse(&row.url).ok().and_then(|url| url.host_str().map(str::to_owned));
    json!({ "host": host, "enabled": row.disabled_at.is_none(), "types": row.wanted().kinds })
}

/// The UUID in an endpoint's id; where it is none, that of nothing.
fn read(id: &ID) -> Uuid {
    Kind::EventEndpoint.read(id).unwrap_or_default()
}

fn unknown() -> UserError {
    UserError::at(&["id"], UserErrorCode::NotFound, "is no endpoint's id")
}

fn errors(refusal: Refusal) -> Vec<UserError> {
    vec![match refusal {
        Refusal::NotFound => unknown(),
        Refusal::TooMany => {
            let message = format!("is one too many: there may be {MOST} endpoints");
            UserError::at(&["input"], UserErrorCode::LimitExceeded, message)
        }
        Refusal::TooManySecrets => {
            let message = format!("has {MOST_SECRETS} secrets that sign; with 0 for overlapHours they end");
            UserError::at(&["id"], UserErrorCode::LimitExceeded, message)
        }
        Refusal::Complaints(complaints) => {
            return complaints.into_iter().map(|complaint| UserError::complaint(complaint).under(&["input"])).collect();
        }
    }]
}

impl From<Result<Model, Refusal>> for EventEndpointPayload {
    fn from(done: Result<Model, Refusal>) -> Self {
        match done {
            Ok(row) => {
                trail::after(state(&row));
                Self { event_endpoint: Some(EventEndpoint::new(row)), user_errors: Vec::new() }
            }
            Err(refusal) => Self { event_endpoint: None, user_errors: errors(refusal) },
        }
    }
}

impl EventEndpointSecretPayload {
    fn of(done: Result<(Model, jobs::dispatch::sign::Secret), Refusal>) -> Self {
        match done {
            Ok((row, secret)) => Self {
                event_endpoint: Some(EventEndpoint::new(row)),
                secret: Some(secret.text().expose_secret().to_owned()),
                user_errors: Vec::new(),
            },
            Err(refusal) => Self { event_endpoint: None, secret: None, user_errors: errors(refusal) },
        }
    }
}

//! What became of an event that an endpoint was told of, and telling it once more.

use std::collections::HashMap;

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::ApiScope;
use entity::delivery_event::Kind as EventKind;
use entity::event_dispatch::{Model, State};
use jobs::dispatch::dead::{self, Redrive, Redriven};
use jobs::dispatch::endpoint;
use jobs::dispatch::replay::{self, Refusal};
use uuid::Uuid;

use super::{EventReplay, may_see};
use crate::schema::asked::Asked;
use crate::schema::audit::trail;
use crate::schema::count::int;
use crate::schema::delivery_event::DeliveryEvent;
use crate::schema::email::DateTimeRange;
use crate::schema::fault::Fault;
use crate::schema::guard::Needs;
use crate::schema::loader::Events;
use crate::schema::node::Kind;
use crate::schema::refusal::{UserError, UserErrorCode};

/// As many dispatches may be named in one call.
const MOST_IDS: usize = 1_000;

/// An event that an endpoint was told of, and what became of that.
#[derive(Clone, Debug)]
pub struct EventDispatch {
    id: ID,
    row: Model,
}

impl EventDispatch {
    /// The dispatch of this row.
    pub fn new(row: Model) -> Self {
        Self { id: Kind::EventDispatch.id(row.id), row }
    }
}

/// An event that an endpoint was told of, and what became of that.
#[Object]
impl EventDispatch {
    /// Names it in the whole service.
    pub async fn id(&self) -> &ID {
        &self.id
    }

    /// The event, whose id is the `webhook-id`; null when it is past retention.
    async fn event(&self, ctx: &Context<'_>) -> Option<Result<DeliveryEvent, Fault>> {
        let find = async || {
            let events = ctx.data_opt::<DataLoader<Events>>().ok_or(Fault::Unattended)?;
            Ok(events.load_one(self.row.event_id).await?.map(DeliveryEvent::from))
        };
        find().await.transpose()
    }

    /// The event's type.
    async fn r#type(&self) -> EventKind {
        self.row.kind
    }

    /// Where it stands.
    async fn state(&self) -> State {
        self.row.state
    }

    /// How often it was tried since it was first told, or since it was last tried anew.
    async fn tries(&self) -> i32 {
        self.row.tries
    }

    /// When it is tried again; null when it is not.
    async fn due_at(&self) -> Option<DateTime<Utc>> {
        self.row.due_at
    }

    /// The HTTP status of the last answer; null where none came.
    async fn http_status(&self) -> Option<i32> {
        self.row.http_status
    }

    /// Why the last try failed.
    async fn error(&self) -> Option<&str> {
        self.row.error.as_deref()
    }

    /// How long the last try took, in milliseconds.
    async fn took_ms(&self) -> i32 {
        self.row.took_ms
    }

    /// When the endpoint was first told of it.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }

    /// When it was last tried.
    async fn tried_at(&self) -> DateTime<Utc> {
        self.row.tried_at
    }
}

/// Which dead ones are tried anew: those that meet every part that is given; without any, all.
#[derive(Debug, Default, InputObject)]
pub struct RedriveFilter {
    /// Those with these ids, 1,000 at most.
    ids: Option<Vec<ID>>,
    /// Those that were last tried in this time.
    tried_at: Option<DateTimeRange>,
}

impl RedriveFilter {
    fn read(self) -> Result<Redrive, UserError> {
        let DateTimeRange { since, until } = self.tried_at.unwrap_or_default();
        let Some(ids) = self.ids else { return Ok(Redrive { ids: None, since, until }) };
        if ids.len() > MOST_IDS {
            let message = format!("has {} entries; {MOST_IDS} are allowed", ids.len());
            return Err(UserError::at(&["filter", "ids"], UserErrorCode::LimitExceeded, message));
        }
        let read = |(place, id): (usize, &ID)| {
            let wrong = || {
                let path = ["filter", "ids", &place.to_string()];
                UserError::at(&path, UserErrorCode::NotFound, "is no dispatch's id")
            };
            Kind::EventDispatch.read(id).ok_or_else(wrong)
        };
        let ids = ids.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok(Redrive { ids: Some(ids), since, until })
    }
}

/// What became of the wish to try dead ones anew.
#[derive(Default, SimpleObject)]
pub struct RedriveEventDispatchesPayload {
    /// How many are tried anew.
    redriven: i32,
    /// There may be more of them: one call takes 10,000 at most.
    more: bool,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// What became of the wish to tell events once more.
#[derive(Default, SimpleObject)]
pub struct ReplayEventsPayload {
    /// The replay; null where it was refused.
    replay: Option<EventReplay>,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// Telling events once more.
#[derive(Default)]
pub struct DispatchMutations;

#[Object]
impl DispatchMutations {
    /// Has what an endpoint did not take be tried anew, with all its tries, the latest events first. Requires the scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn redrive_event_dispatches(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint.")] endpoint_id: ID,
        #[graphql(desc = "Which of its dead ones; without it, all.")] filter: Option<RedriveFilter>,
    ) -> Result<RedriveEventDispatchesPayload, Fault> {
        let app = &ctx.app()?.ctx;
        let refused = |error| RedriveEventDispatchesPayload { user_errors: vec![error], ..Default::default() };
        let redrive = match filter.unwrap_or_default().read() {
            Ok(redrive) => redrive,
            Err(error) => return Ok(refused(error)),
        };
        let id = Kind::EventEndpoint.read(&endpoint_id).unwrap_or_default();
        if endpoint::find(app, id).await?.is_none() {
            return Ok(refused(unknown()));
        }
        trail::subject(&endpoint_id);
        let Redriven { done, more } = dead::redrive(app, id, &redrive).await?;
        trail::did(done);
        tracing::info!(event_endpoint.id = %id, by = %ctx.principal()?.key, done, "Dead letters are tried anew");
        Ok(RedriveEventDispatchesPayload { redriven: int(done), more, user_errors: Vec::new() })
    }

    /// Tells an endpoint once more of what was recorded in a span of time, under the same ids, as far as it wants it now; when
    /// nothing new is left to tell it. Requires the scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn replay_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The endpoint.")] endpoint_id: ID,
        #[graphql(desc = "When the events were recorded: `since` is needed, `until` is now unless it is given.")]
        recorded_at: DateTimeRange,
    ) -> Result<ReplayEventsPayload, Fault> {
        let app = &ctx.app()?.ctx;
        let refused = |error| ReplayEventsPayload { replay: None, user_errors: vec![error] };
        let Some(since) = recorded_at.since else {
            return Ok(refused(UserError::at(&["recordedAt", "since"], UserErrorCode::Invalid, "is needed")));
        };
        let until = recorded_at.until.unwrap_or_else(|| app.clock.now());
        let id = Kind::EventEndpoint.read(&endpoint_id).unwrap_or_default();
        let row = match replay::ask(app, id, since, until).await? {
            Ok(row) => {
                trail::subject(&endpoint_id);
                row
            }
            Err(Refusal::NotFound) => return Ok(refused(unknown())),
            Err(Refusal::Backwards) => {
                return Ok(refused(UserError::at(&["recordedAt"], UserErrorCode::Invalid, "ends before it begins")));
            }
            Err(Refusal::TooMany) => {
                let message = format!("has {} replays under way; that is all it may have", replay::MOST);
                return Ok(refused(UserError::at(&["endpointId"], UserErrorCode::LimitExceeded, message)));
            }
        };
        tracing::info!(event_endpoint.id = %id, by = %ctx.principal()?.key, "Events are told once more");
        Ok(ReplayEventsPayload { replay: Some(row.into()), user_errors: Vec::new() })
    }
}

fn unknown() -> UserError {
    UserError::at(&["endpointId"], UserErrorCode::NotFound, "is no endpoint's id")
}

/// Dispatches by their ids, for whoever may see them.
///
/// # Errors
/// That the caller may not; the database's own.
pub async fn with_ids(ctx: &Context<'_>, ids: Vec<Uuid>) -> Result<HashMap<Uuid, EventDispatch>, Fault> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    may_see(ctx)?;
    let found = dead::with_ids(&ctx.app()?.ctx, &ids).await?;
    Ok(found.into_iter().map(|row| (row.id, EventDispatch::new(row))).collect())
}

//! Endpoints: applications that are told of delivery events, what became of what they were told, and how they are kept.

mod control;
mod dispatch;

use std::collections::HashMap;

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::ApiScope;
use entity::delivery_event::Kind as EventKind;
use entity::event_dispatch::State;
use entity::event_endpoint::{Disabled, Model, Wanted};
use entity::event_replay;
use futures::FutureExt;
use jobs::dispatch::dead::{self, Filter};
use jobs::dispatch::endpoint::{self, Signing};
use jobs::dispatch::replay;
use jobs::find::events;
use uuid::Uuid;

use super::asked::Asked;
use super::count::int;
use super::fault::Fault;
use super::guard::Needs;
use super::node::Kind;
use super::page::{Connection, List, Slice, Totals};
pub use control::EndpointMutations;
pub use dispatch::{DispatchMutations, EventDispatch, with_ids as dispatches};

/// Replays that are shown.
const REPLAYS: i64 = 10;

/// An application that is told of delivery events: each is posted to its URL, signed, until it is taken.
#[derive(Clone, Debug)]
pub struct EventEndpoint {
    id: ID,
    row: Model,
    wanted: Wanted,
}

impl EventEndpoint {
    /// The endpoint of this row.
    pub fn new(row: Model) -> Self {
        Self { id: Kind::EventEndpoint.id(row.id), wanted: row.wanted(), row }
    }
}

/// An application that is told of delivery events: each is posted to its URL, signed, until it is taken.
#[Object]
impl EventEndpoint {
    /// Names it in the whole service.
    pub async fn id(&self) -> &ID {
        &self.id
    }

    /// Where events are posted to.
    async fn url(&self) -> &str {
        &self.row.url
    }

    /// What it is.
    async fn description(&self) -> Option<&str> {
        self.row.description.as_deref()
    }

    /// It hears of events of these types; of all when there is none.
    async fn types(&self) -> &[EventKind] {
        &self.wanted.kinds
    }

    /// It hears of emails of these campaigns; of all, and of those of none, when there is none.
    async fn campaign_ids(&self) -> Vec<ID> {
        self.wanted.campaigns.iter().map(|id| Kind::Campaign.id(*id)).collect()
    }

    /// It hears of emails that went through these sending domains; of all when there is none.
    async fn sending_domains(&self) -> &[String] {
        &self.wanted.domains
    }

    /// It hears of emails with one of these tags; of all when there is none.
    async fn tags(&self) -> &[String] {
        &self.wanted.tags
    }

    /// It is told of events.
    async fn enabled(&self) -> bool {
        self.row.disabled_at.is_none()
    }

    /// Since when it is told nothing; what is recorded meanwhile waits.
    async fn disabled_at(&self) -> Option<DateTime<Utc>> {
        self.row.disabled_at
    }

    /// Why.
    async fn disabled_because(&self) -> Option<Disabled> {
        self.row.disabled_by
    }

    /// Since when it has taken nothing, though it was tried; null while it is well.
    async fn failing_since(&self) -> Option<DateTime<Utc>> {
        self.row.failing_since
    }

    /// Why the last try failed; null while it is well.
    async fn last_error(&self) -> Option<&str> {
        self.row.last_error.as_deref()
    }

    /// Until when it is offered nothing new, since it fails or asked for it.
    async fn held_until(&self, ctx: &Context<'_>) -> Option<Result<DateTime<Utc>, Fault>> {
        let until = self.row.held_until?;
        match ctx.app() {
            Ok(app) => (until > app.ctx.clock.now()).then_some(Ok(until)),
            Err(fault) => Some(Err(fault)),
        }
    }

    /// How many events it has taken, ever.
    async fn taken(&self) -> i32 {
        int(self.row.taken)
    }

    /// When it last took one.
    async fn last_taken_at(&self) -> Option<DateTime<Utc>> {
        self.row.taken_at
    }

    /// How many events were recorded that it was not offered yet, whether it wants them or not.
    async fn behind(&self, ctx: &Context<'_>) -> Option<Result<i32, Fault>> {
        let last = match ctx.app() {
            Ok(app) => events::last(&app.ctx).await.map_err(Fault::from),
            Err(fault) => Err(fault),
        };
        Some(last.map(|last| int((last - self.row.seq).max(0))))
    }

    /// What it is signed to with, the newest first: several while one is being replaced.
    async fn secrets(&self, ctx: &Context<'_>) -> Result<Vec<EventEndpointSecret>, Fault> {
        let found = endpoint::secrets(&ctx.app()?.ctx, self.row.id).await?;
        Ok(found.into_iter().map(EventEndpointSecret::from).collect())
    }

    /// What became of the events that it was told of, the latest event first. 25 at a time unless asked otherwise, 100 at most. What was
    /// taken is kept for 3 days, what was not for 30.
    async fn dispatches(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the beginning, or after `after`.")] first: Option<i32>,
        #[graphql(desc = "A cursor to go on after.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "A cursor to go back from.")] before: Option<String>,
        #[graphql(desc = "Those that stand there; without it, all.")] state: Option<State>,
    ) -> Result<Connection<EventDispatch>, Fault> {
        let page = Slice { first, after, last, before }.page(List::EventDispatches)?;
        let filter = Filter { endpoint: self.row.id, state };
        let found = dead::list(&ctx.app()?.ctx, &filter, page).await?;
        let totals = Totals::of(filter, |ctx, filter| dead::count(ctx, filter).boxed());
        Ok(Connection::new(List::EventDispatches, found, totals, |row| (row.seq, EventDispatch::new(row))))
    }

    /// Spans of time whose events it is told of once more, the last ten asked for, the newest first.
    async fn replays(&self, ctx: &Context<'_>) -> Result<Vec<EventReplay>, Fault> {
        let found = replay::latest(&ctx.app()?.ctx, self.row.id, REPLAYS).await?;
        Ok(found.into_iter().map(EventReplay::from).collect())
    }

    /// When it was entered.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }

    /// When somebody last changed it.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.row.updated_at
    }
}

/// Something that signs for an endpoint; itself it is shown when it is made, and never again.
#[derive(SimpleObject)]
pub struct EventEndpointSecret {
    /// When it was made.
    created_at: DateTime<Utc>,
    /// Until when it signs; null for the newest.
    expires_at: Option<DateTime<Utc>>,
}

impl From<Signing> for EventEndpointSecret {
    fn from(Signing { created_at, expires_at }: Signing) -> Self {
        Self { created_at, expires_at }
    }
}

/// A span of time whose events an endpoint is told of once more.
#[derive(SimpleObject)]
pub struct EventReplay {
    /// Events that were recorded from then on ..
    since: DateTime<Utc>,
    /// .. and before then.
    until: DateTime<Utc>,
    /// How many it was told of again so far.
    told: i32,
    /// When somebody asked for it.
    asked_at: DateTime<Utc>,
    /// When it was done; null while it is under way. What failed of it may still be tried again.
    finished_at: Option<DateTime<Utc>>,
}

impl From<event_replay::Model> for EventReplay {
    fn from(row: event_replay::Model) -> Self {
        let event_replay::Model { since, until, told, asked_at, finished_at, .. } = row;
        Self { since, until, told: int(told), asked_at, finished_at }
    }
}

/// Endpoints.
#[derive(Default)]
pub struct EndpointQueries;

#[Object]
impl EndpointQueries {
    /// Every endpoint that is told of delivery events, the oldest first. Requires the scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn event_endpoints(&self, ctx: &Context<'_>) -> Result<Vec<EventEndpoint>, Fault> {
        Ok(endpoint::all(&ctx.app()?.ctx).await?.into_iter().map(EventEndpoint::new).collect())
    }

    /// The endpoint with this id; null when there is none. Requires the scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn event_endpoint(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Option<Result<EventEndpoint, Fault>> {
        let id = Kind::EventEndpoint.read(&id)?;
        let find = async || Ok(endpoint::find(&ctx.app()?.ctx, id).await?.map(EventEndpoint::new));
        find().await.transpose()
    }
}

/// Endpoints by their ids, for whoever may see them.
///
/// # Errors
/// That the caller may not; the database's own.
pub async fn with_ids(ctx: &Context<'_>, ids: Vec<Uuid>) -> Result<HashMap<Uuid, EventEndpoint>, Fault> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    may_see(ctx)?;
    let all = endpoint::all(&ctx.app()?.ctx).await?.into_iter().filter(|row| ids.contains(&row.id));
    Ok(all.map(|row| (row.id, EventEndpoint::new(row))).collect())
}

/// Whether the caller may see endpoints.
fn may_see(ctx: &Context<'_>) -> Result<(), Fault> {
    if ctx.principal()?.scopes.allow(ApiScope::Manage) { Ok(()) } else { Err(Fault::Forbidden(ApiScope::Manage)) }
}

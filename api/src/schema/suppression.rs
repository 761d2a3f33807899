//! Who must not be mailed: entries, how an address stands, the list, its numbers, and in the rooms beneath how they are changed.

mod control;
mod export;
mod input;
mod list;
mod sync;

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::provider_order::Lift;
use entity::suppression::{BounceType, Model, Reason, Scope, Source};
use entity::suppression_fact;
use jobs::Context;
use jobs::suppress::state::{self, State};
use jobs::sync::rule::list_of;
use uuid::Uuid;

use super::asked::Asked;
use super::delivery_event::DeliveryEvent;
use super::fault::Fault;
use super::loader::Events;
use super::mask::Words;
use super::node::Kind;
pub use control::SuppressionMutations;
pub use export::ExportMutations;
pub use list::SuppressionQueries;
pub use sync::{Lifts, SyncMutations, SyncQueries};

/// An entry of the suppression list: while it is active, nothing is sent to its target.
#[derive(Clone, Debug)]
pub struct Suppression {
    id: ID,
    row: Model,
}

impl Suppression {
    /// The entry of this row.
    pub fn new(row: Model) -> Self {
        Self { id: Kind::Suppression.id(row.id), row }
    }

    async fn latest_event(&self, ctx: &async_graphql::Context<'_>) -> Result<Option<DeliveryEvent>, Fault> {
        let Some(id) = self.row.event_id else { return Ok(None) };
        let events = ctx.data_opt::<DataLoader<Events>>().ok_or(Fault::Unattended)?;
        Ok(events.load_one(id).await?.map(DeliveryEvent::from))
    }

    async fn lift(&self, ctx: &async_graphql::Context<'_>) -> Result<Option<Lift>, Fault> {
        if self.row.lifted_at.is_none() {
            return Ok(None);
        }
        let lifts = ctx.data_opt::<DataLoader<Lifts>>().ok_or(Fault::Unattended)?;
        lifts.load_one((self.row.target.clone(), list_of(self.row.reason), self.row.sandbox)).await
    }
}

/// An entry of the suppression list: while it is active, nothing is sent to its target.
#[Object]
impl Suppression {
    /// Names it in the whole service.
    pub async fn id(&self) -> &ID {
        &self.id
    }

    /// The address, in lower case, or the domain. An address is masked for a key that may only read: `a***@example.com`.
    async fn target(&self) -> Words {
        Words(self.row.target.clone())
    }

    /// What it binds.
    async fn scope(&self) -> Scope {
        Scope::of(&self.row.target)
    }

    /// Why.
    async fn reason(&self) -> Reason {
        self.row.reason
    }

    /// Of bounces, whether mail can't arrive or only did not; null for other reasons.
    async fn bounce_type(&self) -> Option<BounceType> {
        self.row.bounce_type
    }

    /// Where it comes from.
    async fn source(&self) -> Source {
        self.row.source
    }

    /// Mailgun's words, or those of whoever entered it.
    async fn note(&self) -> Option<Words> {
        self.row.note.clone().map(Words)
    }

    /// It was born in the sandbox and binds the sandbox alone.
    async fn sandbox(&self) -> bool {
        self.row.sandbox
    }

    /// When what it follows from happened; the latest, where there are several.
    async fn occurred_at(&self) -> DateTime<Utc> {
        self.row.occurred_at
    }

    /// When its target was first entered for this reason.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }

    /// It ends by itself then; null when somebody has to lift it.
    async fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.row.expires_at
    }

    /// When it was lifted; null while it is not.
    async fn lifted_at(&self) -> Option<DateTime<Utc>> {
        self.row.lifted_at
    }

    /// Whether Mailgun's own lists have followed the lift: until then Mailgun keeps email to the address back. Null while it is not
    /// lifted, for a domain, of which Mailgun has no list, where nothing is told to Mailgun, and where its list holds the address
    /// for another reason.
    async fn provider_lift(&self, ctx: &async_graphql::Context<'_>) -> Option<Result<Lift, Fault>> {
        self.lift(ctx).await.transpose()
    }

    /// The event it follows from, the latest where there are several; null when somebody entered it by hand, and when the event was
    /// cleaned away.
    async fn event(&self, ctx: &async_graphql::Context<'_>) -> Option<Result<DeliveryEvent, Fault>> {
        self.latest_event(ctx).await.transpose()
    }

    /// It blocks at the moment: it is neither lifted nor expired.
    async fn active(&self, ctx: &async_graphql::Context<'_>) -> Result<bool, Fault> {
        Ok(self.row.active_at(ctx.app()?.ctx.clock.now()))
    }
}

/// Something that suppressed an address or domain, or lifted it. What stands follows from all of them: a lift ends whatever
/// happened before it, however late that is told.
#[derive(SimpleObject)]
pub struct SuppressionFact {
    /// The address or the domain; an address is masked for a key that may only read.
    target: Words,
    /// For what reason.
    reason: Reason,
    /// It lifted; else it suppressed.
    lifted: bool,
    /// Where it comes from.
    source: Source,
    /// Of bounces, whether mail can't arrive or only did not.
    bounce_type: Option<BounceType>,
    /// Mailgun's words, or those of whoever entered it.
    note: Option<Words>,
    /// When it happened.
    occurred_at: DateTime<Utc>,
    /// When it was recorded.
    recorded_at: DateTime<Utc>,
    /// Until when it suppresses; null when for ever.
    expires_at: Option<DateTime<Utc>>,
}

impl From<suppression_fact::Model> for SuppressionFact {
    fn from(fact: suppression_fact::Model) -> Self {
        Self {
            target: Words(fact.target),
            reason: fact.reason,
            lifted: fact.lift,
            source: fact.source,
            bounce_type: fact.bounce_type,
            note: fact.note.map(Words),
            occurred_at: fact.occurred_at,
            recorded_at: fact.recorded_at,
            expires_at: fact.expires_at,
        }
    }
}

/// Whether an address may be mailed, and why not.
#[derive(SimpleObject)]
pub struct SuppressionState {
    /// It must not be mailed. An email sent as transactional passes an UNSUBSCRIBE, and that alone.
    blocked: bool,
    /// The active entries of the address and of its domain.
    by: Vec<Suppression>,
    /// What suppressed the address or its domain, and what lifted it: the last 100, the newest first.
    history: Vec<SuppressionFact>,
}

impl From<State> for SuppressionState {
    fn from(State { by, history }: State) -> Self {
        Self {
            blocked: !by.is_empty(),
            by: by.into_iter().map(Suppression::new).collect(),
            history: history.into_iter().map(SuppressionFact::from).collect(),
        }
    }
}

/// Entries by id.
pub struct Entries(pub Arc<Context>);
/// The entries that block an address, by its key.
pub struct Blocking(pub Arc<Context>);
/// The entry that follows from a delivery event, by the event's id.
pub struct Following(pub Arc<Context>);

impl Loader<Uuid> for Entries {
    type Value = Model;
    type Error = Fault;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Model>, Fault> {
        Ok(state::entries(&self.0, ids).await?)
    }
}

impl Loader<Uuid> for Following {
    type Value = Model;
    type Error = Fault;

    async fn load(&self, events: &[Uuid]) -> Result<HashMap<Uuid, Model>, Fault> {
        Ok(state::following(&self.0, events).await?)
    }
}

impl Loader<String> for Blocking {
    type Value = Vec<Model>;
    type Error = Fault;

    async fn load(&self, keys: &[String]) -> Result<HashMap<String, Vec<Model>>, Fault> {
        Ok(state::blocking(self.0.store.read(), &self.0, keys.iter().map(String::as_str)).await?)
    }
}

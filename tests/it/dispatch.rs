//! Applications are told of delivery events: each at least once, signed, until they take it; and nobody is told who may not be.

mod failing;
pub mod listener;
mod processes;
mod refused;
mod secrets;
mod told;

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use entity::event_dispatch::{Entity, Model as Dispatch, State};
use entity::event_endpoint::{Model as Endpoint, Wanted};
use jobs::dispatch::address::Networks;
use jobs::dispatch::endpoint::{self, Draft};
use jobs::dispatch::sign::Secret;
use jobs::{Context, Settings, dispatch};
use sea_orm::{EntityTrait, QueryOrder};
use tests::database::Backend;
use uuid::Uuid;

use crate::control::world::draft;
use crate::events::Post;
use listener::Listener;

/// Where endpoints of tests lie.
pub fn own_network() -> Networks {
    Networks(vec!["127.0.0.0/8".parse().unwrap()])
}

/// A process that records, and may tell endpoints on this machine; and an endpoint there.
pub struct Stage {
    pub post: Post,
    pub listener: Listener,
    pub endpoint: Endpoint,
    pub secret: Secret,
}

impl Stage {
    pub async fn new(backend: Backend) -> Self {
        Self::wanting(backend, Wanted::default()).await
    }

    pub async fn wanting(backend: Backend, wanted: Wanted) -> Self {
        tests::install_tls();
        let post = Post::with(backend, Settings { outbound_networks: own_network(), ..Settings::default() }).await;
        let listener = Listener::start().await;
        let (endpoint, secret) = entered(&post.world.ctx, &listener, wanted).await;
        Self { post, listener, endpoint, secret }
    }

    pub fn ctx(&self) -> &Arc<Context> {
        &self.post.world.ctx
    }

    /// Records so many events of this kind, each about an email of its own. Answers the events' ids.
    pub async fn record(&self, n: usize, event: &str) -> Vec<Uuid> {
        let mut ids = Vec::new();
        for email in self.post.world.accept(n, draft()).await {
            ids.push(self.post.take(&self.post.told(event, email)).await);
        }
        ids
    }

    /// Tells whatever is to be told by now.
    pub async fn tell(&self) {
        dispatch::due(self.ctx()).await.unwrap();
    }

    /// The same, so much later.
    pub async fn tell_after(&self, time: TimeDelta) {
        self.post.world.pass(time);
        self.tell().await;
    }

    /// The endpoint as it stands.
    pub async fn stands(&self) -> Endpoint {
        endpoint::find(self.ctx(), self.endpoint.id).await.unwrap().unwrap()
    }

    pub async fn dispatches(&self) -> Vec<Dispatch> {
        dispatches(self.ctx()).await
    }

    /// Runs a statement that a test needs and the service does not.
    pub async fn sql(&self, text: &str) {
        let store = &self.ctx().store;
        jobs::store::execute(store.write(), store.sql(text, [])).await.unwrap();
    }

    /// How many stand where.
    pub async fn states(&self) -> Vec<State> {
        self.dispatches().await.into_iter().map(|dispatch| dispatch.state).collect()
    }
}

/// What became of all events, in their order.
pub async fn dispatches(ctx: &Context) -> Vec<Dispatch> {
    let all = Entity::find().order_by_asc(entity::event_dispatch::Column::Seq);
    all.all(ctx.store.write()).await.unwrap()
}

/// Enters an endpoint where somebody listens.
pub async fn entered(ctx: &Context, listener: &Listener, wanted: Wanted) -> (Endpoint, Secret) {
    let draft = Draft { url: listener.url(), description: None, wanted };
    endpoint::create(ctx, draft).await.unwrap().unwrap()
}

/// Each once, in whatever order.
pub fn set(ids: &[String]) -> BTreeSet<String> {
    ids.iter().cloned().collect()
}

/// How the API names an event.
pub fn named(ids: &[Uuid]) -> Vec<String> {
    ids.iter().map(|id| format!("delivery-event:{id}")).collect()
}

//! What requests are answered from: the process's context, its engine, and who may ask.

use std::sync::Arc;

use jobs::Context;
use jobs::accept::Accept;
use jobs::alert::Alert;
use jobs::audit::Audit;
use jobs::engine::{Engine, Health};
use jobs::live::Live;
use jobs::live::campaigns::Campaigns;
use jobs::live::emails::Emails;
use jobs::live::events::Events;
use jobs::record::Recorder;
use jobs::stats::QueueStats;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::RwLock;

use crate::auth::Doorkeeper;
use crate::dashboard::link::Links;
use crate::limit::Limits;
use crate::schema::Schema;
use crate::webhook::Webhooks;

/// A process that serves; clones are the same.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What an [`App`] is made of.
pub struct Parts {
    pub ctx: Arc<Context>,
    pub accept: Accept,
    pub audit: Audit,
    pub recorder: Recorder,
    pub webhooks: Webhooks,
    /// Gone once the process stops.
    pub engine: RwLock<Option<Engine>>,
    pub doorkeeper: Doorkeeper,
    /// How much one caller may ask for.
    pub limits: Arc<Limits>,
    /// The link that this process printed, while it is good.
    pub links: Links,
    pub schema: Schema,
    /// How the queue stands, for those who follow it.
    pub queue: Live<QueueStats>,
    /// What is alerted, for those who follow it.
    pub alerts: Live<Vec<Alert>>,
    /// Delivery events, for those who follow them.
    pub events: Events,
    /// Single emails, for those who follow them.
    pub emails: Emails,
    /// Single campaigns, for those who follow them.
    pub campaigns: Campaigns,
    pub metrics: Option<PrometheusHandle>,
    /// This process hands emails over itself.
    pub works: bool,
    /// Redis is configured.
    pub redis: bool,
    /// The API can be tried out in a browser.
    pub playground: bool,
}

impl App {
    /// An app of these parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// How the lanes stand; `None` once the process stops.
    pub async fn lanes(&self) -> Option<Health> {
        self.engine.read().await.as_ref().map(Engine::health)
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

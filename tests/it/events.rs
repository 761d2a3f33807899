//! What Mailgun reports, recorded: each event once, its effect whatever came first, and numbers in the order they are seen.

mod effect;
mod list;
mod live;
mod metrics;
mod news;
mod numbers;
mod once;
mod order;
mod replay;
mod suppressions;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::campaign_metrics::{self, Metric};
use entity::{delivery_event, email_facts, suppression};
use jobs::Settings;
use jobs::record::{Recorded, Recorder};
use jobs::store::rows;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use tests::database::Backend;
use tests::webhook::Told;
use uuid::Uuid;

use crate::control::world::World;

/// A database, and a process that records.
pub struct Post {
    pub world: World,
    pub recorder: Recorder,
}

/// Whom [`World::accept`] sends the first email to.
pub const READER: &str = "reader0@example.com";

impl Post {
    pub async fn new(backend: Backend) -> Self {
        Self::with(backend, Settings::default()).await
    }

    pub async fn with(backend: Backend, settings: Settings) -> Self {
        let world = World::with(backend, settings).await;
        Self { recorder: Recorder::start(world.ctx.clone()), world }
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.world.ctx.clock.now()
    }

    /// Records a webhook that must be new.
    pub async fn take(&self, told: &Told) -> Uuid {
        match self.recorder.take(told.webhook()).await.unwrap() {
            Recorded::Taken { id, .. } => id,
            other => panic!("{other:?}"),
        }
    }

    /// An event about the reader of an email, of this moment.
    pub fn told(&self, event: &str, email: Uuid) -> Told {
        Told::new(event, email, READER, self.now())
    }

    pub async fn events(&self) -> Vec<delivery_event::Model> {
        let all = delivery_event::Entity::find().order_by_asc(delivery_event::Column::Seq);
        all.all(self.world.ctx.store.write()).await.unwrap()
    }

    pub async fn facts(&self, email: Uuid) -> Option<email_facts::Model> {
        email_facts::Entity::find_by_id(email).one(self.world.ctx.store.write()).await.unwrap()
    }

    /// The entries of an address, by reason.
    pub async fn list(&self, target: &str) -> Vec<suppression::Model> {
        suppression::Entity::find()
            .filter(suppression::Column::Target.eq(target))
            .order_by_asc(suppression::Column::Reason)
            .all(self.world.ctx.store.write())
            .await
            .unwrap()
    }

    /// What is counted, over all scopes and hours.
    pub async fn metrics(&self) -> BTreeMap<Metric, i64> {
        let mut sums = BTreeMap::new();
        for row in campaign_metrics::Entity::find().all(self.world.ctx.store.write()).await.unwrap() {
            *sums.entry(row.metric).or_default() += row.n;
        }
        sums.retain(|_, n| *n != 0);
        sums
    }

    /// Tallies equal the rows, and counters equal the facts and the events.
    pub async fn assert_the_numbers_add_up(&self) {
        tests::ledger::assert_ledger_equals_rows(&self.world.ctx).await;
        let ctx = &self.world.ctx;
        let text = "SELECT (SELECT count(*) FROM email_queue q WHERE q.acceptances > 0) AS sent, \
             (SELECT count(*) FROM email_facts f WHERE f.delivered_at IS NOT NULL) AS delivered, \
             (SELECT count(*) FROM email_facts f WHERE f.bounced_at IS NOT NULL) AS bounced, \
             (SELECT count(*) FROM email_facts f WHERE f.hard_bounced_at IS NOT NULL) AS hard, \
             (SELECT count(*) FROM email_facts f WHERE f.opens > 0) AS unique_opened, \
             (SELECT count(*) FROM email_delivery_events e WHERE e.kind = 4 AND e.bot IS NULL AND NOT e.copy \
              AND e.email_id IS NOT NULL) AS opened, \
             (SELECT CAST(coalesce(sum(f.opens), 0) AS bigint) FROM email_facts f) AS opens";
        let found = rows(ctx.store.write(), ctx.store.sql(text, [])).await.unwrap();
        let count = |name: &str| found[0].try_get::<i64>("", name).unwrap();
        let metrics = self.metrics().await;
        for (metric, name) in [
            (Metric::Sent, "sent"),
            (Metric::Delivered, "delivered"),
            (Metric::Bounced, "bounced"),
            (Metric::HardBounced, "hard"),
            (Metric::UniqueOpened, "unique_opened"),
            (Metric::Opened, "opened"),
            (Metric::Opened, "opens"),
        ] {
            assert_eq!(metrics.get(&metric).copied().unwrap_or_default(), count(name), "{metric:?} against {name}");
        }
    }
}

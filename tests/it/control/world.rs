//! A migrated database with a context, and short ways to bring emails into each state.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use entity::sealed::Keyring;
use entity::{Clock, Priority, Status, email};
use jobs::accept::{Accept, Answer, Draft};
use jobs::ledger::{self, Cause, Handed, Move, Settlement, Shard};
use jobs::{Context, Settings, Store, Timing};
use secrecy::ExposeSecret;
use tests::database::{Backend, Database};
use tests::ledger::assert_ledger_equals_rows;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub struct World {
    pub ctx: Arc<Context>,
    pub accept: Accept,
    database: Database,
}

impl World {
    pub async fn new(backend: Backend) -> Self {
        Self::with(backend, Settings::default()).await
    }

    /// One that sends through these domains.
    pub async fn through(backend: Backend, domains: &[&str]) -> Self {
        let domains = domains.iter().map(|domain| (*domain).to_owned()).collect();
        Self::with(backend, Settings { domains, ..Settings::default() }).await
    }

    pub async fn with(backend: Backend, settings: Settings) -> Self {
        let database = backend.database().await;
        let ctx = context_with(&database, settings).await;
        migration::up(ctx.store.write()).await.unwrap();
        Self { accept: Accept::start(ctx.clone()), ctx, database }
    }

    /// Another process on the same database.
    pub async fn restarted(&self) -> Arc<Context> {
        context(&self.database).await
    }

    /// Accepts `n` emails like `draft`, each to an address of its own.
    pub async fn accept(&self, n: usize, draft: Draft) -> Vec<Uuid> {
        let mut ids = Vec::new();
        for start in (0..n).step_by(500) {
            let drafts = (start..n.min(start + 500))
                .map(|i| Draft { to: format!("reader{i}@example.com"), ..draft.clone() })
                .collect();
            for answer in self.accept.take(Uuid::nil(), drafts).await.unwrap() {
                let Answer::Accepted(email) = answer else { panic!("{answer:?}") };
                ids.push(email.id);
            }
        }
        ids
    }

    pub async fn one(&self, draft: Draft) -> Uuid {
        self.accept(1, draft).await[0]
    }

    pub async fn apply(&self, ids: &[Uuid], cause: Cause) {
        let moves: Vec<Move> = ids.iter().map(|id| Move { email: *id, cause: cause.clone() }).collect();
        for few in moves.chunks(500) {
            let tx = self.ctx.store.begin().await.unwrap();
            for answer in ledger::apply(&tx, &self.ctx, Shard::Settle, few).await.unwrap() {
                answer.unwrap();
            }
            tx.commit().await.unwrap();
        }
    }

    pub async fn claim(&self, ids: &[Uuid]) {
        let until = self.ctx.clock.now() + TimeDelta::seconds(60);
        self.apply(ids, Cause::Claim { until, omitted: None }).await;
    }

    /// Claims them and reports how the hand-over ended.
    pub async fn hand(&self, ids: &[Uuid], handed: Handed) {
        self.claim(ids).await;
        let now = self.ctx.clock.now();
        let report =
            Settlement { fence: 1, doubtful_lease: None, handed, http_status: None, started_at: now, finished_at: now };
        self.apply(ids, Cause::Settle(report)).await;
    }

    pub async fn fail(&self, ids: &[Uuid], why: &str) {
        self.hand(ids, Handed::Failed { why: why.into() }).await;
    }

    pub async fn send(&self, ids: &[Uuid]) {
        self.hand(ids, Handed::Sent { provider_id: "id@mailgun".into() }).await;
    }

    pub async fn lose(&self, ids: &[Uuid]) {
        self.hand(ids, Handed::Unconfirmed { why: "the answer never came".into() }).await;
    }

    pub async fn email(&self, id: Uuid) -> email::Model {
        jobs::find::email(&self.ctx, id).await.unwrap().unwrap()
    }

    pub async fn status(&self, id: Uuid) -> Status {
        self.email(id).await.status
    }

    /// How many stand where, of those statuses that have any, and that the tallies say so too.
    pub async fn counts(&self) -> Vec<(Status, i64)> {
        assert_ledger_equals_rows(&self.ctx).await;
        let ledger = jobs::stats::ledger(&self.ctx, None).await.unwrap();
        Status::all().map(|s| (s, ledger.of(s))).filter(|(_, n)| *n != 0).collect()
    }

    /// The database's file, where it is one.
    pub fn file(&self) -> std::path::PathBuf {
        self.database.url.trim_start_matches("sqlite://").trim_end_matches("?mode=rwc").into()
    }

    /// A process on the same database with another keyring.
    pub async fn with_keys(&self, keyring: Keyring) -> Arc<Context> {
        let store = Store::connect(&self.database.url).await.unwrap();
        let stop = tokio_util::sync::CancellationToken::new();
        Context::new(store, self.ctx.clock.clone(), Timing::default(), self.ctx.settings.clone(), keyring, 0.4, stop)
    }

    /// Another process on the same database, with the same keys and a clock of its own.
    pub async fn another(&self) -> Arc<Context> {
        self.set(self.ctx.settings.clone()).await
    }

    /// The same with other settings.
    pub async fn set(&self, settings: Settings) -> Arc<Context> {
        let store = Store::connect(&self.database.url).await.unwrap();
        let keyring = Keyring::parse(self.ctx.keyring.to_text().expose_secret()).unwrap();
        let clock = Clock::system();
        clock.align(self.ctx.clock.now());
        Context::new(store, clock, Timing::default(), settings, keyring, 0.4, CancellationToken::new())
    }

    /// Moves the context's clock forward.
    pub fn pass(&self, time: TimeDelta) {
        self.ctx.clock.align(self.ctx.clock.now() + time);
    }
}

/// A process on this database.
pub async fn context(database: &Database) -> Arc<Context> {
    context_with(database, Settings::default()).await
}

async fn context_with(database: &Database, settings: Settings) -> Arc<Context> {
    let store = Store::connect(&database.url).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    Context::new(store, Clock::system(), Timing::default(), settings, Keyring::generate(), 0.4, stop)
}

pub fn draft() -> Draft {
    Draft {
        from: Some("news@sandbox.mailmind.test".into()),
        to: "reader@example.com".into(),
        subject: "Hello".into(),
        text: Some("Good day".into()),
        priority: Some(Priority::Normal),
        ..Draft::default()
    }
}

pub fn later(ctx: &Context) -> Option<DateTime<Utc>> {
    Some(ctx.clock.now() + TimeDelta::hours(3))
}

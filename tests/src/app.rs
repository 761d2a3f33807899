//! The jobs of a process without its outside: a database of its own, the engine, and a scripted Mailgun behind it.

use std::sync::Arc;
use std::time::Duration;

use entity::sealed::Keyring;
use entity::{Clock, Priority, Status, email};
use jobs::accept::{Answer, Draft};
use jobs::lane::RedisSettings;
use jobs::mailer::{Mailgun, PostLimits};
use jobs::{Context, Engine, Settings, Store, Timing};
use sea_orm::EntityTrait;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::database::{Backend, Database};
use crate::mailgun::FakeMailgun;
use crate::patience::{SOON, until_true};
use crate::redis::Redis;

/// How an [`App`] is to be.
pub struct Plan {
    /// Where its truth is.
    pub backend: Backend,
    /// Doorbells travel through this server.
    pub redis: Option<u16>,
    /// The protocol's durations are divided by this.
    pub hurry: u32,
    /// What the user would set.
    pub settings: Settings,
}

impl Plan {
    /// In process, ten times as fast, five slots.
    pub fn on(backend: Backend) -> Self {
        Self {
            backend,
            redis: None,
            hurry: 10,
            settings: Settings { domains: vec!["mg.example.com".into()], sandbox: false, ..Settings::default() },
        }
    }

    /// With doorbells through Redis.
    pub fn through(mut self, redis: &Redis) -> Self {
        self.redis = Some(redis.port());
        self
    }

    /// With other settings.
    pub fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// With another pace.
    pub fn hurry(mut self, hurry: u32) -> Self {
        self.hurry = hurry;
        self
    }
}

/// A running engine and what it runs on.
pub struct App {
    /// What its jobs are handed.
    pub ctx: Arc<Context>,
    /// All that runs.
    pub engine: Engine,
    /// Who takes the emails.
    pub mailgun: Arc<FakeMailgun>,
    /// Its truth.
    pub database: Arc<Database>,
    keys: SecretString,
    plan: Plan,
}

/// Whose idempotency keys tests use.
pub const CALLER: Uuid = Uuid::from_u128(1);

impl App {
    /// Starts it on an empty database, in front of a Mailgun that accepts everything.
    pub async fn start(plan: Plan) -> Self {
        let database = Arc::new(plan.backend.database().await);
        let mailgun = Arc::new(FakeMailgun::start());
        Self::open(plan, database, mailgun, Keyring::generate().to_text(), true).await
    }

    /// Another process on the same database and Mailgun.
    pub async fn another(&self, workers: bool) -> Self {
        let plan = Plan { settings: self.plan.settings.clone(), ..self.plan };
        Self::open(plan, self.database.clone(), self.mailgun.clone(), self.keys.clone(), workers).await
    }

    async fn open(
        plan: Plan,
        database: Arc<Database>,
        mailgun: Arc<FakeMailgun>,
        keys: SecretString,
        workers: bool,
    ) -> Self {
        crate::install_tls();
        crate::show_logs();
        let store = Store::connect(&database.url).await.expect("the test's database opens");
        migration::up(store.write()).await.expect("the test's database is brought up to date");
        let settings = Settings { api_base: mailgun.url(), ..plan.settings.clone() };
        let timing = Timing::divided(plan.hurry);
        let limits =
            PostLimits { post: timing.post, connect: timing.connect, slots: settings.slots, ..PostLimits::default() };
        let mailer =
            Mailgun::new(&settings.api_base, &SecretString::from("key-test"), limits).expect("the mailer is made");
        let keyring = Keyring::parse(keys.expose_secret()).expect("a generated keyring is read back");
        let stop = CancellationToken::new();
        let ctx = Context::new(store, Clock::system(), timing, settings, keyring, entity::clock::chance(), stop);
        let redis = plan.redis.map(|port| RedisSettings {
            host: "127.0.0.1".into(),
            port,
            password: None,
            db: 0,
            prefix: "test".into(),
        });
        let engine = Engine::start(ctx.clone(), Arc::new(mailer), redis, workers).await.expect("the engine starts");
        Self { ctx, engine, mailgun, database, keys, plan }
    }

    /// Takes drafts in.
    pub async fn take(&self, drafts: Vec<Draft>) -> Vec<Answer> {
        self.engine.accept.take(CALLER, drafts).await.expect("the database takes it")
    }

    /// Takes `n` letters in, of one priority, each to an address of its own. Answers their ids.
    pub async fn send(&self, n: usize, lane: Priority) -> Vec<Uuid> {
        let mut ids = Vec::with_capacity(n);
        for chunk in (0..n).collect::<Vec<_>>().chunks(500) {
            let drafts =
                chunk.iter().map(|i| Draft { priority: Some(lane), ..letter(&format!("u{i}@example.org")) }).collect();
            ids.extend(self.take(drafts).await.into_iter().map(|answer| accepted(answer).id));
        }
        ids
    }

    /// The email as it stands.
    pub async fn email(&self, id: Uuid) -> email::Model {
        let found = email::Entity::find_by_id(id).one(self.ctx.store.write()).await.expect("the database answers");
        found.expect("the email is there")
    }

    /// Its tries, in order.
    pub async fn attempts(&self, id: Uuid) -> Vec<entity::attempt::Model> {
        use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};
        entity::attempt::Entity::find()
            .filter(entity::attempt::Column::EmailId.eq(id))
            .order_by_asc(entity::attempt::Column::Fence)
            .all(self.ctx.store.write())
            .await
            .expect("the database answers")
    }

    /// Waits until the email stands there.
    pub async fn await_status(&self, id: Uuid, status: Status) -> email::Model {
        until_true(&format!("{id} to be {}", status.name()), SOON, async || self.email(id).await.status == status)
            .await;
        self.email(id).await
    }

    /// Waits until all of these stand there.
    pub async fn await_all(&self, ids: &[Uuid], status: Status, deadline: Duration) {
        let what = format!("{} emails to be {}", ids.len(), status.name());
        until_true(&what, deadline, async || self.count(status).await >= ids.len() as u64).await;
        for id in ids {
            assert_eq!(self.email(*id).await.status, status, "{id}");
        }
    }

    /// How many emails stand there, by the rows.
    pub async fn count(&self, status: Status) -> u64 {
        use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter};
        let filter = email::Column::Status.eq(status);
        email::Entity::find().filter(filter).count(self.ctx.store.read()).await.expect("the database answers")
    }
}

/// A letter that passes every check.
pub fn letter(to: &str) -> Draft {
    Draft {
        from: Some("Ann <ann@mg.example.com>".into()),
        to: to.into(),
        subject: "Hello".into(),
        text: Some("Hello there".into()),
        ..Draft::default()
    }
}

/// The email of an answer that took one in.
pub fn accepted(answer: Answer) -> email::Model {
    match answer {
        Answer::Accepted(email) => *email,
        other => panic!("not taken in: {other:?}"),
    }
}

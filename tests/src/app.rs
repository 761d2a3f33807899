//! The jobs of a process without its outside: a database of its own, the engine, and a scripted Mailgun behind it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use entity::sealed::Keyring;
use entity::{Clock, Priority, Status, breaker, email};
use jobs::accept::{Answer, Draft};
use jobs::hold::{Holds, Leave};
use jobs::lane::RedisSettings;
use jobs::ledger::{self, Cause, Move, Moved, Refusal, Shard};
use jobs::log::MailgunLog;
use jobs::mailer::{Mailgun, PostLimits};
use jobs::sync::MailgunLists;
use jobs::{Context, Engine, Settings, Store, Timing};
use sea_orm::EntityTrait;
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Runtime;
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
    /// The protocol's durations are divided by this ..
    pub hurry: u32,
    /// .. but those of a POST and its lease by this, for a machine with other work.
    pub hurry_posts: u32,
    /// .. and those of looks into Mailgun's log by this.
    pub hurry_log: u32,
    /// .. and the minutes of alerts by this.
    pub hurry_alerts: u32,
    /// What the user would set.
    pub settings: Settings,
    /// Whether it sends, or only takes in.
    pub workers: bool,
}

impl Plan {
    /// In process, ten times as fast (its POSTs four times, looks into the log and alerts not at all), five slots.
    pub fn on(backend: Backend) -> Self {
        Self {
            backend,
            redis: None,
            hurry: 10,
            hurry_posts: 4,
            hurry_log: 1,
            hurry_alerts: 1,
            settings: Settings { domains: vec!["mg.example.com".into()], sandbox: false, ..Settings::default() },
            workers: true,
        }
    }

    /// A process that takes in and leaves the sending to others.
    pub fn without_workers(mut self) -> Self {
        self.workers = false;
        self
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

    /// With another pace of POSTs and leases, for tests in which Mailgun hangs or a worker dies.
    pub fn hurry_posts(mut self, hurry: u32) -> Self {
        self.hurry_posts = hurry;
        self
    }

    /// With another pace of looks into Mailgun's log.
    pub fn hurry_log(mut self, hurry: u32) -> Self {
        self.hurry_log = hurry;
        self
    }

    /// With another pace of alerts.
    pub fn hurry_alerts(mut self, hurry: u32) -> Self {
        self.hurry_alerts = hurry;
        self
    }

    fn timing(&self) -> Timing {
        let (posts, log) = (Timing::divided(self.hurry_posts), Timing::divided(self.hurry_log));
        Timing {
            lease: posts.lease,
            lease_margin: posts.lease_margin,
            post: posts.post,
            connect: posts.connect,
            looks: log.looks,
            trust: log.trust,
            reconcile: log.reconcile,
            grace: log.grace,
            minute: Timing::divided(self.hurry_alerts).minute,
            ..Timing::divided(self.hurry)
        }
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
        let database = plan.backend.database().await;
        Self::start_over(plan, database).await
    }

    /// Starts it on this database, which may lie behind a [`crate::proxy::Proxy`].
    pub async fn start_over(plan: Plan, database: Database) -> Self {
        let mailgun = Arc::new(FakeMailgun::start());
        Self::open(plan, Arc::new(database), mailgun, Keyring::generate().to_text()).await
    }

    /// Another process on the same database and Mailgun.
    pub async fn another(&self, workers: bool) -> Self {
        self.opened(workers).await
    }

    /// Another process that works and will die: see [`Doomed::die`].
    pub async fn doomed(&self) -> Doomed {
        let runtime = Runtime::new().expect("a runtime");
        let app = runtime.spawn(self.opened(true)).await.expect("it starts");
        Doomed { app: Some(app), runtime: Some(runtime) }
    }

    fn opened(&self, workers: bool) -> impl Future<Output = Self> + Send + 'static {
        let plan = Plan { settings: self.plan.settings.clone(), workers, ..self.plan };
        Self::open(plan, self.database.clone(), self.mailgun.clone(), self.keys.clone())
    }

    async fn open(plan: Plan, database: Arc<Database>, mailgun: Arc<FakeMailgun>, keys: SecretString) -> Self {
        crate::install_tls();
        crate::show_logs();
        let store = Store::connect(&database.url).await.expect("the test's database opens");
        migration::up(store.write()).await.expect("the test's database is brought up to date");
        let settings = Settings { api_base: mailgun.url(), ..plan.settings.clone() };
        let timing = plan.timing();
        let limits =
            PostLimits { post: timing.post, connect: timing.connect, slots: settings.slots, ..PostLimits::default() };
        let mailer =
            Mailgun::new(&settings.api_base, &SecretString::from("key-test"), limits).expect("the mailer is made");
        let log =
            MailgunLog::new(&settings.api_base, &SecretString::from("key-test"), limits).expect("its log is reached");
        let lists = MailgunLists::new(&settings.api_base, &SecretString::from("key-test"), limits, Clock::system())
            .expect("its lists are reached");
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
        let engine = Engine::start(ctx.clone(), Arc::new(mailer), Arc::new(log), Arc::new(lists), redis, plan.workers)
            .await
            .expect("the engine starts");
        Self { ctx, engine, mailgun, database, keys, plan }
    }

    /// What contents are sealed with.
    pub fn keys(&self) -> &SecretString {
        &self.keys
    }

    /// Takes drafts in.
    pub async fn take(&self, drafts: Vec<Draft>) -> Vec<Answer> {
        self.engine.accept.take(CALLER, drafts).await.expect("the database takes it")
    }

    /// Takes `n` letters in, of one priority, each to an address of its own. Answers their ids.
    pub async fn send(&self, n: usize, lane: Priority) -> Vec<Uuid> {
        self.send_each(n, |draft| draft.priority = Some(lane)).await
    }

    /// Takes `n` letters in, each changed so and to an address of its own. Answers their ids.
    pub async fn send_each(&self, n: usize, change: impl Fn(&mut Draft)) -> Vec<Uuid> {
        let mut ids = Vec::with_capacity(n);
        let mut letters = (0..n).map(|i| {
            let mut draft = letter(&format!("u{i}@example.org"));
            change(&mut draft);
            draft
        });
        while ids.len() < n {
            let drafts = letters.by_ref().take(500).collect();
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
        until_true(&what, deadline, async || {
            // Counting is cheap; the rows are read when the number can be right.
            self.count(status).await >= ids.len() as u64
                && self.emails(ids).await.iter().all(|email| email.status == status)
        })
        .await;
    }

    /// All of these emails as they stand, in the order of `ids`.
    pub async fn emails(&self, ids: &[Uuid]) -> Vec<email::Model> {
        let all = email::Entity::find().all(self.ctx.store.write()).await.expect("the database answers");
        let mut by_id: HashMap<Uuid, email::Model> = all.into_iter().map(|email| (email.id, email)).collect();
        ids.iter().map(|id| by_id.remove(id).expect("the email is there")).collect()
    }

    /// Applies one cause in a transaction of its own.
    pub async fn apply(&self, email: Uuid, cause: Cause) -> Result<Moved, Refusal> {
        let tx = self.ctx.store.begin().await.expect("the database answers");
        let moved =
            ledger::apply(&tx, &self.ctx, Shard::Control, &[Move { email, cause }]).await.expect("it is applied");
        tx.commit().await.expect("it is stored");
        self.ctx.nudge(Priority::High);
        self.ctx.nudge(Priority::Normal);
        self.ctx.nudge(Priority::Low);
        moved.into_iter().next().expect("one answer for one cause")
    }

    /// Runs statements that a test needs and the service does not.
    pub async fn sql(&self, text: &str) {
        use sea_orm::ConnectionTrait;
        self.ctx.store.write().execute_unprepared(text).await.expect("the database takes it");
    }

    /// Why the email waits where it could leave; `None` when nothing holds it.
    pub async fn held(&self, id: Uuid) -> Option<String> {
        let (ctx, email) = (&self.ctx, self.email(id).await);
        let now = ctx.clock.now();
        let holds = Holds::load(ctx.store.write(), now).await.expect("the database answers");
        let scope = ctx.scopes.get(ctx.store.write(), &ctx.store, email.scope).await.expect("its scope is there");
        match holds.over(email.lane, &scope, &ctx.settings.transport(), now) {
            Leave::Held { why, .. } => Some(why),
            Leave::Open | Leave::Probe(_) => None,
        }
    }

    /// The breakers there are, open or not.
    pub async fn breakers(&self) -> Vec<breaker::Model> {
        breaker::Entity::find().all(self.ctx.store.write()).await.expect("the database answers")
    }

    /// Waits until a breaker is open and has let so many emails go ahead.
    pub async fn await_probes(&self, probes: i32) {
        let open = async || self.breakers().await.iter().any(|b| b.open && b.probes >= probes);
        until_true(&format!("a breaker with {probes} probes"), SOON, open).await;
    }

    /// Every tally equals the rows it counts: to be asked when nobody writes.
    pub async fn assert_ledger_equals_rows(&self) {
        crate::ledger::assert_ledger_equals_rows(&self.ctx).await;
    }

    /// How many emails stand there, by the rows.
    pub async fn count(&self, status: Status) -> u64 {
        use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter};
        let filter = email::Column::Status.eq(status);
        email::Entity::find().filter(filter).count(self.ctx.store.read()).await.expect("the database answers")
    }
}

/// A process that dies without a word: nothing is given back, nothing settled, its connections break.
pub struct Doomed {
    app: Option<App>,
    runtime: Option<Runtime>,
}

impl Doomed {
    /// As it is before its end.
    pub fn app(&self) -> &App {
        self.app.as_ref().expect("it lives until it is dropped")
    }

    /// It dies now.
    pub fn die(self) {}
}

impl Drop for Doomed {
    fn drop(&mut self) {
        // First whoever works, so that nobody sees a closed pool and acts on it.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        self.app = None;
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

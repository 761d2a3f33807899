//! The servers and processes of a seed: PostgreSQL behind a proxy, Redis, Mailgun; processes that serve and processes that
//! work.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use entity::Clock;
use entity::sealed::Keyring;
use jobs::{Context, Settings, Store, Timing};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::Coverage;
use super::load::DOMAINS;
use super::mailgun::Model;
use crate::child::{Scratch, free_port};
use crate::client::Client;
use crate::database::{Database, Postgres};
use crate::lock;
use crate::patience::{SOON, until};
use crate::process::{Launch, Process};
use crate::proxy::Proxy;
use crate::redis::Redis;
use crate::webhook::SIGNING_KEY;

const KEY: &str = "a-key-for-faults-of-no-value";
/// POSTs at a time in one process.
const SLOTS: usize = 8;
/// What our keys in Redis begin with.
pub const PREFIX: &str = "faults";
/// Set in a process that is to be `mailmind`: see [`play`].
pub const ROLE: &str = "FAULTS_ROLE";
/// The guard that such a process lacks.
pub const SABOTAGE: &str = "FAULTS_SABOTAGE";

/// What a seed is run with.
#[derive(Clone, Debug)]
pub struct Pace {
    /// The protocol's durations are divided by this ..
    pub hurry: u32,
    /// .. and those of Mailgun's log by this.
    pub hurry_log: u32,
}

impl Pace {
    /// The protocol's durations at this pace.
    pub fn timing(&self) -> Timing {
        Timing::divided(self.hurry)
    }
}

/// Where the processes that serve are reached.
#[derive(Clone, Default)]
pub struct Doors(Arc<RwLock<Vec<String>>>, Arc<AtomicUsize>);

impl Doors {
    /// The next of them; `None` while there is none.
    pub fn any(&self) -> Option<String> {
        let doors = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let turn = self.1.fetch_add(1, Ordering::Relaxed);
        doors.get(turn % doors.len().max(1)).cloned()
    }

    fn add(&self, door: String) {
        self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner).push(door);
    }
}

/// All that a seed runs on.
pub struct World {
    // Processes end before the servers they stand on.
    pub fronts: Mutex<Vec<Arc<Process>>>,
    pub workers: Mutex<Vec<Arc<Process>>>,
    pub mailgun: Arc<Model>,
    pub proxy: Proxy,
    pub redis: Redis,
    database: Database,
    /// Past the proxy.
    direct: String,
    pub postgres: Postgres,
    data: Scratch,
    keyring: SecretString,
    pub doors: Doors,
    pub coverage: Coverage,
    pub pace: Pace,
    sabotage: Option<String>,
    ports: Vec<u16>,
    /// Held by faults that take away the way to PostgreSQL, and by those that need it.
    pub way: tokio::sync::Mutex<()>,
    started: AtomicUsize,
    /// What each process that ended had printed.
    pub past: Mutex<Vec<(String, Vec<String>)>>,
}

impl World {
    /// Starts the servers, and two processes that serve and three that work.
    pub async fn start(seed: u64, pace: Pace, sabotage: Option<&str>) -> Arc<Self> {
        let coverage = Coverage::default();
        let (postgres, redis) = tokio::join!(Postgres::start(), Redis::start());
        let database = postgres.database().await;
        let direct = database.url.clone();
        let (proxy, database) = Proxy::before(database).await;
        let world = Arc::new(Self {
            fronts: Mutex::default(),
            workers: Mutex::default(),
            mailgun: Arc::new(Model::start(seed, pace.timing().post, &coverage)),
            proxy,
            redis,
            database,
            direct,
            postgres,
            data: Scratch::new("data"),
            keyring: Keyring::generate().to_text(),
            doors: Doors::default(),
            coverage,
            pace,
            sabotage: sabotage.map(str::to_owned),
            ports: (0..2).map(|_| free_port()).collect(),
            started: AtomicUsize::new(0),
            way: tokio::sync::Mutex::default(),
            past: Mutex::default(),
        });
        for i in 0..world.ports.len() {
            let front = world.front(i).await;
            lock(&world.fronts).push(front);
            world.doors.add(world.door(i));
        }
        for _ in 0..3 {
            let worker = world.work("work", None).await;
            lock(&world.workers).push(worker);
        }
        world
    }

    fn launch(&self, name: &str, args: &[&str]) -> Launch {
        let program = std::env::current_exe().expect("this very program");
        let launch = Launch::of(program)
            .args(args)
            .env(ROLE, "mailmind")
            .env("LISTEN", "127.0.0.1:0")
            .env("DATA_DIR", self.data.path())
            .env("DATABASE_URL", &self.database.url)
            .env("REDIS_HOST", "127.0.0.1")
            .env("REDIS_PORT", self.redis.port().to_string())
            .env("REDIS_PREFIX", PREFIX)
            // Campaign mail carries a link to unsubscribe.
            .env("PUBLIC_URL", "https://mail.example.com")
            .env("MAILGUN_API_BASE", self.mailgun.fake.url())
            .env("MAILGUN_API_KEY", name)
            .env("MAILGUN_WEBHOOK_SIGNING_KEY", SIGNING_KEY)
            .env("MAILGUN_DOMAIN", DOMAINS.join(","))
            .env("MAILGUN_BULK_CONCURRENCY", SLOTS.to_string())
            .env("CONTENT_KEYRING", self.keyring.expose_secret())
            .env("ADMIN_API_KEY", KEY)
            .env("TIMING_DIVISOR", self.pace.hurry.to_string())
            .env("TIMING_LOG_DIVISOR", self.pace.hurry_log.to_string());
        match &self.sabotage {
            Some(guard) => launch.env(SABOTAGE, guard),
            None => launch,
        }
    }

    /// The process that serves at this door.
    pub async fn front(&self, door: usize) -> Arc<Process> {
        let name = format!("front-{}", self.started.fetch_add(1, Ordering::Relaxed));
        let listen = format!("127.0.0.1:{}", self.ports[door]);
        let launch = || self.launch(&name, &["serve", "--no-worker"]).env("LISTEN", &listen);
        self.supervised(launch, "listens on http://").await
    }

    /// A process that works, under a clock that is off by this.
    pub async fn work(&self, name: &str, off: Option<&str>) -> Arc<Process> {
        let name = format!("{name}-{}", self.started.fetch_add(1, Ordering::Relaxed));
        let launch = || match off {
            Some(off) => self.launch(&name, &["work"]).faketime(off),
            None => self.launch(&name, &["work"]),
        };
        self.supervised(launch, "Working").await
    }

    /// Starts a process, and again if it ends before it says that it is ready: its database may go away amid its start.
    async fn supervised(&self, launch: impl Fn() -> Launch, ready: &str) -> Arc<Process> {
        loop {
            let process = launch().start();
            let said = until("a process to start or to end", 3 * SOON, async || {
                let ended = process.exited().is_some();
                let said = process.output().iter().any(|line| line.contains(ready));
                (said || ended).then_some(said)
            });
            if said.await {
                return Arc::new(process);
            }
            self.coverage.count("a process that could not start");
            self.bury(&process);
        }
    }

    /// Where the process at this door is reached.
    pub fn door(&self, door: usize) -> String {
        format!("http://127.0.0.1:{}", self.ports[door])
    }

    /// One of the processes that work, taken out of them.
    pub fn take_worker(&self, nth: usize) -> Arc<Process> {
        let mut workers = lock(&self.workers);
        let n = workers.len();
        workers.remove(nth % n)
    }

    /// Adds a process that works.
    pub fn add_worker(&self, worker: Arc<Process>) {
        lock(&self.workers).push(worker);
    }

    /// Keeps what a process printed that is no more.
    pub fn bury(&self, process: &Process) {
        lock(&self.past).push((format!("pid {}", process.pid()), process.output()));
    }

    /// Asks one of the processes that serve; `None` where it gave no whole answer.
    pub async fn try_ask(&self, document: &str, variables: Value) -> Option<Value> {
        let client = Client::new(&self.doors.any()?, KEY);
        let answer = tokio::time::timeout(Duration::from_secs(10), client.try_query(document, variables)).await;
        let mut answer = answer.ok()?.ok()?;
        answer.get("errors").is_none_or(Value::is_null).then(|| answer["data"].take())
    }

    /// Asks until there is an answer, for at most half a minute.
    pub async fn ask(&self, document: &str, variables: Value) -> Option<Value> {
        for _ in 0..100 {
            if let Some(answer) = self.try_ask(document, variables.clone()).await {
                return Some(answer);
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        None
    }

    /// A way into the database past everything.
    pub async fn beside(&self) -> Arc<Context> {
        let store = Store::connect(&self.direct).await.expect("PostgreSQL runs");
        let (keyring, stop) = (Keyring::generate(), CancellationToken::new());
        let settings = Settings { sandbox: false, ..Settings::default() };
        Context::new(store, Clock::system(), self.pace.timing(), settings, keyring, 0.0, stop)
    }
}

/// Plays `mailmind`, where this process was started to; `None` where it was not.
pub fn play() -> Option<std::process::ExitCode> {
    std::env::var_os(ROLE)?;
    if let Some(guard) = std::env::var(SABOTAGE).ok().as_deref().and_then(jobs::guard::named) {
        jobs::guard::switch_off(guard);
    }
    Some(api::main())
}

//! Our processes, on real servers, amid a thousand emails: killed, stopped, ended and started again, with what they stand on
//! taken away under them. Whatever happens, no email is lost, none is doubled, and the numbers add up.

mod batched;
mod bereft;
mod clocks;
mod ended;
mod killed;
mod launched;
mod logged;
mod restored;
mod size;
mod stopped;
mod together;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use entity::sealed::Keyring;
use entity::{Clock, Status, email};
use jobs::{Context, Settings, Store, Timing};
use sea_orm::{EntityTrait, QuerySelect};
use secrecy::{ExposeSecret, SecretString};
use tests::child::Scratch;
use tests::client::{Client, letter};
use tests::database::{Backend, Database};
use tests::ledger::assert_ledger_equals_rows;
use tests::mailgun::{FakeMailgun, Post, Reply};
use tests::patience::{SOON, until};
use tests::process::{Launch, Process};
use tests::redis::Redis;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const KEY: &str = "a-key-for-tests-of-no-value";

/// How long a thousand emails may take on a machine with other work, a lease that runs out included.
const LONG: Duration = Duration::from_secs(90);

/// Hand-overs at a time in one process. One slot is kept for the high lane, so four carry what these tests send.
const SLOTS: usize = 5;

/// What the processes of a test share.
struct World {
    mailgun: Arc<FakeMailgun>,
    database: Database,
    redis: Option<Redis>,
    data: Scratch,
    keyring: SecretString,
    /// The protocol's durations are divided by this.
    hurry: u32,
}

impl World {
    /// One process on SQLite, nothing beside it.
    fn embedded() -> Self {
        Self::on(Database::sqlite(), None)
    }

    /// Several processes on PostgreSQL and Redis.
    async fn shared() -> Self {
        Self::on(Backend::Postgres.database().await, Some(Redis::start().await))
    }

    /// As this back end is run.
    async fn of(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => Self::embedded(),
            Backend::Postgres => Self::shared().await,
        }
    }

    fn on(database: Database, redis: Option<Redis>) -> Self {
        Self {
            mailgun: Arc::new(FakeMailgun::start()),
            database,
            redis,
            data: Scratch::new("data"),
            keyring: Keyring::generate().to_text(),
            hurry: 1,
        }
    }

    /// At another pace.
    fn hurry(mut self, hurry: u32) -> Self {
        self.hurry = hurry;
        self
    }

    /// A process of this world. Mailgun knows it by `name`.
    fn launch(&self, name: &str, args: &[&str]) -> Launch {
        let launch = Launch::of(env!("CARGO_BIN_EXE_mailmind-tested"))
            .args(args)
            .env("LISTEN", "127.0.0.1:0")
            .env("DATA_DIR", self.data.path())
            .env("DATABASE_URL", &self.database.url)
            .env("MAILGUN_API_BASE", self.mailgun.url())
            .env("MAILGUN_API_KEY", name)
            .env("MAILGUN_DOMAIN", "mg.example.com")
            .env("MAILGUN_BULK_CONCURRENCY", SLOTS.to_string())
            .env("CONTENT_KEYRING", self.keyring.expose_secret())
            .env("ADMIN_API_KEY", KEY)
            .env("TIMING_DIVISOR", self.hurry.to_string());
        match &self.redis {
            Some(redis) => launch.env("REDIS_HOST", "127.0.0.1").env("REDIS_PORT", redis.port().to_string()),
            None => launch,
        }
    }

    /// A process that takes emails in and sends them.
    async fn serve(&self, name: &str) -> Served {
        Served::start(self.launch(name, &["serve"])).await
    }

    /// A process that takes emails in and sends none.
    async fn front(&self) -> Served {
        Served::start(self.launch("front", &["serve", "--no-worker"])).await
    }

    /// A process that sends emails and takes none in.
    async fn work(&self, name: &str) -> Process {
        let process = self.launch(name, &["work"]).start();
        process.await_line("Working", SOON).await;
        process
    }

    /// How often Mailgun accepted an email from this process.
    fn accepted_from(&self, name: &str) -> usize {
        self.mailgun.look(|state| state.messages().iter().filter(|message| is_from(name, &message.post)).count())
    }

    /// Waits until Mailgun has accepted so many of a thousand emails.
    async fn amid(&self, accepted: u64) {
        self.mailgun.until("the sending to go on", LONG, |state| state.accepted() >= accepted).await;
        assert!(self.mailgun.accepted() < 1_000, "not all were sent yet");
    }

    /// A way into the database beside the processes, as they have it.
    async fn context(&self) -> Arc<Context> {
        let store = Store::connect(&self.database.url).await.unwrap();
        let settings = Settings { domains: vec!["mg.example.com".into()], sandbox: false, ..Settings::default() };
        let keyring = Keyring::parse(self.keyring.expose_secret()).unwrap();
        Context::new(store, Clock::system(), Timing::default(), settings, keyring, 0.0, CancellationToken::new())
    }

    /// Waits until no email waits or is under way any more, and answers where each stands.
    async fn at_rest(&self) -> BTreeMap<Uuid, Status> {
        let ctx = self.context().await;
        let at_rest = async || {
            let stand = stand(&ctx).await;
            let moving = |status: &Status| status.is_waiting() || *status == Status::Sending;
            if stand.values().any(moving) {
                tokio::time::sleep(Duration::from_millis(50)).await;
                return None;
            }
            Some(stand)
        };
        let stand = until("every email to come to rest", LONG, at_rest).await;
        assert_ledger_equals_rows(&ctx).await;
        stand
    }

    /// Waits until `ids` have come to rest: each was sent once or is one of at most `most` that nobody knows about, Mailgun
    /// has what is said to be with it, nothing twice, and the numbers add up. Answers the ids that nobody knows about.
    async fn assert_each_sent_once(&self, client: &Client, ids: &[Uuid], most_unconfirmed: usize) -> Vec<Uuid> {
        let stand = self.at_rest().await;
        assert_eq!(stand.keys().collect::<BTreeSet<_>>(), ids.iter().collect(), "other emails than were accepted");
        let mut unconfirmed = Vec::new();
        for (id, status) in &stand {
            let accepted = self.mailgun.accepted_for(&id.to_string());
            match status {
                Status::Sent => assert_eq!(accepted, 1, "{id} is SENT"),
                Status::Unconfirmed => unconfirmed.push(*id),
                other => panic!("{id} is {other:?}, and Mailgun accepted it {accepted} times"),
            }
        }
        assert_eq!(self.mailgun.doubles(), Vec::<String>::new());
        assert!(unconfirmed.len() <= most_unconfirmed, "{} are in doubt", unconfirmed.len());
        let ledger = client.queue_stats().await["ledger"].take();
        let (all, doubt) = (ids.len(), unconfirmed.len());
        assert_eq!((&ledger["total"], &ledger["unconfirmed"]), (&all.into(), &doubt.into()), "{ledger}");
        assert_eq!(ledger["sent"], all - doubt, "{ledger}");
        unconfirmed
    }
}

/// A serving process and a client of it.
struct Served {
    process: Process,
    client: Client,
    url: String,
}

impl Served {
    async fn start(launch: Launch) -> Self {
        let process = launch.start();
        let line = process.await_line("listens on http://", SOON).await;
        let url = line[line.find("http://").unwrap()..].to_owned();
        let client = Client::new(&url, KEY);
        client.await_ready(SOON).await;
        Self { process, client, url }
    }

    /// Has it take `n` letters in, and answers their ids.
    async fn take(&self, n: usize) -> Vec<Uuid> {
        let mut ids = Vec::with_capacity(n);
        for start in (0..n).step_by(500) {
            let letters = (start..n.min(start + 500)).map(|i| letter(&format!("reader{i}@example.org")));
            ids.extend(self.client.send_emails(letters.collect()).await.iter().map(|id| bare(id)));
        }
        ids
    }
}

/// The UUID in an email's global id.
fn bare(id: &str) -> Uuid {
    id.strip_prefix("email:").unwrap().parse().unwrap()
}

/// Whether this message came from the process of this name.
fn is_from(name: &str, post: &Post) -> bool {
    post.header("authorization") == Some(&format!("Basic {}", STANDARD.encode(format!("api:{name}"))))
}

/// Mailgun takes a moment, so that several hand-overs are under way at any time.
fn soon() -> Reply {
    Reply::Ok.after(Duration::from_millis(10))
}

/// Where each email stands, by the rows.
async fn stand(ctx: &Context) -> BTreeMap<Uuid, Status> {
    let asked = email::Entity::find().select_only().columns([email::Column::Id, email::Column::Status]);
    asked.into_tuple::<(Uuid, Status)>().all(ctx.store.read()).await.unwrap().into_iter().collect()
}

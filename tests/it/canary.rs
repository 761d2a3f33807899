//! Nothing personal and no secret leaves by the side: canary words go every way through the program, faults included, and
//! stand in nothing that its processes write or count, and in nothing that was ever said to Redis.

mod emails;
mod overheard;
mod ways;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use entity::sealed::Keyring;
use entity::{Clock, Status, email};
use jobs::{Context, Settings, Store, Timing};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use secrecy::{ExposeSecret, SecretString};
use tests::child::Scratch;
use tests::client::Client;
use tests::database::{Backend, Database};
use tests::dump::Dump;
use tests::mailgun::{FakeMailgun, Reply};
use tests::patience::{SOON, until_true};
use tests::process::{Launch, Process};
use tests::proxy::Proxy;
use tests::redis::Redis;
use tests::webhook::SIGNING_KEY;
use tokio_util::sync::CancellationToken;

use overheard::Overheard;

on_both! {
    nothing_personal_leaves_by_the_side
}

/// Begins each canary: a word that stands for something personal, or for a secret. What follows names its place.
const CANARY: &str = "kanarie";
const KEY: &str = "kanarie-admin-key-of-no-value";
const MAILGUN_KEY: &str = "kanarie-mailgun-key";
const DOMAIN: &str = "mg.example.com";

/// What the processes of the test stand on.
struct World {
    mailgun: Arc<FakeMailgun>,
    proxy: Option<Proxy>,
    database: Database,
    /// Past the proxy.
    direct: String,
    redis: Option<(Redis, Overheard)>,
    data: Scratch,
    keyring: SecretString,
}

impl World {
    async fn of(backend: Backend) -> Self {
        let database = backend.database().await;
        let direct = database.url.clone();
        let (proxy, database, redis) = match backend {
            Backend::Sqlite => (None, database, None),
            Backend::Postgres => {
                let (proxy, database) = Proxy::before(database).await;
                let redis = Redis::start().await;
                let overheard = Overheard::of(&redis).await;
                (Some(proxy), database, Some((redis, overheard)))
            }
        };
        let mailgun = Arc::new(FakeMailgun::start());
        mailgun.answer(|post| whim(&post.field("to").unwrap_or_default()));
        let keyring = Keyring::generate().to_text();
        Self { mailgun, proxy, database, direct, redis, data: Scratch::new("data"), keyring }
    }

    /// A process that says all it has to say.
    fn launch(&self, args: &[&str]) -> Launch {
        let launch = Launch::of(env!("CARGO_BIN_EXE_mailmind-tested"))
            .args(args)
            .env("RUST_LOG", "debug")
            .env("LISTEN", "127.0.0.1:0")
            .env("DATA_DIR", self.data.path())
            .env("DATABASE_URL", &self.database.url)
            .env("PUBLIC_URL", "https://mail.example.com")
            .env("MAILGUN_API_BASE", self.mailgun.url())
            .env("MAILGUN_API_KEY", MAILGUN_KEY)
            .env("MAILGUN_WEBHOOK_SIGNING_KEY", SIGNING_KEY)
            .env("MAILGUN_DOMAIN", DOMAIN)
            .env("CONTENT_KEYRING", self.keyring.expose_secret())
            .env("ADMIN_API_KEY", KEY)
            .env("OUTBOUND_PRIVATE_NETWORKS", "127.0.0.0/8")
            .env("TIMING_DIVISOR", "20")
            .env("TIMING_LOG_DIVISOR", "500");
        match &self.redis {
            Some((redis, _)) => launch.env("REDIS_HOST", "127.0.0.1").env("REDIS_PORT", redis.port().to_string()),
            None => launch,
        }
    }

    /// The processes that this back end is run with: one that serves, and one beside it that works where there can be.
    async fn started(&self) -> Served {
        let (args, work): (&[&str], _) = match self.redis {
            Some(_) => (&["serve", "--no-worker"], Some(self.launch(&["work"]).env("LOG_FORMAT", "json").start())),
            None => (&["serve"], None),
        };
        let serve = self.launch(args).start();
        let line = serve.await_line("listens on http://", SOON).await;
        let url = line[line.find("http://").unwrap()..].to_owned();
        let client = Client::new(&url, KEY);
        client.await_ready(SOON).await;
        Served { client, url, processes: [Some(serve), work].into_iter().flatten().collect() }
    }

    async fn context(&self) -> Arc<Context> {
        let store = Store::connect(&self.direct).await.unwrap();
        let settings = Settings { domains: vec![DOMAIN.into()], sandbox: false, ..Settings::default() };
        let keyring = Keyring::parse(self.keyring.expose_secret()).unwrap();
        Context::new(store, Clock::system(), Timing::default(), settings, keyring, 0.0, CancellationToken::new())
    }
}

/// The processes, and a client of the one that serves.
struct Served {
    client: Client,
    url: String,
    processes: Vec<Process>,
}

/// What Mailgun does with an email, by whom it is to; its words hold canaries.
fn whim(to: &str) -> Reply {
    let words = |what: &str| format!(r#"{{"message":"{what}: kanarie-words@example.org is kanarie-words"}}"#);
    let whims = [
        ("refused", Reply::Status(400, Vec::new(), words("to parameter is not a valid address"))),
        ("limited", Reply::Status(429, vec![("Retry-After", "1".to_owned())], words("try again after 1 second"))),
        ("broken", Reply::Status(500, Vec::new(), words("Internal Server Error"))),
        ("unreadable", Reply::Status(200, Vec::new(), "<html>kanarie-words</html>".to_owned())),
        ("halved", Reply::AcceptThenHalf),
        ("hung", Reply::Hang),
        ("cut", Reply::Cut),
    ];
    whims.into_iter().find(|(part, _)| to.contains(part)).map_or(Reply::Ok, |(_, reply)| reply)
}

async fn nothing_personal_leaves_by_the_side(backend: Backend) {
    let world = World::of(backend).await;
    let served = world.started().await;
    let taken = emails::as_they_should_be_and_not(&served).await;
    ways::documents(&served).await;
    ways::paths(&served).await;
    ways::suppressions(&served).await;
    ways::campaigns(&served).await;
    ways::templates_and_keys(&served).await;
    let told = ways::endpoints(&served).await;
    ways::webhooks(&served, &taken).await;
    told.until_heard(1).await;
    let ctx = world.context().await;
    until_true("an email to be refused in Mailgun's words", SOON, async || {
        let failed = email::Entity::find().filter(email::Column::Status.eq(Status::Failed));
        failed.one(ctx.store.read()).await.unwrap().is_some()
    })
    .await;
    faults(&world, &served).await;
    ways::people(&served).await;
    let (_, metrics) = served.client.get("/metrics").await.unwrap();
    let (_, ready) = served.client.get("/health/ready").await.unwrap();
    let commands = ways::commands(&world).await;

    // The canaries came where they belong, so that one who looks for them finds them.
    let mailed = world.mailgun.look(|state| state.messages().iter().any(|message| message.to.contains("kanarie-to")));
    assert!(mailed, "Mailgun has an email to a canary");
    assert!(!Dump::of(&ctx.store).await.with("kanarie-lasting@example.org").is_empty(), "an address is a column");

    for process in &served.processes {
        process.terminate(SOON).await;
    }
    let written: Vec<String> = served.processes.iter().flat_map(Process::output).collect();
    let one = written.iter().find(|line| line.contains("used for another event"));
    assert!(one.is_some_and(|line| line.contains("event.id")), "what went wrong is told, and named by its id");
    let said = match &world.redis {
        Some((redis, overheard)) => {
            let said = overheard.all(redis).await;
            assert!(said.iter().any(|line| line.contains("deliver-1:")), "doorbells were overheard");
            said
        }
        None => Vec::new(),
    };
    for (place, lines) in [
        ("a process wrote", written),
        ("a command wrote", commands),
        ("metrics hold", metrics.lines().map(str::to_owned).collect()),
        ("readiness holds", vec![ready]),
        ("Redis was told", said),
    ] {
        let found: Vec<&String> = lines.iter().filter(|line| world.is_personal(line)).collect();
        assert!(
            found.is_empty(),
            "{place} {} lines with what is personal: {:#?}",
            found.len(),
            &found[..found.len().min(12)]
        );
    }
}

impl World {
    /// Whether a line holds a canary or a secret, in the clear or in base64.
    fn is_personal(&self, line: &str) -> bool {
        // From each place within three bytes, the letters that only the canary decides.
        let encoded = [0, 1, 2].map(|shift| {
            let bytes = [&b"   "[..shift], CANARY.as_bytes()].concat();
            let text = STANDARD.encode(&bytes);
            text[(shift * 8).div_ceil(6)..bytes.len() * 8 / 6].to_owned()
        });
        let keys = self.keyring.expose_secret();
        let keys = keys.split(',').filter_map(|key| key.split_once(':')).map(|(_, key)| key);
        line.to_lowercase().contains(CANARY)
            || encoded.iter().any(|text| line.contains(text))
            || line.contains(SIGNING_KEY)
            || keys.into_iter().any(|key| line.contains(key))
    }
}

/// What they stand on goes away while they are at work.
async fn faults(world: &World, served: &Served) {
    let Some((redis, _)) = &world.redis else { return };
    redis.stop();
    emails::one_more(served, "kanarie-without-redis@example.org").await;
    redis.start_again().await;
    redis.refuse_writes(true).await;
    emails::one_more(served, "kanarie-full@example.org").await;
    redis.refuse_writes(false).await;
    let Some(proxy) = &world.proxy else { return };
    for (mark, to) in [("INSERT", "kanarie-lost@example.org"), ("email_queue", "kanarie-gone@example.org")] {
        proxy.lose_commits(2, mark);
        emails::one_more(served, to).await;
        proxy.cut();
    }
}

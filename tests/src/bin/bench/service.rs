//! The service under load, from the API to the fake Mailgun, and what each process spent on it.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use tests::child::free_port;
use tests::client::{Client, letter};
use tests::database::{Database, Postgres};
use tests::patience::SOON;
use tests::process::{Launch, Process};
use tests::redis::Redis;
use tokio::time::Instant;

use crate::usage::{cpu, own_cpu, peak_memory};
use crate::{Fake, Options, beside, body};

const CALL: u64 = 500;
/// More than one, so that the service need not wait while this process writes the next.
const CALLS_IN_FLIGHT: usize = 2;
const API_KEY: &str = "bench-key-of-no-value-0123456789";
/// 32 zero bytes: what it seals is of no value either.
const KEYRING: &str = "bench:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// A running service with its servers.
pub struct Service {
    // In the order in which they end.
    pub process: Process,
    redis: Option<Redis>,
    _database: Database,
    postgres: Option<Postgres>,
    pub client: Client,
}

impl Service {
    /// Starts it on this database, with Redis where there is PostgreSQL, and prints how long it took to be ready.
    pub async fn start(options: &Options, database: Database, postgres: Option<Postgres>, fake: &Fake) -> Self {
        let redis = if postgres.is_some() { Some(Redis::start().await) } else { None };
        let listen = format!("127.0.0.1:{}", free_port());
        let launch = |command: &str| {
            let launch = Launch::of(beside("mailmind-tested"))
                .args([command])
                .env("DATABASE_URL", &database.url)
                .env("MAILGUN_API_BASE", &fake.url)
                .env("MAILGUN_API_KEY", "key")
                .env("MAILGUN_DOMAIN", "example.com")
                .env("MAILGUN_BULK_CONCURRENCY", options.slots.to_string())
                .env("LISTEN", &listen)
                .env("CONTENT_KEYRING", KEYRING)
                .env("ADMIN_API_KEY", API_KEY);
            match &redis {
                Some(redis) => launch.env("REDIS_HOST", "127.0.0.1").env("REDIS_PORT", redis.port().to_string()),
                None => launch,
            }
        };
        let migrated = launch("migrate").start();
        assert!(migrated.ended(SOON).await.success(), "migrate:\n{}", migrated.output().join("\n"));
        let start = Instant::now();
        let process = launch("serve").start();
        let client = Client::new(&format!("http://{listen}"), API_KEY);
        client.await_ready(SOON).await;
        println!("ready after {:.2} s", start.elapsed().as_secs_f64());
        Self { process, redis, _database: database, postgres, client }
    }

    /// Sends the emails, prints what it took, and answers emails per second end to end.
    pub async fn measure(&self, options: &Options, fake: &Fake) -> f64 {
        let calls: Vec<Vec<Value>> = calls(options.emails).collect();
        let (before, (known, _)) = (self.spent(fake), fake.counts().await);
        if options.apart {
            self.control("mutation { pause(reason: \"bench\") { userErrors { message } } }", "pause").await;
        }
        let start = Instant::now();
        let calls = futures::stream::iter(calls).map(|call| self.client.send_emails(call));
        calls.buffer_unordered(CALLS_IN_FLIGHT).for_each(async |_| {}).await;
        let accepting = start.elapsed();
        println!("accepted {:.0}/s in calls of {CALL}", options.emails as f64 / accepting.as_secs_f64());
        let mut sending = start;
        if options.apart {
            let peak = peak_memory(self.process.pid());
            println!("with {} waiting: peak memory {peak:.0} MB", options.emails);
            self.control("mutation { resume { userErrors { message } } }", "resume").await;
            sending = Instant::now();
        }
        self.all_sent(options.emails).await;
        let rate = options.emails as f64 / sending.elapsed().as_secs_f64();
        println!("{} {rate:.0} emails/s", if options.apart { "sent" } else { "end to end" });
        self.report(&before, fake, options.emails);
        let (accepted, doubles) = fake.counts().await;
        println!("Mailgun accepted {} emails, {doubles} of them twice", accepted - known);
        rate
    }

    async fn control(&self, document: &str, mutation: &str) {
        let data = self.client.query(document, json!({})).await;
        assert_eq!(data[mutation]["userErrors"], json!([]), "{mutation} was refused");
    }

    async fn all_sent(&self, emails: u64) {
        let stats = "{ queueStats { completed failed ledger { total sent } } }";
        // 100 a second is slow enough to be a hang.
        let patience = SOON + Duration::from_millis(emails * 10);
        let end = Instant::now() + patience;
        loop {
            let answer = self.client.query(stats, json!({})).await["queueStats"].take();
            if answer["ledger"]["sent"].as_u64().expect("a count") >= emails {
                return;
            }
            assert!(Instant::now() < end, "after {patience:?} only {answer}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What everyone involved has used so far.
    pub fn spent(&self, fake: &Fake) -> Vec<Spent> {
        let alone = |name, pid: u32| Spent { name, cpu: cpu(pid), peak_memory: Some(peak_memory(pid)) };
        // Its processes share most of their memory, so that no sum of theirs would mean anything.
        let postgres = |pid| Spent { name: "postgres", cpu: cpu(pid), peak_memory: None };
        [
            Some(alone("mailmind", self.process.pid())),
            self.postgres.as_ref().and_then(Postgres::pid).map(postgres),
            self.redis.as_ref().and_then(Redis::pid).map(|pid| alone("redis", pid)),
            Some(alone("fake mailgun", fake.process.pid())),
            Some(Spent { name: "this bench", cpu: own_cpu(), peak_memory: None }),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Prints what they have used since `before`, for each thousand of so many emails.
    pub fn report(&self, before: &[Spent], fake: &Fake, emails: u64) {
        println!("{:<14}{:>23}{:>16}", "process", "CPU s per 1,000 emails", "peak memory MB");
        for (earlier, now) in before.iter().zip(self.spent(fake)) {
            let each = (now.cpu - earlier.cpu).as_secs_f64() * 1_000.0 / emails as f64;
            let peak = now.peak_memory.map_or_else(String::new, |peak| format!("{peak:.0}"));
            println!("{:<14}{each:>23.3}{peak:>16}", now.name);
        }
    }
}

/// What one process has used, its children included.
pub struct Spent {
    name: &'static str,
    cpu: Duration,
    peak_memory: Option<f64>,
}

/// The inputs of each call.
fn calls(emails: u64) -> impl Iterator<Item = Vec<Value>> {
    let html = body();
    (0..emails.div_ceil(CALL)).map(move |call| {
        let numbers = call * CALL..emails.min((call + 1) * CALL);
        let inputs = numbers.map(|number| {
            let mut input = letter(&format!("u{number}@d{}.example.net", number % 50));
            input["content"] = json!({ "inline": { "subject": "Hello", "html": html } });
            input
        });
        inputs.collect()
    })
}

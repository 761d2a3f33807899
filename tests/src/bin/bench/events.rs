//! Recording what Mailgun reports: signed webhooks, in their usual mix, from their bytes to the commit, in process; and under
//! it the floor of the same rows in groups of the same size, with nothing checked, counted or moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use entity::sealed::Keyring;
use entity::{Clock, delivery_event};
use jobs::accept::{Accept, Answer, Draft};
use jobs::event::{Envelope, Keys};
use jobs::record::{Recorded, Recorder};
use jobs::rows::Rows;
use jobs::store::execute;
use jobs::{Context, Settings, Store, Timing};
use sea_orm::{ActiveEnum, ConnectionTrait, EntityTrait, QueryOrder};
use secrecy::SecretString;
use serde_json::json;
use tests::database::{Database, Postgres};
use tests::webhook::{SIGNING_KEY, Told};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::usage::{cpu, own_cpu};

/// Callers that wait for their answers: one group is in flight while as many gather.
const CALLERS: u64 = 1_000;
const GROUP: usize = 500;
/// Events of each email: it is taken in, delivered, and mostly opened; few bounce.
pub const EACH: u64 = 4;
pub const CAMPAIGNS: u64 = 20;

/// Records `events` webhooks and prints both rates and what they cost.
pub async fn measure(postgres: &Postgres, database: Database, events: u64) {
    let ctx = context(&database).await;
    let emails = sent(&ctx, events / EACH, CAMPAIGNS).await;
    let bodies = bodies(&emails, ctx.clock.now());
    let n = bodies.len();
    let recorded = timed("signed webhooks recorded", postgres, n, record(&ctx, bodies)).await;
    let kept = delivery_event::Entity::find().order_by_asc(delivery_event::Column::Seq);
    let kept = kept.all(ctx.store.write()).await.expect("the rows");
    assert_eq!(kept.len(), n, "each is recorded once");
    let table = "CREATE TABLE bare_events (LIKE email_delivery_events INCLUDING ALL)";
    ctx.store.write().execute_unprepared(table).await.expect("a table");
    let floor = timed("floor, bare event rows", postgres, n, async {
        for group in kept.chunks(GROUP) {
            bare(&ctx.store, group).await;
        }
    });
    let floor = floor.await;
    println!("recorded / floor: {:.2} by the clock, {:.2} by CPU", recorded.0 / floor.0, floor.1 / recorded.1);
}

/// Prints and answers how many a second, and the CPU time of each in microseconds.
pub async fn timed(what: &str, postgres: &Postgres, n: usize, work: impl Future<Output = ()>) -> (f64, f64) {
    let server = || postgres.pid().map_or(Duration::ZERO, cpu);
    let (start, own, theirs) = (Instant::now(), own_cpu(), server());
    work.await;
    let rate = n as f64 / start.elapsed().as_secs_f64();
    let each = |spent: Duration| spent.as_secs_f64() * 1e6 / n as f64;
    let (own, theirs) = (each(own_cpu() - own), each(server() - theirs));
    println!("{what}: {rate:.0}/s; CPU us each: own {own:.1}, postgres {theirs:.1}");
    (rate, own + theirs)
}

pub async fn context(database: &Database) -> Arc<Context> {
    let store = Store::connect(&database.url).await.expect("the database opens");
    migration::up(store.write()).await.expect("the tables");
    let settings = Settings { domains: vec!["mg.example.com".into()], sandbox: false, ..Settings::default() };
    let stop = CancellationToken::new();
    Context::new(store, Clock::system(), Timing::default(), settings, Keyring::generate(), 0.4, stop)
}

/// Emails that Mailgun has accepted, of these many campaigns in turn: 1, 2, …
pub async fn sent(ctx: &Arc<Context>, emails: u64, campaigns: u64) -> Vec<(Uuid, String)> {
    let accept = Accept::start(ctx.clone());
    let mut sent = Vec::new();
    let numbers: Vec<u64> = (0..emails).collect();
    for call in numbers.chunks(GROUP) {
        let drafts = call.iter().map(|number| Draft {
            from: Some("ann@mg.example.com".into()),
            to: format!("u{number}@d{}.example.net", number % 50),
            subject: "Hello".into(),
            text: Some("Hello there".into()),
            campaign: Some(Uuid::from_u128(u128::from(number % campaigns) + 1)),
            ..Draft::default()
        });
        for answer in accept.take(Uuid::nil(), drafts.collect()).await.expect("they are accepted") {
            let Answer::Accepted(email) = answer else { panic!("{answer:?}") };
            sent.push((email.id, email.recipient_key));
        }
    }
    for statement in [
        "UPDATE email_queue SET status = 4, due_at = NULL, acceptances = 1, fence = 1, sent_at = created_at, finished_at = created_at",
        "UPDATE email_tallies SET status = 4",
        "VACUUM ANALYZE",
    ] {
        ctx.store.write().execute_unprepared(statement).await.expect("it is done");
    }
    sent
}

/// Signed bodies of about 1.2 KB.
pub fn bodies(emails: &[(Uuid, String)], now: DateTime<Utc>) -> Vec<Bytes> {
    let mut told = Vec::new();
    for turn in 0..EACH {
        for (i, (email, to)) in emails.iter().enumerate() {
            let said = |event: &str| Told::new(event, *email, to, now);
            let event = match (turn, i % 40) {
                (0, _) => said("accepted"),
                (1, 0) => Told::bounced(*email, to, now, "bounce", "5.1.1"),
                (1, 1) => said("failed").with("severity", "temporary").with("reason", "generic"),
                (1, _) => said("delivered"),
                (_, 2) => said("complained"),
                (_, 3) => said("unsubscribed"),
                (_, 4..10) => said("clicked").with("url", "https://example.com/a"),
                (_, 10..20) => said("opened").with("client-info", json!({ "client-name": "Mail", "bot": "apple" })),
                _ => said("opened").with("client-info", json!({ "client-name": "Firefox", "bot": "" })),
            };
            let flags =
                json!({ "is-routed": false, "is-authenticated": true, "is-system-test": false, "is-test-mode": false });
            let envelope = json!({ "transport": "smtp", "sender": "bounce@mg.example.com", "sending-ip": "192.0.2.10", "targets": to });
            let url =
                format!("https://storage-us-east4.api.mailgun.net/v3/domains/mg.example.com/messages/BAAFAgDk{email}");
            let event = event.with("flags", flags).with("envelope", envelope).with("log-level", "info");
            let event =
                event.with("storage", json!({ "url": url, "region": "us-east4", "env": "production", "key": url }));
            told.push(event.body(now, &format!("{:050x}", told.len())));
        }
    }
    told
}

/// From the bytes of each to the answer after its commit.
async fn record(ctx: &Arc<Context>, bodies: Vec<Bytes>) {
    let recorder = Recorder::start(ctx.clone());
    let keys = Keys::new([&SecretString::from(SIGNING_KEY)]);
    let (bodies, next) = (Arc::new(bodies), Arc::new(AtomicU64::new(0)));
    let callers = (0..CALLERS).map(|_| {
        let (recorder, keys, bodies, next) = (recorder.clone(), keys.clone(), bodies.clone(), next.clone());
        tokio::spawn(async move {
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                let signed = keys.verify(Envelope::read(body.clone()).expect("JSON")).expect("signed");
                let recorded = recorder.take(signed).await.expect("the database takes it");
                assert!(matches!(recorded, Recorded::Taken { .. }), "{recorded:?}");
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.expect("no panic");
    }
}

pub async fn bare(store: &Store, events: &[delivery_event::Model]) {
    let all = || events.iter();
    let values = Rows::new()
        .int("seq", all().map(|e| e.seq))
        .uuid("id", all().map(|e| e.id))
        .int("kind", all().map(|e| e.kind.to_value()))
        .int("source", all().map(|e| e.source.to_value()))
        .uuid("email_id", all().map(|e| e.email_id))
        .uuid("campaign_id", all().map(|e| e.campaign_id))
        .flag("copy", all().map(|e| e.copy))
        .text("recipient_key", all().map(|e| e.recipient_key.clone()))
        .text("domain", all().map(|e| e.domain.clone()))
        .time("occurred_at", all().map(|e| e.occurred_at))
        .time("recorded_at", all().map(|e| e.recorded_at))
        .text("provider_id", all().map(|e| e.provider_id.clone()))
        .text("name", all().map(|e| e.name.clone()))
        .maybe_int("smtp_code", all().map(|e| e.smtp_code.map(i64::from)))
        .text("enhanced_code", all().map(|e| e.enhanced_code.clone()))
        .text("reason", all().map(|e| e.reason.clone()))
        .text("message", all().map(|e| e.message.clone()))
        .maybe_int("bounce_type", all().map(|e| e.bounce_type.map(|kind| kind.to_value().into())))
        .maybe_int("attempt", all().map(|e| e.attempt.map(i64::from)))
        .text("bot", all().map(|e| e.bot.clone()))
        .text("client", all().map(|e| e.client.clone()))
        .text("country", all().map(|e| e.country.clone()))
        .text("url", all().map(|e| e.url.clone()))
        .uuid("seal_id", all().map(|e| e.seal_id))
        .bytes("raw", all().map(|e| e.raw.clone()));
    let text = "INSERT INTO bare_events SELECT * FROM {rows} AS v";
    execute(store.write(), store.sql_rows(text, [], values)).await.expect("rows");
}

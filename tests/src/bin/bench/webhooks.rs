//! Webhooks as Mailgun brings them: signed, in their usual mix, over HTTP to a process of its own, each answered after its commit;
//! and under it the floor of the same rows in groups as large as the callers allow, with nothing checked, counted or moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use entity::delivery_event;
use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder};
use tests::child::{Scratch, free_port};
use tests::client::{Client, http};
use tests::database::{Database, Postgres};
use tests::patience::SOON;
use tests::process::{Launch, Process};
use tests::webhook::SIGNING_KEY;
use tokio::time::Instant;

use crate::beside;
use crate::events::{CAMPAIGNS, EACH, bare, bodies, context, sent, timed};
use crate::usage::cpu;

/// Connections that each wait for an answer before the next.
const CONNECTIONS: usize = 64;
/// What opens it.
pub const API_KEY: &str = "bench-key-of-no-value-0123456789";

/// Brings so many webhooks and prints how many a second, how long they waited, and what the floor is.
pub async fn measure(postgres: &Postgres, database: Database, webhooks: u64) {
    let ctx = context(&database).await;
    let emails = sent(&ctx, webhooks / EACH, CAMPAIGNS).await;
    let bodies = Arc::new(bodies(&emails, ctx.clock.now()));
    let n = bodies.len();
    let server = Server::start(&database).await;
    let spent = || cpu(server.process.pid());
    let (start, mut waits) = (spent(), Vec::new());
    let recorded =
        timed("signed webhooks over HTTP", postgres, n, async { waits = bring(&server.webhooks, &bodies).await }).await;
    let each = (spent() - start).as_secs_f64() * 1e6 / n as f64;
    waits.sort();
    let quantile = |q: f64| waits[((n - 1) as f64 * q) as usize].as_secs_f64() * 1e3;
    println!(
        "  {CONNECTIONS} connections: p50 {:.1} ms, p99 {:.1} ms; CPU us each: server {each:.1}",
        quantile(0.5),
        quantile(0.99)
    );
    let kept = delivery_event::Entity::find().order_by_asc(delivery_event::Column::Seq);
    let kept = kept.all(ctx.store.write()).await.expect("the rows");
    assert_eq!(kept.len(), n, "each is recorded once");
    let table = "CREATE TABLE bare_events (LIKE email_delivery_events INCLUDING ALL)";
    ctx.store.write().execute_unprepared(table).await.expect("a table");
    let floor = timed("floor, bare event rows", postgres, n, async {
        for group in kept.chunks(CONNECTIONS) {
            bare(&ctx.store, group).await;
        }
    });
    println!("webhooks / floor: {:.2}", recorded.0 / floor.await.0);
}

/// A serving process that sends nothing, with a directory of its own.
pub struct Server {
    // Before the directory, so that the process ends first.
    pub process: Process,
    pub url: String,
    /// Where webhooks go.
    pub webhooks: String,
    _data: Scratch,
}

impl Server {
    /// One on this database.
    pub async fn start(database: &Database) -> Self {
        let (listen, data) = (format!("127.0.0.1:{}", free_port()), Scratch::new("data"));
        let launch = Launch::of(beside("mailmind-tested")).args(["serve", "--no-worker"]);
        let launch = launch.env("LISTEN", &listen).env("DATABASE_URL", &database.url).env("DATA_DIR", data.path());
        let launch = launch.env("MAILGUN_API_BASE", "sandbox").env("MAILGUN_WEBHOOK_SIGNING_KEY", SIGNING_KEY);
        let process = launch.env("ADMIN_API_KEY", API_KEY).start();
        let url = format!("http://{listen}");
        Client::new(&url, API_KEY).await_ready(SOON).await;
        Self { process, webhooks: format!("{url}/webhooks/mailgun"), url, _data: data }
    }
}

/// Brings them all, and answers how long each waited for its answer.
async fn bring(url: &str, bodies: &Arc<Vec<Bytes>>) -> Vec<Duration> {
    let (http, next) = (http(), Arc::new(AtomicUsize::new(0)));
    let callers = (0..CONNECTIONS).map(|_| {
        let (http, url, bodies, next) = (http.clone(), url.to_owned(), bodies.clone(), next.clone());
        tokio::spawn(async move {
            let mut waits = Vec::new();
            while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                let asked = Instant::now();
                let answer = http.post(&url).body(body.clone()).send().await.expect("an answer");
                assert_eq!(answer.status(), 200);
                answer.bytes().await.expect("all of it");
                waits.push(asked.elapsed());
            }
            waits
        })
    });
    let mut waits = Vec::with_capacity(bodies.len());
    for caller in callers.collect::<Vec<_>>() {
        waits.extend(caller.await.expect("no panic"));
    }
    waits
}

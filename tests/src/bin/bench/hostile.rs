//! What a well-behaved client waits for, before and during a load of hostile connections and after it, in one run on one machine.
//! The hostile clients run in this process, so what they cost the machine is in the number as well.

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use tests::client::{Client, letter};
use tests::database::Postgres;
use tests::hostile::{Kind, Siege};
use tokio::time::{Instant, sleep};

use crate::usage::{memory, peak_memory};
use crate::webhooks::{API_KEY, Server};

/// Hostile connections, as many of each kind.
const CONNECTIONS: usize = 200;
/// Connections of the well-behaved client, each of which waits a moment between two requests.
const CALLERS: usize = 4;
const PAUSE: Duration = Duration::from_millis(5);
/// Until all hostile clients are at it.
const WARM_UP: Duration = Duration::from_secs(3);

/// Measures for so many seconds each, and prints it.
pub async fn measure(postgres: &Postgres, seconds: u64) {
    let database = postgres.database().await;
    let server = Server::start(&database).await;
    let client = Client::new(&server.url, API_KEY);
    let make =
        "mutation { createApiKey(input: { name: \"hostile\", scopes: [READ] }) { secret userErrors { message } } }";
    let made = client.query(make, json!({})).await["createApiKey"].take();
    let key = made["secret"].as_str().expect("a key").to_owned();
    let to: SocketAddr = server.url.trim_start_matches("http://").parse().expect("an address");
    let time = Duration::from_secs(seconds);
    let pid = server.process.pid();
    // Once without being counted: the first requests meet a process that has done nothing yet.
    waits(&server.url, WARM_UP).await;
    println!("{CALLERS} connections of a well-behaved client: send an email, look at it, look at the queue");
    let before = report("before", waits(&server.url, time).await);
    println!("  memory {:.0} MB", memory(pid));
    let siege = Siege::lay(to, &key, &Kind::ALL, CONNECTIONS / Kind::ALL.len());
    sleep(WARM_UP).await;
    let during = report(&format!("among {CONNECTIONS} hostile connections"), waits(&server.url, time).await);
    println!("  memory {:.0} MB, {:.0} MB at most", memory(pid), peak_memory(pid));
    println!("  hostile connections that ended: {}; answers to them:", siege.thrown_out());
    for ((kind, status), n) in siege.answers() {
        println!("    {kind:?} {status}: {n}");
    }
    drop(siege);
    sleep(WARM_UP).await;
    report("after", waits(&server.url, time).await);
    println!("p99 among hostile connections / before: {:.2}", during / before);
}

/// How long each request waited, in milliseconds, in order.
async fn waits(url: &str, time: Duration) -> Vec<f64> {
    let end = Instant::now() + time;
    let callers = (0..CALLERS).map(async |_| {
        let (client, mut waits) = (Client::new(url, API_KEY), Vec::new());
        let mut asked = Instant::now();
        let mut note = |asked: &mut Instant| {
            waits.push(asked.elapsed().as_secs_f64() * 1e3);
        };
        while Instant::now() < end {
            let id = client.send_email(letter("ann@example.org")).await;
            note(&mut asked);
            sleep(PAUSE).await;
            asked = Instant::now();
            client.status(&id).await;
            note(&mut asked);
            sleep(PAUSE).await;
            asked = Instant::now();
            client.query("{ queueStats { waiting active } }", json!({})).await;
            note(&mut asked);
            sleep(PAUSE).await;
            asked = Instant::now();
        }
        waits
    });
    let mut all: Vec<f64> = join_all(callers).await.concat();
    all.sort_by(f64::total_cmp);
    all
}

/// Prints it and answers the p99.
fn report(when: &str, waits: Vec<f64>) -> f64 {
    let quantile = |q: f64| waits[((waits.len() - 1) as f64 * q) as usize];
    let (p50, p99) = (quantile(0.5), quantile(0.99));
    println!("{when}: {} requests, p50 {p50:.1} ms, p99 {p99:.1} ms, at most {:.1} ms", waits.len(), quantile(1.0));
    p99
}

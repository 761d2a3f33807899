//! How fast the whole is, beside what the machine could do at most: emails from the API to Mailgun end to end, and in the
//! same run the floors under them, bare POSTs and bare rows.

mod campaigns;
mod events;
mod floors;
mod hostile;
mod live;
mod pages;
mod service;
mod surface;
mod usage;
mod webhooks;

use clap::{Parser, ValueEnum};
use tests::client::http;
use tests::database::{Backend, Database, Postgres};
use tests::patience::SOON;
use tests::process::{Launch, Process};

use service::Service;

#[derive(Parser)]
struct Options {
    /// How many emails, of 1 KB each.
    #[arg(long, default_value_t = 50_000)]
    emails: u64,
    /// How many POSTs are in flight at once (MAILGUN_BULK_CONCURRENCY).
    #[arg(long, default_value_t = 50)]
    slots: u32,
    /// The database: PostgreSQL with Redis, or SQLite alone.
    #[arg(long, value_enum, default_value_t = Storage::Postgres)]
    backend: Storage,
    /// Pause the queue while the emails are accepted: measures accepting and sending apart, and the memory of a full queue.
    #[arg(long)]
    apart: bool,
    /// Measure the floors alone, without the service.
    #[arg(long)]
    floors_only: bool,
    /// Measure recording so many of Mailgun's events instead, on PostgreSQL.
    #[arg(long)]
    events: Option<u64>,
    /// Measure taking so many of Mailgun's webhooks over HTTP instead, on PostgreSQL.
    #[arg(long, num_args = 0..=1, default_missing_value = "100000")]
    webhooks: Option<u64>,
    /// Measure for so many seconds what it is to follow events over WebSocket instead, on PostgreSQL.
    #[arg(long, num_args = 0..=1, default_missing_value = "20")]
    live: Option<u64>,
    /// Measure pages of lists over so many rows, and over 10,000, instead, on PostgreSQL.
    #[arg(long, num_args = 0..=1, default_missing_value = "1000000")]
    pages: Option<u64>,
    /// Measure a campaign of so many recipients instead, singly and in batches.
    #[arg(long, num_args = 0..=1, default_missing_value = "100000")]
    campaign: Option<u64>,
    /// Measure for so many seconds each what a well-behaved client waits for before, among and after 200 hostile connections
    /// instead, on PostgreSQL.
    #[arg(long, num_args = 0..=1, default_missing_value = "15")]
    hostile: Option<u64>,
    /// Measure what the API's surface costs, and nothing else.
    #[arg(long)]
    surface_only: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Storage {
    Postgres,
    Sqlite,
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    if let Some(events) = options.events {
        let postgres = Postgres::durable().await;
        return events::measure(&postgres, postgres.database().await, events).await;
    }
    if let Some(webhooks) = options.webhooks {
        let postgres = Postgres::durable().await;
        return webhooks::measure(&postgres, postgres.database().await, webhooks).await;
    }
    if let Some(seconds) = options.live {
        return live::measure(&Postgres::durable().await, seconds).await;
    }
    if let Some(seconds) = options.hostile {
        return hostile::measure(&Postgres::durable().await, seconds).await;
    }
    if let Some(rows) = options.pages {
        return pages::measure(&Postgres::durable().await, rows).await;
    }
    let backend = match options.backend {
        Storage::Postgres => Backend::Postgres,
        Storage::Sqlite => Backend::Sqlite,
    };
    if options.surface_only {
        return surface::measure(backend).await;
    }
    let postgres = match options.backend {
        Storage::Postgres => Some(Postgres::durable().await),
        Storage::Sqlite => None,
    };
    let fake = Fake::start().await;
    if let Some(recipients) = options.campaign {
        let service = Service::start(&options, database(postgres.as_ref()).await, postgres, &fake).await;
        return campaigns::measure(&service, &fake, recipients).await;
    }
    let posts = floors::posts(&fake, options.emails, options.slots).await;
    floors::rows(&database(postgres.as_ref()).await, options.emails).await;
    if options.floors_only {
        return;
    }
    let service = Service::start(&options, database(postgres.as_ref()).await, postgres, &fake).await;
    let rate = service.measure(&options, &fake).await;
    println!("end to end / bare POSTs: {:.2}", rate / posts);
    surface::measure(backend).await;
}

async fn database(postgres: Option<&Postgres>) -> Database {
    match postgres {
        Some(postgres) => postgres.database().await,
        None => Database::sqlite(),
    }
}

/// The scripted Mailgun in its own process.
pub struct Fake {
    process: Process,
    url: String,
}

impl Fake {
    async fn start() -> Self {
        let process = Launch::of(beside("fake-mailgun")).start();
        let port = process.await_line("", SOON).await;
        Self { process, url: format!("http://127.0.0.1:{port}") }
    }

    /// How many messages it accepted, and how many emails more than once.
    async fn counts(&self) -> (u64, u64) {
        let answer = http().get(format!("{}/stats", self.url)).send().await.expect("the fake runs");
        let stats: serde_json::Value = answer.json().await.expect("its counts");
        let count = |name: &str| stats[name].as_u64().expect("a count");
        (count("accepted"), count("doubles"))
    }
}

/// A program built with this one.
fn beside(name: &str) -> std::path::PathBuf {
    let path = std::env::current_exe().expect("a path of our own").with_file_name(name);
    assert!(path.exists(), "{name} is not built; make bench builds it");
    path
}

/// An HTML body of 1 KB.
fn body() -> String {
    "<p>Hello there, here is one line of an ordinary letter &amp; a link.</p>\n".chars().cycle().take(1_024).collect()
}

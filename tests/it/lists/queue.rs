//! Queues that are written straight into the tables, in one statement, so that they may be large.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use entity::sealed::Keyring;
use entity::{Clock, Status};
use jobs::{Context, Settings, Store, Timing};
use sea_orm::ConnectionTrait;
use tests::database::{Backend, Database};
use uuid::Uuid;

/// The few emails that stand out among many: so many of each kind, however large the queue.
pub const FEW: i64 = 30;

/// A campaign of many emails, one of [`FEW`], and one of none.
pub const LARGE: Uuid = Uuid::from_u128(0xA);
pub const SMALL: Uuid = Uuid::from_u128(0xB);
pub const UNKNOWN: Uuid = Uuid::from_u128(0xC);

/// An address of every second email, and one of [`FEW`].
pub const BUSY: &str = "monitor@example.org";
pub const RARE: &str = "rare@example.org";

/// A sending domain of nearly all emails, and one of [`FEW`].
pub const USUAL_DOMAIN: &str = "mg.example.com";
pub const RARE_DOMAIN: &str = "rare.example.com";

/// How the few stand among the many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// At equal distances.
    Even,
    /// All of them are the oldest.
    Oldest,
}

/// A queue on a database of its own.
pub struct Queue {
    pub ctx: Arc<Context>,
    database: Database,
}

impl Queue {
    /// One without emails.
    pub async fn empty(backend: Backend) -> Self {
        let database = backend.database().await;
        let store = Store::connect(&database.url).await.unwrap();
        migration::up(store.write()).await.unwrap();
        let stop = tokio_util::sync::CancellationToken::new();
        let ctx = Context::new(
            store,
            Clock::system(),
            Timing::default(),
            Settings::default(),
            Keyring::generate(),
            0.0,
            stop,
        );
        let queue = Self { ctx, database };
        // When the database learns what its tables hold is said by `analyze`, and does not come in between.
        if backend == Backend::Postgres {
            for table in ["email_queue", "email_delivery_events", "email_tallies"] {
                queue.run(&format!("ALTER TABLE {table} SET (autovacuum_enabled = false)")).await;
            }
        }
        queue
            .run(&format!(
                "INSERT INTO email_scopes (id, campaign_id, sending_domain) VALUES (1, {nil}, '{USUAL_DOMAIN}'), \
                 (2, {large}, '{USUAL_DOMAIN}'), (3, {small}, '{USUAL_DOMAIN}'), (4, {nil}, '{RARE_DOMAIN}')",
                nil = queue.literal(Uuid::nil()),
                large = queue.literal(LARGE),
                small = queue.literal(SMALL),
            ))
            .await;
        queue
    }

    /// Puts `n` emails into an empty one, nearly all of which stand in `usual`.
    pub async fn fill(&self, n: i64, usual: Status, spread: Spread) {
        // Of each stretch of emails the first 13 stand in a status each, and the next few stand out otherwise.
        let (stretch, place) = match spread {
            Spread::Even => (n / FEW, format!("i % {}", n / FEW)),
            Spread::Oldest => (40, format!("CASE WHEN i < {} THEN i % 40 ELSE 39 END", 40 * FEW)),
        };
        assert!(stretch >= 40, "there is room for all that stands out");
        let usual = usual as i16;
        let (large, small) = (self.literal(LARGE), self.literal(SMALL));
        let rows = format!(
            "SELECT i, CASE WHEN place < 13 THEN place ELSE {usual} END AS status, \
             CASE WHEN place = 20 THEN 3 WHEN place = 21 THEN 4 WHEN i / 16 % 3 = 0 THEN 1 ELSE 2 END AS scope, \
             CASE WHEN place = 20 THEN {small} WHEN place = 21 OR i / 16 % 3 = 0 THEN NULL ELSE {large} END AS campaign, \
             CASE WHEN place = 22 THEN 0 ELSE 1 END AS lane, \
             CASE WHEN place = 23 THEN '{RARE}' WHEN i / 14 % 2 = 0 THEN '{BUSY}' ELSE 'reader' || i || '@example.org' END AS address \
             FROM (SELECT i, {place} AS place FROM {}) AS placed",
            self.series(n)
        );
        self.store(&rows).await;
    }

    /// Stores emails given as rows of `i, status, scope, campaign, lane, address`, and their tallies.
    pub async fn store(&self, rows: &str) {
        // Those under way have been due longest, as the feeder has it.
        let text = format!(
            "INSERT INTO email_queue (id, scope, lane, status, due_at, send_at, content_id, campaign_id, sender, recipient, \
             recipient_key, on_unconfirmed, transactional, test_mode, sandbox, created_at, updated_at) \
             SELECT {id}, scope, lane, status, \
             CASE status WHEN 0 THEN {later} WHEN 1 THEN {at} WHEN 2 THEN {first} ELSE NULL END, {at}, {id}, campaign, \
             'Ann <ann@mg.example.com>', address, address, 0, false, false, false, {at}, {at} FROM ({rows}) AS given",
            id = self.id("i"),
            at = self.at("i"),
            later = self.at("i + 1000000000"),
            first = self.at("-1"),
        );
        self.run(&text).await;
        let tallies = "INSERT INTO email_tallies (lane, scope, status, shard, n) \
                       SELECT lane, scope, status, 0, count(*) FROM email_queue GROUP BY lane, scope, status";
        self.run(tallies).await;
    }

    /// Lets the database learn what its tables hold.
    pub async fn analyze(&self) {
        self.run("ANALYZE").await;
    }

    /// The id of email `i`.
    pub fn nth(i: i64) -> Uuid {
        Uuid::from_u128((millis(i) as u128) << 80 | 0x7000_8000_0000_0000_0000 | i as u128)
    }

    /// When email `i` was accepted.
    pub fn accepted_at(i: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis(i)).unwrap()
    }

    /// A pool of its own on the same database.
    pub fn url(&self) -> &str {
        &self.database.url
    }

    pub fn backend(&self) -> Backend {
        self.database.backend
    }

    pub async fn run(&self, text: &str) {
        self.ctx.store.write().execute_unprepared(text).await.unwrap();
    }

    /// A UUID as a literal.
    pub fn literal(&self, id: Uuid) -> String {
        match self.backend() {
            Backend::Postgres => format!("'{id}'::uuid"),
            Backend::Sqlite => format!("x'{}'", id.simple()),
        }
    }

    pub fn series(&self, n: i64) -> String {
        match self.backend() {
            Backend::Postgres => format!("generate_series(0, {} - 1) AS of (i)", n),
            Backend::Sqlite => format!(
                "(WITH RECURSIVE of (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM of WHERE i < {n} - 1) SELECT i FROM of)"
            ),
        }
    }

    pub fn id(&self, i: &str) -> String {
        match self.backend() {
            Backend::Postgres => format!(
                "(lpad(to_hex({START} + ({i}) * {STEP}), 12, '0') || '70008000' || lpad(to_hex({i}), 12, '0'))::uuid"
            ),
            Backend::Sqlite => format!("unhex(printf('%012x70008000%012x', {START} + ({i}) * {STEP}, {i}))"),
        }
    }

    pub fn at(&self, i: &str) -> String {
        match self.backend() {
            Backend::Postgres => format!("to_timestamp(({START} + ({i})::bigint * {STEP}) / 1000.0)"),
            Backend::Sqlite => {
                format!("strftime('%Y-%m-%dT%H:%M:%f+00:00', ({START} + ({i}) * {STEP}) / 1000.0, 'unixepoch')")
            }
        }
    }
}

/// When the first email was accepted, in milliseconds since the epoch, and how many lie between two.
const START: i64 = 1_780_000_000_000;
const STEP: i64 = 10;

fn millis(i: i64) -> i64 {
    START + i * STEP
}

/// A time span that begins with one email and ends before another.
pub fn span(from: i64, until: i64) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
    (Some(Queue::accepted_at(from)), Some(Queue::accepted_at(until) - TimeDelta::microseconds(1)))
}

//! The floors: what this machine does when nothing is kept, checked or counted. Taken in the same run as the service's own
//! figures, because machines differ and other work disturbs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{Connection, PgConnection, SqliteConnection};
use tests::client::http;
use tests::database::{Backend, Database};
use tokio::time::Instant;
use uuid::Uuid;

use crate::usage::{cpu, own_cpu};
use crate::{Fake, body};

const GROUP: u64 = 500;

/// Bare POSTs per second: the form of an ordinary email, `slots` in flight.
pub async fn posts(fake: &Fake, emails: u64, slots: u32) -> f64 {
    let (client, url, html) = (http(), format!("{}/v3/example.com/messages", fake.url), Arc::<str>::from(body()));
    let next = Arc::new(AtomicU64::new(0));
    let (start, own, theirs) = (Instant::now(), own_cpu(), cpu(fake.process.pid()));
    let senders = (0..slots).map(|_| {
        let (client, url, html, next) = (client.clone(), url.clone(), html.clone(), next.clone());
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= emails {
                    return;
                }
                post(&client, &url, number, &html).await;
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.expect("every POST is accepted");
    }
    let rate = emails as f64 / start.elapsed().as_secs_f64();
    let each = |spent: std::time::Duration| spent.as_secs_f64() * 1e6 / emails as f64;
    let (own, theirs) = (each(own_cpu() - own), each(cpu(fake.process.pid()) - theirs));
    println!("floor, bare POSTs: {rate:.0}/s with {slots} in flight; CPU us each: client {own:.0}, fake {theirs:.0}");
    rate
}

async fn post(client: &reqwest::Client, url: &str, number: u64, html: &str) {
    let id = Uuid::from_u128(u128::from(number)).to_string();
    let (to, message_id) = (format!("u{number}@d{}.test", number % 50), format!("<{id}@example.com>"));
    let form = [
        ("from", "Ann <ann@example.com>"),
        ("to", &to),
        ("subject", "Hello"),
        ("html", html),
        ("h:Message-Id", &message_id),
        ("v:email-id", &id),
        ("o:tracking", "yes"),
    ];
    let answer = client.post(url).basic_auth("api", Some("key")).form(&form).send().await.expect("the fake runs");
    let answer: serde_json::Value = answer.json().await.expect("an id");
    assert!(answer["id"].is_string(), "refused: {answer}");
}

/// Bare rows per second: an id, an address, a subject and a body of 1 KB, in groups of 500, each its own commit.
pub async fn rows(database: &Database, emails: u64) {
    let start = match database.backend {
        Backend::Postgres => postgres_rows(&database.url, emails).await,
        Backend::Sqlite => sqlite_rows(&database.url, emails).await,
    };
    let rate = emails as f64 / start.elapsed().as_secs_f64();
    println!("floor, bare rows into {:?}: {rate:.0}/s in groups of {GROUP}", database.backend);
}

fn groups(emails: u64) -> impl Iterator<Item = std::ops::Range<u64>> {
    (0..emails.div_ceil(GROUP)).map(move |group| group * GROUP..emails.min((group + 1) * GROUP))
}

async fn postgres_rows(url: &str, emails: u64) -> Instant {
    let mut connection = PgConnection::connect(url).await.expect("PostgreSQL runs");
    let table = "CREATE TABLE bare (id UUID PRIMARY KEY, address TEXT, subject TEXT, html TEXT)";
    sqlx::query(table).execute(&mut connection).await.expect("a table");
    let (html, start) = (body(), Instant::now());
    for group in groups(emails) {
        let ids: Vec<Uuid> = group.clone().map(|number| Uuid::from_u128(u128::from(number))).collect();
        let addresses: Vec<String> = group.map(|number| format!("u{number}@d{}.test", number % 50)).collect();
        let insert = "INSERT INTO bare SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[])";
        let (subjects, bodies) = (vec!["Hello"; ids.len()], vec![html.as_str(); ids.len()]);
        let insert = sqlx::query(insert).bind(ids).bind(addresses).bind(subjects).bind(bodies);
        insert.execute(&mut connection).await.expect("rows");
    }
    start
}

async fn sqlite_rows(url: &str, emails: u64) -> Instant {
    let mut connection = SqliteConnection::connect(url).await.expect("a file");
    for pragma in ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"] {
        sqlx::query(pragma).execute(&mut connection).await.expect("a setting");
    }
    let table = "CREATE TABLE bare (id BLOB PRIMARY KEY, address TEXT, subject TEXT, html TEXT) WITHOUT ROWID";
    sqlx::query(table).execute(&mut connection).await.expect("a table");
    let (html, start) = (body(), Instant::now());
    for group in groups(emails) {
        let mut transaction = connection.begin().await.expect("a transaction");
        for number in group {
            let insert = sqlx::query("INSERT INTO bare VALUES (?, ?, ?, ?)").bind(Uuid::from_u128(u128::from(number)));
            let insert = insert.bind(format!("u{number}@d{}.test", number % 50)).bind("Hello").bind(html.as_str());
            insert.execute(&mut *transaction).await.expect("a row");
        }
        transaction.commit().await.expect("a commit");
    }
    start
}

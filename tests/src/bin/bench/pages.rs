//! Pages of the three long lists over many rows beside the same over few, asked as a dashboard asks: the first page, one from
//! the middle, and how many there are in all. The rows are written straight into the tables.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tests::client::Client;
use tests::database::Postgres;
use tokio::time::Instant;

use crate::events::context;
use crate::webhooks::{API_KEY, Server};

const FEW: u64 = 10_000;
/// Of each question; what is told is the median.
const TURNS: usize = 51;

/// The rows' ids, in the order of their numbers `i`, as SQL makes them and as cursors have them.
const ID: &str = "('01980000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid";
const AT: &str = "timestamptz '2026-06-01' + i * interval '1 second'";
const ID_STARTS: [u8; 10] = [0x01, 0x98, 0, 0, 0, 0, 0x70, 0, 0x80, 0];

/// What is asked of each list: its name, its nodes, and the number it has in cursors.
const LISTS: [(&str, &str, u8); 3] = [
    ("emails", "id status to createdAt", 1),
    ("deliveryEvents", "id type address occurredAt", 2),
    ("suppressions", "id target reason active", 3),
];

/// Measures both sizes and prints them side by side, in milliseconds.
pub async fn measure(postgres: &Postgres, many: u64) {
    let (of_few, of_many) = (times(postgres, FEW).await, times(postgres, many).await);
    println!("{:<34}{:>12}{:>12}", "median ms over rows", FEW, many);
    for ((name, few), (_, many)) in of_few.iter().zip(&of_many) {
        println!("{name:<34}{:>12.2}{:>12.2}", few.as_secs_f64() * 1e3, many.as_secs_f64() * 1e3);
    }
}

async fn times(postgres: &Postgres, rows: u64) -> Vec<(String, Duration)> {
    let database = postgres.database().await;
    let ctx = context(&database).await;
    for text in fill(rows) {
        ctx.store.write().execute_unprepared(&text).await.expect("rows");
    }
    let server = Server::start(&database).await;
    let client = Client::new(&server.url, API_KEY);
    let mut times = Vec::new();
    for (list, nodes, number) in LISTS {
        let page = format!(
            "query($after: String) {{ {list}(first: 50, after: $after) {{ nodes {{ {nodes} }}
            pageInfo {{ hasNextPage endCursor }} }} }}"
        );
        let middle = json!({ "after": cursor(number, rows / 2) });
        let count = format!("{{ {list} {{ totalCount }} }}");
        for (what, query, variables) in
            [("first page", &page, json!({})), ("page in the middle", &page, middle), ("totalCount", &count, json!({}))]
        {
            let time = median(&client, query, variables, |answer| match what {
                "totalCount" => answer[list]["totalCount"].as_u64() >= Some(FEW.min(rows)),
                _ => answer[list]["nodes"].as_array().is_some_and(|nodes| nodes.len() == 50),
            });
            times.push((format!("{list}, {what}"), time.await));
        }
    }
    times
}

async fn median(client: &Client, query: &str, variables: Value, good: impl Fn(&Value) -> bool) -> Duration {
    let mut times = Vec::with_capacity(TURNS);
    for _ in 0..TURNS {
        let asked = Instant::now();
        let answer = client.query(query, variables.clone()).await;
        times.push(asked.elapsed());
        assert!(good(&answer), "{query} answered {answer}");
    }
    times.sort_unstable();
    times[TURNS / 2]
}

/// The place of row `i`, as `api` writes it: a version, the list, and an id or an event's number.
fn cursor(list: u8, i: u64) -> String {
    let place = i.to_be_bytes();
    let place = if list == 2 { place.to_vec() } else { [&ID_STARTS[..], &place[2..]].concat() };
    URL_SAFE_NO_PAD.encode([&[1, list][..], &place].concat())
}

/// As many rows in each of the three tables: half of the emails of one campaign, in states as after a good week.
fn fill(rows: u64) -> Vec<String> {
    let of = format!("generate_series(1, {rows}) AS of (i)");
    let campaign = "CASE WHEN i % 2 = 0 THEN '01980000-0000-7000-8000-00000000000a'::uuid END";
    let address = "'reader' || i || '@d' || i % 50 || '.example.net'";
    vec![
        "INSERT INTO email_scopes (id, campaign_id, sending_domain) VALUES \
         (1, '00000000-0000-0000-0000-000000000000', 'mg.example.com'), \
         (2, '01980000-0000-7000-8000-00000000000a', 'mg.example.com')"
            .into(),
        format!(
            "INSERT INTO email_queue (id, scope, lane, status, send_at, content_id, campaign_id, sender, recipient, \
             recipient_key, on_unconfirmed, transactional, test_mode, sandbox, created_at, updated_at) \
             SELECT {ID}, 2 - i % 2, 1, CASE WHEN i % 20 = 0 THEN 7 WHEN i % 10 = 0 THEN 4 ELSE 6 END, {AT}, {ID}, \
             {campaign}, 'Ann <ann@mg.example.com>', {address}, {address}, 0, false, false, true, {AT}, {AT} FROM {of}"
        ),
        "INSERT INTO email_tallies (lane, scope, status, shard, n) \
         SELECT lane, scope, status, 0, count(*) FROM email_queue GROUP BY lane, scope, status"
            .into(),
        format!(
            "INSERT INTO email_delivery_events (seq, id, kind, source, email_id, campaign_id, copy, recipient_key, \
             occurred_at, recorded_at, seal_id, raw) SELECT i, {ID}, CASE WHEN i % 20 = 0 THEN 3 WHEN i % 3 = 0 THEN 4 \
             ELSE 1 END, 0, {ID}, {campaign}, false, {address}, {AT}, {AT}, {ID}, '\\x00'::bytea FROM {of}"
        ),
        format!("UPDATE event_clock SET seq = {rows}"),
        format!(
            "INSERT INTO email_suppression_list (id, target, reason, sandbox, bounce_type, source, occurred_at, created_at, \
             updated_at) SELECT {ID}, {address}, i % 3, true, CASE WHEN i % 3 = 0 THEN 0 END, 1, {AT}, {AT}, {AT} FROM {of}"
        ),
        "INSERT INTO email_suppression_tallies (reason, soft, lifted, sandbox, shard, n) \
         SELECT reason, false, false, sandbox, 0, count(*) FROM email_suppression_list GROUP BY reason, sandbox"
            .into(),
        "VACUUM ANALYZE".into(),
    ]
}

//! Events and the suppressions that follow from them, each named by the other.

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tests::client::Client;
use tests::database::Backend;
use tests::proxy::Proxy;
use tests::webhook::Told;
use uuid::Uuid;

use super::events::{BOB, Reported};
use super::{KEY, Served};

on_both! {
    an_event_names_the_entry_that_follows_and_the_entry_its_event
    whoever_may_only_read_sees_no_address_in_the_entry_of_an_event
}

const EVENTS: &str = "query($first: Int) { deliveryEvents(first: $first) { nodes { __typename id
  ... on Bounced { suppression { id target reason active event { id } } }
  ... on Complained { suppression { id target reason active event { id } } }
  ... on Unsubscribed { suppression { id target reason active event { id } } } } } }";

const ENTRIES: &str = "{ suppressions { nodes { id reason event { __typename id address } } } }";

/// The last events, the newest first.
async fn last(client: &Client, first: usize) -> Vec<Value> {
    let mut shown = client.query(EVENTS, json!({ "first": first })).await;
    shown["deliveryEvents"]["nodes"].as_array_mut().unwrap().drain(..).collect()
}

async fn an_event_names_the_entry_that_follows_and_the_entry_its_event(backend: Backend) {
    let reported = Reported::on(backend).await;
    let client = &reported.served.client;
    let (_, email) = reported.email().await;
    reported.one_of_each(email).await;
    let now = reported.ctx.clock.now();
    // It counts against the sending domain, not against the address.
    reported.take(Told::bounced(email, BOB, now, "espblock", "5.7.1")).await;
    let mut suppressing = Vec::new();
    for event in last(client, 20).await {
        let (kind, entry) = (event["__typename"].as_str().unwrap(), &event["suppression"]);
        if entry.is_null() {
            continue;
        }
        let about = (&entry["target"], &entry["active"], &entry["event"]["id"]);
        assert_eq!(about, (&json!(BOB), &json!(true), &event["id"]), "{event}");
        suppressing.push((kind.to_owned(), entry["reason"].as_str().unwrap().to_owned()));
    }
    let pairs = [("Bounced", "BOUNCE"), ("Complained", "COMPLAINT"), ("Unsubscribed", "UNSUBSCRIBE")];
    assert_eq!(suppressing, pairs.map(|(kind, reason)| (kind.to_owned(), reason.to_owned())));

    // A later one is named by the entry; the earlier still leads to it.
    reported.take(Told::bounced(email, BOB, now + chrono::TimeDelta::seconds(1), "bounce", "5.1.1")).await;
    let events = last(client, 20).await;
    let bounces: Vec<&Value> = events.iter().filter(|event| event["suppression"]["reason"] == "BOUNCE").collect();
    assert_eq!((bounces.len(), &bounces[0]["suppression"]), (2, &bounces[1]["suppression"]));
    assert_eq!(bounces[1]["suppression"]["event"]["id"], bounces[0]["id"]);

    let by_hand = "mutation { suppress(input: { target: \"eve@example.org\" }) { suppression { event { id } } } }";
    assert_eq!(reported.served.mutate(by_hand, json!({})).await["suppression"]["event"], Value::Null);
    let cleaned = "DELETE FROM email_delivery_events";
    reported.ctx.store.write().execute_unprepared(cleaned).await.unwrap();
    let entries = client.query(ENTRIES, json!({})).await;
    let entries = entries["suppressions"]["nodes"].as_array().unwrap();
    assert!(entries.len() == 4 && entries.iter().all(|entry| entry["event"].is_null()), "{entries:?}");
}

async fn whoever_may_only_read_sees_no_address_in_the_entry_of_an_event(backend: Backend) {
    let reported = Reported::on(backend).await;
    let (_, email) = reported.email().await;
    reported.one_of_each(email).await;
    let key = reported.served.command(&["key", "create", "--scope", "read"]).await.pop().unwrap();
    let reader = Client::new(&reported.served.url, &key);
    let text = json!([last(&reader, 20).await, reader.query(ENTRIES, json!({})).await]).to_string();
    assert_eq!(text.matches("b***@example.org").count(), 6, "{text}");
    assert!(!text.contains("bob"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_a_hundred_asks_once_for_its_entries_and_once_for_theirs() {
    let (proxy, database) = Proxy::before(Backend::Postgres.database().await).await;
    let reported = Reported::to(Served::over(database, |launch| launch).await).await;
    let now = reported.ctx.clock.now();
    for i in 0..100 {
        let to = format!("reader{i}@example.org");
        reported.take(Told::bounced(Uuid::nil(), &to, now, "bounce", "5.1.1")).await;
    }
    let parts = ["FROM email_suppression_facts f JOIN email_suppression_list s", "email_delivery_events e JOIN"];
    let asked = || parts.map(|part| proxy.asked(part));
    let before = asked();
    let client = Client::new(&reported.served.url, KEY);
    let events = last(&client, 100).await;
    assert_eq!(events.len(), 100);
    for event in events {
        assert_eq!(event["suppression"]["event"]["id"], event["id"]);
    }
    let after = asked();
    assert_eq!([after[0] - before[0], after[1] - before[1]], [1, 1]);
}

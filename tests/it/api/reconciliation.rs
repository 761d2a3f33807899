//! How far Mailgun's log was read, as callers see it; and what the sandbox's own log tells of events and emails that no answer
//! and no webhook told of.

use chrono::{DateTime, Utc};
use entity::Clock;
use serde_json::{Value, json};
use tests::client::letter;
use tests::database::Backend;
use tests::patience::{SOON, until};

use super::Served;

on_both! {
    what_no_webhook_brought_is_recovered_from_the_log_and_told_of
    an_email_in_doubt_is_found_in_the_log
}

/// With a log that can be trusted after two seconds.
async fn served(backend: Backend) -> Served {
    let served = Served::with(backend, |launch| launch.env("TIMING_LOG_DIVISOR", "900")).await;
    served.silence_the_sandbox().await;
    served
}

const EVENTS: &str = "query($id: ID!) { email(id: $id) { status events(first: 100) { nodes { type source } } } }";

/// The email, once every event of it is recorded and it stands there: one answer may read the one before the other.
async fn recorded(served: &Served, id: &str, status: &str, kinds: &[&str]) -> Value {
    until(&format!("{id} to be {status} by {kinds:?}"), SOON, async || {
        let mut email = served.client.query(EVENTS, json!({ "id": id })).await["email"].take();
        let nodes = email["events"]["nodes"].as_array().unwrap();
        let mut told: Vec<&str> = nodes.iter().map(|event| event["type"].as_str().unwrap()).collect();
        told.sort_unstable();
        (told == kinds && email["status"] == status).then(|| email.take())
    })
    .await
}

async fn what_no_webhook_brought_is_recovered_from_the_log_and_told_of(backend: Backend) {
    let served = served(backend).await;
    let cases: [(&str, &str, &[&str]); 2] = [
        ("bob@example.org", "DELIVERED", &["ACCEPTED", "DELIVERED"]),
        ("bounce@example.org", "BOUNCED", &["ACCEPTED", "BOUNCED"]),
    ];
    let before = Clock::system().now();
    for (to, status, kinds) in cases {
        let id = served.client.send_email(letter(to)).await;
        let email = recorded(&served, &id, status, kinds).await;
        let nodes = email["events"]["nodes"].as_array().unwrap();
        assert!(nodes.iter().all(|event| event["source"] == "RECONCILED"), "{email}");
    }
    let asked =
        "{ queueStats { reconciliation { domain checkedThrough lagSeconds recovered failingSince silentSince } } }";
    let mark = until("a mark past what was read", SOON, async || {
        let told = served.client.query(asked, json!({})).await["queueStats"]["reconciliation"].take();
        let mark = told.as_array()?.iter().find(|mark| mark["recovered"] == 4)?.clone();
        let through: DateTime<Utc> = mark["checkedThrough"].as_str()?.parse().ok()?;
        (through > before).then_some(mark)
    })
    .await;
    assert!(mark["domain"].as_str().is_some_and(|domain| !domain.is_empty()), "{mark}");
    assert!(mark["lagSeconds"].as_i64().is_some_and(|lag| lag >= 0), "{mark}");
    assert_eq!(mark["failingSince"], Value::Null);
}

async fn an_email_in_doubt_is_found_in_the_log(backend: Backend) {
    let served = served(backend).await;
    served.break_the_sandbox(json!([{ "kind": "502_accepted", "times": 1 }])).await;
    let id = served.client.send_email(letter("bob@example.org")).await;
    recorded(&served, &id, "DELIVERED", &["ACCEPTED", "DELIVERED"]).await;
    let attempts = "query($id: ID!) { email(id: $id) { attempts { outcome } } }";
    let tried = served.client.query(attempts, json!({ "id": id })).await["email"]["attempts"].take();
    assert_eq!(tried, json!([{ "outcome": "UNCONFIRMED" }]), "it was not handed over again");
    assert_eq!(served.ask_the_sandbox("stats").await["accepted"], 1);
}

//! A campaign in batches through the sandbox: one call, and for each recipient an email with events of its own.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::database::Backend;
use tests::patience::{SOON, until};

use super::{ADD, CREATE, LAUNCH, standing};
use crate::api::{Served, mistakes};

on_both! {
    each_of_a_batch_has_a_stream_of_events_of_its_own
}

/// What the sandbox lets become of each address (docs/sandbox.md), the latest recorded first.
const FATES: [(&str, &[&str]); 5] = [
    ("ann@example.com", &["DELIVERED", "ACCEPTED"]),
    ("bounce@example.com", &["BOUNCED", "ACCEPTED"]),
    ("click@example.com", &["CLICKED", "OPENED", "DELIVERED", "ACCEPTED"]),
    ("complain@example.com", &["COMPLAINED", "DELIVERED", "ACCEPTED"]),
    ("defer@example.com", &["DELIVERED", "DEFERRED", "ACCEPTED"]),
];

async fn each_of_a_batch_has_a_stream_of_events_of_its_own(backend: Backend) {
    let served = Served::on(backend).await;
    let content = json!({ "inline": { "subject": "Hi {{ name }}", "html": "<p>{{ recipient.address }}</p>" } });
    let input = json!({ "name": "Spring", "batch": true, "content": content });
    let made = served.mutate(CREATE, json!({ "input": input })).await;
    let id = made["campaign"]["id"].as_str().unwrap();
    let people = FATES.map(|(address, _)| json!({ "address": address, "variables": { "name": address } }));
    served.mutate(ADD, json!({ "id": id, "recipients": people })).await;
    assert_eq!(mistakes(&served.mutate(LAUNCH, json!({ "id": id })).await), Vec::<String>::new());

    let asked = "query($id: ID!) { campaign(id: $id) { emails(first: 10) {
      nodes { id to events(first: 10) { nodes { type address email { id } } } } } } }";
    let told = until("every event to be recorded", SOON, async || {
        let told = served.client.query(asked, json!({ "id": id })).await;
        let emails = told["campaign"]["emails"]["nodes"].as_array().unwrap().clone();
        let enough = |email: &Value| {
            let (_, fate) = FATES.iter().find(|(address, _)| email["to"] == *address).unwrap();
            email["events"]["nodes"].as_array().unwrap().len() >= fate.len()
        };
        (emails.len() == FATES.len() && emails.iter().all(enough)).then_some(emails)
    })
    .await;
    let mut calls = Vec::new();
    for email in &told {
        let events = email["events"]["nodes"].as_array().unwrap();
        let own = |event: &Value| event["address"] == email["to"] && event["email"]["id"] == email["id"];
        assert!(events.iter().all(own), "{email}");
        let mut types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        types.sort_unstable();
        let (_, fate) = FATES.iter().find(|(address, _)| email["to"] == *address).unwrap();
        let mut expected = fate.to_vec();
        expected.sort_unstable();
        assert_eq!(types, expected, "{}", email["to"]);
        // Each is found in the sandbox by its own id, in the call that was for all.
        let bare = email["id"].as_str().unwrap().trim_start_matches("email:");
        let found = served.ask_the_sandbox(&format!("messages?email_id={bare}")).await["messages"].take();
        assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
        let variables = &found[0]["recipient_variables"][email["to"].as_str().unwrap()];
        assert_eq!((&variables["v0"], &variables["email_id"]), (&email["to"], &json!(bare)));
        calls.push(found[0]["number"].as_u64().unwrap());
    }
    calls.dedup();
    assert_eq!(calls.len(), 1, "one call for all of them");
    let stats = served.ask_the_sandbox("stats").await;
    assert_eq!((&stats["accepted"], &stats["duplicates"]), (&json!(1), &json!(0)));
    let ledger = standing(&served.client, id).await["ledger"].take();
    let ends = ["delivered", "bounced", "complained"].map(|status| (status, ledger[status].as_i64().unwrap()));
    assert_eq!(BTreeMap::from(ends), BTreeMap::from([("delivered", 3), ("bounced", 1), ("complained", 1)]));
}

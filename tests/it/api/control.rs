//! Pausing, cancelling and retrying through the API.

use serde_json::{Value, json};
use tests::database::Backend;
use tests::patience::SOON;

use super::{Served, letter, mistakes, send};

on_both! {
    a_paused_priority_waits_and_says_why
    one_email_is_cancelled_moved_and_refused_what_can_not_be
    many_emails_are_cancelled_at_once
}

const PAUSE: &str = "mutation($scope: Scope, $reason: String, $until: DateTime) {
  pause(scope: $scope, reason: $reason, until: $until) { pause { scope subject reason } userErrors { code field } } }";
const RESUME: &str = "mutation($scope: Scope) { resume(scope: $scope) { ended userErrors { code field } } }";

async fn ask(served: &Served, id: &str, fields: &str) -> Value {
    let asked = format!("query($id: ID!) {{ email(id: $id) {{ {fields} }} }}");
    served.client.query(&asked, json!({ "id": id })).await["email"].take()
}

async fn a_paused_priority_waits_and_says_why(backend: Backend) {
    let served = Served::on(backend).await;
    let paused = served.mutate(PAUSE, json!({ "scope": { "priority": "LOW" }, "reason": "stock-taking" })).await;
    assert_eq!(paused["pause"], json!({ "scope": "PRIORITY", "subject": "LOW", "reason": "stock-taking" }));
    let low = send(&served, letter(json!({ "priority": "LOW" }))).await["email"]["id"].as_str().unwrap().to_owned();
    let high = send(&served, letter(json!({ "priority": "HIGH" }))).await["email"]["id"].as_str().unwrap().to_owned();
    served.client.await_status(&high, "DELIVERED", SOON).await;
    let email = ask(&served, &low, "status heldBy dueAt timeline { kind }").await;
    let expected = json!({ "status": "QUEUED", "heldBy": "priority LOW is paused: stock-taking", "dueAt": null,
        "timeline": [{ "kind": "ACCEPTED" }, { "kind": "HELD" }] });
    assert_eq!(email, expected);
    served.mutate(PAUSE, json!({ "scope": { "priority": "HIGH" } })).await;
    assert_eq!(ask(&served, &high, "heldBy").await, json!({ "heldBy": null }), "what is done waits for nothing");
    served.mutate(RESUME, json!({ "scope": { "priority": "HIGH" } })).await;
    let asked = "{ holds { scope cause } queueStats { paused pauses { subject } } failures { cause count status } }";
    let told = served.client.query(asked, json!({})).await;
    assert_eq!(told["holds"], json!([{ "scope": "PRIORITY", "cause": "PAUSE" }]));
    assert_eq!(told["queueStats"], json!({ "paused": false, "pauses": [{ "subject": "LOW" }] }));
    assert_eq!(told["failures"][0]["count"], 1);
    let nowhere = served.mutate(PAUSE, json!({ "scope": { "domain": "elsewhere.example" } })).await;
    assert_eq!(mistakes(&nowhere), ["NOT_FOUND scope.domain"]);
    let over = served.mutate(PAUSE, json!({ "until": "2020-01-01T00:00:00Z" })).await;
    assert_eq!(mistakes(&over), ["INVALID until"]);
    let resumed = served.mutate(RESUME, json!({ "scope": { "priority": "LOW" } })).await;
    assert_eq!(resumed["ended"], 1);
    served.client.await_status(&low, "DELIVERED", SOON).await;
}

async fn one_email_is_cancelled_moved_and_refused_what_can_not_be(backend: Backend) {
    let served = Served::on(backend).await;
    let later = letter(json!({ "sendAt": "2027-03-01T08:00:00Z" }));
    let id = send(&served, later).await["email"]["id"].as_str().unwrap().to_owned();
    let moved = "mutation($id: ID!, $at: DateTime!) { rescheduleEmail(id: $id, sendAt: $at) { email { sendAt } userErrors { code field } } }";
    let payload = served.mutate(moved, json!({ "id": id, "at": "2027-04-01T08:00:00Z" })).await;
    assert!(payload["email"]["sendAt"].as_str().unwrap().starts_with("2027-04-01"));
    assert_eq!(
        mistakes(&served.mutate(moved, json!({ "id": id, "at": "2020-04-01T08:00:00Z" })).await),
        ["INVALID sendAt"]
    );
    let one = |mutation: &str| {
        format!("mutation($id: ID!) {{ {mutation} {{ email {{ status }} userErrors {{ code field }} }} }}")
    };
    let cancel = one("cancelEmail(id: $id)");
    assert_eq!(served.mutate(&cancel, json!({ "id": id })).await["email"]["status"], "CANCELLED");
    let refusals = [
        (one("retryEmail(id: $id)"), "NOT_RETRYABLE id"),
        (one("resolveEmail(id: $id, sent: true)"), "NOT_UNCONFIRMED id"),
    ];
    for (mutation, expected) in refusals {
        assert_eq!(mistakes(&served.mutate(&mutation, json!({ "id": id })).await), [expected]);
    }
    let nobody =
        ["email:01980000-0000-7000-8000-000000000000", "email:x", "", "campaign:01980000-0000-7000-8000-000000000000"];
    for id in nobody {
        assert_eq!(mistakes(&served.mutate(&cancel, json!({ "id": id })).await), ["NOT_FOUND id"], "{id:?}");
        assert_eq!(
            served.client.query("query($id: ID!) { email(id: $id) { id } }", json!({ "id": id })).await["email"],
            Value::Null
        );
    }
}

async fn many_emails_are_cancelled_at_once(backend: Backend) {
    let served = Served::on(backend).await;
    let later = |to: &str| letter(json!({ "to": to, "sendAt": "2027-03-01T08:00:00Z" }));
    let inputs: Vec<Value> =
        (0..30).map(|n| later(if n < 20 { "bob@example.org" } else { "eve@example.org" })).collect();
    served.client.send_emails(inputs).await;
    let cancel = "mutation($filter: EmailFilter!, $dry: Boolean!) { cancelEmails(filter: $filter, dryRun: $dry) {
        cancelled asked remaining remainingIsCapped userErrors { code } } }";
    let filter = json!({ "address": "Bob@EXAMPLE.org" });
    let dry = served.mutate(cancel, json!({ "filter": filter, "dry": true })).await;
    assert_eq!((&dry["cancelled"], &dry["remaining"]), (&json!(0), &json!(20)));
    let done = served.mutate(cancel, json!({ "filter": filter, "dry": false })).await;
    assert_eq!((&done["cancelled"], &done["remaining"]), (&json!(20), &json!(0)));
    let ledger = served.client.queue_stats().await["ledger"].take();
    assert_eq!((&ledger["cancelled"], &ledger["scheduled"]), (&json!(20), &json!(10)));
    let clean = "mutation { cleanQueue(finishedBefore: \"2026-01-01T00:00:00Z\") { removed userErrors { code } } }";
    assert_eq!(served.mutate(clean, json!({})).await["removed"], 0);
    let retry = "mutation { retryFailedEmails(limit: 0) { retried userErrors { code field } } }";
    assert_eq!(mistakes(&served.mutate(retry, json!({})).await), ["INVALID limit"]);
}

//! Sending through the API: what is taken, what is refused, and what is taken once.

use futures::future::join_all;
use serde_json::{Value, json};
use tests::database::Backend;
use tests::patience::SOON;

use super::{SEND, SEND_MANY, Served, letter, mistakes, send};

on_both! {
    what_can_be_mended_is_told_with_the_way_to_it
    one_bad_email_does_not_spoil_the_others
    the_same_key_and_content_answer_the_first_email_again
    a_key_used_at_the_same_moment_makes_one_email
    everything_that_was_sent_is_read_back
}

async fn what_can_be_mended_is_told_with_the_way_to_it(backend: Backend) {
    let served = Served::on(backend).await;
    let cases = [
        (json!({ "to": "bob" }), "INVALID input.to"),
        (json!({ "from": "a@b@c" }), "INVALID input.from"),
        (json!({ "cc": ["ok@example.org", "no"] }), "INVALID input.cc.1"),
        (json!({ "sendAt": "2020-01-01T00:00:00Z" }), "INVALID input.sendAt"),
        (json!({ "headers": { "Bcc": "x@example.org" } }), "INVALID input.headers.Bcc"),
        (
            json!({ "content": { "inline": { "subject": "a\nb", "text": "x" } } }),
            "INVALID input.content.inline.subject",
        ),
        (json!({ "campaignId": "email:7" }), "INVALID input.campaignId"),
        (
            json!({ "attachments": [{ "filename": "a", "contentType": "text/plain", "base64": "%" }] }),
            "INVALID input.attachments.0.base64",
        ),
    ];
    for (change, expected) in cases {
        let payload = send(&served, letter(change.clone())).await;
        assert_eq!((mistakes(&payload), &payload["email"]), (vec![expected.to_owned()], &Value::Null), "{change}");
    }
    assert_eq!(served.client.queue_stats().await["ledger"]["total"], 0);
}

async fn one_bad_email_does_not_spoil_the_others(backend: Backend) {
    let served = Served::on(backend).await;
    let inputs = [
        json!({ "to": "a@example.org" }),
        json!({ "to": "nobody" }),
        json!({ "leadId": "x" }),
        json!({ "to": "d@example.org" }),
    ];
    let payload = served.mutate(SEND_MANY, json!({ "inputs": inputs.map(letter) })).await;
    assert_eq!(mistakes(&payload), ["INVALID inputs.1.to", "INVALID inputs.2.leadId"]);
    let to = |place: usize| payload["emails"][place]["to"].clone();
    assert_eq!(
        [to(0), to(1), to(2), to(3)],
        [json!("a@example.org"), Value::Null, Value::Null, json!("d@example.org")]
    );
    let many: Vec<Value> = (0..1_001).map(|_| letter(json!({}))).collect();
    let payload = served.mutate(SEND_MANY, json!({ "inputs": many })).await;
    assert_eq!((mistakes(&payload), &payload["emails"]), (vec!["LIMIT_EXCEEDED inputs".to_owned()], &json!([])));
    assert_eq!(served.client.queue_stats().await["ledger"]["total"], 2);
}

async fn the_same_key_and_content_answer_the_first_email_again(backend: Backend) {
    let served = Served::on(backend).await;
    // A refused input burns no key.
    assert_eq!(
        mistakes(&send(&served, letter(json!({ "idempotencyKey": "k", "to": "x" }))).await),
        ["INVALID input.to"]
    );
    let first = send(&served, letter(json!({ "idempotencyKey": "k" }))).await;
    let id = first["email"]["id"].as_str().unwrap();
    served.client.await_status(id, "DELIVERED", SOON).await;
    let again = send(&served, letter(json!({ "idempotencyKey": "k" }))).await;
    assert_eq!(again["email"], json!({ "id": id, "status": "DELIVERED" }));
    let other = send(&served, letter(json!({ "idempotencyKey": "k", "to": "eve@example.org" }))).await;
    assert_eq!((mistakes(&other), &other["email"]), (vec!["CONFLICT input.idempotencyKey".to_owned()], &Value::Null));
    let inputs = [json!({ "idempotencyKey": "k" }), json!({ "idempotencyKey": "m" }), json!({ "idempotencyKey": "m" })];
    let many = served.mutate(SEND_MANY, json!({ "inputs": inputs.map(letter) })).await;
    assert_eq!(many["emails"][0]["id"], id);
    assert_eq!(many["emails"][1]["id"], many["emails"][2]["id"]);
    assert_eq!(served.client.queue_stats().await["ledger"]["total"], 2);
}

async fn a_key_used_at_the_same_moment_makes_one_email(backend: Backend) {
    let served = Served::on(backend).await;
    let variables = json!({ "input": letter(json!({ "idempotencyKey": "race" })) });
    let payloads = join_all((0..20).map(|_| served.mutate(SEND, variables.clone()))).await;
    let ids: std::collections::BTreeSet<&str> = payloads.iter().map(|p| p["email"]["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(served.client.queue_stats().await["ledger"]["total"], 1);
}

async fn everything_that_was_sent_is_read_back(backend: Backend) {
    let served = Served::on(backend).await;
    let input = letter(json!({
        "cc": ["Cy <cy@example.org>"], "bcc": ["di@example.org"], "priority": "LOW", "testMode": true, "transactional": true,
        "headers": { "X-Order": "17" }, "tags": ["spring"], "metadata": { "order": 17 }, "sendAt": "2027-03-01T08:00:00Z",
        "deliverBy": "2027-03-02T08:00:00Z", "onUnconfirmed": "HOLD", "tracking": { "opens": true },
        "attachments": [{ "filename": "a.txt", "contentType": "text/plain", "base64": "SGk=" }],
    }));
    let id = send(&served, input).await["email"]["id"].as_str().unwrap().to_owned();
    let asked =
        "query($id: ID!) { node(id: $id) { id ... on Email { from to cc bcc omitted subject status priority testMode
        transactional metadata tags sendAt deliverBy onUnconfirmed maxAttempts attempts { number } heldBy dueAt
        content { html text headers { name value } attachments { filename contentType size } } } } }";
    let mut node = served.client.query(asked, json!({ "id": id })).await["node"].take();
    let several = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let nodes = served.client.query(several, json!({ "ids": ["x", id, id, "email:x"] })).await;
    assert_eq!(nodes["nodes"], json!([null, { "id": id }, { "id": id }, null]));
    for time in ["sendAt", "dueAt", "deliverBy"] {
        assert!(node[time].take().as_str().unwrap().starts_with("2027-03-0"), "{time}");
    }
    let expected = json!({
        "id": id, "from": "ann@example.com", "to": "bob@example.org", "cc": ["cy@example.org"], "bcc": ["di@example.org"],
        "omitted": [], "subject": "Hello", "status": "SCHEDULED", "priority": "LOW", "testMode": true, "transactional": true,
        "metadata": { "order": 17 }, "tags": ["spring"], "sendAt": null, "deliverBy": null, "onUnconfirmed": "HOLD",
        "maxAttempts": 3, "attempts": [], "heldBy": null, "dueAt": null,
        "content": {
            "html": "<p>Hello there.</p>", "text": "Hello there.", "headers": [{ "name": "X-Order", "value": "17" }],
            "attachments": [{ "filename": "a.txt", "contentType": "text/plain", "size": 2 }],
        },
    });
    assert_eq!(node, expected);
}

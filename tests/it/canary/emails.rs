//! Emails with canaries in all that they have: as they should be, and as they should not.

use std::time::Duration;

use chrono::TimeDelta;
use entity::Clock;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{DOMAIN, Served};

const SEND: &str = "mutation($input: SendEmailInput!) {
  sendEmail(input: $input) { email { id } userErrors { code field message } } }";

/// An email that is canaries through and through.
pub fn letter(to: &str, more: Value) -> Value {
    let mut letter = json!({
        "from": format!("Kanarie Sender <kanarie-from@{DOMAIN}>"),
        "to": to,
        "cc": ["Kanarie Copy <kanarie-cc@example.org>"],
        "bcc": ["kanarie-bcc@example.org"],
        "replyTo": "kanarie-reply@example.org",
        "content": { "inline": {
            "subject": "kanarie-subject",
            "html": "<p>kanarie-html</p>",
            "text": "kanarie-text",
        } },
        "attachments": [
            { "filename": "kanarie-file.txt", "contentType": "text/plain", "base64": "a2FuYXJpZS1hdHRhY2htZW50" },
        ],
        "headers": { "X-Kanarie": "kanarie-header" },
        "metadata": { "kanarie-name": "kanarie-value" },
        "tags": ["kanarie-tag"],
    });
    letter.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    letter
}

/// Asks, whatever comes of it.
pub async fn ask(served: &Served, document: &str, variables: Value) -> Value {
    served.client.try_query(document, variables).await.unwrap_or_default()
}

/// Sends it, whatever comes of it, and answers its id.
pub async fn send(served: &Served, input: Value) -> Option<Uuid> {
    let answer = ask(served, SEND, json!({ "input": input })).await;
    answer["data"]["sendEmail"]["email"]["id"].as_str()?.strip_prefix("email:")?.parse().ok()
}

/// Emails as they should be, which Mailgun takes or does not, and emails as they should not. Answers those it takes.
pub async fn as_they_should_be_and_not(served: &Served) -> Vec<Uuid> {
    let mut taken = Vec::new();
    for to in ["Kanarie Reader <kanarie-to@example.org>", "kanarie-other@example.org", "kanarie-lasting@example.org"] {
        taken.push(send(served, letter(to, json!({}))).await.expect("it is as it should be"));
    }
    for whim in ["refused", "limited", "broken", "unreadable", "halved", "hung", "cut"] {
        let policy = if whim == "hung" { "RESEND" } else { "VERIFY" };
        let more = json!({ "onUnconfirmed": policy, "cc": [], "bcc": [] });
        send(served, letter(&format!("kanarie-{whim}@example.org"), more)).await.expect("it is as it should be");
    }
    let key = |subject: &str| json!({ "idempotencyKey": "kanarie-idempotency", "content": { "inline": { "subject": subject, "text": "x" } } });
    for subject in ["kanarie-one", "kanarie-one", "kanarie-two"] {
        send(served, letter("kanarie-key@example.org", key(subject))).await;
    }
    let later = json!({ "sendAt": Clock::system().now() + TimeDelta::hours(1) });
    let waiting = send(served, letter("kanarie-later@example.org", later)).await.expect("it is as it should be");
    let id = json!({ "id": format!("email:{waiting}"), "at": Clock::system().now() + TimeDelta::hours(2) });
    const MOVE: &str =
        "mutation($id: ID!, $at: DateTime!) { rescheduleEmail(id: $id, sendAt: $at) { userErrors { code } } }";
    ask(served, MOVE, id.clone()).await;
    ask(served, "mutation($id: ID!) { cancelEmail(id: $id) { userErrors { code } } }", json!({ "id": id["id"] })).await;
    for wrong in [
        json!({ "to": "kanarie-bad@@example" }),
        json!({ "to": "kanarie\u{0}nul@example.org\r\nBcc: kanarie@example.org" }),
        json!({ "headers": { "Bcc": "kanarie-smuggled@example.org" } }),
        json!({ "headers": "kanarie" }),
        json!({ "metadata": ["kanarie"] }),
        json!({ "tags": ["kanarie".repeat(100)] }),
        json!({ "attachments": [{ "filename": "../kanarie", "contentType": "kanarie", "base64": "kanarie!" }] }),
        json!({ "content": { "template": { "templateId": "kanarie" } } }),
        json!({ "deliverBy": "kanarie" }),
        json!({ "priority": "KANARIE" }),
        json!({ "kanarie": "kanarie" }),
        json!({ "campaignId": "campaign:kanarie" }),
    ] {
        assert_eq!(send(served, letter("kanarie-wrong@example.org", wrong.clone())).await, None, "{wrong}");
    }
    const FOLLOW: &str = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Email { status to subject html text metadata
      attempts { error } lastError heldBecause } } }";
    let ids: Vec<String> = taken.iter().map(|id| format!("email:{id}")).collect();
    ask(served, FOLLOW, json!({ "ids": ids })).await;
    taken
}

/// One email while something is away: it may be taken, or not.
pub async fn one_more(served: &Served, to: &str) {
    let sent = tokio::time::timeout(Duration::from_secs(15), send(served, letter(to, json!({})))).await;
    assert!(sent.is_ok(), "an answer comes, whatever it is");
    ask(served, "{ emails(first: 5, filter: { to: \"kanarie-to@example.org\" }) { nodes { to subject } } }", json!({}))
        .await;
}

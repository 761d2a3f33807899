//! In the sandbox an email's whole way is there to be seen, with nothing configured: what the address asks for comes back as
//! webhooks, signed, to the process itself.

use serde_json::json;
use tests::client::letter;
use tests::database::Backend;
use tests::patience::SOON;

use super::{bare, beside, entries, events, facts};
use crate::api::Served;

on_both! {
    the_sandbox_reports_what_becomes_of_an_email_and_a_bounce_suppresses_the_address
}

const SEND: &str =
    "mutation($input: SendEmailInput!) { sendEmail(input: $input) { email { status } userErrors { code } } }";

async fn the_sandbox_reports_what_becomes_of_an_email_and_a_bounce_suppresses_the_address(backend: Backend) {
    let served = Served::on(backend).await;
    let ctx = beside(&served.database.url).await;
    let cases = [
        ("bob@example.org", "DELIVERED"),
        ("bounce@example.org", "BOUNCED"),
        ("complain@example.org", "COMPLAINED"),
        ("open@example.org", "DELIVERED"),
        ("unsubscribe@example.org", "DELIVERED"),
    ];
    let mut sent = Vec::new();
    for (to, status) in cases {
        sent.push((to, status, served.client.send_email(letter(to)).await));
    }
    for (_, status, id) in &sent {
        served.client.await_status(id, status, SOON).await;
    }
    let opened = bare(&sent[3].2);
    tests::patience::until_true("the opening and the unsubscribe to be told", SOON, async || {
        facts(&ctx, opened).await.is_some_and(|facts| facts.opens == 1)
            && !entries(&ctx, "unsubscribe@example.org").await.is_empty()
    })
    .await;
    for (to, status, _) in &sent {
        let blocked = matches!(*to, "bounce@example.org" | "complain@example.org" | "unsubscribe@example.org");
        let entries = entries(&ctx, to).await;
        assert_eq!(entries.len(), usize::from(blocked), "{to}");
        assert!(entries.iter().all(|entry| entry.sandbox && entry.event_id.is_some()), "{to} {status}: {entries:?}");
        let again = served.client.query(SEND, json!({ "input": letter(to) })).await["sendEmail"].take();
        if blocked {
            assert_eq!(again["email"]["status"], "SUPPRESSED", "{to}: {again}");
        } else {
            assert_eq!(again["email"]["status"], "QUEUED", "{to}: {again}");
        }
    }
    let ours = events(&ctx).await.iter().all(|event| event.email_id.is_some());
    assert!(ours, "every event is about an email of ours");
}

//! A webhook may come at any moment of an email's life: before its hand-over was settled, and where nobody knew, or where we had
//! given it up. Mailgun's word is evidence, and nothing is sent a second time.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tests::client::letter;
use tests::database::Backend;
use tests::ledger::assert_ledger_equals_rows;
use tests::mailgun::{FakeMailgun, Reply};
use tests::patience::SOON;
use tests::webhook::{SIGNING_KEY, Told};

use super::{bare, beside, facts, now, report};
use crate::api::Served;

on_both! {
    a_webhook_is_evidence_wherever_the_email_stands
}

async fn a_webhook_is_evidence_wherever_the_email_stands(backend: Backend) {
    let mailgun = FakeMailgun::start();
    mailgun.answer(|post| match post.form().text("to").unwrap_or_default() {
        to if to.contains("slow") => Reply::Ok.after(Duration::from_secs(2)),
        to if to.contains("failed") => Reply::status(400, "to parameter is not a valid address"),
        to if to.contains("lost") => Reply::AcceptThenCut,
        _ => Reply::Ok,
    });
    let keyring = entity::sealed::Keyring::generate().to_text();
    let served = Served::with(backend, |launch| {
        let launch = launch.env("MAILGUN_API_BASE", mailgun.url()).env("MAILGUN_API_KEY", "key");
        let launch = launch.env("MAILGUN_DOMAIN", "mg.example.com").env("MAILGUN_WEBHOOK_SIGNING_KEY", SIGNING_KEY);
        launch.env("CONTENT_KEYRING", keyring.expose_secret())
    })
    .await;
    let to = |name: &str| format!("{name}@example.org");
    let mut later = letter(&to("cancelled"));
    later["sendAt"] = Value::from("2027-03-01T08:00:00Z");
    let cancelled = served.client.send_email(later).await;
    served
        .mutate("mutation($id: ID!) { cancelEmail(id: $id) { userErrors { code } } }", json!({ "id": cancelled }))
        .await;
    let failed = served.client.send_email(letter(&to("failed"))).await;
    let lost = served.client.send_email(letter(&to("lost"))).await;
    let slow = served.client.send_email(letter(&to("slow"))).await;
    let cases = [
        ("slow", &slow, "SENDING"),
        ("cancelled", &cancelled, "CANCELLED"),
        ("failed", &failed, "FAILED"),
        ("lost", &lost, "UNCONFIRMED"),
    ];
    for (name, id, before) in cases {
        served.client.await_status(id, before, SOON).await;
        report(&served, &Told::new("delivered", bare(id), &to(name), now())).await;
        assert_eq!(served.client.status(id).await, "DELIVERED", "{name}");
    }
    let settled = "query($id: ID!) { email(id: $id) { attempts { outcome } status } }";
    tests::patience::until_true("the late settle", SOON, async || {
        served.client.query(settled, json!({ "id": slow })).await["email"]["attempts"][0]["outcome"] == "SENT"
    })
    .await;
    let ctx = beside(&served.database.url).await;
    for (name, id, _) in cases {
        assert_eq!(served.client.status(id).await, "DELIVERED", "{name}");
        assert!(facts(&ctx, bare(id)).await.unwrap().delivered_at.is_some(), "{name}");
        let accepted = u32::from(matches!(name, "slow" | "lost"));
        assert_eq!(mailgun.accepted_for(&bare(id).to_string()), accepted, "{name}");
    }
    let ledger = served.client.queue_stats().await["ledger"].take();
    assert_eq!((&ledger["delivered"], &ledger["pending"]), (&json!(4), &json!(0)), "{ledger}");
    assert_ledger_equals_rows(&ctx).await;
}

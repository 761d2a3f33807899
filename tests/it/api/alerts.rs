//! Alerts as callers see them: in the API, live, in the metrics, by `mailmind check`, and at the address that is told.

use serde_json::{Value, json};
use tests::client::{http, letter};
use tests::database::Backend;
use tests::patience::{SOON, until, until_true};

use super::ws::Socket;
use super::{KEY, Served, address, mailmind};
use crate::sandbox::receiver::Receiver;

on_both! {
    webhooks_that_are_not_believed_are_alerted_wherever_one_looks
    nobody_who_sends_is_told_of_by_a_process_that_does_not
}

const ALERTS: &str =
    "{ alerts { name subject severity summary means advice runbook since raisedAt resolvedAt toldAt } }";

/// A minute of alerts in a tenth of a second.
const HURRY: (&str, &str) = ("TIMING_ALERT_DIVISOR", "600");

/// Waits until this alert is raised, or over.
async fn alerted(served: &Served, name: &str, raised: bool) -> Value {
    until(&format!("{name} to be {raised}"), SOON, async || {
        let alerts = served.client.query(ALERTS, json!({})).await["alerts"].take();
        let of = |alert: &&Value| alert["name"] == name && alert["resolvedAt"].is_null() == raised;
        alerts.as_array()?.iter().find(of).cloned()
    })
    .await
}

async fn unsigned(served: &Served, n: usize) {
    for _ in 0..n {
        let body = json!({ "signature": { "timestamp": "1", "token": "t", "signature": "s" }, "event-data": {} });
        let answer = http().post(format!("{}/webhooks/mailgun", served.url)).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 401);
    }
}

async fn webhooks_that_are_not_believed_are_alerted_wherever_one_looks(backend: Backend) {
    let receiver = Receiver::start().await;
    let served =
        Served::with(backend, |launch| launch.env(HURRY.0, HURRY.1).env("ALERT_WEBHOOK_URL", receiver.url())).await;
    let mut live = Socket::begun(&served, KEY).await;
    live.ask("1", "subscription { alertsUpdated { name resolvedAt } }").await;
    let is_firing = async || {
        let (_, text) = served.client.get("/metrics").await.unwrap();
        text.contains("\nmailmind_alert_firing{alert=\"signature_failures\"} 1\n")
    };
    assert!(!is_firing().await);
    unsigned(&served, 6).await;
    let alert = alerted(&served, "signature_failures", true).await;
    assert_eq!((&alert["subject"], &alert["severity"]), (&json!("unsigned"), &json!("WARN")));
    assert_eq!(
        alert["summary"],
        "6 webhooks within 15 minutes were not believed: their signature is missing or wrong."
    );
    assert_eq!(alert["runbook"], "docs/troubleshooting.md#the-webhook-is-not-working");
    until_true("the metric", SOON, is_firing).await;
    let told = receiver.calls(1).await.remove(0);
    assert_eq!(
        told["alerts"][0]["labels"],
        json!({ "alertname": "signature_failures", "severity": "warn", "subject": "unsigned" })
    );
    assert!(told["externalURL"].as_str().is_some_and(|url| url.starts_with("http://127.0.0.1")), "{told}");

    alerted(&served, "signature_failures", false).await;
    until_true("the metric to fall", SOON, async || !is_firing().await).await;
    assert_eq!(receiver.calls(2).await[1]["status"], "resolved");
    // Whoever follows has seen it come and go.
    let mut seen = Vec::new();
    until_true("both to be told live", SOON, async || {
        let next = live.hear().await;
        for alert in next["payload"]["data"]["alertsUpdated"].as_array().unwrap() {
            seen.push(alert["resolvedAt"].is_null());
        }
        seen.contains(&true) && seen.contains(&false)
    })
    .await;
}

async fn nobody_who_sends_is_told_of_by_a_process_that_does_not(backend: Backend) {
    let data = tests::child::Scratch::new("data");
    let database = backend.database().await;
    let process = mailmind(&["serve", "--no-worker"], &data, &database).env(HURRY.0, HURRY.1).start();
    let url = address(&process).await;
    let client = tests::client::Client::new(&url, KEY);
    client.await_ready(SOON).await;
    client.send_email(letter("bob@example.org")).await;
    let served = Served { client, url, process, data, database };
    let alert = alerted(&served, "queue_stalled", true).await;
    assert_eq!(alert["severity"], "PAGE");
    assert!(alert["advice"].as_str().unwrap().contains("mailmind check"), "{alert}");

    let check = |more: &'static [&'static str]| {
        let args: Vec<&str> = ["check"].iter().chain(more).copied().collect();
        mailmind(&args, &served.data, &served.database)
    };
    let line = async |launch: tests::process::Launch, name: &str| {
        let process = launch.start();
        process.ended(SOON).await;
        process.output().into_iter().find(|line| line.split_whitespace().next() == Some(name)).unwrap()
    };
    let alerts = line(check(&[]), "alerts").await;
    assert!(alerts.contains("TROUBLE") && alerts.contains("queue_stalled: Nothing is sent"), "{alerts}");
    let nobody = line(check(&[]), "alerting").await;
    assert!(nobody.contains("ok ") && nobody.contains("ALERT_WEBHOOK_URL is not set"), "{nobody}");
    let tried = line(check(&["--alert"]), "alerting").await;
    assert!(tried.contains("TROUBLE"), "{tried}");

    let receiver = Receiver::answering(|call| if call == 0 { 200 } else { 500 }).await;
    let told = line(check(&[]).env("ALERT_WEBHOOK_URL", receiver.url()), "alerting").await;
    assert!(told.contains("ok ") && receiver.told().is_empty(), "{told}");
    let test = || check(&["--alert"]).env("ALERT_WEBHOOK_URL", receiver.url());
    let taken = line(test(), "alerting").await;
    assert!(taken.contains("a test alert was taken"), "{taken}");
    assert_eq!(receiver.told()[0]["text"].as_str().map(|text| text.starts_with("Test: ")), Some(true));
    let refused = line(test(), "alerting").await;
    assert!(refused.contains("TROUBLE") && refused.contains("it answered 500"), "{refused}");
    assert!(!refused.contains(receiver.url()), "the address is a secret: {refused}");
}

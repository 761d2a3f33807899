//! The sandbox' own suppression lists and ours, kept alike as callers see it.

use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::client::http;
use tests::database::Backend;
use tests::patience::{SOON, until, until_true};

use super::{Served, mistakes};

on_both! {
    the_sandbox_and_ours_are_kept_alike
    a_domain_that_is_not_ours_is_not_read
}

const DOMAIN: &str = "sandbox.mailmind.test";

const SYNCS: &str = "{ suppressionSync { domain list running startedAt finishedAt dueAt seen added known skipped
  pendingEntries pendingLifts failing failingSince lastError pushError } }";

const SYNC: &str = "mutation($domain: String) { syncSuppressions(domain: $domain) {
  syncs { domain list } userErrors { code field message } } }";

const STATE: &str =
    "query($address: EmailAddress!) { suppression(address: $address) { blocked by { reason source } } }";

/// The sandbox' list of bounces.
async fn bounces(served: &Served) -> String {
    let line = served.process.await_line("  sandbox   http://", SOON).await;
    format!("{}/v3/{DOMAIN}/bounces", line.split_whitespace().nth(1).unwrap())
}

/// Whether an address stands there.
async fn stands(list: &str, address: &str) -> bool {
    let answer = http().get(format!("{list}/{address}")).basic_auth("api", Some("sandbox")).send().await.unwrap();
    answer.status() == StatusCode::OK
}

async fn sync_of(served: &Served, list: &str) -> Option<Value> {
    let mut all = served.client.query(SYNCS, json!({})).await;
    let Value::Array(all) = all["suppressionSync"].take() else { panic!("{all}") };
    all.into_iter().find(|sync| sync["list"] == list)
}

async fn the_sandbox_and_ours_are_kept_alike(backend: Backend) {
    let served = Served::on(backend).await;
    let list = bounces(&served).await;
    let first = async || sync_of(&served, "BOUNCES").await.filter(|sync| sync["finishedAt"].is_string());
    let first = until("the first pass", SOON, first).await;
    assert_eq!((&first["domain"], &first["seen"]), (&json!(DOMAIN), &json!(0)));
    let entries = json!([
        { "address": "ann@example.org", "code": "550", "error": "5.1.1 gone", "created_at": "Tue, 24 Nov 2020 10:00:00 UTC" },
        { "address": "amy@example.org", "code": "550", "error": "5.7.1 blocked" },
    ]);
    let put = http().post(&list).basic_auth("api", Some("sandbox")).json(&entries);
    put.send().await.unwrap().error_for_status().unwrap();
    let asked = served.mutate(SYNC, json!({ "domain": DOMAIN })).await;
    assert_eq!((asked["syncs"].as_array().unwrap().len(), &asked["userErrors"]), (3, &json!([])));
    let state = async || {
        let mut data = served.client.query(STATE, json!({ "address": "ann@example.org" })).await;
        data["suppression"].take()
    };
    until_true("what the sandbox lists", SOON, async || state().await["blocked"] == true).await;
    assert_eq!(state().await["by"], json!([{ "reason": "BOUNCE", "source": "PROVIDER" }]));
    let ended = async || sync_of(&served, "BOUNCES").await.filter(|sync| sync["finishedAt"] != first["finishedAt"]);
    let sync = until("the pass to end", SOON, ended).await;
    let counts = ["seen", "added", "known", "skipped", "running", "lastError"].map(|name| sync[name].clone());
    assert_eq!(counts, [json!(2), json!(1), json!(0), json!(1), json!(false), Value::Null]);

    let lift =
        "mutation { unsuppress(target: \"ann@example.org\") { providerLift lifted { id } userErrors { code } } }";
    let lifted = served.mutate(lift, json!({})).await;
    assert_eq!(lifted["providerLift"], "DONE", "it waits for the sandbox to follow");
    assert!(!stands(&list, "ann@example.org").await && stands(&list, "amy@example.org").await);

    let suppress = "mutation { suppress(input: { target: \"bob@example.org\" }) {
      suppression { id providerLift } userErrors { code } } }";
    let suppressed = served.mutate(suppress, json!({})).await;
    assert_eq!(suppressed["suppression"]["providerLift"], Value::Null);
    until_true("the sandbox to be told", SOON, async || stands(&list, "bob@example.org").await).await;
    let (_, metrics) = served.client.get("/metrics").await.unwrap();
    let gauge = format!("mailmind_suppression_sync_failing{{domain=\"{DOMAIN}\",list=\"bounces\"}} 0");
    assert!(metrics.contains(&gauge), "{metrics}");
}

async fn a_domain_that_is_not_ours_is_not_read(backend: Backend) {
    let served = Served::with(backend, |launch| launch.env("SUPPRESSION_SYNC", "off")).await;
    let refused = served.mutate(SYNC, json!({ "domain": "example.net" })).await;
    assert_eq!(mistakes(&refused), ["NOT_FOUND domain"]);
    let asked = served.mutate(SYNC, json!({})).await;
    assert_eq!((&asked["syncs"], &asked["userErrors"]), (&json!([]), &json!([])));
    let lift = "mutation { unsuppress(target: \"ann@example.org\") { providerLift } }";
    assert_eq!(served.mutate(lift, json!({})).await["providerLift"], Value::Null);
}

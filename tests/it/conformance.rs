//! What others say of the API: their audits, clients and fuzzers, run against a serving process. `make clients` installs them.

use std::path::PathBuf;
use std::time::Duration;

use entity::{Clock, clock};
use serde_json::{Value, json};
use tests::client::http;
use tests::database::Backend;
use tests::patience::until_true;
use tests::process::Launch;
use tests::webhook::{SIGNING_KEY, Told};
use uuid::Uuid;

use crate::api::{KEY, Served, address};

on_both! {
    every_audit_of_graphql_over_http_passes
    the_socket_speaks_its_protocol_to_the_letter
    the_clients_that_applications_use_do_what_their_manuals_say
    a_client_that_cuts_itself_off_at_random_has_every_event_once
    no_operation_of_the_schema_fails_of_what_a_fuzzer_asks
    the_rest_paths_answer_a_fuzzer_as_they_are_described
}

/// For a whole script; each has its own limits inside.
const PATIENCE: Duration = Duration::from_secs(180);

fn scripts() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

/// Runs a program of others against `served`, and answers what it printed.
///
/// # Panics
/// When it fails, with what it printed.
async fn run(served: &Served, program: &str, args: &[&str]) -> Vec<String> {
    let launch = Launch::of(program).args(args).env("URL", &served.url).env("KEY", KEY);
    // The fuzzer learns our scalars from a module beside the scripts.
    let launch = launch.env("SCHEMATHESIS_HOOKS", "scalars").env("PYTHONPATH", scripts());
    ran(launch, &format!("{program} {args:?}")).await
}

async fn ran(program: Launch, name: &str) -> Vec<String> {
    let process = program.start();
    let ended = process.ended(PATIENCE).await;
    let said = process.output();
    assert!(ended.success(), "{name}: {ended}\n{}", said.join("\n"));
    said
}

async fn node(served: &Served, args: &[&str], script: &str) -> Vec<String> {
    let script = scripts().join(script);
    let args: Vec<&str> = args.iter().copied().chain([script.to_str().expect("UTF-8")]).collect();
    run(served, "node", &args).await
}

async fn every_audit_of_graphql_over_http_passes(backend: Backend) {
    let served = Served::on(backend).await;
    let said = node(&served, &[], "audit.mjs").await;
    assert_eq!(said.last().map(String::as_str), Some("61/61"), "{}", said.join("\n"));
}

async fn the_socket_speaks_its_protocol_to_the_letter(backend: Backend) {
    let served = Served::on(backend).await;
    let said = node(&served, &[], "ws.mjs").await;
    assert_eq!(said.last().map(String::as_str), Some("18/18"), "{}", said.join("\n"));
}

async fn the_clients_that_applications_use_do_what_their_manuals_say(backend: Backend) {
    let served = Served::on(backend).await;
    let said = node(&served, &["--test"], "clients.test.mjs").await;
    assert!(said.iter().any(|line| line == "# pass 12"), "{}", said.join("\n"));
}

async fn a_client_that_cuts_itself_off_at_random_has_every_event_once(backend: Backend) {
    const WAVES: usize = 40;
    let served = Served::with(backend, |launch| launch.env("MAILGUN_WEBHOOK_SIGNING_KEY", SIGNING_KEY)).await;
    served.silence_the_sandbox().await;
    let now = Clock::system().now();
    let tell = |event: &str| Told::new(event, Uuid::nil(), "bob@example.org", now);
    let post = async |told: Told| {
        let body = told.body(now, &hex::encode(clock::random_bytes::<25>()));
        let url = format!("{}/webhooks/mailgun", served.url);
        http().post(url).body(body).send().await.unwrap().error_for_status().unwrap();
    };
    post(tell("delivered")).await;
    let query = "query($before: String) { deliveryEvents(last: 100, before: $before) {
        nodes { id } pageInfo { startCursor hasPreviousPage } } }";
    let page = served.client.query(query, json!({})).await;
    let launch = Launch::of("node").args([scripts().join("follow.mjs")]).env("URL", &served.url).env("KEY", KEY);
    let launch = launch.env("SEED", "7").env("LAST", "COMPLAINED");
    let follower = launch.env("AFTER", page["deliveryEvents"]["pageInfo"]["startCursor"].as_str().unwrap()).start();
    for wave in 0..WAVES {
        // They pour in while it follows: the one is never far ahead of the other.
        let near = async || follower.exited().is_some() || follower.output().len() + 100 >= wave * 20;
        until_true("the follower to come near", PATIENCE, near).await;
        futures::future::join_all((0..20).map(|_| async {
            let told = tell("opened");
            // What was not heard to be taken comes again.
            post(told.clone()).await;
            post(told).await;
        }))
        .await;
    }
    post(tell("complained")).await;
    let ended = follower.ended(PATIENCE).await;
    let mut said = follower.output();
    assert!(ended.success(), "{ended}\n{}", said.join("\n"));
    let cuts = said.pop().unwrap();
    let cuts: usize = cuts.split(' ').nth(2).unwrap().parse().unwrap();
    assert!(cuts > WAVES / 2, "cut off {cuts} times");

    let (mut all, mut before) = (Vec::new(), Value::Null);
    loop {
        let page = served.client.query(query, json!({ "before": before })).await["deliveryEvents"].take();
        all.extend(page["nodes"].as_array().unwrap().iter().rev().map(|node| node["id"].as_str().unwrap().to_owned()));
        before = page["pageInfo"]["startCursor"].clone();
        if page["pageInfo"]["hasPreviousPage"] == false {
            break;
        }
    }
    // Without the first of all, after which it began.
    assert_eq!((all.len(), &said[..]), (WAVES * 20 + 2, &all[1..]));
}

async fn fuzz(served: &Served, path: &str, args: &[&str]) {
    let (st, url) = (scripts().join(".venv/bin/st"), format!("{}{path}", served.url));
    let key = format!("Authorization: Bearer {KEY}");
    // The budget bounds a slow machine; the seed makes a finding one that comes again.
    let usual = ["run", &url, "-H", &key, "-n", "20", "--seed", "1", "--max-time", "25", "--no-color"];
    let args: Vec<&str> = usual.into_iter().chain(args.iter().copied()).collect();
    let said = run(served, st.to_str().expect("UTF-8"), &args).await.join("\n");
    assert!(said.contains(" passed"), "{said}");
}

async fn no_operation_of_the_schema_fails_of_what_a_fuzzer_asks(backend: Backend) {
    let served = Served::on(backend).await;
    fuzz(&served, "/graphql", &["-c", "not_a_server_error"]).await;
}

async fn the_rest_paths_answer_a_fuzzer_as_they_are_described(backend: Backend) {
    let served = Served::on(backend).await;
    // That an address is none or a time is over is more than a JSON Schema can say.
    fuzz(&served, "/api/email-reliability/openapi.json", &["--exclude-checks", "positive_data_acceptance"]).await;
}

/// Runs a program that was written for Mailgun against the sandbox.
async fn for_mailgun(program: &str, script: &str) {
    let sandbox = Launch::of(env!("CARGO_BIN_EXE_mailmind-tested"))
        .args(["sandbox"])
        .env("LISTEN", "127.0.0.1:0")
        .env("MAILGUN_API_KEY", KEY)
        .start();
    let url = address(&sandbox).await;
    let script = scripts().join("sdk").join(script);
    let launch = Launch::of(program).args([&script]).env("SANDBOX_URL", url).env("SANDBOX_KEY", KEY);
    ran(launch, &script.to_string_lossy()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mailguns_javascript_client_takes_the_sandbox_for_mailgun() {
    for_mailgun("node", "mailgun.mjs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mailguns_python_client_takes_the_sandbox_for_mailgun() {
    for_mailgun(&python(), "mailgun_sdk.py").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn django_anymail_sends_through_the_sandbox_and_believes_its_webhooks() {
    for_mailgun(&python(), "anymail_send.py").await;
}

fn python() -> String {
    scripts().join(".venv/bin/python").to_string_lossy().into_owned()
}

//! What others say of the API: their audits, clients and fuzzers, run against a serving process. `make clients` installs them.

use std::path::PathBuf;
use std::time::Duration;

use tests::database::Backend;
use tests::process::Launch;

use crate::api::{KEY, Served, address};

on_both! {
    every_audit_of_graphql_over_http_passes
    the_socket_speaks_its_protocol_to_the_letter
    the_clients_that_applications_use_do_what_their_manuals_say
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

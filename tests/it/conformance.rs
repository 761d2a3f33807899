//! What others say of the API: their audits, clients and fuzzers, run against a serving process. `make clients` installs them.

use std::path::PathBuf;
use std::time::Duration;

use tests::database::Backend;
use tests::process::Launch;

use crate::api::{KEY, Served};

on_both! {
    the_clients_that_applications_use_do_what_their_manuals_say
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
    let process = Launch::of(program).args(args).env("URL", &served.url).env("KEY", KEY).start();
    let ended = process.ended(PATIENCE).await;
    let said = process.output();
    assert!(ended.success(), "{program} {args:?}: {ended}\n{}", said.join("\n"));
    said
}

async fn node(served: &Served, args: &[&str], script: &str) -> Vec<String> {
    let script = scripts().join(script);
    let args: Vec<&str> = args.iter().copied().chain([script.to_str().expect("UTF-8")]).collect();
    run(served, "node", &args).await
}

async fn the_clients_that_applications_use_do_what_their_manuals_say(backend: Backend) {
    let served = Served::on(backend).await;
    let said = node(&served, &["--test"], "clients.test.mjs").await;
    assert!(said.iter().any(|line| line == "# pass 12"), "{}", said.join("\n"));
}

//! The program as its users meet it: started as a process, asked over HTTP.

mod account;
mod alerts;
mod audit;
mod campaigns;
mod control;
mod documents;
mod endpoints;
mod entries;
mod events;
mod http;
mod keys;
mod limits;
mod lists;
mod previews;
mod reconciliation;
mod rest;
mod scopes;
mod send;
mod start;
mod suppressions;
mod sync;
mod templates;
pub mod ws;

use serde_json::{Value, json};
use tests::child::Scratch;
use tests::client::{Client, http};
use tests::database::{Backend, Database};
use tests::patience::SOON;
use tests::process::{Launch, Process};

pub const KEY: &str = "a-key-for-tests-of-no-value";

/// A serving process in sandbox mode, with a client that holds its key.
pub struct Served {
    pub client: Client,
    pub url: String,
    // Before what it works on, so that it ends first.
    pub process: Process,
    pub data: Scratch,
    pub database: Database,
}

impl Served {
    pub async fn on(backend: Backend) -> Self {
        Self::with(backend, |launch| launch).await
    }

    /// One that is started with something more.
    pub async fn with(backend: Backend, more: impl FnOnce(Launch) -> Launch) -> Self {
        Self::over(backend.database().await, more).await
    }

    /// One on this database.
    pub async fn over(database: Database, more: impl FnOnce(Launch) -> Launch) -> Self {
        let data = Scratch::new("data");
        let process = more(mailmind(&["serve"], &data, &database)).start();
        let url = address(&process).await;
        let client = Client::new(&url, KEY);
        client.await_ready(SOON).await;
        Self { client, url, process, data, database }
    }

    /// Has the sandbox report nothing, so that the test alone says what happened.
    pub async fn silence_the_sandbox(&self) {
        self.tell_the_sandbox("webhooks", json!({ "silence": "all" })).await;
    }

    /// Has the sandbox fail in these ways (docs/sandbox.md).
    pub async fn break_the_sandbox(&self, faults: Value) {
        self.tell_the_sandbox("faults", faults).await;
    }

    async fn tell_the_sandbox(&self, what: &str, settings: Value) {
        let put = http().put(self.sandbox(what).await).basic_auth("api", Some("sandbox"));
        put.json(&settings).send().await.unwrap().error_for_status().unwrap();
    }

    /// What the sandbox says of what it received (docs/sandbox.md).
    pub async fn ask_the_sandbox(&self, what: &str) -> Value {
        let get = http().get(self.sandbox(what).await).basic_auth("api", Some("sandbox"));
        get.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    async fn sandbox(&self, what: &str) -> String {
        let line = self.process.await_line("  sandbox   http://", SOON).await;
        format!("{}/_sandbox/{what}", line.split_whitespace().nth(1).unwrap())
    }

    /// Runs another command of the program on the same database, and answers what it printed.
    pub async fn command(&self, args: &[&str]) -> Vec<String> {
        let process = mailmind(args, &self.data, &self.database).start();
        let ended = process.ended(SOON).await;
        assert!(ended.success(), "{args:?}: {ended}\n{}", process.output().join("\n"));
        process.output()
    }

    /// Does a mutation and answers its payload.
    pub async fn mutate(&self, mutation: &str, variables: Value) -> Value {
        let mut data = self.client.query(mutation, variables).await;
        let payload = data.as_object_mut().unwrap().values_mut().next().unwrap();
        payload.take()
    }
}

pub fn mailmind(args: &[&str], data: &Scratch, database: &Database) -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_mailmind-tested"))
        .args(args)
        .env("LISTEN", "127.0.0.1:0")
        .env("DATA_DIR", data.path())
        .env("DATABASE_URL", &database.url)
        .env("MAILGUN_API_BASE", "sandbox")
        .env("ADMIN_API_KEY", KEY)
}

/// Where a process says that it listens.
pub async fn address(process: &Process) -> String {
    let line = process.await_line("listens on http://", SOON).await;
    line[line.find("http://").unwrap()..].to_owned()
}

/// The code and the path of each user error, in one text.
fn mistakes(payload: &Value) -> Vec<String> {
    let path = |error: &Value| {
        let parts = error["field"].as_array().unwrap().iter();
        parts.map(|part| part.as_str().unwrap()).collect::<Vec<_>>().join(".")
    };
    let errors = payload["userErrors"].as_array().unwrap().iter();
    errors.map(|error| format!("{} {}", error["code"].as_str().unwrap(), path(error))).collect()
}

/// A letter with something changed.
fn letter(change: Value) -> Value {
    let mut letter = tests::client::letter("bob@example.org");
    letter.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    letter
}

const SEND: &str = "mutation($input: SendEmailInput!) {
  sendEmail(input: $input) { email { id status } userErrors { code field message } }
}";

const SEND_MANY: &str = "mutation($inputs: [SendEmailInput!]!) {
  sendEmails(inputs: $inputs) { emails { id status to } userErrors { code field message } }
}";

async fn send(served: &Served, input: Value) -> Value {
    served.mutate(SEND, json!({ "input": input })).await
}

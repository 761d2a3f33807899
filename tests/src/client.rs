//! A client of the public API, as an application would write it: GraphQL by POST with a bearer key, and plain GETs.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::patience::until;

const SEND_EMAIL: &str = "mutation($input: SendEmailInput!) {
  sendEmail(input: $input) { email { id status } userErrors { code field message } }
}";

const SEND_EMAILS: &str = "mutation($inputs: [SendEmailInput!]!) {
  sendEmails(inputs: $inputs) { emails { id status } userErrors { code field message } }
}";

const QUEUE_STATS: &str = "{ queueStats {
  active waiting completed failed delayed unconfirmed paused
  ledger { total pending cleaned scheduled queued sending unconfirmed sent deferred delivered bounced complained failed
    cancelled suppressed expired }
} }";

/// A client of one server.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base_url: String,
    api_key: String,
}

impl Client {
    /// A client of the server at `base_url` (`http://127.0.0.1:8080`), which carries this API key.
    pub fn new(base_url: &str, api_key: &str) -> Self {
        Self { http: http(), base_url: base_url.trim_end_matches('/').to_owned(), api_key: api_key.to_owned() }
    }

    /// Sends a GraphQL document and answers its `data`.
    ///
    /// # Panics
    /// When the server can't be reached or the answer has errors.
    pub async fn query(&self, document: &str, variables: Value) -> Value {
        let mut answer = self.try_query(document, variables).await.expect("a GraphQL answer");
        assert!(answer.get("errors").is_none_or(Value::is_null), "{document}\nanswered {answer:#}");
        answer["data"].take()
    }

    /// Sends a GraphQL document and answers all of it, errors too.
    ///
    /// # Errors
    /// When the server can't be reached or answers no JSON.
    pub async fn try_query(&self, document: &str, variables: Value) -> Result<Value, reqwest::Error> {
        let request = self.http.post(format!("{}/graphql", self.base_url)).bearer_auth(&self.api_key);
        request.json(&json!({ "query": document, "variables": variables })).send().await?.json().await
    }

    /// Sends an email and answers its id; `input` is a `SendEmailInput`, as [`letter`] makes one.
    ///
    /// # Panics
    /// When the input is refused.
    pub async fn send_email(&self, input: Value) -> String {
        let payload = self.query(SEND_EMAIL, json!({ "input": input })).await["sendEmail"].take();
        assert_eq!(payload["userErrors"], json!([]), "sendEmail refused it");
        payload["email"]["id"].as_str().expect("an id").to_owned()
    }

    /// Sends up to 1,000 emails and answers their ids, in the order of the inputs.
    ///
    /// # Panics
    /// When any is refused.
    pub async fn send_emails(&self, inputs: Vec<Value>) -> Vec<String> {
        let payload = self.query(SEND_EMAILS, json!({ "inputs": inputs })).await["sendEmails"].take();
        assert_eq!(payload["userErrors"], json!([]), "sendEmails refused some");
        let emails = payload["emails"].as_array().expect("a list").iter();
        emails.map(|email| email["id"].as_str().expect("an id").to_owned()).collect()
    }

    /// The status of an email.
    pub async fn status(&self, id: &str) -> String {
        let data = self.query("query($id: ID!) { email(id: $id) { status } }", json!({ "id": id })).await;
        data["email"]["status"].as_str().unwrap_or_else(|| panic!("no email {id}")).to_owned()
    }

    /// Waits until the email has this status.
    ///
    /// # Panics
    /// When `deadline` has passed.
    pub async fn await_status(&self, id: &str, status: &str, deadline: Duration) {
        let what = format!("email {id} to be {status}");
        until(&what, deadline, async || (self.status(id).await == status).then_some(())).await;
    }

    /// The queue's counts: the specification's five, and the ledger.
    pub async fn queue_stats(&self) -> Value {
        self.query(QUEUE_STATS, json!({})).await["queueStats"].take()
    }

    /// Waits until the queue's counts are as awaited, and answers them.
    ///
    /// # Panics
    /// When `deadline` has passed.
    pub async fn await_stats(&self, what: &str, deadline: Duration, reached: impl Fn(&Value) -> bool) -> Value {
        until(what, deadline, async || Some(self.queue_stats().await).filter(&reached)).await
    }

    /// GETs a path (`/health/ready`) and answers status and text.
    ///
    /// # Errors
    /// When the server can't be reached.
    pub async fn get(&self, path: &str) -> Result<(StatusCode, String), reqwest::Error> {
        let answer = self.http.get(format!("{}{path}", self.base_url)).bearer_auth(&self.api_key).send().await?;
        Ok((answer.status(), answer.text().await?))
    }

    /// Waits until the server says that it is ready.
    ///
    /// # Panics
    /// When `deadline` has passed.
    pub async fn await_ready(&self, deadline: Duration) {
        let ready = async || self.get("/health/ready").await.ok().filter(|(status, _)| status.is_success());
        until("the server to be ready", deadline, ready).await;
    }
}

/// A `SendEmailInput`: a short letter to this address.
pub fn letter(to: &str) -> Value {
    json!({
        "from": "Ann <ann@example.com>",
        "to": to,
        "content": { "inline": { "subject": "Hello", "html": "<p>Hello there.</p>", "text": "Hello there." } },
    })
}

/// An HTTP client for talking to servers on this machine. It follows no redirect and keeps up to 64 idle connections.
pub fn http() -> reqwest::Client {
    // Refused where the process has its provider already.
    rustls::crypto::ring::default_provider().install_default().ok();
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.pool_max_idle_per_host(64).timeout(Duration::from_secs(30)).build().expect("an HTTP client")
}

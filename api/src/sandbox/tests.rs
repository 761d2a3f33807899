//! Each drives a served sandbox over HTTP, as a client would.
#![expect(clippy::unwrap_used, reason = "tests may")]

mod control;
mod faults;
mod messages;

use std::net::SocketAddr;
use std::time::Duration;

use entity::Clock;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Sandbox, Settings};

const KEY: &str = "key-0123456789";
const SIGNING_KEY: &str = "signing-0123456789";
const DOMAIN: &str = "mg.example.com";

/// A sandbox at a port of its own, stopped when dropped.
struct Served {
    address: SocketAddr,
    client: Client,
    serving: JoinHandle<std::io::Result<()>>,
    stop: DropGuard,
}

impl Served {
    /// Knows `mg.example.com` alone.
    async fn start() -> Self {
        Self::with_domains(vec![DOMAIN.to_owned()]).await
    }

    async fn with_domains(domains: Vec<String>) -> Self {
        // Fails where another test came first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (clock, signing_key) = (Clock::system(), SIGNING_KEY.into());
        let settings = Settings { api_key: KEY.into(), domains, clock, webhooks: None, signing_key };
        let sandbox = Sandbox::new(settings).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(sandbox.serve(listener, shutdown.clone()));
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        Self { address, client, serving, stop: shutdown.drop_guard() }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn post(&self) -> reqwest::RequestBuilder {
        self.client.post(self.url("/v3/mg.example.com/messages")).basic_auth("api", Some(KEY))
    }

    async fn send(&self, form: &[(&str, &str)]) -> Response {
        self.post().form(form).send().await.unwrap()
    }

    /// The hello of [`HELLO`].
    async fn hello(&self) -> reqwest::Result<Response> {
        self.post().form(HELLO).send().await
    }

    async fn control(&self, method: reqwest::Method, path: &str, body: &str) -> Response {
        let request = self.client.request(method, self.url(&format!("/_sandbox/{path}")));
        request.basic_auth("api", Some(KEY)).body(body.to_owned()).send().await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.control(reqwest::Method::GET, path, "").await;
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    async fn delete(&self, path: &str) {
        assert_eq!(self.control(reqwest::Method::DELETE, path, "").await.status(), 204);
    }

    async fn set(&self, faults: Value) {
        let answer = self.control(reqwest::Method::PUT, "faults", &faults.to_string()).await;
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }

    /// Sets one fault, which strikes once.
    async fn fail(&self, kind: &str) {
        self.set(json!([{ "kind": kind, "times": 1 }])).await;
    }
}

/// The least that is taken.
const HELLO: &[(&str, &str)] =
    &[("from", "bob@mg.example.com"), ("to", "sally@example.com"), ("subject", "Hello"), ("text", "Testing")];

/// [`HELLO`] with other values, or without a field where the value is empty.
fn hello_but<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let kept = HELLO.iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    kept.chain(changes.iter().filter(|(_, value)| !value.is_empty())).copied().collect()
}

async fn parts(answer: Response) -> (StatusCode, String, String) {
    let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (answer.status(), content_type, answer.text().await.unwrap())
}

fn message(text: &str) -> String {
    format!("{}\n", json!({ "message": text }))
}

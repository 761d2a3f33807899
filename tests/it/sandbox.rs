//! The sandbox as its clients and the receivers of its webhooks see it, over HTTP.

mod endpoints;
mod fates;
pub mod receiver;
mod webhooks;

use api::sandbox::{Sandbox, Settings};
use entity::Clock;
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use serde_json::{Value, json};
use tests::patience::{SOON, until, until_true};
use tokio_util::sync::{CancellationToken, DropGuard};

const KEY: &str = "key-0123456789";
const SIGNING_KEY: &str = "signing-0123456789";
const DOMAIN: &str = "mg.example.com";

/// A sandbox that knows `mg.example.com`, at a port of its own, stopped when dropped.
struct Sandboxed {
    url: String,
    client: Client,
    _stop: DropGuard,
}

impl Sandboxed {
    async fn start() -> Self {
        Self::calling(None).await
    }

    /// With a webhook that its settings name.
    async fn calling(webhooks: Option<Url>) -> Self {
        tests::install_tls();
        let (domains, clock) = (vec![DOMAIN.to_owned()], Clock::system());
        let settings = Settings { api_key: KEY.into(), domains, clock, webhooks, signing_key: SIGNING_KEY.into() };
        let sandbox = Sandbox::new(settings).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(sandbox.serve(listener, stop.clone()));
        let client = Client::builder().no_proxy().build().unwrap();
        Self { url, client, _stop: stop.drop_guard() }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) };
        self.client.request(method, url).basic_auth("api", Some(KEY))
    }

    async fn get(&self, path: &str) -> Value {
        ok(self.request(Method::GET, path).send().await.unwrap()).await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Value {
        ok(self.request(Method::POST, path).form(form).send().await.unwrap()).await
    }

    /// Sends to `to`, with more fields; answers the Message-Id without angle brackets.
    async fn send(&self, to: &str, more: &[(&str, &str)]) -> String {
        let mut form =
            vec![("from", "Bob <bob@mg.example.com>"), ("to", to), ("subject", "Hello"), ("text", "Testing")];
        form.extend(more);
        let sent = self.post("/v3/mg.example.com/messages", &form).await;
        sent["id"].as_str().unwrap().trim_matches(['<', '>']).to_owned()
    }

    /// The events of a message, oldest first, once there are as many as expected.
    async fn events(&self, message_id: &str, count: usize) -> Vec<Value> {
        let path = format!("/v3/mg.example.com/events?ascending=yes&begin=0&message-id={message_id}");
        until(&format!("{count} events"), SOON, async || {
            let items = self.get(&path).await["items"].as_array().unwrap().clone();
            (items.len() == count).then_some(items)
        })
        .await
    }

    /// Says how webhooks are to be told.
    async fn tell(&self, settings: Value) {
        let request = self.request(Method::PUT, "/_sandbox/webhooks").body(settings.to_string());
        ok(request.send().await.unwrap()).await;
    }

    /// Waits until every event that is to be told was told and taken.
    async fn all_told(&self) {
        until_true("an empty outbox", SOON, async || {
            let told = self.get("/_sandbox/webhooks").await;
            told["waiting"] == 0 && told["under_way"] == 0
        })
        .await;
    }

    async fn deliveries(&self, query: &str) -> Vec<Value> {
        let listed = self.get(&format!("/_sandbox/webhooks/deliveries?{query}")).await;
        listed["deliveries"].as_array().unwrap().clone()
    }

    async fn register(&self, event: &str, url: &str) {
        self.post("/v3/domains/mg.example.com/webhooks", &[("id", event), ("url", url)]).await;
    }
}

async fn ok(answer: Response) -> Value {
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap_or(json!(text))
}

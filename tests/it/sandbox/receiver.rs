//! Somebody who is told of events, checks their signatures, and answers as the test says.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Url;
use serde_json::Value;
use sha2::Sha256;
use tests::patience::{SOON, until};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::SIGNING_KEY;

/// Listens on a port of its own until dropped.
pub struct Receiver {
    url: String,
    told: Arc<Mutex<Vec<Value>>>,
    _stop: DropGuard,
}

impl Receiver {
    /// Answers the n-th call (from 0) with this status. A redirection leads to a place that answers 200.
    pub async fn answering(status: impl Fn(usize) -> u16 + Clone + Send + Sync + 'static) -> Self {
        let told = Arc::new(Mutex::new(Vec::new()));
        let keep = told.clone();
        let hook = move |body: Bytes| {
            let mut told = keep.lock().unwrap();
            let status = status(told.len());
            told.push(serde_json::from_slice(&body).unwrap());
            let answer: Response =
                (StatusCode::from_u16(status).unwrap(), [(header::LOCATION, "/taken")]).into_response();
            async move { answer }
        };
        let router = Router::new()
            .route("/hook", axum::routing::post(hook))
            .route("/taken", axum::routing::any(async || "taken"));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let ends = stop.clone();
        tokio::spawn(async move {
            axum::serve(listener, router).with_graceful_shutdown(async move { ends.cancelled().await }).await.unwrap();
        });
        Self { url, told, _stop: stop.drop_guard() }
    }

    /// Takes everything.
    pub async fn start() -> Self {
        Self::answering(|_| 200).await
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn parsed_url(&self) -> Url {
        Url::parse(&self.url).unwrap()
    }

    /// Everything that was posted so far.
    pub fn told(&self) -> Vec<Value> {
        self.told.lock().unwrap().clone()
    }

    /// The first `count` calls, once they have come.
    pub async fn calls(&self, count: usize) -> Vec<Value> {
        until(&format!("{count} webhooks"), SOON, async || {
            let told = self.told();
            (told.len() >= count).then(|| told[..count].to_vec())
        })
        .await
    }
}

/// Whether a body carries a signature that Mailgun's own recipe accepts.
pub fn is_signed(body: &Value) -> bool {
    let signature = &body["signature"];
    let text = |name: &str| signature[name].as_str().unwrap().to_owned();
    let mac = Hmac::<Sha256>::new_from_slice(SIGNING_KEY.as_bytes()).unwrap();
    let mac = mac.chain_update(text("timestamp")).chain_update(text("token"));
    mac.verify_slice(&hex::decode(text("signature")).unwrap()).is_ok()
}

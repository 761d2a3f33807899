//! An application that is told of events, remembers what it heard, and answers as the test says. It checks signatures by a recipe
//! of its own.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jobs::dispatch::sign::Secret;
use secrecy::ExposeSecret;
use serde_json::Value;
use tests::patience::{SOON, until};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

/// One POST.
#[derive(Clone, Debug)]
pub struct Heard {
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// How it is answered.
#[derive(Clone, Debug)]
pub enum Say {
    Status(u16),
    /// With `Retry-After` in seconds.
    LeaveAlone(u16, u32),
    /// Somewhere else.
    Elsewhere(String),
    /// Nothing, until [`Listener::release`].
    Hang,
    /// 200, and a body without an end.
    Endless,
}

type Script = Arc<dyn Fn(&Heard, usize) -> Say + Send + Sync>;

struct Shared {
    heard: Mutex<Vec<Heard>>,
    script: Mutex<Script>,
    released: Notify,
}

/// Listens on a port of its own until dropped.
pub struct Listener {
    port: u16,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

impl Listener {
    /// One that takes everything.
    pub async fn start() -> Self {
        let script: Script = Arc::new(|_, _| Say::Status(204));
        let shared = Arc::new(Shared { heard: Mutex::default(), script: Mutex::new(script), released: Notify::new() });
        let router = Router::new().fallback(hear).with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        let ends = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                served = axum::serve(listener, router) => served.unwrap(),
                () = ends.cancelled() => {}
            }
        });
        Self { port, shared, _stop: stop.drop_guard() }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/events", self.port)
    }

    /// From now on it answers so: by what it heard, and how many it had heard before.
    pub fn say(&self, script: impl Fn(&Heard, usize) -> Say + Send + Sync + 'static) {
        *self.shared.script.lock().unwrap() = Arc::new(script);
    }

    /// Ends whatever hangs, with 204.
    pub fn release(&self) {
        self.shared.released.notify_waiters();
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.shared.heard.lock().unwrap().clone()
    }

    /// The ids of what it heard, in that order.
    pub fn ids(&self) -> Vec<String> {
        self.heard().iter().map(Heard::id).collect()
    }

    pub async fn until_heard(&self, n: usize) -> Vec<Heard> {
        until(&format!("{n} events to be heard"), SOON, async || Some(self.heard()).filter(|heard| heard.len() >= n))
            .await
    }
}

async fn hear(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let one = Heard { headers, body };
    let script = shared.script.lock().unwrap().clone();
    // Whoever is to be released must be waiting before anybody can see that it was heard.
    let released = shared.released.notified();
    let mut released = std::pin::pin!(released);
    released.as_mut().enable();
    let said = {
        let mut heard = shared.heard.lock().unwrap();
        let before = heard.len();
        heard.push(one.clone());
        script(&one, before)
    };
    let answer = |status: u16| Response::builder().status(status);
    match said {
        Say::Status(status) => answer(status).body(Body::empty()),
        Say::LeaveAlone(status, seconds) => answer(status).header("retry-after", seconds).body(Body::empty()),
        Say::Elsewhere(url) => answer(302).header("location", url).body(Body::empty()),
        Say::Hang => {
            released.await;
            answer(204).body(Body::empty())
        }
        Say::Endless => {
            let chunk = Bytes::from_static(&[b'x'; 4_096]);
            let endless = futures::stream::repeat_with(move || Ok::<_, Infallible>(chunk.clone()));
            answer(200).body(Body::from_stream(endless))
        }
    }
    .unwrap()
}

impl Heard {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
    }

    pub fn id(&self) -> String {
        self.header("webhook-id").to_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// How many signatures it carries.
    pub fn signatures(&self) -> usize {
        self.header("webhook-signature").split(' ').count()
    }

    /// Whether one of them was made with this secret, by the recipe of Standard Webhooks.
    pub fn is_signed_with(&self, secret: &Secret) -> bool {
        self.is_signed_by(secret.text().expose_secret())
    }

    /// The same for a secret as its endpoint was given it.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
        for part in [self.header("webhook-id"), ".", self.header("webhook-timestamp"), "."] {
            mac.update(part.as_bytes());
        }
        mac.update(&self.body);
        let expected = mac.finalize().into_bytes();
        let signatures = self.header("webhook-signature").split(' ');
        signatures.filter_map(|one| one.strip_prefix("v1,")).any(|one| STANDARD.decode(one).unwrap() == expected[..])
    }
}

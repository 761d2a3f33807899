//! A Mailgun that lives in this process: it takes messages over HTTP as Mailgun does, answers in Mailgun's words,
//! delivers nothing, and fails on demand. It keeps a bounded memory however much is sent to it.
//!
//! The Mailgun side is `POST /v3/{domain}/messages`, urlencoded or multipart, under basic auth (user `api`, the key as
//! password). Mailgun's `messages.mime` and gzipped bodies are not taken.
//!
//! The control surface lies apart, under `/_sandbox/`, behind the same auth:
//!
//! | request | answer |
//! |---|---|
//! | `GET /_sandbox/messages?limit=&email_id=&message_id=` | what was accepted, newest first (limit: 100 unless told) |
//! | `GET /_sandbox/messages/{number}` | one of them, with its bodies while they are kept |
//! | `DELETE /_sandbox/messages` | forgets the messages, sets the counters to zero |
//! | `GET /_sandbox/stats` | requests, answers by status, accepted, duplicates by `v:email-id` |
//! | `PUT /_sandbox/faults` | a JSON list of faults, which replaces the one in force |
//! | `GET`, `DELETE /_sandbox/faults` | the faults in force; none from now on |
//!
//! A fault is `{"kind": "429_retry_after", "times": 3, "chance": 0.5, "domain": "mg.example.com", "to": "@gmail.com",
//! "after_ms": 200, "retry_after_ms": 5000, "message": "other words"}`; all but `kind` may be left out. The kinds stand in
//! `sandbox/faults/kind.rs`, what the other fields mean in `sandbox/faults.rs`. Faults are tried first to last on each
//! message that would have been accepted; what the sandbox refuses by itself spends none.

mod address;
mod answer;
mod auth;
mod control;
mod faults;
mod form;
mod messages;
mod store;
mod submission;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use axum::routing::{get, post};
use entity::Clock;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::auth::Key;
use self::faults::Faults;
use self::store::Store;

/// How long requests under way may take once the sandbox is told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// What a sandbox is made of.
pub struct Settings {
    /// The password of the user `api`, on the Mailgun side and on the control surface.
    pub api_key: SecretString,
    /// The sending domains it knows; empty: any domain is accepted.
    pub domains: Vec<String>,
    /// Dates what is received.
    pub clock: Clock,
}

/// A sandbox; clones share what was received and the faults in force.
#[derive(Clone)]
pub struct Sandbox(Arc<Mailgun>);

/// The state behind the routes.
struct Mailgun {
    key: Key,
    domains: Vec<String>,
    clock: Clock,
    store: Store,
    faults: Faults,
    /// Cancelled when serving ends, so that no hung request holds up the shutdown.
    closing: CancellationToken,
}

impl Sandbox {
    /// A sandbox that has received nothing and knows no faults.
    pub fn new(settings: Settings) -> Self {
        let Settings { api_key, domains, clock } = settings;
        Self(Arc::new(Mailgun {
            key: Key::new(api_key),
            domains,
            clock,
            store: Store::default(),
            faults: Faults::default(),
            closing: CancellationToken::new(),
        }))
    }

    /// Its routes: Mailgun's and the control surface.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/v3/{domain}/messages", post(messages::take))
            .nest("/_sandbox", control::routes(&self.0))
            .route("/", get(elsewhere).post(elsewhere))
            .fallback(elsewhere)
            .with_state(self.0.clone())
    }

    /// Answers what arrives at `listener` until `shutdown`; requests under way then have five seconds.
    ///
    /// # Errors
    /// The listener failed.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) -> std::io::Result<()> {
        let closing = self.0.closing.clone();
        let told = shutdown.clone();
        let serving = axum::serve(listener, self.router()).with_graceful_shutdown(async move {
            told.cancelled().await;
            closing.cancel();
        });
        let too_long = async {
            shutdown.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            served = serving => served,
            () = too_long => Ok(()),
        }
    }
}

/// What Mailgun says outside its endpoints: a greeting with 200 where the base URL is wrong (a trap for clients that look
/// at the status alone), else a page.
async fn elsewhere(State(mailgun): State<Arc<Mailgun>>, uri: Uri) -> Response {
    let answer = if is_wrong_base(uri.path()) { answer::magnificent() } else { answer::page_not_found() };
    mailgun.store.asked().answered(&answer);
    answer
}

/// The paths a client comes to whose base URL lacks `/v3`, or whose domain is empty.
fn is_wrong_base(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    matches!(parts[..], [] | ["v3"] | [_, "messages"])
}

//! A Mailgun that lives in this process: it takes messages over HTTP as Mailgun does, answers in Mailgun's words,
//! delivers nothing, tells of each recipient what the address asks for, and fails on demand. It keeps a bounded memory
//! however much is sent to it, and reaches nobody outside this machine.
//!
//! The Mailgun side is the part of its API that we and its clients use, under basic auth (user `api`, the key as
//! password): a module each, with their routes. What becomes of a message is worked out from one table (`fate`) when
//! somebody asks (`log`), or when it is due and a webhook is registered (`outbox`).
//!
//! The control surface lies apart, under `/_sandbox/`, behind the same auth:
//!
//! | request | answer |
//! |---|---|
//! | `GET /_sandbox/messages?limit=&email_id=&message_id=` | what was accepted, newest first (limit: 100 unless told) |
//! | `GET /_sandbox/messages/{number}` | one of them, with its bodies while they are kept |
//! | `DELETE /_sandbox/messages` | forgets the messages and their webhooks, sets the counters to zero |
//! | `GET /_sandbox/stats` | requests, answers by status, accepted, duplicates by `v:email-id` |
//! | `PUT /_sandbox/faults` | a JSON list of faults, which replaces the one in force |
//! | `GET`, `DELETE /_sandbox/faults` | the faults in force; none from now on |
//! | `PUT /_sandbox/webhooks` | how webhooks are told: `sandbox/outbox/settings.rs` |
//! | `GET`, `DELETE /_sandbox/webhooks` | the settings in force and how much is on its way; as at the start |
//! | `GET /_sandbox/webhooks/deliveries?limit=&event=&message_id=&recipient=&state=` | the newest first |
//! | `POST /_sandbox/webhooks/redeliver` | tells the deliveries that such a filter in JSON names once more |
//!
//! A fault is `{"kind": "429_retry_after", "times": 3, "chance": 0.5, "domain": "mg.example.com", "to": "@gmail.com",
//! "after_ms": 200, "retry_after_ms": 5000, "message": "other words"}`; all but `kind` may be left out. The kinds stand in
//! `sandbox/faults/kind.rs`, what the other fields mean in `sandbox/faults.rs`. Faults are tried first to last on each
//! message that would have been accepted; what the sandbox refuses by itself spends none.

mod address;
mod answer;
mod auth;
mod control;
mod domains;
mod event;
mod events;
mod fate;
mod faults;
mod form;
mod hooks;
mod lists;
mod log;
mod logs;
mod messages;
mod outbox;
mod paging;
mod signing;
mod store;
mod submission;
mod suppressions;
mod validate;
mod window;

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use entity::Clock;
use reqwest::Url;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::answer::Refusal;
use self::auth::Key;
use self::domains::Domains;
use self::faults::Faults;
use self::hooks::{Hooks, Target};
use self::lists::Lists;
use self::outbox::{Caller, Outbox};
use self::signing::SigningKey;
use self::store::Store;
use self::window::Window;

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
    /// A URL on this machine that is told of every event, beside those that are registered through the API.
    pub webhooks: Option<Url>,
    /// What webhooks are signed with, until it is regenerated through the API.
    pub signing_key: SecretString,
}

/// A sandbox; clones share what was received and the faults in force.
#[derive(Clone)]
pub struct Sandbox(Arc<Mailgun>);

/// The state behind the routes.
struct Mailgun {
    key: Key,
    clock: Clock,
    domains: Domains,
    store: Store,
    faults: Faults,
    lists: Lists,
    hooks: Hooks,
    signing_key: SigningKey,
    outbox: Outbox,
    /// Where it answers, once it does.
    base: OnceLock<String>,
    /// Cancelled when serving ends, so that no hung request holds up the shutdown.
    closing: CancellationToken,
}

impl Sandbox {
    /// A sandbox that has received nothing and knows no faults.
    ///
    /// # Errors
    /// The webhook's URL does not lie on this machine.
    pub fn new(settings: Settings) -> Result<Self, OutsideThisMachine> {
        let Settings { api_key, domains, clock, webhooks, signing_key } = settings;
        let own = webhooks.map(|url| Target::parse(url.as_str())).transpose();
        let own = own.map_err(|refusal| OutsideThisMachine(refusal.to_string()))?;
        Ok(Self(Arc::new(Mailgun {
            key: Key::new(api_key),
            domains: Domains::new(&domains, clock.now()),
            clock,
            store: Store::default(),
            faults: Faults::default(),
            lists: Lists::default(),
            hooks: Hooks::calling(own),
            signing_key: SigningKey::new(signing_key),
            outbox: Outbox::default(),
            base: OnceLock::new(),
            closing: CancellationToken::new(),
        })))
    }

    /// Its routes: Mailgun's and the control surface.
    fn router(&self) -> Router {
        let guarded = Router::new()
            .merge(domains::routes())
            .merge(events::routes())
            .merge(logs::routes())
            .merge(suppressions::routes(Window::of_lists(self.0.clock.clone())))
            .merge(hooks::routes())
            .merge(signing::routes())
            .merge(validate::routes())
            .layer(from_fn_with_state(self.0.clone(), authorize));
        Router::new()
            .merge(guarded)
            .route("/", get(elsewhere).post(elsewhere))
            .fallback(elsewhere)
            .layer(from_fn_with_state(self.0.clone(), count))
            .merge(messages::routes())
            .nest("/_sandbox", control::routes(&self.0))
            .with_state(self.0.clone())
    }

    /// Answers what arrives at `listener`, and calls webhooks, until `shutdown`; requests under way then have five
    /// seconds.
    ///
    /// # Errors
    /// The listener failed, or no HTTP client could be made.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) -> std::io::Result<()> {
        let base = format!("http://{}", listener.local_addr()?);
        self.0.base.get_or_init(|| base);
        let caller = Caller::new().map_err(std::io::Error::other)?;
        let ends = shutdown.child_token();
        // Ends with this function, however that ends.
        let _ends = ends.clone().drop_guard();
        let mailgun = self.0.clone();
        tokio::spawn(async move { mailgun.tell(caller, ends).await });
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

/// A webhook would be called elsewhere.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OutsideThisMachine(String);

impl Mailgun {
    /// Where it answers; `asked` is what a client thinks.
    fn base<'a>(&'a self, asked: &'a str) -> &'a str {
        self.base.get().map_or(asked, String::as_str)
    }

    /// Refuses a domain that does not exist, as the endpoints below a domain do.
    fn must_know(&self, domain: &str) -> Result<(), Refusal> {
        if self.domains.knows(domain) { Ok(()) } else { Err(Refusal::UnknownDomain(domain.to_owned())) }
    }

    /// The same in the words of the endpoints that manage domains.
    fn must_have(&self, domain: &str) -> Result<(), Refusal> {
        if self.domains.knows(domain) { Ok(()) } else { Err(Refusal::NoDomain) }
    }
}

/// Counts what is asked on the Mailgun side, but for messages.
async fn count(State(mailgun): State<Arc<Mailgun>>, request: Request, next: Next) -> Response {
    let under_way = mailgun.store.asked();
    let answer = next.run(request).await;
    under_way.answered(&answer);
    answer
}

/// Lets in who has the key. Below a domain the refusal is plain text, elsewhere JSON, as recorded and documented.
async fn authorize(State(mailgun): State<Arc<Mailgun>>, request: Request, next: Next) -> Response {
    if mailgun.key.admits(request.headers()) {
        return next.run(request).await;
    }
    let path = request.uri().path();
    let below_a_domain = path.starts_with("/v3/") && !path.starts_with("/v3/domains");
    if below_a_domain { Refusal::Forbidden } else { Refusal::PrivateKey }.into_response()
}

/// What Mailgun says outside its endpoints: a greeting with 200 where the base URL is wrong (a trap for clients that look
/// at the status alone), else a page.
async fn elsewhere(uri: Uri) -> Response {
    if is_wrong_base(uri.path()) { answer::magnificent() } else { answer::page_not_found() }
}

/// The paths a client comes to whose base URL lacks `/v3`, or whose domain is empty.
fn is_wrong_base(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    matches!(parts[..], [] | ["v3"] | [_, "messages"])
}

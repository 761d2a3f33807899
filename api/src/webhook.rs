//! What Mailgun reports, over HTTP: no key, but a signature. Whatever is answered here decides whether Mailgun keeps an event
//! for us: 200 is said after the commit alone, and 406, after which it never comes again, only of what no repetition could mend.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Extension;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use entity::alert_count::Count;
use jobs::event::{Envelope, Keys, Unreadable, Unsigned};
use jobs::record::Recorded;
use reqwest::Url;
use secrecy::SecretString;

use crate::app::App;
use crate::connection::Visitor;
use crate::limit::What;
use crate::transport::body::Room;
use crate::transport::refusal::Refusal;
use crate::transport::refused;

/// Where webhooks are taken.
pub const PATH: &str = "/webhooks/mailgun";

/// The same, beside the other paths of the API.
pub const PATH_BELOW_API: &str = "/api/email-reliability/webhook/mailgun";

/// More than is taken: whoever sends too much is told so, which needs the connection to be read to its end. As many as an
/// address may have under way (LIMIT_WEBHOOKS) fill half of the room.
const MOST_READ: usize = 512 * 1024;

/// Seconds between two lines of the log about signatures: anybody may send wrong ones as fast as they like.
const BETWEEN_WORDS: i64 = 60;

/// How webhooks are believed.
pub struct Webhooks {
    keys: Keys,
    /// Their own, so that no other request can keep Mailgun out.
    room: Room,
    /// When the log last told of a wrong signature, in seconds.
    told: AtomicI64,
}

impl Webhooks {
    /// Believes what is signed with any of these keys.
    pub fn signed_with(keys: &[SecretString]) -> Self {
        Self { keys: Keys::new(keys), room: Room::default(), told: AtomicI64::new(0) }
    }
}

/// Takes a webhook.
pub async fn take(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    visitor: Option<Extension<Visitor>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let from = app.doorkeeper.address(peer.ip(), &headers);
    let outcome = match recorded(&app, from, visitor, &headers, body).await {
        Ok(recorded) => Outcome::Recorded(recorded),
        Err(outcome) => outcome,
    };
    metrics::counter!("mailmind_webhooks_total", "outcome" => outcome.name()).increment(1);
    if let Some(count) = outcome.alerted() {
        app.ctx.alerts.count(count, 1);
    }
    outcome.answer(&app)
}

async fn recorded(
    app: &App,
    from: IpAddr,
    visitor: Option<Extension<Visitor>>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Recorded, Outcome> {
    let place = app.limits.places.hold_both(What::AddressWebhooks, from, What::Webhooks);
    let _place = place.map_err(|_| Outcome::Unread(Refusal::Full))?;
    let held = app.webhooks.room.read(headers, body, MOST_READ).await.map_err(|refusal| match refusal {
        Refusal::TooLarge(_) => Outcome::Unreadable(Unreadable::TooLarge),
        other => Outcome::Unread(other),
    })?;
    let envelope = Envelope::read(held.bytes.into()).map_err(Outcome::Unreadable)?;
    let signed = app.webhooks.keys.verify(envelope).map_err(Outcome::Unsigned)?;
    if let Some(Extension(visitor)) = visitor {
        visitor.is_known();
    }
    app.recorder.take(signed).await.map_err(Outcome::NotStored)
}

/// What became of a request.
#[derive(Debug)]
enum Outcome {
    Recorded(Recorded),
    Unreadable(Unreadable),
    Unsigned(Unsigned),
    /// It did not come whole, or not in time.
    Unread(Refusal),
    NotStored(jobs::Error),
}

impl Outcome {
    /// Of a fixed set: a metric's label.
    fn name(&self) -> &'static str {
        match self {
            Outcome::Recorded(Recorded::Taken { .. }) => "taken",
            Outcome::Recorded(Recorded::Repeated) => "repeated",
            Outcome::Recorded(Recorded::Quarantined(_)) => "quarantined",
            Outcome::Recorded(Recorded::TokenReused) => "token_reused",
            Outcome::Unreadable(Unreadable::TooLarge) => "too_large",
            Outcome::Unreadable(Unreadable::NotJson) => "not_json",
            Outcome::Unsigned(Unsigned::NoKey) => "no_key",
            Outcome::Unsigned(Unsigned::Missing | Unsigned::NoTime | Unsigned::Wrong) => "unsigned",
            Outcome::Unread(_) => "unread",
            Outcome::NotStored(_) => "not_stored",
        }
    }

    /// What an alert counts.
    fn alerted(&self) -> Option<Count> {
        match self {
            Outcome::Unsigned(Unsigned::NoKey) => Some(Count::NoKey),
            Outcome::Unsigned(_) => Some(Count::Unsigned),
            Outcome::Recorded(Recorded::TokenReused) => Some(Count::TokenReused),
            Outcome::Recorded(_) | Outcome::Unreadable(_) | Outcome::Unread(_) | Outcome::NotStored(_) => None,
        }
    }

    /// Mailgun's "Webhooks" page: 200 = done, 406 = never again, anything else = again, for 8 hours.
    fn answer(self, app: &App) -> Response {
        let never_again = |why: &str| refused(StatusCode::NOT_ACCEPTABLE, "NOT_ACCEPTABLE", why);
        match self {
            Outcome::Recorded(Recorded::Taken { .. }) => "recorded\n".into_response(),
            Outcome::Recorded(Recorded::Repeated) => "recorded before\n".into_response(),
            Outcome::Recorded(Recorded::Quarantined(why)) => format!("kept without effect: {why}\n").into_response(),
            Outcome::Recorded(Recorded::TokenReused) => never_again("this token was used for another event"),
            Outcome::Unreadable(why) => never_again(&format!("this can't be taken: {why}")),
            Outcome::Unsigned(why) => {
                app.webhooks.tell(app.ctx.clock.now().timestamp(), why);
                refused(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", &format!("this is not believed: {why}"))
            }
            Outcome::Unread(refusal) => refusal.into_response(),
            Outcome::NotStored(cause) => {
                if !cause.is_away() {
                    tracing::error!(%cause, "A webhook could not be recorded");
                }
                refused(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "this can't be recorded now; please try again")
            }
        }
    }
}

impl Webhooks {
    /// Says in the log that something was not believed, now and then.
    fn tell(&self, now: i64, why: Unsigned) {
        let told = self.told.load(Ordering::Relaxed);
        let late = now - told >= BETWEEN_WORDS;
        if late && self.told.compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            tracing::error!(%why, "A webhook is not believed; where Mailgun sent it, MAILGUN_WEBHOOK_SIGNING_KEY is wrong");
        }
    }
}

/// Where a service that is reached at `base` takes webhooks, if that is this machine: nothing else may a sandbox call.
pub fn on_this_machine(base: &str) -> Option<Url> {
    let mut url = Url::parse(base).ok()?.join(PATH).ok()?;
    let host: IpAddr = match url.host_str()? {
        "localhost" => Ipv4Addr::LOCALHOST.into(),
        host => host.trim_matches(['[', ']']).parse().ok()?,
    };
    match host {
        // Whoever listens everywhere listens here.
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => url.set_ip_host(Ipv4Addr::LOCALHOST.into()).ok()?,
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => url.set_ip_host(Ipv6Addr::LOCALHOST.into()).ok()?,
        host if host.is_loopback() => {}
        _ => return None,
    }
    // Port 0 is whatever the system gives another process.
    (url.port() != Some(0)).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_calls_this_machine_alone() {
        let cases = [
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080/webhooks/mailgun")),
            ("http://0.0.0.0:8080", Some("http://127.0.0.1:8080/webhooks/mailgun")),
            ("http://[::]:8080", Some("http://[::1]:8080/webhooks/mailgun")),
            ("http://localhost:8080", Some("http://localhost:8080/webhooks/mailgun")),
            ("http://127.0.0.1:0", None),
            ("https://mail.example.com", None),
            ("http://10.0.0.1:8080", None),
        ];
        for (base, expected) in cases {
            assert_eq!(on_this_machine(base).as_ref().map(Url::as_str), expected, "{base}");
        }
    }
}

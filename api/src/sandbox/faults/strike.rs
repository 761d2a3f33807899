//! How a fault answers, where it answers at all.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use chrono::{DateTime, Utc};
use futures::{StreamExt as _, future, stream};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Fault, Kind, LONGEST_WAIT};
use crate::sandbox::answer::{self, JSON, QUEUED, Refusal};

/// A fault that strikes a message.
#[derive(Debug)]
pub(in crate::sandbox) struct Strike {
    pub(in crate::sandbox) kind: Kind,
    retry_after: Duration,
    message: Option<String>,
}

/// Marks an answer of which the client sees nothing.
#[derive(Clone, Copy)]
pub(in crate::sandbox) struct Cut;

/// Not documented anywhere; two of Mailgun's own clients read it.
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

impl Strike {
    pub(super) fn new(fault: &Fault) -> Self {
        let retry_after = Duration::from_millis(fault.retry_after_ms.unwrap_or(1_000));
        Self { kind: fault.kind, retry_after, message: fault.message.clone() }
    }

    /// The answer, once it is due. `message_id` is that of the message if it was accepted; `closing` ends a hang.
    pub(in crate::sandbox) async fn answer(
        &self,
        domain: &str,
        message_id: Option<&str>,
        now: DateTime<Utc>,
        closing: &CancellationToken,
    ) -> Response {
        let message_id = message_id.unwrap_or_default();
        match self.kind {
            Kind::BadRequest => self.refused(StatusCode::BAD_REQUEST, Refusal::Address("to").to_string()),
            Kind::Unauthorized => answer::forbidden(),
            Kind::PaymentRequired => {
                self.refused(StatusCode::PAYMENT_REQUIRED, "Parameters were valid but request failed".to_owned())
            }
            Kind::NotAllowed => self.refused(StatusCode::FORBIDDEN, not_allowed(domain, FREE_ACCOUNT)),
            Kind::UnknownDomain => {
                self.refused(StatusCode::NOT_FOUND, Refusal::UnknownDomain(domain.to_owned()).to_string())
            }
            Kind::HourlyLimit => self.refused(
                StatusCode::from_u16(420).unwrap_or(StatusCode::TOO_MANY_REQUESTS),
                not_allowed(domain, "sending limit (messages per hour) exceeded"),
            ),
            Kind::TooMany => self.too_many(domain, &format!("{LIMIT}, try again after {}", self.date(now))),
            Kind::TooManyForAccount => self.too_many(domain, &format!("{ACCOUNT_LIMIT} {} seconds", self.seconds())),
            Kind::TooManyBare => self.too_many(domain, LIMIT),
            Kind::TooManyRetryAfter => headed(self.too_many(domain, LIMIT), header::RETRY_AFTER, self.seconds()),
            Kind::TooManyResetSeconds => {
                let seconds = (now + self.retry_after).timestamp_millis() as f64 / 1_000.0;
                headed(self.too_many(domain, LIMIT), RESET, format!("{seconds:.3}"))
            }
            Kind::TooManyResetMillis => {
                let millis = (now + self.retry_after).timestamp_millis();
                headed(self.too_many(domain, LIMIT), RESET, millis.to_string())
            }
            Kind::InternalError | Kind::InternalErrorAccepted => {
                self.refused(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error".to_owned())
            }
            Kind::BadGateway | Kind::BadGatewayAccepted => answer::gateway(StatusCode::BAD_GATEWAY, "Bad Gateway"),
            Kind::Unavailable => unavailable(),
            Kind::UnavailableRetryAfter => headed(unavailable(), header::RETRY_AFTER, self.seconds()),
            Kind::Hang | Kind::HangAccepted => {
                // Ends without the time-out's help where the client leaves: the server drops this future.
                let _ = tokio::time::timeout(LONGEST_WAIT, closing.cancelled()).await;
                cut()
            }
            Kind::Cut | Kind::CutAccepted => cut(),
            Kind::CutBody => cut_body(message_id),
            Kind::Magnificent => answer::magnificent(),
            Kind::NoId => answer::with(StatusCode::OK, JSON, answer::line(&json!({ "message": QUEUED }))),
            Kind::Redirect => {
                let mut answer = answer::with(StatusCode::FOUND, JSON, Body::empty());
                answer.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/"));
                answer
            }
            Kind::Html404 => answer::page_not_found(),
            // A latency has passed before any strike.
            Kind::Latency | Kind::OtherMessageId => answer::queued(message_id),
        }
    }

    fn too_many(&self, domain: &str, limit: &str) -> Response {
        self.refused(StatusCode::TOO_MANY_REQUESTS, not_allowed(domain, limit))
    }

    fn refused(&self, status: StatusCode, mailguns: String) -> Response {
        answer::refused(status, self.message.as_ref().unwrap_or(&mailguns))
    }

    /// The wait asked of the client, in whole seconds.
    fn seconds(&self) -> String {
        self.retry_after.as_millis().div_ceil(1_000).to_string()
    }

    /// When that wait is over, rounded up to the second, as Mailgun writes it.
    fn date(&self, now: DateTime<Utc>) -> String {
        let over = now + self.retry_after + Duration::from_millis(999);
        answer::date(over)
    }
}

const LIMIT: &str = "request limit exceeded";
const ACCOUNT_LIMIT: &str = "account-requests-per-sec limit exceeded, try again after";
const FREE_ACCOUNT: &str = "Free accounts are for test purposes only. Please upgrade or add the address to authorized \
                            recipients in Account Settings.";

fn not_allowed(domain: &str, why: &str) -> String {
    format!("Domain {domain} is not allowed to send: {why}")
}

fn unavailable() -> Response {
    answer::gateway(StatusCode::SERVICE_UNAVAILABLE, "Service Temporarily Unavailable")
}

fn headed(mut answer: Response, name: HeaderName, value: String) -> Response {
    if let Ok(value) = HeaderValue::from_str(&value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}

/// Closes the connection before a byte of an answer: the server has not yet written the head when the body fails.
fn cut() -> Response {
    let mut answer = Response::new(Body::from_stream(stream::once(future::ready(Err::<Bytes, _>(broken())))));
    answer.extensions_mut().insert(Cut);
    answer
}

/// Half of the usual 200; its length is told in full.
fn cut_body(message_id: &str) -> Response {
    let whole = answer::line(&json!({ "id": message_id, "message": QUEUED }));
    let half = Bytes::copy_from_slice(&whole.as_bytes()[..whole.len() / 2]);
    let breaks = async {
        // Long enough for what came before to be written; without the pause it would be thrown away.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err(broken())
    };
    let body = stream::iter([Ok(half)]).chain(stream::once(breaks));
    headed(answer::with(StatusCode::OK, JSON, Body::from_stream(body)), header::CONTENT_LENGTH, whole.len().to_string())
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "a fault cuts the connection")
}

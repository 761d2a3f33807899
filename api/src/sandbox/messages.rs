//! `POST /v3/{domain}/messages` and `messages.mime`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use entity::clock;

use super::Mailgun;
use super::answer::{self, Refusal};
use super::fate::Fate;
use super::faults::{Strike, Trouble};
use super::form::{self, Form};
use super::store::Arrival;
use super::submission::Submission;

/// How the fields of a form become a message.
type Parse = fn(Form) -> Result<Submission, Refusal>;

/// They check the key themselves, since a client that is refused before it has sent its message sees its connection cut,
/// and count themselves, since they are asked thousands of times a second.
pub(super) fn routes() -> Router<Arc<Mailgun>> {
    Router::new()
        .route("/v3/{domain}/messages", post(|state, path, request| take(Submission::parse, state, path, request)))
        .route(
            "/v3/{domain}/messages.mime",
            post(|state, path, request| take(Submission::parse_mime, state, path, request)),
        )
}

/// Takes one message, unless it or a fault is against it.
async fn take(
    parse: Parse,
    State(mailgun): State<Arc<Mailgun>>,
    Path(domain): Path<String>,
    request: Request,
) -> Response {
    let under_way = mailgun.store.asked();
    let answer = match check(&mailgun, &domain, request, parse).await {
        _ if domain.is_empty() => answer::magnificent(),
        Ok(message) => mailgun.accept(domain, message).await,
        Err(refusal) => refusal.into_response(),
    };
    under_way.answered(&answer);
    answer
}

/// Reads the request to its end and refuses what Mailgun would, in its order: the key, the domain, the form.
async fn check(mailgun: &Mailgun, domain: &str, request: Request, parse: Parse) -> Result<Submission, Refusal> {
    let (head, body) = request.into_parts();
    let body = form::read(body).await;
    if !mailgun.key.admits(&head.headers) {
        return Err(Refusal::Forbidden);
    }
    mailgun.domains.admits(domain)?;
    parse(Form::parse(&head.headers, body?).await?)
}

impl Mailgun {
    async fn accept(&self, domain: String, message: Submission) -> Response {
        let Trouble { delay, strike } = self.faults.trouble(&domain, &message.to, clock::chance);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let Some(strike) = strike else {
            return answer::queued(&self.remember(domain, message, None));
        };
        let message_id = strike.kind.accepts().then(|| self.remember(domain.clone(), message, Some(&strike)));
        strike.answer(&domain, message_id.as_deref(), self.clock.now(), &self.closing).await
    }

    /// Keeps the message; answers its Message-Id.
    fn remember(&self, domain: String, message: Submission, strike: Option<&Strike>) -> String {
        let renamed = strike.is_some_and(|strike| strike.kind.renames());
        let received_at = self.clock.now();
        let message_id = match message.own_message_id() {
            Some(own) if !renamed => own.to_owned(),
            // The form of those recorded: when, and sixteen hexadecimal digits.
            _ => {
                let unique = hex::encode_upper(clock::random_bytes::<8>());
                format!("<{}.1.{unique}@{domain}>", received_at.format("%Y%m%d%H%M%S"))
            }
        };
        let fates = self.fates(&domain, &message);
        let fault = strike.map(|strike| strike.kind);
        let message = self.store.accept(Arrival { message, domain, message_id, received_at, fates, fault });
        self.foresee(&message);
        message.message_id.clone()
    }

    /// What becomes of it at each recipient.
    fn fates(&self, domain: &str, message: &Submission) -> Vec<Fate> {
        let recipients = message.to.iter().chain(&message.cc).chain(&message.bcc);
        if message.is_test() {
            return recipients.map(|_| Fate::in_test_mode()).collect();
        }
        self.lists.fates(domain, recipients, message.tags(), self.clock.now())
    }
}

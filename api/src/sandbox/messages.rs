//! `POST /v3/{domain}/messages`.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use entity::clock;

use super::Mailgun;
use super::answer::{self, Refusal};
use super::faults::{Fate, Strike};
use super::form::{self, Form};
use super::submission::Submission;

/// Takes one message, unless it or a fault is against it.
pub(super) async fn take(
    State(mailgun): State<Arc<Mailgun>>,
    Path(domain): Path<String>,
    request: Request,
) -> Response {
    let under_way = mailgun.store.asked();
    let answer = match check(&mailgun, &domain, request).await {
        _ if domain.is_empty() => answer::magnificent(),
        Ok(message) => mailgun.accept(domain, message).await,
        Err(refusal) => refusal.into_response(),
    };
    under_way.answered(&answer);
    answer
}

/// Reads the request to its end and refuses what Mailgun would, in its order: the key, the domain, the form.
async fn check(mailgun: &Mailgun, domain: &str, request: Request) -> Result<Submission, Refusal> {
    let (head, body) = request.into_parts();
    let body = form::read(body).await;
    if !mailgun.key.admits(&head.headers) {
        return Err(Refusal::Forbidden);
    }
    if !mailgun.knows(domain) {
        return Err(Refusal::UnknownDomain(domain.to_owned()));
    }
    Submission::parse(Form::parse(&head.headers, body?).await?)
}

impl Mailgun {
    fn knows(&self, domain: &str) -> bool {
        self.domains.is_empty() || self.domains.iter().any(|known| known.eq_ignore_ascii_case(domain))
    }

    async fn accept(&self, domain: String, message: Submission) -> Response {
        let Fate { delay, strike } = self.faults.fate(&domain, &message.to, clock::chance);
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
        self.store.accept(message, domain, message_id.clone(), received_at, strike.map(|strike| strike.kind));
        message_id
    }
}

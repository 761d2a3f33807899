//! The mailer that speaks Mailgun's HTTP API.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, Response, Url};
use secrecy::SecretString;

use super::access::{Access, words};
use super::body::{GuardedBody, Progress};
use super::form::{Form, batch_form, form};
use super::{Answer, Batch, Lease, Mail, Mailer, RetryHint};

/// How much of an answer is read.
const BODY_MAX: usize = 16 * 1024;

/// The times of one POST and its connection.
#[derive(Clone, Copy, Debug)]
pub struct PostLimits {
    /// From the start of a POST to the last byte of its answer.
    pub post: Duration,
    /// For name, TCP and TLS together.
    pub connect: Duration,
    /// How long an unused connection is kept: shorter than servers keep theirs, so that a POST seldom meets a dying one.
    pub idle: Duration,
    /// How many POSTs run at once: as many connections are kept.
    pub slots: usize,
}

impl Default for PostLimits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { post: seconds(20), connect: seconds(5), idle: seconds(10), slots: 5 }
    }
}

/// Why no mailer could be made of the configuration.
#[derive(Debug, thiserror::Error)]
pub enum MailgunError {
    /// Not `http://host` or `https://host`.
    #[error("MAILGUN_API_BASE is no http or https URL")]
    Base,
    /// A key with a character that no header holds.
    #[error("MAILGUN_API_KEY holds a character that can't be sent")]
    Key,
    /// TLS could not be set up.
    #[error("the HTTP client could not be made")]
    Client(#[source] reqwest::Error),
}

/// Mailgun's messages API, at one base URL, with one key.
pub struct Mailgun {
    access: Access,
}

impl Mailgun {
    /// `base` is `https://api.mailgun.net`, `https://api.eu.mailgun.net` or another server of the same API, with or without
    /// `/v3`. The process must have a rustls provider installed.
    pub fn new(base: &str, key: &SecretString, limits: PostLimits) -> Result<Self, MailgunError> {
        Self::with_client(Client::builder(), base, key, limits)
    }

    pub(super) fn with_client(
        client: ClientBuilder,
        base: &str,
        key: &SecretString,
        limits: PostLimits,
    ) -> Result<Self, MailgunError> {
        Ok(Self { access: Access::new(client, base, key, limits)? })
    }

    /// `{base}/v3/{domain}/messages`; the domain can't leave its segment.
    fn url(&self, domain: &str) -> Url {
        self.access.url(&["v3", domain, "messages"])
    }

    async fn hand_over(&self, domain: &str, form: impl FnOnce() -> Form, lease: Lease) -> Answer {
        if !lease.still_good() {
            return Answer::NotHandedOver;
        }
        let form = form();
        let (body, handle) = GuardedBody::new(form.pieces, lease);
        let request = self
            .access
            .client
            .post(self.url(domain))
            .header(AUTHORIZATION, self.access.authorization.clone())
            .header(CONTENT_TYPE, form.content_type)
            .body(reqwest::Body::wrap(body));
        match request.send().await {
            Ok(response) => read_answer(response).await,
            Err(error) => match handle.withdraw() {
                Progress::Refused => Answer::NotHandedOver,
                // Connecting takes far less than that: this process stood still, which says nothing about the way to Mailgun.
                Progress::Withdrawn if !lease.still_good() => Answer::NotHandedOver,
                // Whatever the client calls it (refused, TLS, its own time limit while connecting): without its body a
                // request can't have been accepted.
                Progress::Withdrawn => Answer::Connect(words(error)),
                Progress::Leaving if error.is_timeout() => Answer::Timeout,
                Progress::Leaving => Answer::Cut(words(error)),
            },
        }
    }
}

impl Mailer for Mailgun {
    fn post<'a>(&'a self, mail: &'a Mail, lease: Lease) -> BoxFuture<'a, Answer> {
        self.hand_over(&mail.sending_domain, || form(mail), lease).boxed()
    }

    fn post_batch<'a>(&'a self, batch: &'a Batch, lease: Lease) -> BoxFuture<'a, Answer> {
        self.hand_over(&batch.mail.sending_domain, || batch_form(batch), lease).boxed()
    }
}

/// Reads the answer up to [`BODY_MAX`]; what follows is left unread, and the connection with it.
pub(crate) async fn read_answer(mut response: Response) -> Answer {
    let status = response.status().as_u16();
    let header = |headers: &HeaderMap, name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
    let retry = RetryHint {
        retry_after: header(response.headers(), RETRY_AFTER.as_str()),
        rate_limit_reset: header(response.headers(), "x-ratelimit-reset"),
    };
    let content_type = header(response.headers(), CONTENT_TYPE.as_str());
    let mut body = Vec::new();
    while body.len() < BODY_MAX {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk[..chunk.len().min(BODY_MAX - body.len())]),
            Ok(None) => break,
            Err(_) => return Answer::BodyCut { status },
        }
    }
    Answer::Response { status, retry, body: String::from_utf8_lossy(&body).into_owned(), content_type }
}

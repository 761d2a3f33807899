//! The mailer that speaks Mailgun's HTTP API.

use std::error::Error as _;
use std::time::Duration;

use base64::Engine as _;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, Response, Url, redirect, retry};
use secrecy::{ExposeSecret as _, SecretString};

use super::body::{GuardedBody, Progress};
use super::form::form;
use super::{Answer, Lease, Mail, Mailer, RetryHint};

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
    client: Client,
    base: Url,
    authorization: HeaderValue,
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
        let base = Url::parse(base.trim()).map_err(|_| MailgunError::Base)?;
        let host = base.host_str().ok_or(MailgunError::Base)?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(MailgunError::Base);
        }
        let mut client = client
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .http1_only()
            .timeout(limits.post)
            .connect_timeout(limits.connect)
            .pool_idle_timeout(limits.idle)
            .pool_max_idle_per_host(limits.slots.max(1))
            .user_agent(concat!("mailmind-reliability/", env!("CARGO_PKG_VERSION")));
        if matches!(host, "localhost" | "127.0.0.1" | "[::1]") {
            client = client.no_proxy();
        }
        let client = client.build().map_err(MailgunError::Client)?;
        Ok(Self { client, authorization: basic(key)?, base })
    }

    /// `{base}/v3/{domain}/messages`; the domain can't leave its segment.
    fn url(&self, domain: &str) -> Url {
        let mut url = self.base.clone();
        let has_version = url.path().trim_end_matches('/').ends_with("/v3");
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend((!has_version).then_some("v3")).extend([domain, "messages"]);
        }
        url
    }

    async fn hand_over(&self, mail: &Mail, lease: Lease) -> Answer {
        if !lease.still_good() {
            return Answer::NotHandedOver;
        }
        let form = form(mail);
        let (body, handle) = GuardedBody::new(form.pieces, lease);
        let request = self
            .client
            .post(self.url(&mail.sending_domain))
            .header(AUTHORIZATION, self.authorization.clone())
            .header(CONTENT_TYPE, form.content_type)
            .body(reqwest::Body::wrap(body));
        match request.send().await {
            Ok(response) => read(response).await,
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
        self.hand_over(mail, lease).boxed()
    }
}

/// HTTP Basic with the user `api`, as Mailgun has it.
fn basic(key: &SecretString) -> Result<HeaderValue, MailgunError> {
    let key = key.expose_secret();
    if key.is_empty() || key.chars().any(char::is_control) {
        return Err(MailgunError::Key);
    }
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("api:{key}"));
    let mut value = HeaderValue::try_from(format!("Basic {pair}")).map_err(|_| MailgunError::Key)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads the answer up to [`BODY_MAX`]; what follows is left unread, and the connection with it.
async fn read(mut response: Response) -> Answer {
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

/// The error and its causes in one line, without the URL.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words += &format!(": {error}");
        cause = error.source();
    }
    words
}

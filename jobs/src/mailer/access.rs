//! The way to Mailgun's API: a client that follows no redirect and repeats nothing, at one base URL, with one key.

use std::error::Error as _;

use base64::Engine as _;
use reqwest::header::HeaderValue;
use reqwest::{Client, ClientBuilder, Url, redirect, retry};
use secrecy::{ExposeSecret as _, SecretString};

use super::{MailgunError, PostLimits};

/// One base URL with one key.
pub struct Access {
    /// Follows no redirect and repeats nothing.
    pub client: Client,
    /// As it was given.
    pub base: Url,
    /// For the header of every request.
    pub authorization: HeaderValue,
}

impl Access {
    /// `base` is `https://api.mailgun.net`, `https://api.eu.mailgun.net` or another server of the same API, with or without
    /// `/v3`.
    ///
    /// # Errors
    /// When no client can be made of it.
    pub fn new(
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

    /// A path below the base, its version first; none of `segments` can leave its place.
    pub fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        let has_version = url.path().trim_end_matches('/').ends_with("/v3");
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty();
            if has_version {
                path.pop();
            }
            path.extend(segments);
        }
        url
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

/// The error and its causes in one line, without the URL.
pub fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words += &format!(": {error}");
        cause = error.source();
    }
    words
}

//! The log over Mailgun's HTTP API: its Logs API, and its older Events API where the first is not allowed.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, RequestBuilder, Response, Url};
use secrecy::SecretString;

use super::{Cursor, Log, LogError, Page, Query, page};
use crate::mailer::access::{Access, words};
use crate::mailer::{MailgunError, PostLimits};

/// A page of 300 events is some hundred kilobytes.
const BODY_MAX: usize = 16 << 20;

/// Mailgun's log at one base URL, with one key.
pub struct MailgunLog(Access);

impl MailgunLog {
    /// `base` and `limits` are as the mailer's, the time of a POST for each page. The process must have a rustls provider
    /// installed.
    ///
    /// # Errors
    /// When no client can be made of it.
    pub fn new(base: &str, key: &SecretString, limits: PostLimits) -> Result<Self, MailgunError> {
        Ok(Self(Access::new(Client::builder(), base, key, limits)?))
    }

    /// `POST /v1/analytics/logs`.
    async fn logs(&self, query: &Query, token: Option<&str>) -> Result<Page, Refused> {
        let url = self.0.url(&["v1", "analytics", "logs"]);
        let body = self.ask(self.0.client.post(url).json(&page::logs_query(query, token))).await?;
        Ok(page::of_logs(&body, query)?)
    }

    /// `GET /v3/{domain}/events`, or a page that an earlier one named.
    async fn events(&self, query: &Query, page: Option<Url>) -> Result<Page, Refused> {
        let url = page.unwrap_or_else(|| {
            let mut url = self.0.url(&["v3", &query.domain, "events"]);
            url.query_pairs_mut().extend_pairs(page::events_query(query));
            url
        });
        let body = self.ask(self.0.client.get(url)).await?;
        Ok(page::of_events(&body, &self.0.base, query)?)
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Vec<u8>, Refused> {
        let away = |error| LogError::Away(words(error));
        let response = request.header(AUTHORIZATION, self.0.authorization.clone()).send().await.map_err(away)?;
        match response.status().as_u16() {
            200 => Ok(whole(response).await?),
            status @ (401..=404) => Err(Refused::Status(status)),
            status @ 300..=399 => Err(LogError::Unreadable(format!("it was answered with {status}")).into()),
            status => Err(LogError::Away(format!("it was answered with {status}")).into()),
        }
    }

    async fn read(&self, query: &Query, after: Option<Cursor>) -> Result<Page, LogError> {
        let read = match after {
            None => match self.logs(query, None).await {
                // Not in this plan, not for this key, or not on this server.
                Err(Refused::Status(403 | 404)) => self.events(query, None).await,
                read => read,
            },
            Some(Cursor::Logs(token)) => self.logs(query, Some(&token)).await,
            Some(Cursor::Events(url)) => self.events(query, Some(url)).await,
        };
        read.map_err(LogError::from)
    }
}

impl Log for MailgunLog {
    fn page<'a>(&'a self, query: &'a Query, after: Option<Cursor>) -> BoxFuture<'a, Result<Page, LogError>> {
        self.read(query, after).boxed()
    }
}

/// Why there is no page.
enum Refused {
    /// Mailgun says that it is not for us.
    Status(u16),
    Else(LogError),
}

impl From<LogError> for Refused {
    fn from(error: LogError) -> Self {
        Self::Else(error)
    }
}

impl From<Refused> for LogError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Status(status) => LogError::NotAllowed(format!("it was answered with {status}")),
            Refused::Else(error) => error,
        }
    }
}

/// The body to its end.
async fn whole(mut response: Response) -> Result<Vec<u8>, LogError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| LogError::Away(words(error)))? {
        if body.len() + chunk.len() > BODY_MAX {
            return Err(LogError::Unreadable(format!("a page is larger than {BODY_MAX} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

//! Mailgun's lists over its HTTP API: `/v3/{domain}/bounces`, `complaints` and `unsubscribes`.

use entity::Clock;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, RequestBuilder, Response, Url};
use secrecy::SecretString;

use super::page;
use super::provider::{Entry, PAGE, Page, Place, Provider, SyncError};
use crate::mailer::access::{Access, words};
use crate::mailer::{Answer, MailgunError, PostLimits, read_answer};
use crate::verdict::{Verdict, verdict};

/// A page of 500 bounces is some hundred kilobytes.
const BODY_MAX: usize = 16 << 20;

/// The lists at one base URL, with one key.
pub struct MailgunLists {
    access: Access,
    clock: Clock,
}

impl MailgunLists {
    /// `base` and `limits` are as the mailer's, the time of a POST for each call. `clock` is what waits are counted by. The
    /// process must have a rustls provider installed.
    ///
    /// # Errors
    /// When no client can be made of it.
    pub fn new(base: &str, key: &SecretString, limits: PostLimits, clock: Clock) -> Result<Self, MailgunError> {
        Ok(Self { access: Access::new(Client::builder(), base, key, limits)?, clock })
    }

    fn url(&self, place: Place<'_>) -> Url {
        self.access.url(&["v3", place.domain, place.list.name()])
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, SyncError> {
        let request = request.header(AUTHORIZATION, self.access.authorization.clone());
        request.send().await.map_err(|error| SyncError::Away(words(error)))
    }

    async fn read(&self, place: Place<'_>, at: Option<&str>) -> Result<Page, SyncError> {
        let first = || {
            let mut url = self.url(place);
            url.query_pairs_mut().append_pair("limit", &PAGE.to_string());
            url
        };
        // An address that was kept may be of another server, before this one was configured: then the list begins anew.
        let kept = at.and_then(|text| Url::parse(text).ok()).filter(|url| url.origin() == self.access.base.origin());
        let response = self.send(self.access.client.get(kept.unwrap_or_else(first))).await?;
        if response.status().as_u16() != 200 {
            return Err(self.refusal(read_answer(response).await));
        }
        page::read(&whole(response).await?, &self.access.base)
    }

    async fn enter(&self, place: Place<'_>, entries: &[Entry]) -> Result<(), SyncError> {
        let body = page::entries(place.list, entries);
        let response = self.send(self.access.client.post(self.url(place)).json(&body)).await?;
        self.done(read_answer(response).await, &[200])
    }

    async fn take_off(&self, place: Place<'_>, address: &str) -> Result<(), SyncError> {
        let mut url = self.url(place);
        url.set_path(&format!("{}/{}", url.path(), page::encoded(address)));
        let response = self.send(self.access.client.delete(url)).await?;
        // 404 in Mailgun's own words: nobody is on the list.
        self.done(read_answer(response).await, &[200, 404])
    }

    /// A server that is no Mailgun may say 200 or 404 too; Mailgun says it in JSON.
    fn done(&self, answer: Answer, good: &[u16]) -> Result<(), SyncError> {
        match &answer {
            Answer::Response { status, body, .. } if good.contains(status) && has_message(body) => Ok(()),
            _ => Err(self.refusal(answer)),
        }
    }

    fn refusal(&self, answer: Answer) -> SyncError {
        match verdict(&answer, self.clock.now(), 0.0) {
            Verdict::Hold { until, why, .. } => SyncError::Limited { until, why },
            Verdict::Fail { why } => SyncError::Refused(why),
            Verdict::Account { why, .. } => SyncError::NotAllowed(why),
            Verdict::Retry { why } | Verdict::Unconfirmed { why } => SyncError::Away(why),
            Verdict::Sent { .. } | Verdict::NotHandedOver => {
                SyncError::Unreadable("it was answered with something else".to_owned())
            }
        }
    }
}

impl Provider for MailgunLists {
    fn page<'a>(&'a self, place: Place<'a>, at: Option<&'a str>) -> BoxFuture<'a, Result<Page, SyncError>> {
        self.read(place, at).boxed()
    }

    fn put<'a>(&'a self, place: Place<'a>, entries: &'a [Entry]) -> BoxFuture<'a, Result<(), SyncError>> {
        self.enter(place, entries).boxed()
    }

    fn remove<'a>(&'a self, place: Place<'a>, address: &'a str) -> BoxFuture<'a, Result<(), SyncError>> {
        self.take_off(place, address).boxed()
    }
}

fn has_message(body: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(body).is_ok_and(|json| json["message"].is_string())
}

/// The body to its end.
async fn whole(mut response: Response) -> Result<Vec<u8>, SyncError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| SyncError::Away(words(error)))? {
        if body.len() + chunk.len() > BODY_MAX {
            return Err(SyncError::Unreadable(format!("a page is larger than {BODY_MAX} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

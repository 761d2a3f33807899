//! The account at Mailgun, as commands ask it: its domains, its webhooks and its signing key. Asks once, follows nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use jobs::mailer::PostLimits;
use jobs::mailer::access::{Access, words};
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, Method, RequestBuilder, Url};
use secrecy::SecretString;
use serde_json::Value;

use crate::config::{Mode, Setup};

/// How long an answer may take.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What a webhook can be registered for, in Mailgun's words (its "Create a domain webhook" page).
pub const KINDS: [&str; 8] =
    ["accepted", "delivered", "opened", "clicked", "unsubscribed", "complained", "permanent_fail", "temporary_fail"];

/// Which URLs are called, by kind.
pub type Registered = BTreeMap<String, Vec<String>>;

/// Why Mailgun did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// No answer.
    #[error("it can't be reached: {0}")]
    Away(String),
    /// The key is wrong, or may not do this.
    #[error("it refuses MAILGUN_API_KEY")]
    Key,
    /// There is no such thing.
    #[error("it does not know that")]
    Unknown,
    /// It answered otherwise, in these words.
    #[error("it answered {0}: {1}")]
    Answered(u16, String),
}

/// One account.
pub struct Account(Access);

impl Account {
    /// The configured one; `None` in the sandbox, and where no client can be made of it.
    pub fn of(setup: &Setup) -> Option<Self> {
        let Mode::Live { base, key } = &setup.mode else { return None };
        let limits = PostLimits { post: PATIENCE, connect: PATIENCE, ..PostLimits::default() };
        Access::new(Client::builder(), base, key, limits).ok().map(Self)
    }

    /// Whether it lies on this machine: one that is tried out.
    pub fn is_here(&self) -> bool {
        is_here(&self.0.base)
    }

    /// The state of a sending domain: `active`, `unverified` or `disabled`.
    pub async fn state(&self, domain: &str) -> Result<String, Refused> {
        let answer = self.ask(Method::GET, &["v4", "domains", domain], &[]).await?;
        Ok(answer["domain"]["state"].as_str().unwrap_or("unknown").to_owned())
    }

    /// Asks for the state of a domain's sending queues: a small answer that needs the account's key.
    pub async fn queues(&self, domain: &str) -> Result<(), Refused> {
        self.ask(Method::GET, &["v3", "domains", domain, "sending_queues"], &[]).await.map(drop)
    }

    /// The key that its webhooks are signed with.
    pub async fn signing_key(&self) -> Result<SecretString, Refused> {
        let answer = self.ask(Method::GET, &["v5", "accounts", "http_signing_key"], &[]).await?;
        Ok(answer["http_signing_key"].as_str().unwrap_or_default().to_owned().into())
    }

    /// The webhooks of a domain.
    pub async fn webhooks(&self, domain: &str) -> Result<Registered, Refused> {
        let answer = self.ask(Method::GET, &["v3", "domains", domain, "webhooks"], &[]).await?;
        Ok(answer["webhooks"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(kind, hook)| (kind.clone(), urls(hook)))
            .collect())
    }

    /// The account's own webhooks, which are called for every domain; none where it has no such level.
    pub async fn own_webhooks(&self) -> Result<Registered, Refused> {
        let answer = match self.ask(Method::GET, &["v1", "webhooks"], &[]).await {
            Err(Refused::Unknown | Refused::Key) => return Ok(Registered::new()),
            answer => answer?,
        };
        let mut registered = Registered::new();
        for hook in answer["webhooks"].as_array().into_iter().flatten() {
            for kind in hook["event_types"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                registered.entry(kind.to_owned()).or_default().extend(hook["url"].as_str().map(str::to_owned));
            }
        }
        Ok(registered)
    }

    /// Has `urls` called for a kind that nothing was called for.
    pub async fn create(&self, domain: &str, kind: &str, urls: &[String]) -> Result<(), Refused> {
        let form: Vec<_> = std::iter::once(("id", kind)).chain(urls.iter().map(|url| ("url", url.as_str()))).collect();
        self.ask(Method::POST, &["v3", "domains", domain, "webhooks"], &form).await.map(drop)
    }

    /// Has `urls` called for a kind in place of those that were.
    pub async fn update(&self, domain: &str, kind: &str, urls: &[String]) -> Result<(), Refused> {
        let form: Vec<_> = urls.iter().map(|url| ("url", url.as_str())).collect();
        self.ask(Method::PUT, &["v3", "domains", domain, "webhooks", kind], &form).await.map(drop)
    }

    async fn ask(&self, method: Method, path: &[&str], form: &[(&str, &str)]) -> Result<Value, Refused> {
        let request = self.0.client.request(method, self.0.url(path));
        let request = request.header(AUTHORIZATION, self.0.authorization.clone());
        answered(if form.is_empty() { request } else { request.form(form) }).await
    }
}

async fn answered(request: RequestBuilder) -> Result<Value, Refused> {
    let away = |error| Refused::Away(words(error));
    let answer = request.send().await.map_err(away)?;
    let status = answer.status().as_u16();
    let text = answer.text().await.map_err(away)?;
    match status {
        200 => serde_json::from_str(&text).map_err(|_| Refused::Answered(200, "no JSON".to_owned())),
        401 | 403 => Err(Refused::Key),
        404 => Err(Refused::Unknown),
        _ => {
            let said = serde_json::from_str::<Value>(&text).ok();
            let said = said.as_ref().and_then(|value| value["message"].as_str()).unwrap_or("nothing readable");
            Err(Refused::Answered(status, said.chars().take(200).collect()))
        }
    }
}

/// Of one kind; older accounts have one `url` in place of the list.
fn urls(hook: &Value) -> Vec<String> {
    let listed = hook["urls"].as_array().into_iter().flatten().chain(hook.get("url"));
    listed.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The URL lies on this machine.
pub fn is_here(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_urls_of_a_kind_are_read_in_both_shapes() {
        assert_eq!(urls(&json!({ "urls": ["https://a", "https://b"] })), ["https://a", "https://b"]);
        assert_eq!(urls(&json!({ "url": "https://a" })), ["https://a"]);
        assert_eq!(urls(&json!({})), Vec::<String>::new());
    }
}

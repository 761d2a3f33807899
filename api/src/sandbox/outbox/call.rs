//! Calling a webhook over HTTP, on this machine alone.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Response};

use super::Delivery;

/// For the whole call.
const LIMIT: Duration = Duration::from_secs(10);
/// Of an answer so much is read, that the connection can serve again; nobody looks at it.
const MOST_READ: usize = 64 * 1_024;

/// What came of a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Answered(u16),
    /// No answer, and why.
    Failed(&'static str),
}

pub(in crate::sandbox) struct Caller(Client);

impl Caller {
    /// Follows no redirect, uses no proxy, and finds `localhost` here whatever the name service says: so nothing it is
    /// pointed at lies elsewhere, once its URL was checked.
    pub(in crate::sandbox) fn new() -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(LIMIT)
            .resolve("localhost", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .user_agent("mailmind-sandbox")
            .build()?;
        Ok(Self(client))
    }

    /// Posts the event; `base` is where the sandbox answers.
    pub(super) async fn call(&self, delivery: &Delivery, base: &str) -> Outcome {
        let posted = self.0.post(delivery.target.url().clone()).json(&delivery.body(base)).send().await;
        match posted {
            Ok(answer) => {
                let status = answer.status().as_u16();
                exhaust(answer).await;
                Outcome::Answered(status)
            }
            Err(error) if error.is_timeout() => Outcome::Failed("no answer in time"),
            Err(error) if error.is_connect() => Outcome::Failed("no connection"),
            Err(_) => Outcome::Failed("the connection broke"),
        }
    }
}

async fn exhaust(mut answer: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = answer.chunk().await {
        read += chunk.len();
        if read > MOST_READ {
            return;
        }
    }
}

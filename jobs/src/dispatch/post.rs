//! One POST to an endpoint. It goes through no proxy, follows no redirection, repeats nothing, takes no longer than it may, reads
//! little of the answer, and connects to no address that is not allowed: asked of what a name led to when it was looked up for
//! this very connection.

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, Url, redirect, retry};
use tokio::sync::OnceCell;

use super::address::{NOT_ALLOWED, Networks, literal};
use super::rule::Answer;
use crate::Context;
use crate::mailer::access::words;
use crate::verdict::after;

/// How much of an answer is read, so that its connection can be used again; it is looked at by nobody.
const ANSWER: usize = 16 * 1024;

/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(10);

/// A connection that an endpoint keeps open for the next event.
const IDLE_CONNECTIONS: usize = 8;

/// What is posted.
#[derive(Clone, Debug)]
pub struct Letter {
    /// `webhook-id`: names the event, the same each time it is told.
    pub id: String,
    /// `webhook-timestamp`: when this try began.
    pub at: DateTime<Utc>,
    /// `webhook-signature`
    pub signatures: String,
    pub body: Bytes,
}

/// The client of a process, once it was needed.
#[derive(Default)]
pub struct Poster(OnceCell<Client>);

impl Poster {
    /// Posts once, and says what came of it.
    pub async fn post(&self, ctx: &Context, url: &Url, letter: Letter) -> Answer {
        let networks = &ctx.settings.outbound_networks;
        // An address in the place of a name is never looked up.
        if literal(url).is_some_and(|address| !networks.allow(address)) {
            return Answer::None(NOT_ALLOWED.to_owned());
        }
        let client = match self.0.get_or_try_init(async || client(ctx)).await {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(cause = %words(error), "The client that tells endpoints could not be made");
                return Answer::None("could not be posted by this process".to_owned());
            }
        };
        let request = client
            .post(url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", letter.id)
            .header("webhook-timestamp", letter.at.timestamp())
            .header("webhook-signature", letter.signatures)
            .body(letter.body);
        match request.send().await {
            Ok(response) => answer(response, letter.at).await,
            Err(error) => Answer::None(why(error)),
        }
    }
}

fn client(ctx: &Context) -> reqwest::Result<Client> {
    let networks = ctx.settings.outbound_networks.clone();
    Client::builder()
        // A proxy would look names up by itself.
        .no_proxy()
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .http1_only()
        .timeout(ctx.timing.dispatch_post)
        .connect_timeout(ctx.timing.connect)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .dns_resolver(Arc::new(Guarded { networks, look_up }))
        .user_agent(concat!("mailmind-reliability/", env!("CARGO_PKG_VERSION")))
        .build()
}

async fn answer(mut response: Response, now: DateTime<Utc>) -> Answer {
    let status = response.status().as_u16();
    let asks = |headers: &HeaderMap| after(headers.get(RETRY_AFTER)?.to_str().ok()?, now);
    let retry_after = matches!(status, 429 | 503).then(|| asks(response.headers())).flatten();
    let mut read = 0;
    // The status is the answer, whatever becomes of its body.
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > ANSWER {
            break;
        }
    }
    Answer::Status { status, retry_after }
}

/// Why no answer came. The URL is left out, since it may hold a token.
fn why(error: reqwest::Error) -> String {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.downcast_ref::<NotAllowed>().is_some() {
            return NOT_ALLOWED.to_owned();
        }
        // An I/O error hides what it was made of from `source`.
        let hidden = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if hidden.is_some_and(|hidden| hidden.is::<NotAllowed>()) {
            return NOT_ALLOWED.to_owned();
        }
        cause = inner.source();
    }
    if error.is_timeout() { "did not answer in time".to_owned() } else { words(error) }
}

#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{NOT_ALLOWED}")]
struct NotAllowed;

/// Looks names up, and answers only those addresses that are allowed.
struct Guarded<L> {
    networks: Networks,
    look_up: L,
}

async fn look_up(name: String) -> io::Result<Vec<IpAddr>> {
    // The port is the connection's own.
    Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect())
}

impl<L, F> Resolve for Guarded<L>
where
    L: Fn(String) -> F + Send + Sync + 'static,
    F: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
{
    fn resolve(&self, name: Name) -> Resolving {
        let found = (self.look_up)(name.as_str().to_owned());
        let networks = self.networks.clone();
        Box::pin(async move {
            let mut found = found.await?;
            let any = !found.is_empty();
            found.retain(|address| networks.allow(*address));
            if any && found.is_empty() {
                return Err(NotAllowed.into());
            }
            Ok(Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use std::str::FromStr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    async fn found(
        networks: &[&str],
        look_up: impl Fn(String) -> std::future::Ready<io::Result<Vec<IpAddr>>> + Send + Sync + 'static,
    ) -> Result<Vec<String>, String> {
        let networks = Networks(networks.iter().map(|network| network.parse().unwrap()).collect());
        let found = Guarded { networks, look_up }.resolve(Name::from_str("example.com").unwrap()).await;
        found.map(|found| found.map(|at| at.ip().to_string()).collect()).map_err(|error| error.to_string())
    }

    fn ready(addresses: &[&str]) -> std::future::Ready<io::Result<Vec<IpAddr>>> {
        std::future::ready(Ok(addresses.iter().map(|address| address.parse().unwrap()).collect()))
    }

    #[tokio::test]
    async fn a_name_leads_to_allowed_addresses_alone() {
        let both = |_| ready(&["10.0.0.1", "1.1.1.1", "::ffff:127.0.0.1", "2606:4700::1"]);
        assert_eq!(found(&[], both).await, Ok(vec!["1.1.1.1".to_owned(), "2606:4700::1".to_owned()]));
        for inside in ["127.0.0.1", "::1", "169.254.169.254", "::ffff:10.0.0.1", "fd00::1"] {
            let inside: &'static str = inside;
            assert_eq!(found(&[], move |_| ready(&[inside])).await, Err(NOT_ALLOWED.to_owned()), "{inside}");
        }
        assert_eq!(found(&["10.0.0.0/8"], |_| ready(&["10.0.0.1"])).await, Ok(vec!["10.0.0.1".to_owned()]));
        assert_eq!(found(&[], |_| ready(&[])).await, Ok(Vec::new()), "who leads nowhere is found nowhere");
    }

    #[tokio::test]
    async fn a_name_that_leads_elsewhere_the_second_time_is_asked_again() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let look_up = move |_| match count.fetch_add(1, Ordering::Relaxed) {
            0 => ready(&["1.1.1.1"]),
            _ => ready(&["127.0.0.1"]),
        };
        let guarded = Guarded { networks: Networks::default(), look_up };
        let name = || Name::from_str("rebinding.example.com").unwrap();
        assert!(guarded.resolve(name()).await.is_ok());
        assert_eq!(guarded.resolve(name()).await.err().unwrap().to_string(), NOT_ALLOWED);
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }
}

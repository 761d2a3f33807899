//! Connections from their opening to their end. There are only so many, for all and for each address that has shown no key yet, and
//! none is waited for without end: not for a request's head, not for the next request, not for an answer to be taken. Whoever
//! finds no place is told so at once.
//!
//! How long a body may take, and what all bodies take together, is [`transport::body`](crate::transport)'s.

mod patient;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::limit::{Crowded, Hold, What, Who};

use patient::{Patient, Turn};

/// Bytes of a request's head, its address included, and as much of a body as is read at a time.
const HEAD: usize = 64 << 10;
/// As many who find no place are told so at a time; those beyond hear nothing.
const TURNED_AWAY: usize = 64;
/// How long whoever is turned away may take to hear it.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long no connection is taken after the system could give none: usually it has no more file descriptors.
const BREATH: Duration = Duration::from_secs(1);

/// What is said to whoever finds no place.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
    content-type: application/json\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n\
    content-length: 101\r\n\r\n\
    {\"errors\":[{\"message\":\"too many connections; please try again\",\"extensions\":{\"code\":\"UNAVAILABLE\"}}]}";

/// How long each thing on a connection may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From the first byte of a request's head to its last.
    pub head: Duration,
    /// Until a request begins. Longer than proxies keep theirs (60 s is usual), so that none sends on one that is just closing.
    pub idle: Duration,
    /// Until somebody goes on to take an answer ..
    pub write: Duration,
    /// .. of which they then take so many bytes a second at least.
    pub rate: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            write: Duration::from_secs(10),
            rate: 4 << 10,
        }
    }
}

impl Pace {
    /// `n` times as fast, for tests.
    pub fn divided(n: u32) -> Self {
        let Self { head, idle, write, rate } = Self::default();
        Self { head: head / n, idle: idle / n, write: write / n, rate: rate.saturating_mul(n) }
    }
}

/// Whoever is at the other end of a connection: a stranger among others of their address, until they show a good key. Clones are
/// the same.
#[derive(Clone, Debug)]
pub struct Visitor(Arc<Mutex<Option<Hold>>>);

impl Visitor {
    fn new(stranger: Option<Hold>) -> Self {
        Self(Arc::new(Mutex::new(stranger)))
    }

    /// They showed a good key, or a good signature: they no longer count as a stranger.
    pub fn is_known(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Answers requests on connections from this listener until `stop`, and then those that are under way.
pub async fn serve(listener: TcpListener, router: Router, app: App, pace: Pace, stop: CancellationToken) {
    // Now and not with each request: routes are put together when they get their state.
    let host = Arc::new(Host { router: router.with_state(()), app, pace, stop: stop.clone() });
    let (open, turned_away) = (TaskTracker::new(), Arc::new(Semaphore::new(TURNED_AWAY)));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match host.place(peer) {
                Ok((place, visitor)) => {
                    open.spawn(host.clone().converse(stream, peer, place, visitor));
                }
                Err(_) => {
                    if let Ok(permit) = turned_away.clone().try_acquire_owned() {
                        open.spawn(async move {
                            turn_away(stream).await;
                            drop(permit);
                        });
                    }
                }
            },
            // Of one connection, which went before it was taken.
            Err(error) if is_of_a_connection(&error) => {}
            Err(error) => {
                tracing::error!(cause = %error, "No connection can be taken for the moment");
                sleep(BREATH).await;
            }
        }
    }
    // Nobody connects to what is stopping.
    drop(listener);
    open.close();
    open.wait().await;
}

fn is_of_a_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Says that there is no place. What the caller sends meanwhile is read: closing a connection on unread bytes would take back what
/// was said.
async fn turn_away(mut stream: TcpStream) {
    let farewell = async {
        stream.write_all(FULL).await?;
        stream.shutdown().await?;
        let mut ignored = [0; 1 << 10];
        while stream.read(&mut ignored).await? > 0 {}
        io::Result::Ok(())
    };
    // They may be gone already.
    let _ = timeout(FAREWELL, farewell).await;
}

/// What all connections need.
struct Host {
    router: Router,
    app: App,
    pace: Pace,
    stop: CancellationToken,
}

impl Host {
    /// A place for a connection, and whoever is at its other end.
    fn place(&self, peer: SocketAddr) -> Result<(Hold, Visitor), Crowded> {
        let places = &self.app.limits.places;
        // Of all whom a proxy speaks for, none should be kept out for the others.
        let stranger = if self.app.doorkeeper.trusts(peer.ip()) {
            None
        } else {
            Some(places.hold_for(What::AddressConnections, Who::at(peer.ip()))?)
        };
        Ok((places.hold(What::Connections)?, Visitor::new(stranger)))
    }

    async fn converse(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, place: Hold, visitor: Visitor) {
        // An answer is one write: waiting for more to send with it would only make it late.
        let _ = stream.set_nodelay(true);
        let turn = Arc::new(Turn::default());
        let io = TokioIo::new(Patient::new(stream, turn.clone(), self.pace, (place, visitor.clone())));
        let router = TowerToHyperService::new(self.router.clone());
        let begun = turn.clone();
        let service = service_fn(move |mut request: Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(visitor.clone());
            turn.begin();
            let (answering, turn) = (router.call(request), turn.clone());
            async move {
                let answer = answering.await;
                turn.end(answer.as_ref().is_ok_and(|answer| answer.status() == StatusCode::SWITCHING_PROTOCOLS));
                answer
            }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.pace.idle).max_buf_size(HEAD);
        let mut conversation = std::pin::pin!(http.serve_connection(io, service).with_upgrades());
        let ended = tokio::select! {
            ended = conversation.as_mut() => ended,
            // Nothing was asked on it yet, nor will it be: it would be waited for like one that is being answered.
            () = self.stop.cancelled(), if !begun.has_begun() => return,
            () = self.stop.cancelled() => {
                conversation.as_mut().graceful_shutdown();
                conversation.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(cause = %error, "A connection broke");
        }
    }
}

/// As many connections as the system lets this process have beside its other open files: a quarter is left for those.
pub fn allowed_by_the_system() -> Option<u32> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    most_of(&limits)
}

fn most_of(limits: &str) -> Option<u32> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let soft: u32 = line.split_whitespace().next()?.parse().ok()?;
    Some(soft - soft / 4)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    #[test]
    fn what_is_said_to_whoever_finds_no_place_is_whole() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["errors"][0]["extensions"]["code"], "UNAVAILABLE");
    }

    #[test]
    fn a_quarter_of_the_files_is_left_for_others() {
        let limits = |soft: &str| {
            format!("Limit  Soft Limit  Hard Limit  Units\nMax open files            {soft}  1048576  files\n")
        };
        assert_eq!(most_of(&limits("1024")), Some(768));
        assert_eq!(most_of(&limits("unlimited")), None);
        assert_eq!(most_of(""), None);
        assert!(allowed_by_the_system().is_none_or(|most| most > 0));
    }
}

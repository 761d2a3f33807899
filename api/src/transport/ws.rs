//! GraphQL over a WebSocket: who may open one, and how many there are. What is said on it is [`conversation`]'s.

mod conversation;
mod message;
mod pace;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_graphql::Request as GraphqlRequest;
use async_graphql::parser::types::OperationType;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use axum::extract::{FromRequestParts, Request, WebSocketUpgrade};
use axum::response::Response;
use futures::{SinkExt, StreamExt};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::conversation::{Conversation, Host};
pub use self::pace::Pace;
use super::Graphql;
use super::operation::{Given, Operation};
use super::refusal::Refusal;
use super::whence::{By, Whence};
use crate::auth::{Principal, Refused};
use crate::connection::Visitor;
use crate::limit::count::Cost;
use crate::limit::{Crowded, Hold, What, Who};
use crate::schema::Schema;
use crate::schema::fault::Fault;

/// The one sub-protocol that is spoken (graphql-ws, PROTOCOL.md).
const PROTOCOL: &str = "graphql-transport-ws";
/// Sockets of one process.
const MOST: usize = 10_000;
/// No frame is read beyond this; a message is refused before, in words (`message::MOST`).
const READ: usize = 2 * message::MOST;
/// Bytes that are read at a time.
const BUFFER: usize = 4 << 10;

/// The sockets of this process.
pub struct Sockets {
    places: Arc<Semaphore>,
    open: TaskTracker,
    pace: Pace,
    stop: CancellationToken,
}

impl Sockets {
    /// None yet; they end at `stop`.
    pub fn new(pace: Pace, stop: CancellationToken) -> Self {
        Self { places: Arc::new(Semaphore::new(MOST)), open: TaskTracker::new(), pace, stop }
    }

    /// Waits until all are closed.
    pub async fn closed(&self) {
        self.open.close();
        self.open.wait().await;
    }
}

/// Opens a socket to whoever asks from an allowed place. Their key is asked for when it is open.
pub async fn upgrade(graphql: Arc<Graphql>, from: IpAddr, request: Request) -> Result<Response, Refusal> {
    if !graphql.origins.allow(request.headers()) {
        return Err(Refusal::FromElsewhere);
    }
    let place = graphql.sockets.places.clone().try_acquire_owned().map_err(|_| Refusal::Full)?;
    let stranger = graphql.app.limits.places.hold_for(What::AddressSockets, Who::at(from));
    let stranger = stranger.map_err(|_| Refusal::Full)?;
    let (mut head, _) = request.into_parts();
    let visitor = head.extensions.get::<Visitor>().cloned();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut head, &()).await.map_err(|_| Refusal::Handshake)?;
    // What is read is small and seldom; the usual buffer of 128 KiB each would be most of what an idle socket costs.
    let upgrade = upgrade.read_buffer_size(BUFFER).max_message_size(READ).max_frame_size(READ);
    let upgrade = upgrade.protocols([PROTOCOL]);
    let head_key = head.headers.get("authorization").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let open = graphql.sockets.open.token();
    Ok(upgrade.on_upgrade(async move |socket| {
        let _counted = (place, open);
        if socket.protocol().is_none() {
            return refuse_protocol(socket).await;
        }
        let (pace, stop) = (graphql.sockets.pace, graphql.sockets.stop.clone());
        let (sink, source) = socket.split();
        let caller = Caller { graphql, from, visitor, holds: Mutex::new(stranger) };
        Conversation::new(caller, source, sink, pace).hold(head_key, stop).await;
    }))
}

async fn refuse_protocol(mut socket: WebSocket) {
    let frame = CloseFrame { code: 4406, reason: format!("please speak {PROTOCOL}").into() };
    let close = async {
        // Nobody may be there to hear it.
        socket.send(Message::Close(Some(frame))).await.ok();
        socket.close().await.ok();
    };
    timeout(Duration::from_secs(5), close).await.ok();
}

/// Whoever speaks on a socket.
struct Caller {
    graphql: Arc<Graphql>,
    from: IpAddr,
    visitor: Option<Visitor>,
    /// A place among the strangers of their address; then among the sockets of their key.
    holds: Mutex<Hold>,
}

impl Host for Caller {
    type Schema = Schema;

    async fn ask(&self, key: &str) -> Result<Principal, Refused> {
        self.graphql.app.doorkeeper.ask(key, self.from).await
    }

    fn left(&self, principal: &Principal) -> Option<Duration> {
        let left = principal.expires_at? - self.graphql.app.ctx.clock.now();
        Some(left.to_std().unwrap_or_default())
    }

    fn enter(&self, principal: &Principal) -> Result<(), Crowded> {
        let place = self.graphql.app.limits.places.hold_for(What::Sockets, Who::Key(principal.key))?;
        *self.holds.lock().unwrap_or_else(PoisonError::into_inner) = place;
        if let Some(visitor) = &self.visitor {
            visitor.is_known();
        }
        Ok(())
    }

    async fn admit(&self, operation: &Operation, principal: &Principal) -> Result<Given, Fault> {
        let (limits, Cost { mutations, emails }) = (&self.graphql.app.limits, operation.cost());
        let asked = [(What::Requests, 1), (What::Mutations, mutations), (What::Emails, emails)];
        limits.take(principal.key, &asked).await?;
        if operation.kind() == Some(OperationType::Subscription) {
            return Ok(Given::Place(limits.places.hold_for(What::Subscriptions, Who::Key(principal.key))?));
        }
        Ok(Given::Turn(operation.turn(limits, *principal).await?))
    }

    fn request(&self, request: GraphqlRequest, principal: Principal) -> GraphqlRequest {
        self.graphql.request(request, principal, Whence { address: self.from, by: By::Socket })
    }

    fn schema(&self) -> &Schema {
        &self.graphql.app.schema
    }
}

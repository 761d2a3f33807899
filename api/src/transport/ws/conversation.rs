//! One socket from its opening to its end (graphql-ws, PROTOCOL.md). It ends with a code that says why, and never later than
//! the permission of whoever opened it.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use async_graphql::{Executor, Request, Response, ServerError};
use axum::extract::ws::{CloseFrame, Message};
use futures::future::{BoxFuture, pending, ready};
use futures::stream::{self, BoxStream};
use futures::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use tokio::time::{Instant, Interval, interval, sleep, timeout};
use tokio_stream::StreamMap;
use tokio_util::sync::CancellationToken;

use super::message::{self, Close, FromClient, ToClient};
use super::pace::Pace;
use crate::auth::{Principal, Refused};
use crate::limit::Crowded;
use crate::schema::fault::Fault;
use crate::transport::http::is_request_error;
use crate::transport::operation::{self, Given, Operation};

/// Operations on one socket at a time.
const OPERATIONS: usize = 16;

/// What a conversation needs of the process.
pub trait Host: Send + Sync + 'static {
    /// What operations are asked of.
    type Schema: Executor;

    /// Who it is that shows this key.
    fn ask(&self, key: &str) -> impl Future<Output = Result<Principal, Refused>> + Send;

    /// How long their permission still holds; `None` for ever.
    fn left(&self, principal: &Principal) -> Option<Duration>;

    /// Somebody is let in: whatever that takes of their limits is held as long as the host.
    ///
    /// # Errors
    /// They have no place left.
    fn enter(&self, principal: &Principal) -> Result<(), Crowded>;

    /// An operation begins: what it holds until it ends.
    ///
    /// # Errors
    /// It is more than the caller's limits allow.
    fn admit(&self, operation: &Operation, principal: &Principal) -> impl Future<Output = Result<Given, Fault>> + Send;

    /// A request with what its resolvers need.
    fn request(&self, request: Request, principal: Principal) -> Request;

    /// The schema.
    fn schema(&self) -> &Self::Schema;
}

/// One socket.
pub struct Conversation<H, In, Out> {
    host: Arc<H>,
    source: In,
    sink: Out,
    pace: Pace,
    stage: Stage,
    operations: StreamMap<String, BoxStream<'static, Event>>,
    /// The last sign of life.
    heard: Instant,
}

/// How far the beginning has come.
enum Stage {
    /// Nothing was said yet.
    Silent,
    /// The key is being looked up.
    Asking(BoxFuture<'static, Result<Permission, Close>>),
    /// The client is in.
    Open(Permission),
}

/// Who the client is, and what becomes ready when they may not go on.
struct Permission {
    principal: Principal,
    end: BoxFuture<'static, Close>,
}

/// What an operation does.
enum Event {
    Next(Response),
    Refused(Vec<ServerError>),
    Ended,
}

/// What to do after something happened.
type Step = Result<Option<ToClient>, End>;

/// Why a conversation is over.
enum End {
    Close(Close),
    /// The client has gone.
    Gone,
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        End::Close(close)
    }
}

impl<H, In, Out, E> Conversation<H, In, Out>
where
    H: Host,
    In: Stream<Item = Result<Message, E>> + Unpin,
    Out: Sink<Message> + Unpin,
{
    /// A socket that was just opened.
    pub fn new(host: H, source: In, sink: Out, pace: Pace) -> Self {
        let (operations, heard) = (StreamMap::new(), Instant::now());
        Self { host: Arc::new(host), source, sink, pace, stage: Stage::Silent, operations, heard }
    }

    /// Holds it until either side ends it, or `stop`. `head` is the `Authorization` of the request that opened the socket; what
    /// the client says itself goes before it.
    pub async fn hold(mut self, head: Option<String>, stop: CancellationToken) {
        let end = self.until_its_end(head, stop).await;
        // Before the farewell, which may take time: nothing is done for somebody who has gone.
        self.operations.clear();
        if let End::Close(close) = end {
            let frame = CloseFrame { code: close.code(), reason: close.reason().into() };
            // Nobody may be there to hear it.
            timeout(self.pace.send, self.sink.send(Message::Close(Some(frame)))).await.ok();
        }
        timeout(self.pace.send, self.sink.close()).await.ok();
    }

    async fn until_its_end(&mut self, head: Option<String>, stop: CancellationToken) -> End {
        let mut deadline = std::pin::pin!(sleep(self.pace.init));
        let mut ping = interval(self.pace.ping);
        ping.reset();
        loop {
            let silent = matches!(self.stage, Stage::Silent);
            let step = tokio::select! {
                frame = self.source.next() => self.frame(frame, head.as_deref()),
                Some((id, event)) = self.operations.next(), if !self.operations.is_empty() => Ok(Some(self.event(id, event))),
                permission = self.stage.moves() => self.let_in(permission),
                () = &mut deadline, if silent => Err(Close::NoBeginning.into()),
                () = tick(&mut ping) => self.ping(),
                () = stop.cancelled() => Err(Close::GoingAway.into()),
            };
            match step {
                Ok(None) => {}
                Ok(Some(message)) => {
                    if let Err(end) = self.send(message).await {
                        return end;
                    }
                }
                Err(end) => return end,
            }
        }
    }

    fn frame(&mut self, frame: Option<Result<Message, E>>, head: Option<&str>) -> Step {
        self.heard = Instant::now();
        match frame {
            Some(Ok(Message::Text(text))) if text.len() > message::MOST => Err(Close::TooLarge.into()),
            Some(Ok(Message::Text(text))) => {
                self.message(FromClient::read(text.as_str()).ok_or(Close::NoMessage)?, head)
            }
            Some(Ok(Message::Binary(_))) => Err(Close::NoMessage.into()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
            Some(Ok(Message::Close(_)) | Err(_)) | None => Err(End::Gone),
        }
    }

    fn message(&mut self, message: FromClient, head: Option<&str>) -> Step {
        match message {
            FromClient::ConnectionInit { payload } => {
                if !matches!(self.stage, Stage::Silent) {
                    return Err(Close::TwoBeginnings.into());
                }
                let said = message::authorization(payload.as_ref()).or(head);
                let key = said.and_then(message::bearer).ok_or(Close::Forbidden)?.to_owned();
                self.stage = Stage::Asking(permission(self.host.clone(), key, self.pace.ask).boxed());
                Ok(None)
            }
            FromClient::Subscribe { id, payload } => {
                let Stage::Open(Permission { principal, .. }) = &self.stage else { return Err(Close::NotYet.into()) };
                if self.operations.contains_key(&id) {
                    return Err(Close::NotUnique.into());
                }
                if self.operations.len() >= OPERATIONS {
                    let words = format!("a socket carries {OPERATIONS} operations at a time");
                    let fault = Fault::RateLimited { words, wait: None };
                    return Ok(Some(ToClient::Error { id, payload: fault.response().errors }));
                }
                let operation = Operation::of(self.host.request(payload.into(), *principal));
                self.operations.insert(id, events(operation, self.host.clone(), *principal));
                Ok(None)
            }
            FromClient::Complete { id } => {
                self.operations.remove(&id);
                Ok(None)
            }
            FromClient::Ping { payload } => Ok(Some(ToClient::Pong { payload })),
            FromClient::Pong {} => Ok(None),
        }
    }

    fn event(&mut self, id: String, event: Event) -> ToClient {
        match event {
            Event::Next(payload) => ToClient::Next { id, payload },
            Event::Refused(payload) => {
                self.operations.remove(&id);
                ToClient::Error { id, payload }
            }
            Event::Ended => {
                self.operations.remove(&id);
                ToClient::Complete { id }
            }
        }
    }

    fn let_in(&mut self, permission: Result<Permission, Close>) -> Step {
        self.stage = Stage::Open(permission?);
        Ok(Some(ToClient::ConnectionAck))
    }

    fn ping(&self) -> Step {
        if self.heard.elapsed() > 2 * self.pace.ping { Err(Close::Silent.into()) } else { Ok(Some(ToClient::Ping)) }
    }

    /// Sends a message. A client who does not take it is one who has gone.
    async fn send(&mut self, message: ToClient) -> Result<(), End> {
        let text = serde_json::to_string(&message).map_err(|error| {
            tracing::error!(cause = %error, "A message could not be written");
            End::Gone
        })?;
        match timeout(self.pace.send, self.sink.send(Message::Text(text.into()))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }
}

impl Stage {
    /// What was found out about the client, or that they may not go on.
    async fn moves(&mut self) -> Result<Permission, Close> {
        match self {
            Stage::Silent => pending().await,
            Stage::Asking(asked) => asked.await,
            Stage::Open(permission) => Err((&mut permission.end).await),
        }
    }
}

async fn tick(interval: &mut Interval) {
    interval.tick().await;
}

async fn permission(host: Arc<impl Host>, key: String, between: Duration) -> Result<Permission, Close> {
    let principal = host.ask(&key).await.map_err(|refusal| match refusal {
        Refused::Nothing | Refused::Unknown | Refused::Token(_) | Refused::Elsewhere => Close::Forbidden,
        Refused::Limited(_) | Refused::Away(_) => Close::TryAgain,
    })?;
    host.enter(&principal).map_err(|_| Close::Crowded)?;
    Ok(Permission { principal, end: end_of(host, key, principal, between).boxed() })
}

/// Waits until the permission ends: its time is up, or the key no longer opens what it did.
async fn end_of(host: Arc<impl Host>, key: String, principal: Principal, between: Duration) -> Close {
    let left = host.left(&principal);
    let expired = async {
        match left {
            Some(left) => sleep(left).await,
            None => pending().await,
        }
    };
    let changed = async {
        loop {
            sleep(between).await;
            match host.ask(&key).await {
                Ok(same) if same == principal => {}
                // Nobody can say: those who are in stay in.
                Err(Refused::Limited(_) | Refused::Away(_)) => {}
                Ok(_) | Err(Refused::Nothing | Refused::Unknown | Refused::Token(_) | Refused::Elsewhere) => return,
            }
        }
    };
    tokio::select! {
        () = expired => Close::Expired,
        () = changed => Close::Changed,
    }
}

/// What an operation does, up to its end.
fn events(operation: Operation, host: Arc<impl Host>, principal: Principal) -> BoxStream<'static, Event> {
    let follows = operation.kind() == Some(OperationType::Subscription);
    let answers = async move {
        let given = match host.admit(&operation, &principal).await {
            Ok(given) => given,
            Err(fault) => return stream::once(ready(fault.response())).boxed(),
        };
        let schema = host.schema();
        if !follows {
            let answer = operation.execute(schema.clone(), operation::LIMIT);
            // Whether the answer is taken is nothing to those who wait for their turn.
            return stream::once(answer.inspect(move |_| drop(given))).boxed();
        }
        // Given back with the operation, however it ends.
        let answers = operation.follow(schema).map(move |answer| {
            let _given = &given;
            answer
        });
        answers.boxed()
    };
    let answers = answers.flatten_stream();
    let mut begun = false;
    let event = move |answer: Response| {
        // A subscription that has told nothing yet was not begun, wherever the error comes from.
        let fruitless = follows && answer.data == async_graphql::Value::Null && !answer.errors.is_empty();
        let refused = !begun && (is_request_error(&answer) || fruitless);
        begun = true;
        if refused { Event::Refused(answer.errors) } else { Event::Next(answer) }
    };
    answers.map(event).chain(stream::once(async { Event::Ended })).boxed()
}

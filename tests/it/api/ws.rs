//! GraphQL over WebSocket against the running service. Every close code by itself is tried in `api`, where time is at hand, and
//! in `tests/conformance/ws.mjs`; here is what takes a whole process.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tests::client::letter;
use tests::database::Backend;
use tests::patience::SOON;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{KEY, Served};

on_both! {
    a_follower_hears_of_an_email_at_most_twice_a_second
    a_socket_is_let_in_by_its_key_and_only_from_allowed_pages
    a_socket_ends_when_its_key_is_revoked
    a_socket_ends_with_the_process
}

/// A client's end of a socket.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens one, with these headers besides.
    async fn open(served: &Served, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        let url = format!("{}/graphql", served.url.replacen("http", "ws", 1));
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        Ok(Self(connect_async(request).await?.0))
    }

    pub async fn plain(served: &Served) -> Self {
        Self::open(served, &[("sec-websocket-protocol", "graphql-transport-ws")]).await.unwrap()
    }

    /// Opens one and is let in by this key.
    pub async fn begun(served: &Served, key: &str) -> Self {
        let mut socket = Self::plain(served).await;
        socket.init(key).await;
        assert_eq!(socket.hear().await["type"], "connection_ack");
        socket
    }

    pub async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    pub async fn init(&mut self, key: &str) {
        self.say(json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {key}") } })).await;
    }

    pub async fn ask(&mut self, id: &str, query: &str) {
        self.say(json!({ "type": "subscribe", "id": id, "payload": { "query": query } })).await;
    }

    pub async fn ask_with(&mut self, id: &str, query: &str, variables: Value) {
        self.say(json!({ "type": "subscribe", "id": id, "payload": { "query": query, "variables": variables } })).await;
    }

    /// The next message but pings, which are answered as every client answers them.
    pub async fn hear(&mut self) -> Value {
        loop {
            let frame = timeout(SOON, self.0.next()).await.expect("a message").unwrap().unwrap();
            let Message::Text(text) = frame else { panic!("heard {frame:?}") };
            let message: Value = serde_json::from_str(&text).unwrap();
            if message["type"] != "ping" {
                return message;
            }
            self.say(json!({ "type": "pong" })).await;
        }
    }

    /// The code with which the service closes it.
    pub async fn closed(mut self) -> u16 {
        loop {
            match timeout(SOON, self.0.next()).await.expect("the socket to be closed").unwrap().unwrap() {
                Message::Close(Some(frame)) => return frame.code.into(),
                Message::Text(text) if text.contains("\"ping\"") => self.say(json!({ "type": "pong" })).await,
                Message::Text(_) | Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("heard {other:?}"),
            }
        }
    }
}

const FOLLOW: &str = "subscription { queueStatsUpdated { completed ledger { total sent } } }";

async fn a_follower_hears_of_an_email_at_most_twice_a_second(backend: Backend) {
    let served = Served::on(backend).await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        let mut socket = Socket::begun(&served, KEY).await;
        socket.ask("1", FOLLOW).await;
        let present = socket.hear().await;
        assert_eq!(present["payload"]["data"]["queueStatsUpdated"]["ledger"]["total"], 0, "{present}");
        sockets.push(socket);
    }
    let begun = Instant::now();
    for _ in 0..5 {
        served.client.send_email(letter("bob@example.org")).await;
    }
    for socket in &mut sockets {
        let mut told = 0;
        loop {
            told += 1;
            let event = socket.hear().await;
            let stats = &event["payload"]["data"]["queueStatsUpdated"];
            if stats["completed"] == 5 {
                assert_eq!(stats["ledger"], json!({ "total": 5, "sent": 5 }));
                break;
            }
        }
        let most = begun.elapsed().as_millis() / 500 + 2;
        assert!(told <= most, "told {told} times in {:?}", begun.elapsed());
    }
}

async fn a_socket_is_let_in_by_its_key_and_only_from_allowed_pages(backend: Backend) {
    let allowed = "https://board.example.com";
    let served = Served::with(backend, |launch| launch.env("ALLOWED_ORIGINS", allowed)).await;
    let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
    let bearer = format!("Bearer {KEY}");
    let mut head = Socket::open(&served, &[protocol, ("authorization", &bearer)]).await.unwrap();
    head.say(json!({ "type": "connection_init" })).await;
    assert_eq!(head.hear().await["type"], "connection_ack");
    head.ask("1", "mutation { resume { ended userErrors { code } } }").await;
    assert_eq!(head.hear().await["payload"]["data"]["resume"]["ended"], 0);
    assert_eq!(head.hear().await, json!({ "type": "complete", "id": "1" }));
    let mut stranger = Socket::plain(&served).await;
    stranger.init("nobody's").await;
    assert_eq!(stranger.closed().await, 4403);
    assert_eq!(Socket::open(&served, &[]).await.unwrap().closed().await, 4406);
    for (origin, opens) in
        [(served.url.as_str(), true), (allowed, true), ("https://evil.example", false), ("null", false)]
    {
        match Socket::open(&served, &[protocol, ("origin", origin)]).await {
            Ok(_) => assert!(opens, "{origin}"),
            Err(Error::Http(answer)) => assert!(!opens && answer.status() == 403, "{origin}: {answer:?}"),
            Err(error) => panic!("{origin}: {error}"),
        }
    }
}

async fn a_socket_ends_when_its_key_is_revoked(backend: Backend) {
    // Keys are asked about again after one second, not thirty.
    let served = Served::with(backend, |launch| launch.env("TIMING_DIVISOR", "30")).await;
    let key = served.command(&["key", "create", "--name", "the board"]).await.pop().unwrap();
    let mut socket = Socket::begun(&served, &key).await;
    socket.ask("1", FOLLOW).await;
    assert_eq!(socket.hear().await["type"], "next");
    served.command(&["key", "revoke", key.rsplit_once('_').unwrap().0]).await;
    assert_eq!(socket.closed().await, 4403);
}

async fn a_socket_ends_with_the_process(backend: Backend) {
    let served = Served::on(backend).await;
    let mut socket = Socket::begun(&served, KEY).await;
    socket.ask("1", FOLLOW).await;
    assert_eq!(socket.hear().await["type"], "next");
    let begun = Instant::now();
    let (code, ended) = tokio::join!(socket.closed(), served.process.terminate(SOON));
    assert_eq!(code, 1001);
    assert!(ended.success() && begun.elapsed() < Duration::from_secs(10), "{ended} after {:?}", begun.elapsed());
}

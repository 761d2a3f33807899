//! Following over WebSocket: a thousand followers of one email or campaign each, which together hear a thousand events a second,
//! and a few who follow everything. How long an event takes from the arrival of its webhook to each of them, and what memory
//! they cost the server, while they are there and after they have left.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tests::client::{Client, http};
use tests::database::{Database, Postgres};
use tests::patience::SOON;
use tests::webhook::Told;
use tokio::net::TcpStream;
use tokio::sync::{OnceCell, watch};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use uuid::Uuid;

use crate::events::{context, sent};
use crate::usage::memory;
use crate::webhooks::{API_KEY, Server};

/// Emails, each of a campaign of its own; one follows the email, another its campaign.
const EMAILS: usize = 500;
/// Each event is heard by two of the thousand.
const EVENTS_PER_SECOND: usize = 500;
/// Who follow everything.
const OF_ALL: usize = 5;
/// Connections that bring webhooks.
const CALLERS: usize = 64;
/// What a server keeps after it was busy, whoever followed, is no follower's: it is busy once before.
const WARM_UP: Duration = Duration::from_secs(5);
/// How long after they left one looks again; an allocator gives back in its own time.
const AFTER: Duration = Duration::from_secs(10);

/// Measures twice for so many seconds, and prints it: what is kept after the second time as well is lost.
pub async fn measure(postgres: &Postgres, seconds: u64) {
    let database: Database = postgres.database().await;
    let ctx = context(&database).await;
    let emails = sent(&ctx, EMAILS as u64, EMAILS as u64).await;
    let server = Server::start(&database).await;
    let warm = EVENTS_PER_SECOND * WARM_UP.as_secs() as usize;
    Round::new(&emails, warm, ctx.clock.now()).pour(&server.webhooks).await;
    println!("{EVENTS_PER_SECOND} events a second, each heard by 2 of {} and by {OF_ALL} who follow all", EMAILS * 2);
    for _ in 0..2 {
        let events = EVENTS_PER_SECOND * seconds as usize;
        wave(&server, &emails, Round::new(&emails, events, ctx.clock.now())).await;
    }
}

/// They come, hear all that is theirs, and leave.
async fn wave(server: &Server, emails: &[(Uuid, String)], round: Round) {
    let (memory, round) = (|| memory(server.process.pid()), Arc::new(round));
    let last = "{ deliveryEvents(first: 1) { pageInfo { endCursor } } }";
    let last = Client::new(&server.url, API_KEY).query(last, json!({})).await;
    let after = &last["deliveryEvents"]["pageInfo"]["endCursor"];
    let (before, mut followers) = (memory(), Vec::new());
    let (leave, left) = watch::channel(false);
    for follows in follows(emails, round.bodies.len()) {
        let socket = Socket::begun(&server.url, &follows.filter, after).await;
        followers.push(tokio::spawn(follow(socket, follows, round.clone(), left.clone())));
    }
    let with = memory();
    round.pour(&server.webhooks).await;
    let busy = memory();
    // Whoever has heard all that is theirs leaves; the limit is for those who never do.
    let late = tokio::spawn(async move {
        tokio::time::sleep(SOON).await;
        leave.send(true).ok();
    });
    let (mut of_one, mut of_all) = (Vec::new(), Vec::new());
    for follower in followers {
        let (all, delays) = follower.await.expect("no panic");
        if all { &mut of_all } else { &mut of_one }.extend(delays);
    }
    late.abort();
    let (heard, events) = ((of_one.len(), of_all.len()), round.bodies.len());
    assert_eq!(heard, (events * 2, events * OF_ALL), "each hears all that is theirs");
    print("webhook's arrival to a follower of one", of_one);
    print("webhook's arrival to a follower of all", of_all);
    tokio::time::sleep(AFTER).await;
    let after = memory();
    println!(
        "  memory of the server, MB: {before:.1} before, {with:.1} with them, {busy:.1} at the end, {after:.1} after they left"
    );
}

fn print(what: &str, mut delays: Vec<Duration>) {
    delays.sort_unstable();
    let quantile = |q: f64| delays[((delays.len() - 1) as f64 * q) as usize].as_secs_f64() * 1e3;
    println!("  {what}: p50 {:.1} ms, p99 {:.1} ms", quantile(0.5), quantile(0.99));
}

/// Webhooks and when each of them was sent.
struct Round {
    bodies: Vec<Bytes>,
    sent: Vec<OnceCell<Instant>>,
}

/// What one follower follows.
struct Follows {
    filter: Value,
    /// How many events it has to hear.
    expected: usize,
    all: bool,
}

fn follows(emails: &[(Uuid, String)], events: usize) -> Vec<Follows> {
    let one = |place: usize, filter: Value| {
        let expected = events / emails.len() + usize::from(place < events % emails.len());
        Follows { filter, expected, all: false }
    };
    let campaign = |place: usize| Uuid::from_u128(place as u128 + 1);
    let of_emails = emails.iter().enumerate().map(|(i, (id, _))| one(i, json!({ "emailId": format!("email:{id}") })));
    let of_campaigns = (0..emails.len()).map(|i| one(i, json!({ "campaignId": format!("campaign:{}", campaign(i)) })));
    let of_all = (0..OF_ALL).map(|_| Follows { filter: Value::Null, expected: events, all: true });
    of_emails.chain(of_campaigns).chain(of_all).collect()
}

impl Round {
    /// One click after the other on each of the emails in turn; its link says which it is.
    fn new(emails: &[(Uuid, String)], events: usize, now: DateTime<Utc>) -> Self {
        let token = || hex::encode(entity::clock::random_bytes::<25>());
        let body = |i: usize| {
            let (email, to) = &emails[i % emails.len()];
            Told::new("clicked", *email, to, now).with("url", format!("https://example.com/{i}")).body(now, &token())
        };
        Self { bodies: (0..events).map(body).collect(), sent: (0..events).map(|_| OnceCell::new()).collect() }
    }

    /// Sends each in its time, whether or not those before were answered, as far as there are callers.
    async fn pour(&self, url: &str) {
        let (http, start, next) = (http(), Instant::now(), AtomicUsize::new(0));
        let caller = async || {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(body) = self.bodies.get(i) else { return };
                sleep_until(start + Duration::from_secs(1) * i as u32 / EVENTS_PER_SECOND as u32).await;
                self.sent[i].set(Instant::now()).expect("once");
                let answer = http.post(url).body(body.clone()).send().await.expect("an answer");
                assert_eq!(answer.status(), 200);
            }
        };
        futures::future::join_all((0..CALLERS).map(|_| caller())).await;
        let (took, asked) = (start.elapsed().as_secs_f64(), self.bodies.len() as f64 / EVENTS_PER_SECOND as f64);
        if took > asked * 1.05 {
            println!("  the server did not keep up: what was to come in {asked:.1} s took {took:.1} s");
        }
    }
}

/// Hears what is its own, and answers how long each took.
async fn follow(
    mut socket: Socket,
    follows: Follows,
    round: Arc<Round>,
    mut left: watch::Receiver<bool>,
) -> (bool, Vec<Duration>) {
    let (mut delays, mut heard) = (Vec::with_capacity(follows.expected), HashSet::new());
    while delays.len() < follows.expected {
        let message = tokio::select! {
            message = socket.hear() => message,
            _ = left.wait_for(|left| *left) => break,
        };
        let now = Instant::now();
        let url = message["payload"]["data"]["deliveryEventAdded"]["node"]["url"].as_str();
        let place = url.and_then(|url| url.rsplit_once('/')?.1.parse::<usize>().ok());
        let place = place.unwrap_or_else(|| panic!("heard {message}"));
        assert!(heard.insert(place), "heard twice: {message}");
        delays.push(now - *round.sent[place].get().expect("it was sent before"));
    }
    (follows.all, delays)
}

/// A client's end of a socket.
struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens one and has it follow what is meant, after this cursor: whatever comes before the server has it is heard too.
    async fn begun(url: &str, filter: &Value, after: &Value) -> Self {
        let mut request = format!("{}/graphql", url.replacen("http", "ws", 1)).into_client_request().expect("a URL");
        let protocol = "graphql-transport-ws".parse().expect("a value");
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let mut socket = Self(connect_async(request).await.expect("it opens").0);
        let authorization = json!({ "authorization": format!("Bearer {API_KEY}") });
        socket.say(json!({ "type": "connection_init", "payload": authorization })).await;
        assert_eq!(socket.hear().await["type"], "connection_ack");
        let query = "subscription($filter: DeliveryEventFilter, $after: String) {
            deliveryEventAdded(filter: $filter, after: $after) {
            cursor node { id type ... on Clicked { url } } } }";
        let payload = json!({ "query": query, "variables": { "filter": filter, "after": after } });
        socket.say(json!({ "type": "subscribe", "id": "1", "payload": payload })).await;
        socket
    }

    async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.expect("it is open");
    }

    /// The next message but the server's own pings.
    async fn hear(&mut self) -> Value {
        loop {
            let frame = self.0.next().await.expect("it is open").expect("a frame");
            let Message::Text(text) = frame else { continue };
            let message: Value = serde_json::from_str(&text).expect("JSON");
            if message["type"] != "ping" {
                return message;
            }
            self.say(json!({ "type": "pong" })).await;
        }
    }
}

//! What a client sees who speaks with a schema of the tests' own, by a clock that waits for nobody.
#![expect(clippy::unwrap_used, reason = "tests may")]

use std::sync::Mutex;

use async_graphql::{EmptyMutation, Object, Schema, Subscription};
use chrono::Utc;
use entity::ApiScopes;
use futures::channel::mpsc;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::*;
use crate::limit::{Hold, Most, Places, Table, What, Who};
use crate::schema::fault::ErrorCodes;
use crate::schema::limits::limited;

struct Query;

#[Object]
impl Query {
    async fn one(&self) -> i32 {
        1
    }

    async fn slow(&self) -> i32 {
        sleep(operation::LIMIT * 2).await;
        1
    }

    async fn broken(&self) -> Result<i32, async_graphql::Error> {
        Err(std::io::Error::other("secret").into())
    }
}

struct Subscriptions;

#[Subscription]
impl Subscriptions {
    async fn count(&self) -> impl Stream<Item = i32> {
        stream::iter([1, 2])
    }

    async fn endless(&self) -> impl Stream<Item = i32> {
        stream::pending()
    }

    async fn fails_later(&self) -> impl Stream<Item = Result<i32, Fault>> {
        stream::iter([Ok(1), Err(Fault::bad_input("no more"))])
    }

    async fn forbidden(&self) -> Result<stream::Empty<i32>, Fault> {
        Err(Fault::Forbidden(entity::ApiScope::Read))
    }

    async fn leaks(&self) -> impl Stream<Item = Result<i32, async_graphql::Error>> {
        stream::iter([Ok(1), Err(std::io::Error::other("secret").into())])
    }
}

type TestSchema = Schema<Query, EmptyMutation, Subscriptions>;

/// Lets in who shows a key, for as long as the test says.
#[derive(Clone)]
struct Desk {
    schema: TestSchema,
    answer: Arc<Mutex<Answer>>,
    left: Option<Duration>,
    places: Places,
    entered: Arc<Mutex<Vec<Hold>>>,
}

#[derive(Clone, Copy)]
enum Answer {
    Yes(ApiScopes),
    No,
    Away,
    Never,
}

impl Host for Desk {
    type Schema = TestSchema;

    async fn ask(&self, key: &str) -> Result<Principal, Refused> {
        let answer = *self.answer.lock().unwrap();
        match answer {
            Answer::Yes(scopes) if key == "k1" => {
                let expires_at = self.left.map(|_| chrono::DateTime::<Utc>::UNIX_EPOCH);
                Ok(Principal { key: Uuid::nil(), scopes, expires_at })
            }
            Answer::Yes(_) | Answer::No => Err(Refused::Unknown),
            Answer::Away => Err(Refused::Away(jobs::Error::Stopping)),
            Answer::Never => pending().await,
        }
    }

    fn left(&self, _: &Principal) -> Option<Duration> {
        self.left
    }

    fn enter(&self, principal: &Principal) -> Result<(), Crowded> {
        let who = Who::Key(principal.key);
        self.entered.lock().unwrap().push(self.places.hold_for(What::Sockets, who)?);
        Ok(())
    }

    async fn admit(&self, operation: &Operation, principal: &Principal) -> Result<Given, Fault> {
        let follows = operation.kind() == Some(OperationType::Subscription);
        if !follows {
            return Ok(Given::Turn(None));
        }
        Ok(Given::Place(self.places.hold_for(What::Subscriptions, Who::Key(principal.key))?))
    }

    fn request(&self, request: Request, _: Principal) -> Request {
        request
    }

    fn schema(&self) -> &TestSchema {
        &self.schema
    }
}

/// The client's end of a socket.
struct Client {
    says: mpsc::UnboundedSender<Result<Message, std::convert::Infallible>>,
    hears: mpsc::Receiver<Message>,
    answer: Arc<Mutex<Answer>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct How {
    left: Option<Duration>,
    places: Option<Places>,
    head: Option<&'static str>,
}

impl Client {
    fn open(how: How) -> Self {
        let builder = Schema::build(Query, EmptyMutation, Subscriptions).extension(ErrorCodes);
        let answer = Arc::new(Mutex::new(Answer::Yes(ApiScopes::ADMIN)));
        let places = how.places.unwrap_or_else(|| Places::new(&Table::default()));
        let schema = limited(builder).finish();
        let desk = Desk { schema, answer: answer.clone(), left: how.left, places, entered: Arc::default() };
        let (says, source) = mpsc::unbounded();
        // Takes a few messages and then no more, as a client who has stopped reading.
        let (sink, hears) = mpsc::channel(8);
        let stop = CancellationToken::new();
        let conversation = Conversation::new(desk, source, sink, Pace::default());
        let task = tokio::spawn(conversation.hold(how.head.map(str::to_owned), stop.clone()));
        Self { says, hears, answer, stop, task }
    }

    async fn begun(how: How) -> Self {
        let mut client = Self::open(how);
        client.say(json!({ "type": "connection_init", "payload": { "authorization": "Bearer k1" } }));
        assert_eq!(client.hear().await, json!({ "type": "connection_ack" }));
        client
    }

    fn say(&self, message: Value) {
        self.say_raw(Message::Text(message.to_string().into()));
    }

    fn say_raw(&self, message: Message) {
        self.says.unbounded_send(Ok(message)).unwrap();
    }

    fn ask(&self, id: &str, query: &str) {
        self.say(json!({ "type": "subscribe", "id": id, "payload": { "query": query } }));
    }

    async fn hear(&mut self) -> Value {
        match self.hears.next().await.unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("heard {other:?}"),
        }
    }

    /// Everything up to the end of an operation, in short.
    async fn hear_to_the_end(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            let message = self.hear().await;
            let kind = message["type"].as_str().unwrap();
            heard.push(match kind {
                "next" => format!("next {}", message["payload"]),
                "error" => format!("error {}", message["payload"][0]["extensions"]["code"].as_str().unwrap()),
                kind => kind.to_owned(),
            });
            if kind == "error" || kind == "complete" {
                return heard;
            }
        }
    }

    /// The code with which we close, pings of ours left out.
    async fn closed(mut self) -> u16 {
        loop {
            match self.hears.next().await {
                Some(Message::Close(Some(frame))) => {
                    assert!(frame.reason.len() <= 123, "{}", frame.reason);
                    self.task.await.unwrap();
                    return frame.code;
                }
                Some(_) => {}
                None => panic!("ended without a word"),
            }
        }
    }
}

fn init(payload: Value) -> Value {
    json!({ "type": "connection_init", "payload": payload })
}

#[tokio::test(start_paused = true)]
async fn what_a_client_does_wrong_ends_the_socket_with_its_code() {
    let text = |text: &str| Message::Text(text.to_owned().into());
    let good = init(json!({ "authorization": "Bearer k1" }));
    let subscribe = json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ one }" } });
    let cases = [
        (text("nonsense"), 4400),
        (text(r#"{"type":"connection_ack"}"#), 4400),
        (Message::Binary(good.to_string().into_bytes().into()), 4400),
        (text(&subscribe.to_string()), 4401),
        (text(&init(json!({ "authorization": "Bearer k2" })).to_string()), 4403),
        (text(&init(json!({ "token": "k1" })).to_string()), 4403),
        (text(r#"{"type":"connection_init"}"#), 4403),
        (text(&"x".repeat(message::MOST + 1)), 1009),
    ];
    for (said, code) in cases {
        let client = Client::open(How::default());
        client.say_raw(said.clone());
        assert_eq!(
            client.closed().await,
            code,
            "{:?}",
            said.into_text().map(|text| text.chars().take(60).collect::<String>())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_begin_or_begins_twice_is_closed() {
    let begun = Instant::now();
    assert_eq!(Client::open(How::default()).closed().await, 4408);
    assert_eq!(begun.elapsed(), Pace::default().init);
    let good = init(json!({ "authorization": "Bearer k1" }));
    let client = Client::begun(How::default()).await;
    client.say(good.clone());
    assert_eq!(client.closed().await, 4429);
    // While the first is looked up, too.
    let client = Client::open(How::default());
    *client.answer.lock().unwrap() = Answer::Never;
    client.say(good.clone());
    client.say(good.clone());
    assert_eq!(client.closed().await, 4429);
    let client = Client::open(How::default());
    *client.answer.lock().unwrap() = Answer::Away;
    client.say(good);
    assert_eq!(client.closed().await, 1013);
}

#[tokio::test(start_paused = true)]
async fn the_head_of_the_request_lets_in_and_what_is_said_goes_before_it() {
    for (head, payload, code) in [
        (Some("Bearer k1"), json!(null), None),
        (Some("Bearer k1"), json!({ "other": 1 }), None),
        (Some("Bearer k2"), json!({ "Authorization": "Bearer k1" }), None),
        (Some("Bearer k1"), json!({ "authorization": "Bearer k2" }), Some(4403)),
        (Some("Basic k1"), json!(null), Some(4403)),
    ] {
        let mut client = Client::open(How { head, ..How::default() });
        client.say(init(payload.clone()));
        match code {
            None => assert_eq!(client.hear().await["type"], "connection_ack", "{head:?} {payload}"),
            Some(code) => assert_eq!(client.closed().await, code, "{head:?} {payload}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_operation_ends_in_complete_or_in_error() {
    let mut client = Client::begun(How::default()).await;
    let internal = r#"{"message":"internal error","locations":[{"line":1,"column":3}],"path":["broken"],"extensions":{"code":"INTERNAL_SERVER_ERROR"}}"#;
    let cases = [
        ("{ one }", vec![r#"next {"data":{"one":1}}"#.to_owned(), "complete".into()]),
        ("{ broken }", vec![format!(r#"next {{"errors":[{internal}],"data":null}}"#), "complete".into()]),
        ("{ nothing }", vec!["error GRAPHQL_VALIDATION_FAILED".into()]),
        ("{ one", vec!["error GRAPHQL_PARSE_FAILED".into()]),
        ("query A { one } query B { one }", vec!["error GRAPHQL_VALIDATION_FAILED".into()]),
        (
            "subscription { count }",
            vec![r#"next {"data":{"count":1}}"#.into(), r#"next {"data":{"count":2}}"#.into(), "complete".into()],
        ),
        ("subscription { count endless }", vec!["error GRAPHQL_VALIDATION_FAILED".into()]),
        ("subscription { forbidden }", vec!["error FORBIDDEN".into()]),
    ];
    for (query, expected) in cases {
        client.ask("1", query);
        let heard: Vec<Value> = client.hear_to_the_end().await.iter().map(|text| comparable(text)).collect();
        assert_eq!(heard, expected.iter().map(|text| comparable(text)).collect::<Vec<_>>(), "{query}");
    }
}

/// The same text whatever the order of its members.
fn comparable(text: &str) -> Value {
    let json = text.strip_prefix("next ").map(|json| serde_json::from_str(json).unwrap());
    json.unwrap_or_else(|| text.into())
}

#[tokio::test(start_paused = true)]
async fn an_event_that_fails_says_so_in_our_words_alone() {
    let mut client = Client::begun(How::default()).await;
    client.ask("1", "subscription { failsLater }");
    let heard = client.hear_to_the_end().await.join("\n");
    assert!(heard.contains("no more") && heard.contains("BAD_USER_INPUT") && heard.ends_with("complete"), "{heard}");
    client.ask("2", "subscription { leaks }");
    let heard = client.hear_to_the_end().await.join("\n");
    assert!(heard.contains("INTERNAL_SERVER_ERROR") && !heard.contains("secret"), "{heard}");
}

#[tokio::test(start_paused = true)]
async fn a_query_on_a_socket_has_its_time_too() {
    let mut client = Client::begun(How::default()).await;
    client.ask("1", "{ slow }");
    assert_eq!(client.hear_to_the_end().await, ["error UNAVAILABLE"]);
}

#[tokio::test(start_paused = true)]
async fn an_id_is_used_once_at_a_time() {
    let mut client = Client::begun(How::default()).await;
    client.ask("1", "subscription { endless }");
    client.say(json!({ "type": "complete", "id": "1" }));
    client.ask("1", "{ one }");
    assert_eq!(client.hear_to_the_end().await.len(), 2);
    client.ask("1", "subscription { endless }");
    client.ask("1", "subscription { endless }");
    assert_eq!(client.closed().await, 4409);
}

#[tokio::test(start_paused = true)]
async fn one_operation_too_many_is_refused_and_the_others_go_on() {
    let mut client = Client::begun(How::default()).await;
    for id in 0..OPERATIONS {
        client.ask(&id.to_string(), "subscription { endless }");
    }
    client.ask("more", "{ one }");
    assert_eq!(client.hear_to_the_end().await, ["error RATE_LIMITED"]);
    client.say(json!({ "type": "complete", "id": "0" }));
    client.ask("more", "{ one }");
    assert_eq!(client.hear_to_the_end().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_has_so_many_sockets_and_subscriptions_at_a_time_and_gets_them_back() {
    let table = Table { limit_sockets: Most(2), limit_subscriptions: Most(1), ..Table::default() };
    let places = Places::new(&table);
    let how = || How { places: Some(places.clone()), ..How::default() };
    let (mut first, mut second) = (Client::begun(how()).await, Client::begun(how()).await);
    let third = Client::open(how());
    third.say(init(json!({ "authorization": "Bearer k1" })));
    assert_eq!(third.closed().await, 1013);
    first.ask("1", "subscription { endless }");
    second.ask("1", "subscription { endless }");
    assert_eq!(second.hear_to_the_end().await, ["error RATE_LIMITED"]);
    second.ask("2", "{ one }");
    assert_eq!(second.hear_to_the_end().await.len(), 2, "questions are no subscriptions");
    first.say(json!({ "type": "complete", "id": "1" }));
    first.ask("2", "{ one }");
    first.hear_to_the_end().await;
    second.ask("3", "subscription { count }");
    assert_eq!(second.hear_to_the_end().await.len(), 3);
    assert_eq!(places.held(What::Subscriptions, Some(Who::Key(Uuid::nil()))), 0, "what ended is given back");
    drop(first.says);
    first.task.await.unwrap();
    assert_eq!(places.held(What::Sockets, Some(Who::Key(Uuid::nil()))), 1);
    Client::begun(how()).await;
}

#[tokio::test(start_paused = true)]
async fn pings_go_both_ways_and_silence_ends_the_socket() {
    let mut client = Client::begun(How::default()).await;
    client.say(json!({ "type": "ping", "payload": { "n": 1 } }));
    assert_eq!(client.hear().await, json!({ "type": "pong", "payload": { "n": 1 } }));
    for _ in 0..5 {
        assert_eq!(client.hear().await, json!({ "type": "ping" }));
        client.say(json!({ "type": "pong" }));
    }
    let silent_since = Instant::now();
    assert_eq!(client.closed().await, 4408);
    assert_eq!(silent_since.elapsed(), Pace::default().ping * 3);
}

#[tokio::test(start_paused = true)]
async fn a_client_who_takes_nothing_is_let_go() {
    let client = Client::begun(How::default()).await;
    for _ in 0..20 {
        client.say(json!({ "type": "ping" }));
    }
    let stuck_since = Instant::now();
    // Nothing is read from `hears`: once it is full, a send waits, and so does the farewell.
    client.task.await.unwrap();
    assert!(stuck_since.elapsed() <= Pace::default().send * 3, "{:?}", stuck_since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_socket_ends_when_the_permission_does() {
    let lived = async |client: Client| {
        let begun = Instant::now();
        let says = client.says.clone();
        // Alive all the time.
        let pongs = tokio::spawn(async move {
            loop {
                sleep(Duration::from_secs(1)).await;
                if says.unbounded_send(Ok(Message::Text(r#"{"type":"pong"}"#.into()))).is_err() {
                    return;
                }
            }
        });
        let code = client.closed().await;
        pongs.abort();
        (code, begun.elapsed())
    };
    let hour = Duration::from_secs(3_600);
    let client = Client::begun(How { left: Some(hour), ..How::default() }).await;
    client.ask("1", "subscription { endless }");
    assert_eq!(lived(client).await, (4403, hour));
    let ask = Pace::default().ask;
    for changed in [Answer::No, Answer::Yes(ApiScopes::default())] {
        let client = Client::begun(How::default()).await;
        *client.answer.lock().unwrap() = changed;
        assert_eq!(lived(client).await, (4403, ask));
    }
    // A database that is away shows nobody out.
    let client = Client::begun(How { left: Some(hour), ..How::default() }).await;
    *client.answer.lock().unwrap() = Answer::Away;
    assert_eq!(lived(client).await, (4403, hour));
}

#[tokio::test(start_paused = true)]
async fn the_socket_ends_with_the_process() {
    let client = Client::begun(How::default()).await;
    client.ask("1", "subscription { endless }");
    client.stop.cancel();
    assert_eq!(client.closed().await, 1001);
}

#[tokio::test(start_paused = true)]
async fn a_client_who_goes_is_not_kept() {
    for last in [Some(Message::Close(None)), None] {
        let client = Client::begun(How::default()).await;
        client.ask("1", "subscription { endless }");
        if let Some(last) = last {
            client.say_raw(last);
        }
        client.says.close_channel();
        client.task.await.unwrap();
    }
}

//! What Mailgun reported, as the API shows it: lists, emails, plain paths, and subscriptions that go on where they were cut.

use std::sync::Arc;

use jobs::Context;
use jobs::filter::Order;
use jobs::find::events::{self, Filter, Seqs};
use jobs::record::{Recorded, Recorder};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tests::client::{Client, http};
use tests::database::Backend;
use tests::patience::SOON;
use tests::webhook::Told;
use uuid::Uuid;

use super::ws::Socket;
use super::{KEY, Served, letter};
use crate::control::world;

on_both! {
    each_event_is_told_by_its_type_and_by_its_email
    whoever_may_only_read_sees_no_address_in_events
    a_list_of_events_is_the_same_walked_from_either_end
    events_are_had_by_plain_paths
    a_cursor_past_retention_is_an_error_of_its_own
    a_client_that_is_cut_off_at_random_has_every_event_once
    an_email_is_followed_over_a_socket
}

pub const BOB: &str = "bob@example.org";

/// A serving process, and another one on its database that records.
pub struct Reported {
    pub served: Served,
    recorder: Recorder,
    pub ctx: Arc<Context>,
}

impl Reported {
    pub async fn on(backend: Backend) -> Self {
        Self::to(Served::on(backend).await).await
    }

    /// One that records what this process serves.
    pub async fn to(served: Served) -> Self {
        served.silence_the_sandbox().await;
        let ctx = world::context(&served.database).await;
        Self { served, recorder: Recorder::start(ctx.clone()), ctx }
    }

    /// An email to Bob that was sent, as the API names it and by itself.
    pub async fn email(&self) -> (String, Uuid) {
        let id = self.served.client.send_email(letter(json!({ "to": BOB }))).await;
        self.served.client.await_status(&id, "SENT", SOON).await;
        let uuid = id.strip_prefix("email:").unwrap().parse().unwrap();
        (id, uuid)
    }

    fn told(&self, event: &str, email: Uuid) -> Told {
        Told::new(event, email, BOB, self.ctx.clock.now())
    }

    pub async fn take(&self, told: Told) {
        let answer = self.recorder.take(told.webhook()).await.unwrap();
        assert!(matches!(answer, Recorded::Taken { .. }), "{answer:?}");
    }

    /// One event of each kind, and an open by a machine.
    pub async fn one_of_each(&self, email: Uuid) {
        let told = |event: &str| self.told(event, email);
        let words = format!("<{BOB}> try later");
        let status = json!({ "code": 451, "enhanced-code": "4.7.1", "message": words, "attempt-no": 2 });
        let (person, machine) = (json!({ "client-name": "Firefox" }), json!({ "bot": "apple", "client-name": "Mail" }));
        let human =
            |told: Told| told.with("client-info", person.clone()).with("geolocation", json!({ "country": "DE" }));
        let deferred = told("failed").with("severity", "temporary").with("reason", "generic");
        for told in [
            told("accepted"),
            deferred.with("delivery-status", status),
            told("delivered"),
            human(told("opened")),
            told("opened").with("client-info", machine),
            human(told("clicked").with("url", format!("https://example.org/?who={BOB}"))),
            told("unsubscribed"),
            told("complained"),
            Told::bounced(email, BOB, self.ctx.clock.now(), "bounce", "5.1.1"),
            told("rejected").with("reject", json!({ "reason": "a virus" })),
            told("teleported"),
        ] {
            self.take(told).await;
        }
    }
}

const EVENTS: &str = "query($first: Int, $after: String, $last: Int, $before: String, $filter: DeliveryEventFilter) {
  deliveryEvents(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount totalCountIsCapped
    nodes { __typename id type address copy source email { id }
      ... on Deferred { smtpCode enhancedCode reason message attempt }
      ... on Bounced { bounceType smtpCode enhancedCode reason message }
      ... on Opened { bot client country }
      ... on Clicked { url bot client country }
      ... on Rejected { reason }
      ... on Unknown { name } } } }";

async fn list(client: &Client, variables: Value) -> Value {
    client.query(EVENTS, variables).await["deliveryEvents"].take()
}

fn types(page: &Value) -> Vec<&str> {
    page["nodes"].as_array().unwrap().iter().map(|node| node["type"].as_str().unwrap()).collect()
}

const EACH: [&str; 11] = [
    "UNKNOWN",
    "REJECTED",
    "BOUNCED",
    "COMPLAINED",
    "UNSUBSCRIBED",
    "CLICKED",
    "OPENED",
    "OPENED",
    "DELIVERED",
    "DEFERRED",
    "ACCEPTED",
];

async fn each_event_is_told_by_its_type_and_by_its_email(backend: Backend) {
    let reported = Reported::on(backend).await;
    let client = &reported.served.client;
    let (id, email) = reported.email().await;
    reported.one_of_each(email).await;
    let page = list(client, json!({})).await;
    assert_eq!(types(&page), EACH);
    let nodes = page["nodes"].as_array().unwrap();
    for node in nodes {
        assert_eq!(node["type"], node["__typename"].as_str().unwrap().to_uppercase());
        let about = (&node["address"], &node["email"]["id"], &node["source"], &node["copy"]);
        assert_eq!(about, (&json!(BOB), &json!(id), &json!("WEBHOOK"), &json!(false)));
    }
    let own = |n: usize, names: &[&str]| names.iter().map(|name| nodes[n][*name].clone()).collect::<Vec<_>>();
    assert_eq!(own(0, &["name"]), [json!("teleported")]);
    assert_eq!(own(1, &["reason"]), [json!("a virus")]);
    assert_eq!(own(2, &["bounceType", "smtpCode", "enhancedCode"]), [json!("HARD"), json!(550), json!("5.1.1")]);
    assert_eq!(
        own(5, &["url", "bot", "client"]),
        [json!(format!("https://example.org/?who={BOB}")), Value::Null, json!("Firefox")]
    );
    assert_eq!(own(6, &["bot", "client", "country"]), [json!("apple"), json!("Mail"), Value::Null]);
    assert_eq!(own(7, &["bot", "client", "country"]), [Value::Null, json!("Firefox"), json!("DE")]);
    let deferred = ["smtpCode", "enhancedCode", "reason", "attempt"];
    assert_eq!(own(9, &deferred), [json!(451), json!("4.7.1"), json!("generic"), json!(2)]);

    let asked = "query($id: ID!, $event: ID!) { email(id: $id) { status deliveredAt timeline { kind words }
        opens { count firstAt machineCount machineFirstAt } clicks { count machineCount firstAt }
        events(first: 3) { nodes { type } totalCount pageInfo { hasNextPage } } }
        node(id: $event) { id __typename ... on DeliveryEvent { type } } nodes(ids: [$event, $id]) { id } }";
    let shown = client.query(asked, json!({ "id": id, "event": nodes[7]["id"] })).await;
    let email = &shown["email"];
    assert_eq!(email["status"], "COMPLAINED");
    assert!(email["deliveredAt"].is_string() && email["opens"]["firstAt"].is_string());
    assert_eq!([&email["opens"]["count"], &email["opens"]["machineCount"]], [1, 1]);
    assert_eq!([&email["clicks"]["count"], &email["clicks"]["machineCount"]], [1, 0]);
    assert_eq!(types(&email["events"]), EACH[..3]);
    assert_eq!(
        (&email["events"]["totalCount"], &email["events"]["pageInfo"]["hasNextPage"]),
        (&json!(11), &json!(true))
    );
    let story = email["timeline"].to_string();
    for words in
        ["accepted into the queue", "the recipient's server took it", "opened with Firefox in DE", "teleported"]
    {
        assert!(story.contains(words), "{words:?} in {story}");
    }
    let named = json!({ "id": nodes[7]["id"], "__typename": "Opened", "type": "OPENED" });
    assert_eq!((&shown["node"], &shown["nodes"]), (&named, &json!([{ "id": nodes[7]["id"] }, { "id": id }])));
}

async fn whoever_may_only_read_sees_no_address_in_events(backend: Backend) {
    let reported = Reported::on(backend).await;
    let (id, email) = reported.email().await;
    reported.one_of_each(email).await;
    let key = reported.served.command(&["key", "create", "--scope", "read"]).await.pop().unwrap();
    let reader = Client::new(&reported.served.url, &key);
    let events = list(&reader, json!({ "filter": { "address": BOB } })).await;
    assert_eq!((types(&events).len(), &events["nodes"][0]["address"]), (11, &json!("b***@example.org")));
    let of_email = "query($id: ID!) { email(id: $id) { timeline { words } events { nodes { address } } } }";
    let of_email = reader.query(of_email, json!({ "id": id })).await;
    let url = format!("{}/api/email-reliability/delivery-events/email/{BOB}", reported.served.url);
    let by_path: Value = http().get(url).bearer_auth(&key).send().await.unwrap().json().await.unwrap();
    assert_eq!(types(&by_path).len(), 11);
    let oldest = list(&reader, json!({ "last": 1 })).await["pageInfo"]["endCursor"].take();
    let mut socket = Socket::begun(&reported.served, &key).await;
    let followed = format!(
        "subscription {{ deliveryEventAdded(after: {oldest}) {{ node {{ address type ... on Deferred {{ message }} }} }} }}"
    );
    socket.ask("1", &followed).await;
    let heard = socket.hear().await;
    assert_eq!(heard["payload"]["data"]["deliveryEventAdded"]["node"]["type"], "DEFERRED");
    for answer in [events, of_email, by_path, heard] {
        let text = answer.to_string();
        assert!(!text.contains("bob@") && !text.contains("bob%40") && text.contains("b***@example.org"), "{text}");
    }
}

async fn a_list_of_events_is_the_same_walked_from_either_end(backend: Backend) {
    let reported = Reported::on(backend).await;
    let client = &reported.served.client;
    let (id, email) = reported.email().await;
    reported.one_of_each(email).await;
    for (n, place, cursor, more) in
        [("first", "after", "endCursor", "hasNextPage"), ("last", "before", "startCursor", "hasPreviousPage")]
    {
        let (mut seen, mut from) = (Vec::new(), Value::Null);
        loop {
            let page = list(client, json!({ n: 4, place: from })).await;
            let few = types(&page).into_iter().map(str::to_owned);
            let at = if n == "first" { seen.len() } else { 0 };
            seen.splice(at..at, few);
            from = page["pageInfo"][cursor].clone();
            if page["pageInfo"][more] == false {
                break;
            }
        }
        assert_eq!(seen, EACH, "{n}");
    }
    for (filter, expected) in [
        (json!({ "type": ["OPENED", "CLICKED"] }), 3),
        (json!({ "type": ["OPENED"], "address": BOB }), 2),
        (json!({ "emailId": id, "type": ["BOUNCED"] }), 1),
        (json!({ "campaignId": format!("campaign:{email}") }), 0),
        (json!({ "occurredAt": { "since": "2020-01-01T00:00:00Z" } }), 11),
        (json!({ "occurredAt": { "until": "2020-01-01T00:00:00Z" } }), 0),
    ] {
        let page = list(client, json!({ "filter": filter })).await;
        assert_eq!((&page["totalCount"], &page["totalCountIsCapped"]), (&json!(expected), &json!(false)), "{filter}");
        assert_eq!(types(&page).len(), expected);
    }
    for wrong in [
        json!({ "first": 101 }),
        json!({ "after": "nonsense" }),
        json!({ "filter": { "campaignId": id } }),
        json!({ "filter": { "emailId": format!("campaign:{email}") } }),
    ] {
        let answer = client.try_query(EVENTS, wrong.clone()).await.unwrap();
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{wrong}: {answer}");
    }
}

async fn events_are_had_by_plain_paths(backend: Backend) {
    let reported = Reported::on(backend).await;
    let campaign = Uuid::from_u128(9);
    let input = letter(json!({ "to": BOB, "campaignId": format!("campaign:{campaign}") }));
    let id = reported.served.client.send_email(input).await;
    reported.one_of_each(id.strip_prefix("email:").unwrap().parse().unwrap()).await;
    let get = async |path: &str| {
        let url = format!("{}/api/email-reliability/delivery-events/{path}", reported.served.url);
        let answer = http().get(url).bearer_auth(KEY).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    for path in [format!("campaign/{campaign}"), format!("campaign/campaign:{campaign}"), format!("email/{BOB}")] {
        let (status, page) = get(&format!("{path}?first=6")).await;
        assert_eq!((status, &page["totalCount"]), (200, &json!(11)), "{path}: {page}");
        assert_eq!(types(&page), EACH[..6]);
        let after = page["pageInfo"]["endCursor"].as_str().unwrap();
        let (_, rest) = get(&format!("{path}?first=6&after={after}")).await;
        assert_eq!(types(&rest), EACH[6..]);
        assert_eq!((&rest["nodes"][3]["smtpCode"], &rest["pageInfo"]["hasNextPage"]), (&json!(451), &json!(false)));
    }
    assert_eq!(get(&format!("campaign/{}", Uuid::from_u128(8))).await.1["nodes"], json!([]));
    for path in ["campaign/nonsense", "email/nobody", "email/a@b.example?first=x", "email/a@b.example?last=1"] {
        let (status, problem) = get(path).await;
        assert_eq!((status, &problem["code"]), (400, &json!("BAD_USER_INPUT")), "{path}: {problem}");
    }
}

async fn a_cursor_past_retention_is_an_error_of_its_own(backend: Backend) {
    let reported = Reported::on(backend).await;
    let (_, email) = reported.email().await;
    reported.one_of_each(email).await;
    let oldest = list(&reported.served.client, json!({ "last": 1 })).await["pageInfo"]["endCursor"].take();
    let gone = "DELETE FROM email_delivery_events WHERE seq < 4";
    reported.ctx.store.write().execute_unprepared(gone).await.unwrap();
    let answer = reported.served.client.try_query(EVENTS, json!({ "last": 5, "before": oldest })).await.unwrap();
    assert_eq!(answer["errors"][0]["extensions"]["code"], "CURSOR_EXPIRED", "{answer}");
    let mut socket = Socket::begun(&reported.served, KEY).await;
    socket.ask("1", &format!("subscription {{ deliveryEventAdded(after: {oldest}) {{ cursor }} }}")).await;
    let refused = socket.hear().await;
    let code = &refused["payload"][0]["extensions"]["code"];
    assert_eq!((&refused["type"], code), (&json!("error"), &json!("CURSOR_EXPIRED")), "{refused}");
}

async fn a_client_that_is_cut_off_at_random_has_every_event_once(backend: Backend) {
    const ALL: usize = 600;
    let reported = Reported::on(backend).await;
    let (_, email) = reported.email().await;
    let mut random = StdRng::seed_from_u64(7);
    // The first of all, so that there is a cursor to begin with.
    reported.take(reported.told("delivered", email)).await;
    let mut cursor = list(&reported.served.client, json!({})).await["pageInfo"]["endCursor"].take();
    let pour = async {
        for _ in 0..ALL / 10 {
            let told = (0..10).map(|_| reported.recorder.take(reported.told("opened", email).webhook()));
            for answer in futures::future::join_all(told).await {
                assert!(matches!(answer, Ok(Recorded::Taken { .. })), "{answer:?}");
            }
        }
    };
    let follow = async {
        let (mut ids, mut cuts) = (Vec::new(), 0);
        while ids.len() < ALL {
            let mut socket = Socket::begun(&reported.served, KEY).await;
            let asked = format!("subscription {{ deliveryEventAdded(after: {cursor}) {{ cursor node {{ id }} }} }}");
            socket.ask("1", &asked).await;
            for _ in 0..random.random_range(1..40).min(ALL - ids.len()) {
                let heard = socket.hear().await;
                let edge = &heard["payload"]["data"]["deliveryEventAdded"];
                ids.push(edge["node"]["id"].as_str().unwrap_or_else(|| panic!("{heard}")).to_owned());
                cursor = edge["cursor"].clone();
            }
            // Whatever is on its way to this one is lost with it.
            drop(socket);
            cuts += 1;
        }
        (ids, cuts)
    };
    let ((), (ids, cuts)) = tokio::join!(pour, follow);
    let all = Seqs { first: 2, ..Seqs::ALL };
    let all = events::read(&reported.ctx, &Filter::default(), all, Order::Ascending, 2 * ALL as u64).await.unwrap();
    let all: Vec<String> = all.iter().map(|event| format!("delivery-event:{}", event.id)).collect();
    assert_eq!((ids.len(), &ids), (ALL, &all));
    assert!(cuts > 10, "cut off {cuts} times");
}

async fn an_email_is_followed_over_a_socket(backend: Backend) {
    let reported = Reported::on(backend).await;
    let (id, email) = reported.email().await;
    let mut socket = Socket::begun(&reported.served, KEY).await;
    socket.ask("1", &format!("subscription {{ emailUpdated(id: \"{id}\") {{ status }} }}")).await;
    assert_eq!(socket.hear().await["payload"]["data"]["emailUpdated"]["status"], "SENT");
    reported.take(reported.told("delivered", email)).await;
    assert_eq!(socket.hear().await["payload"]["data"]["emailUpdated"]["status"], "DELIVERED");
    socket.ask("2", "subscription { emailUpdated(id: \"email:00000000-0000-7000-8000-000000000000\") { id } }").await;
    assert_eq!(socket.hear().await, json!({ "type": "complete", "id": "2" }));
    // Readiness says by what way such news comes.
    let (_, health) = reported.served.client.get("/health/ready").await.unwrap();
    assert!(health.contains("\"news\":\"database\""), "{health}");
}

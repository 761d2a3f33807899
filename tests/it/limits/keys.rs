//! What a key may ask for in a time, and hold at a time.

use reqwest::{Response, StatusCode, header};
use serde_json::{Value, json};
use tests::client::{Client, http, letter};
use tests::database::Backend;
use tests::patience::{SOON, until_true};
use tests::process::Launch;

use super::{limited, made, retry_after};
use crate::api::ws::Socket;
use crate::api::{KEY, Served};

on_both! {
    a_key_that_has_asked_for_all_it_may_waits_and_others_do_not
    a_mutation_beyond_the_limit_is_not_done_and_says_when_it_may_be
    emails_are_counted_and_not_calls
    what_is_done_over_a_socket_is_counted_as_well
    a_key_has_so_many_sockets_and_subscriptions
}

const VERSION: &str = "{ viewer { version } }";
const SEND: &str = "mutation($inputs: [SendEmailInput!]!) { sendEmails(inputs: $inputs) { userErrors { code } } }";

async fn post(served: &Served, key: &str, accept: &str, query: &str, variables: Value) -> Response {
    let post = http().post(format!("{}/graphql", served.url)).bearer_auth(key).header(header::ACCEPT, accept);
    post.json(&json!({ "query": query, "variables": variables })).send().await.unwrap()
}

const JSON: &str = "application/json";
const GRAPHQL: &str = "application/graphql-response+json";

async fn total(served: &Served) -> Value {
    served.client.query("{ queueStats { ledger { total } } }", json!({})).await["queueStats"]["ledger"]["total"].take()
}

async fn a_key_that_has_asked_for_all_it_may_waits_and_others_do_not(backend: Backend) {
    let served = Served::with(backend, |launch| launch.env("LIMIT_REQUESTS", "3/h")).await;
    let (one, other) = (made(&served).await, made(&served).await);
    for left in [2, 1] {
        let answer = post(&served, &one, JSON, VERSION, json!({})).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["ratelimit-policy"], "\"requests\";q=3;w=3600");
        let standing = answer.headers()["ratelimit"].to_str().unwrap();
        assert!(standing.starts_with(&format!("\"requests\";r={left};t=")), "{standing}");
        assert_eq!(retry_after(&answer), None);
    }
    let path = |path: &str| http().get(format!("{}/api/email-reliability/{path}", served.url)).bearer_auth(&one).send();
    assert_eq!(path("queue/stats").await.unwrap().status(), 200);
    let refused = post(&served, &one, JSON, VERSION, json!({})).await;
    assert!((1..=1_200).contains(&retry_after(&refused).unwrap()), "{refused:?}");
    assert!(refused.headers()["ratelimit"].to_str().unwrap().starts_with("\"requests\";r=0;t="), "{refused:?}");
    assert_eq!(limited(refused).await, "RATE_LIMITED");
    let refused = path("queue/stats").await.unwrap();
    assert_eq!(refused.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(limited(refused).await, "RATE_LIMITED");
    assert_eq!(post(&served, &other, JSON, VERSION, json!({})).await.status(), 200, "another key has its own");
    assert_eq!(served.client.get("/health/ready").await.unwrap().0, 200, "who looks after the process is not counted");
    let (_, metrics) = served.client.get("/metrics").await.unwrap();
    assert!(metrics.contains("mailmind_limited_total{limit=\"requests\"} 2"), "{metrics}");
}

async fn a_mutation_beyond_the_limit_is_not_done_and_says_when_it_may_be(backend: Backend) {
    let served = Served::with(backend, |launch| launch.env("LIMIT_MUTATIONS", "2/h")).await;
    let one = made(&served).await;
    let send = "mutation($inputs: [SendEmailInput!]!) { a: sendEmails(inputs: $inputs) { userErrors { code } }
        b: sendEmails(inputs: $inputs) { userErrors { code } } }";
    let inputs = || json!({ "inputs": [letter("ann@example.org")] });
    let done = post(&served, &one, JSON, send, inputs()).await;
    let policy = done.headers()["ratelimit-policy"].to_str().unwrap().to_owned();
    assert_eq!(policy, "\"requests\";q=1200000;w=60, \"mutations\";q=2;w=3600, \"emails\";q=10000000;w=3600");
    assert_eq!(done.json::<Value>().await.unwrap()["data"]["b"]["userErrors"], json!([]));
    assert_eq!(total(&served).await, 2);
    // A client who looks into the answer alone finds it there; one who looks at the status, there.
    let refused = post(&served, &one, JSON, SEND, inputs()).await;
    assert_eq!(
        (refused.status(), refused.headers()[header::RETRY_AFTER].to_str().unwrap().parse::<u64>().is_ok()),
        (StatusCode::OK, true)
    );
    let refused: Value = refused.json().await.unwrap();
    let error = &refused["errors"][0];
    assert_eq!(error["extensions"]["code"], "RATE_LIMITED", "{refused}");
    assert!((1..=1_800).contains(&error["extensions"]["retryAfter"].as_u64().unwrap()), "{refused}");
    assert!(refused.get("data").is_none() && error.get("path").is_none(), "{refused}");
    assert_eq!(limited(post(&served, &one, GRAPHQL, SEND, inputs()).await).await, "RATE_LIMITED");
    assert_eq!(total(&served).await, 2, "nothing of it is done");
    let looked = post(&served, &one, JSON, VERSION, json!({})).await.json::<Value>().await.unwrap();
    assert!(looked["data"]["viewer"]["version"].is_string(), "questions are no mutations: {looked}");
}

async fn emails_are_counted_and_not_calls(backend: Backend) {
    let served = Served::with(backend, |launch| launch.env("LIMIT_EMAILS", "3/h")).await;
    let one = made(&served).await;
    let letters = |n: usize| json!({ "inputs": vec![letter("ann@example.org"); n] });
    let path = async || {
        let post = http().post(format!("{}/api/email-reliability/queue/send", served.url)).bearer_auth(&one);
        post.json(&json!({ "to": "ann@example.org", "content": { "inline": { "subject": "a", "text": "b" } } }))
            .send()
            .await
            .unwrap()
    };
    let never = post(&served, &one, JSON, SEND, letters(4)).await.json::<Value>().await.unwrap();
    assert_eq!(never["errors"][0]["extensions"], json!({ "code": "RATE_LIMITED" }), "waiting would not help");
    assert_eq!(
        never["errors"][0]["message"],
        "the emails of this key are limited to 3 in an hour, and this asks for more at once"
    );
    let two = post(&served, &one, JSON, SEND, letters(2)).await.json::<Value>().await.unwrap();
    assert_eq!(two["data"]["sendEmails"]["userErrors"], json!([]), "{two}");
    let accepted = path().await;
    assert_eq!(accepted.status(), StatusCode::ACCEPTED);
    assert!(accepted.headers()["ratelimit"].to_str().unwrap().contains("\"emails\";r=0;t="), "{accepted:?}");
    let refused = path().await;
    assert_eq!(refused.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(limited(refused).await, "RATE_LIMITED");
    assert_eq!(total(&served).await, 3);
    assert_eq!(Client::new(&served.url, KEY).send_emails(vec![letter("bob@example.org")]).await.len(), 1);
}

async fn what_is_done_over_a_socket_is_counted_as_well(backend: Backend) {
    let more = |launch: Launch| launch.env("LIMIT_REQUESTS", "4/h").env("LIMIT_EMAILS", "1/h");
    let served = Served::with(backend, more).await;
    let one = made(&served).await;
    let mut socket = Socket::begun(&served, &one).await;
    let inputs = json!({ "inputs": [letter("ann@example.org")] });
    let mut ask = async |id: &str, query: &str, variables: &Value| {
        socket.ask_with(id, query, variables.clone()).await;
        let answer = socket.hear().await;
        if answer["type"] == "next" {
            assert_eq!(socket.hear().await["type"], "complete");
        }
        answer
    };
    assert_eq!(ask("1", SEND, &inputs).await["type"], "next");
    let refused = ask("2", SEND, &inputs).await;
    assert_eq!(
        (&refused["type"], &refused["payload"][0]["extensions"]["code"]),
        (&json!("error"), &json!("RATE_LIMITED"))
    );
    assert!(refused["payload"][0]["extensions"]["retryAfter"].as_u64().unwrap() > 0, "{refused}");
    for id in ["3", "4", "5"] {
        assert_eq!(ask(id, VERSION, &json!({})).await["type"], "next", "what was refused took nothing");
    }
    assert_eq!(ask("6", VERSION, &json!({})).await["payload"][0]["extensions"]["code"], "RATE_LIMITED");
    assert_eq!(limited(post(&served, &one, GRAPHQL, VERSION, json!({})).await).await, "RATE_LIMITED");
    assert_eq!(total(&served).await, 1);
}

async fn a_key_has_so_many_sockets_and_subscriptions(backend: Backend) {
    let more = |launch: Launch| launch.env("LIMIT_SOCKETS", "2").env("LIMIT_SUBSCRIPTIONS", "1");
    let served = Served::with(backend, more).await;
    let one = made(&served).await;
    let follow = "subscription { queueStatsUpdated { completed } }";
    let (mut first, mut second) = (Socket::begun(&served, &one).await, Socket::begun(&served, &one).await);
    let mut third = Socket::plain(&served).await;
    third.init(&one).await;
    assert_eq!(third.closed().await, 1013);
    first.ask("1", follow).await;
    assert_eq!(first.hear().await["type"], "next");
    second.ask("1", follow).await;
    let refused = second.hear().await;
    assert_eq!(refused["payload"][0]["message"], "the subscriptions of this key at a time are limited to 1");
    drop(first);
    until_true("the subscription's place to be free", SOON, async || {
        second.ask("2", follow).await;
        second.hear().await["type"] == "next"
    })
    .await;
    Socket::begun(&served, &one).await;
}

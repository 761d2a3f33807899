//! The REST paths, as a shell script would call them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::client::http;
use tests::database::Backend;
use tests::patience::{SOON, until_true};

use super::{KEY, Served, letter};

on_both! {
    an_email_is_sent_looked_up_and_counted_over_plain_paths
    an_email_is_cancelled_until_it_left
    the_queue_is_paused_resumed_retried_and_cleaned
    the_same_idempotency_key_answers_the_same_email
    what_is_wrong_is_a_problem_with_a_status
    the_paths_are_described_as_openapi
}

struct Answer {
    status: StatusCode,
    kind: String,
    location: Option<String>,
    body: Value,
}

async fn call(served: &Served, method: Method, path: &str, body: Option<Value>) -> Answer {
    call_with(served, method, path, body, &[]).await
}

async fn call_with(
    served: &Served,
    method: Method,
    path: &str,
    body: Option<Value>,
    headers: &[(&str, &str)],
) -> Answer {
    let url = format!("{}/api/email-reliability{path}", served.url);
    let mut request = http().request(method, url).bearer_auth(KEY);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (kind, location) = (header("content-type").unwrap_or_default(), header("location"));
    Answer { status: answer.status(), kind, location, body: answer.json().await.unwrap() }
}

async fn sent(served: &Served, change: Value) -> String {
    let answer = call(served, Method::POST, "/queue/send", Some(letter(change))).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    answer.body["email"]["id"].as_str().unwrap().to_owned()
}

async fn an_email_is_sent_looked_up_and_counted_over_plain_paths(backend: Backend) {
    let served = Served::on(backend).await;
    let answer = call(&served, Method::POST, "/queue/send", Some(letter(json!({ "priority": "HIGH" })))).await;
    assert_eq!((answer.status.as_u16(), answer.kind.as_str()), (202, "application/json"));
    let location = answer.location.unwrap();
    let path = location.strip_prefix("/api/email-reliability").unwrap();
    assert_eq!(path, format!("/queue/job/{}", answer.body["email"]["id"].as_str().unwrap()));
    until_true("the email to be delivered", SOON, async || {
        call(&served, Method::GET, path, None).await.body["status"] == "DELIVERED"
    })
    .await;
    let job = call(&served, Method::GET, path, None).await.body;
    assert_eq!((&job["to"], &job["attempts"][0]["outcome"]), (&json!("bob@example.org"), &json!("SENT")));
    let stats = call(&served, Method::GET, "/queue/stats", None).await.body;
    let counts = ["active", "waiting", "completed", "failed", "delayed"].map(|count| stats[count].as_i64().unwrap());
    assert_eq!(counts, [0, 0, 1, 0, 0]);
    assert_eq!(stats["ledger"]["total"], 1);
}

async fn an_email_is_cancelled_until_it_left(backend: Backend) {
    let served = Served::on(backend).await;
    let id = sent(&served, json!({ "sendAt": "2027-06-01T09:00:00Z" })).await;
    let path = format!("/queue/job/{}", id.strip_prefix("email:").unwrap());
    let cancelled = call(&served, Method::DELETE, &path, None).await;
    assert_eq!((cancelled.status.as_u16(), &cancelled.body["email"]["status"]), (200, &json!("CANCELLED")));
    let again = call(&served, Method::DELETE, &path, None).await;
    assert_eq!((again.status.as_u16(), &again.body["email"]["status"]), (200, &json!("CANCELLED")));
    let sent = sent(&served, json!({})).await;
    served.client.await_status(&sent, "DELIVERED", SOON).await;
    let late = call(&served, Method::DELETE, &format!("/queue/job/{sent}"), None).await;
    assert_eq!((late.status.as_u16(), &late.body["code"]), (409, &json!("NOT_CANCELLABLE")));
}

async fn the_queue_is_paused_resumed_retried_and_cleaned(backend: Backend) {
    let served = Served::on(backend).await;
    let paused = call(&served, Method::POST, "/queue/pause", Some(json!({ "reason": "maintenance" }))).await;
    assert_eq!((paused.status.as_u16(), &paused.body["pause"]["reason"]), (200, &json!("maintenance")));
    assert_eq!(call(&served, Method::GET, "/queue/stats", None).await.body["paused"], true);
    let resumed = call(&served, Method::POST, "/queue/resume", None).await;
    assert_eq!(resumed.body, json!({ "ended": 1 }));
    let retried = call(&served, Method::POST, "/queue/retry-failed", Some(json!({ "limit": 10 }))).await;
    assert_eq!(retried.body, json!({ "retried": 0, "remaining": 0, "remainingIsCapped": false }));
    let cleaned = call(&served, Method::POST, "/queue/cleanup", None).await;
    assert_eq!(cleaned.body, json!({ "removed": 0, "remaining": 0, "remainingIsCapped": false }));
}

async fn the_same_idempotency_key_answers_the_same_email(backend: Backend) {
    let served = Served::on(backend).await;
    let named = [("idempotency-key", "\"order 17\"")];
    let send =
        async |change: Value| call_with(&served, Method::POST, "/queue/send", Some(letter(change)), &named).await;
    let (first, second) = (send(json!({})).await, send(json!({})).await);
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (202, 202));
    assert_eq!(first.body["email"]["id"], second.body["email"]["id"]);
    let other = send(json!({ "to": "eve@example.org" })).await;
    assert_eq!((other.status.as_u16(), &other.body["code"]), (409, &json!("CONFLICT")));
}

async fn what_is_wrong_is_a_problem_with_a_status(backend: Backend) {
    let served = Served::on(backend).await;
    let absent = "/queue/job/01980000-0000-7000-8000-000000000007";
    let cases = [
        (Method::GET, absent, None, 404, "NOT_FOUND"),
        (Method::DELETE, absent, None, 404, "NOT_FOUND"),
        (Method::GET, "/queue/job/nonsense", None, 404, "NOT_FOUND"),
        (Method::POST, "/queue/send", Some(letter(json!({ "to": "nobody" }))), 422, "INVALID"),
        (Method::POST, "/queue/send", Some(json!({})), 400, "BAD_USER_INPUT"),
        (Method::POST, "/queue/send", None, 400, "BAD_USER_INPUT"),
        (Method::POST, "/queue/send", Some(letter(json!({ "too": "x" }))), 400, "BAD_USER_INPUT"),
        (Method::POST, "/queue/pause", Some(json!({ "untill": null })), 400, "BAD_USER_INPUT"),
        (Method::POST, "/queue/pause", Some(json!({ "scope": { "domain": "no.example" } })), 404, "NOT_FOUND"),
        (Method::POST, "/queue/retry-failed", Some(json!({ "limit": -1 })), 422, "INVALID"),
        (Method::POST, "/queue/cleanup", Some(json!({ "finishedBefore": "2999-01-01T00:00:00Z" })), 422, "INVALID"),
        (Method::PUT, "/queue/stats", None, 405, "METHOD_NOT_ALLOWED"),
        (Method::GET, "/queue/nowhere", None, 404, "NOT_FOUND"),
    ];
    for (method, path, body, status, code) in cases {
        let case = format!("{method} {path} {body:?}");
        let answer = call(&served, method, path, body).await;
        assert_eq!((answer.status.as_u16(), &answer.body["code"]), (status, &json!(code)), "{case}: {}", answer.body);
        assert_eq!(answer.kind, "application/problem+json", "{case}");
        assert_eq!(answer.body["status"], status, "{case}");
        assert!(!answer.body["detail"].as_str().unwrap().is_empty(), "{case}");
    }
    let wrong = call(&served, Method::POST, "/queue/send", Some(letter(json!({ "to": "nobody" })))).await;
    assert_eq!(wrong.body["errors"][0]["field"], json!(["to"]));
    let url = format!("{}/api/email-reliability/queue/stats", served.url);
    let stranger = http().get(url).send().await.unwrap();
    assert_eq!(
        (stranger.status(), stranger.headers()["content-type"].to_str().unwrap()),
        (StatusCode::UNAUTHORIZED, "application/problem+json")
    );
    assert_eq!(served.client.queue_stats().await["ledger"]["total"], 0);
}

async fn the_paths_are_described_as_openapi(backend: Backend) {
    let served = Served::on(backend).await;
    let described = call(&served, Method::GET, "/openapi.json", None).await.body;
    let paths: Vec<String> = described["paths"].as_object().unwrap().keys().cloned().collect();
    let queue = ["cleanup", "job/{jobId}", "pause", "resume", "retry-failed", "send", "stats"];
    let queue = queue.map(|path| format!("/api/email-reliability/queue/{path}"));
    let events = ["campaign/{campaignId}", "email/{email}"];
    let events = events.map(|path| format!("/api/email-reliability/delivery-events/{path}"));
    let suppression = ["add", "cleanup", "list", "stats", "{email}"];
    let suppression = suppression.map(|path| format!("/api/email-reliability/suppression/{path}"));
    assert_eq!(paths, [&events[..], &queue[..], &suppression[..]].concat());
    let input = &described["components"]["schemas"]["SendEmailInput"];
    assert_eq!(input["required"], json!(["content", "to"]));
}

//! The client, against a server of a few lines, and the patience of all.

use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tests::client::{Client, letter};
use tests::patience::{SOON, until};

/// Answers by the document: what it was asked back, or an error.
async fn graphql(headers: HeaderMap, Json(request): Json<Value>) -> (StatusCode, Json<Value>) {
    if headers.get("authorization").is_none_or(|key| key != "Bearer secret") {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "errors": [{ "message": "who are you?" }] })));
    }
    let email = json!({ "id": "one", "status": "SENT" });
    let document = request["query"].as_str().unwrap();
    let field = ["sendEmails", "sendEmail", "queueStats", "email"].into_iter().find(|field| document.contains(field));
    let answer = match field {
        Some("sendEmail") if request["variables"]["input"]["to"] == "refused" => {
            json!({ "email": null, "userErrors": [{ "code": "INVALID" }] })
        }
        Some("sendEmail") => json!({ "email": email, "userErrors": [] }),
        Some("sendEmails") => json!({ "emails": [email, email], "userErrors": [] }),
        Some("email") => email,
        Some("queueStats") => json!({ "waiting": 3 }),
        _ => return (StatusCode::OK, Json(json!({ "data": null, "errors": [{ "message": "no such field" }] }))),
    };
    (StatusCode::OK, Json(json!({ "data": { field.unwrap(): answer } })))
}

async fn server(key: &str) -> Client {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let ready = get(async || "ready");
    let app = Router::new().route("/graphql", post(graphql)).route("/health/ready", ready);
    tokio::spawn(async { axum::serve(listener, app).await });
    Client::new(&base_url, key)
}

#[tokio::test]
async fn the_client_sends_and_reads() {
    let client = server("secret").await;
    client.await_ready(SOON).await;
    assert_eq!(client.get("/nowhere").await.unwrap().0, StatusCode::NOT_FOUND);
    assert_eq!(client.send_email(letter("bob@example.com")).await, "one");
    assert_eq!(client.send_emails(vec![letter("bob@example.com"); 2]).await, ["one", "one"]);
    client.await_status("one", "SENT", SOON).await;
    let stats = client.await_stats("three to wait", SOON, |stats| stats["waiting"] == 3).await;
    assert_eq!(stats, json!({ "waiting": 3 }));
}

#[tokio::test]
#[should_panic(expected = "email one to be FAILED")]
async fn the_client_says_which_status_never_came() {
    server("secret").await.await_status("one", "FAILED", Duration::from_millis(50)).await;
}

#[tokio::test]
#[should_panic(expected = "sendEmail refused it")]
async fn a_refused_email_is_not_taken_for_a_sent_one() {
    server("secret").await.send_email(letter("refused")).await;
}

#[tokio::test]
#[should_panic(expected = "no such field")]
async fn an_answer_with_errors_is_not_taken_for_data() {
    server("secret").await.query("{ nonsense }", json!({})).await;
}

#[tokio::test]
async fn the_errors_can_be_read_where_they_are_expected() {
    let answer = server("wrong").await.try_query("{ queueStats { waiting } }", json!({})).await.unwrap();
    assert_eq!(answer["errors"][0]["message"], "who are you?");
}

#[tokio::test]
async fn patience_answers_what_it_found_and_says_what_it_missed() {
    let mut looks = 0;
    let found = until("a third look", SOON, async || {
        looks += 1;
        (looks == 3).then_some("found")
    });
    assert_eq!(found.await, "found");
    let vain = tokio::spawn(async { until("what never comes", Duration::from_millis(20), async || None::<()>).await });
    let panic = vain.await.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some("waited 20ms for what never comes"));
}

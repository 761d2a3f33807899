//! Webhooks as they arrive: signed, in Mailgun's shape, again on its clock where they were not taken, and in the disorder
//! that is asked for.

use std::collections::BTreeSet;

use reqwest::{Method, Url};
use serde_json::{Value, json};
use tests::patience::{SOON, until, until_true};

use super::receiver::{Receiver, is_signed};
use super::{Sandboxed, ok};

/// A clock on which Mailgun's eight hours are a second or so.
const FAST: f64 = 20_000.0;

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn each_event_is_told_signed_and_in_mailguns_shape() {
    let receiver = Receiver::start().await;
    let sandboxed = Sandboxed::calling(Some(receiver.parsed_url())).await;
    for to in [
        "bounce@example.com",
        "defer@example.com",
        "click@example.com",
        "complain@example.com",
        "unsubscribe@example.com",
    ] {
        sandboxed.send(to, &[("v:email-id", "e7"), ("o:tag", "welcome"), ("o:tag", "second")]).await;
    }
    let calls = receiver.calls(2 + 3 + 4 + 3 + 3).await;
    let find = |event: &str, severity: Option<&str>| -> Value {
        let of =
            |call: &&Value| call["event-data"]["event"] == event && call["event-data"]["severity"].as_str() == severity;
        calls.iter().find(of).unwrap_or_else(|| panic!("{event} {severity:?}"))["event-data"].clone()
    };
    let always = [
        "campaigns",
        "event",
        "id",
        "log-level",
        "message",
        "recipient",
        "recipient-domain",
        "tags",
        "timestamp",
        "user-variables",
    ];
    let attempt = ["delivery-status", "envelope", "flags", "storage"];
    let reading = ["client-info", "geolocation", "ip"];
    let cases: [(&str, Option<&str>, &str, Vec<&str>); 8] = [
        ("accepted", None, "info", vec!["envelope", "flags", "method", "storage"]),
        ("delivered", None, "info", attempt.to_vec()),
        ("failed", Some("permanent"), "error", [&attempt[..], &["severity", "reason"]].concat()),
        ("failed", Some("temporary"), "warn", [&attempt[..], &["severity", "reason"]].concat()),
        ("opened", None, "info", reading.to_vec()),
        ("clicked", None, "info", [&reading[..], &["url"]].concat()),
        ("unsubscribed", None, "info", reading.to_vec()),
        ("complained", None, "warn", vec!["flags"]),
    ];
    for (event, severity, level, own) in cases {
        let data = find(event, severity);
        let expected: BTreeSet<&str> = always.iter().copied().chain(own).collect();
        assert_eq!(keys(&data), expected, "{event}");
        assert_eq!(data["log-level"], level, "{event}");
        assert_eq!(data["tags"], json!(["welcome", "second"]));
        assert_eq!(data["user-variables"], json!({ "email-id": "e7" }));
        assert!(data["timestamp"].is_f64() && data["id"].as_str().unwrap().len() == 22);
        assert!(!data["message"]["headers"]["message-id"].as_str().unwrap().contains('<'));
    }
    let bounced = find("failed", Some("permanent"));
    let status = &bounced["delivery-status"];
    assert_eq!(
        (&status["code"], &status["enhanced-code"], &status["bounce-type"]),
        (&json!(550), &json!("5.1.1"), &json!("hard"))
    );
    let headers = &find("delivered", None)["message"]["headers"];
    assert_eq!(keys(headers), BTreeSet::from(["from", "message-id", "subject", "to"]));

    assert!(calls.iter().all(is_signed));
    let tokens: BTreeSet<&str> = calls.iter().map(|call| call["signature"]["token"].as_str().unwrap()).collect();
    assert_eq!(tokens.len(), calls.len(), "each event has a token of its own");
    assert!(tokens.iter().all(|token| token.len() == 50));
    assert_eq!(keys(&calls[0]["signature"]), BTreeSet::from(["signature", "timestamp", "token"]));
}

#[tokio::test]
async fn the_log_and_the_webhook_tell_the_same() {
    let receiver = Receiver::start().await;
    let sandboxed = Sandboxed::start().await;
    sandboxed.register("permanent_fail", receiver.url()).await;
    let id = sandboxed.send("bounce@example.com", &[]).await;
    let told = receiver.calls(1).await;
    assert_eq!(told[0]["event-data"], sandboxed.events(&id, 2).await[1]);
}

#[tokio::test]
async fn only_what_was_asked_for_is_told_and_never_what_is_silent() {
    let receiver = Receiver::start().await;
    let sandboxed = Sandboxed::start().await;
    sandboxed.register("delivered", receiver.url()).await;
    for to in ["silent@example.com", "lost@example.com", "reject@example.com", "click@example.com", "sally@example.com"]
    {
        sandboxed.send(to, &[]).await;
    }
    let told = receiver.calls(2).await;
    sandboxed.all_told().await;
    assert_eq!(receiver.told().len(), 2);
    let told: BTreeSet<&str> = told.iter().map(|call| call["event-data"]["recipient"].as_str().unwrap()).collect();
    assert_eq!(told, BTreeSet::from(["click@example.com", "sally@example.com"]));
}

#[tokio::test]
async fn what_is_not_taken_comes_again_under_the_same_signature() {
    // 204 and a redirection are no 200.
    let receiver = Receiver::answering(|call| [500, 204, 302, 401, 200][call.min(4)]).await;
    let sandboxed = Sandboxed::start().await;
    sandboxed.tell(json!({ "scale": FAST })).await;
    sandboxed.register("accepted", receiver.url()).await;
    sandboxed.send("sally@example.com", &[]).await;
    let calls = receiver.calls(5).await;
    assert!(calls.iter().all(|call| *call == calls[0]), "{calls:?}");
    let settled = until("the delivery", SOON, async || sandboxed.deliveries("state=taken").await.pop()).await;
    assert_eq!((&settled["tries"], &settled["last"], &settled["next_at"]), (&json!(5), &json!(200), &Value::Null));
    assert_eq!(settled["signature"], calls[0]["signature"]);
}

#[tokio::test]
async fn a_406_ends_it_and_so_do_eight_hours() {
    let sandboxed = Sandboxed::start().await;
    sandboxed.tell(json!({ "scale": FAST })).await;
    let (refuses, never) = (Receiver::answering(|_| 406).await, Receiver::answering(|_| 503).await);
    sandboxed.register("accepted", refuses.url()).await;
    sandboxed.register("delivered", never.url()).await;
    sandboxed.send("sally@example.com", &[]).await;
    let given_up = until("the end", SOON, async || sandboxed.deliveries("state=given_up").await.pop()).await;
    assert_eq!((&given_up["tries"], &given_up["last"]), (&json!(8), &json!(503)));
    assert_eq!(never.told().len(), 8, "at once and after 10, 10, 15, 30, 60, 120 and 240 minutes");
    let refused = &sandboxed.deliveries("state=refused").await[0];
    assert_eq!((&refused["tries"], &refused["last"]), (&json!(1), &json!(406)));
    assert_eq!(refuses.told().len(), 1);
}

#[tokio::test]
async fn on_mailguns_own_clock_the_second_try_is_ten_minutes_away() {
    let sandboxed = Sandboxed::start().await;
    // Nobody listens there.
    sandboxed.register("accepted", "http://127.0.0.1:9/hook").await;
    sandboxed.send("sally@example.com", &[]).await;
    let waiting = until("the first try", SOON, async || {
        sandboxed.deliveries("").await.pop().filter(|delivery| delivery["tries"] == 1)
    })
    .await;
    assert_eq!((&waiting["state"], &waiting["last"]), (&json!("waiting"), &json!("no connection")));
    let (next, now) = (waiting["next_at"].as_str().unwrap(), entity::Clock::system().now());
    let wait = (next.parse::<chrono::DateTime<chrono::Utc>>().unwrap() - now).num_seconds();
    assert!((540..=600).contains(&wait), "{wait} s");
}

#[tokio::test]
async fn duplicates_carry_the_signature_of_their_first() {
    let receiver = Receiver::start().await;
    let sandboxed = Sandboxed::start().await;
    sandboxed.tell(json!({ "duplicates": { "every": 2 } })).await;
    sandboxed.register("accepted", receiver.url()).await;
    for number in 0..4 {
        sandboxed.send(&format!("n{number}@example.com"), &[]).await;
    }
    let calls = receiver.calls(6).await;
    let tokens: BTreeSet<&str> = calls.iter().map(|call| call["signature"]["token"].as_str().unwrap()).collect();
    assert_eq!(tokens.len(), 4);
    sandboxed.all_told().await;
    assert_eq!(receiver.told().len(), 6);
}

#[tokio::test]
async fn what_happened_in_one_window_comes_in_any_order() {
    let receiver = Receiver::start().await;
    let sandboxed = Sandboxed::start().await;
    sandboxed.tell(json!({ "reorder_ms": 400, "delay_ms": 50 })).await;
    sandboxed.register("accepted", receiver.url()).await;
    for number in 0..30 {
        sandboxed.send(&format!("n{number}@example.com"), &[]).await;
    }
    let calls = receiver.calls(30).await;
    let times: Vec<f64> = calls.iter().map(|call| call["event-data"]["timestamp"].as_f64().unwrap()).collect();
    assert!(!times.is_sorted(), "{times:?}");
}

#[tokio::test]
async fn silence_holds_back_until_it_is_lifted() {
    let receiver = Receiver::start().await;
    let sandboxed = Sandboxed::start().await;
    sandboxed.register("accepted", receiver.url()).await;
    sandboxed.tell(json!({ "silence": ["@gmail.com"] })).await;
    sandboxed.send("amy@gmail.com", &[]).await;
    sandboxed.send("bob@example.com", &[]).await;
    assert_eq!(receiver.calls(1).await[0]["event-data"]["recipient"], "bob@example.com");
    until_true("a held webhook", SOON, async || sandboxed.deliveries("state=held").await.len() == 1).await;
    sandboxed.tell(json!({ "silence": "all" })).await;
    sandboxed.send("carl@example.com", &[]).await;
    until_true("two held webhooks", SOON, async || sandboxed.get("/_sandbox/webhooks").await["held"] == 2).await;
    assert_eq!(receiver.told().len(), 1);
    let lifted = sandboxed.request(Method::DELETE, "/_sandbox/webhooks").send().await.unwrap();
    assert_eq!(lifted.status(), 204);
    let told = receiver.calls(3).await;
    let order: Vec<&Value> = told.iter().map(|call| &call["event-data"]["recipient"]).collect();
    assert!(order[0] == "bob@example.com" && order.contains(&&json!("amy@gmail.com")), "{order:?}");
}

#[tokio::test]
async fn a_delivery_is_repeated_on_request() {
    let receiver = Receiver::start().await;
    let sandboxed = Sandboxed::start().await;
    sandboxed.register("delivered", receiver.url()).await;
    let id = sandboxed.send("sally@example.com", &[]).await;
    sandboxed.send("bob@example.com", &[]).await;
    receiver.calls(2).await;
    let again = sandboxed.request(Method::POST, "/_sandbox/webhooks/redeliver").json(&json!({ "message_id": id }));
    assert_eq!(ok(again.send().await.unwrap()).await, json!({ "redelivered": 1 }));
    let calls = receiver.calls(3).await;
    assert!(calls[2] == calls[0] || calls[2] == calls[1]);
    assert_eq!(calls[2]["event-data"]["recipient"], "sally@example.com");
}

#[tokio::test]
async fn an_account_webhook_is_told_of_every_domain_and_each_url_once() {
    let receiver = Receiver::start().await;
    let sandboxed = Sandboxed::start().await;
    sandboxed.register("accepted", receiver.url()).await;
    sandboxed.post("/v1/webhooks", &[("url", receiver.url()), ("event_types", "accepted,delivered")]).await;
    sandboxed.send("sally@example.com", &[]).await;
    let told = receiver.calls(2).await;
    sandboxed.all_told().await;
    let told: Vec<&Value> = told.iter().map(|call| &call["event-data"]["event"]).collect();
    assert_eq!((told, receiver.told().len()), (vec![&json!("accepted"), &json!("delivered")], 2));
}

#[tokio::test]
async fn a_regenerated_key_signs_from_then_on() {
    let receiver = Receiver::start().await;
    let sandboxed = Sandboxed::start().await;
    sandboxed.register("accepted", receiver.url()).await;
    sandboxed.send("sally@example.com", &[]).await;
    assert!(is_signed(&receiver.calls(1).await[0]));
    let fresh = sandboxed.post("/v5/accounts/http_signing_key", &[]).await["http_signing_key"].clone();
    assert_eq!(sandboxed.get("/v5/accounts/http_signing_key").await["http_signing_key"], fresh);
    sandboxed.send("sally@example.com", &[]).await;
    assert!(!is_signed(&receiver.calls(2).await[1]));
}

#[tokio::test]
async fn settings_that_point_elsewhere_are_refused() {
    tests::install_tls();
    let elsewhere = Url::parse("https://example.com/hook").unwrap();
    let settings = api::sandbox::Settings {
        api_key: "k".into(),
        domains: Vec::new(),
        clock: entity::Clock::system(),
        webhooks: Some(elsewhere),
        signing_key: "s".into(),
    };
    let Err(error) = api::sandbox::Sandbox::new(settings) else { panic!("it was taken") };
    assert!(error.to_string().contains("this machine alone"), "{error}");
    let sandboxed = Sandboxed::start().await;
    let request = sandboxed.request(Method::PUT, "/_sandbox/webhooks").body(r#"{ "scale": -1 }"#);
    let refused = request.send().await.unwrap();
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("scale"));
}

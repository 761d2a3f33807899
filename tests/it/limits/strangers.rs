//! What may be asked without a key that is known: by the address, since there is nothing else to go by.

use entity::sealed::Keyring;
use jobs::Store;
use reqwest::{StatusCode, header};
use sea_orm::{ConnectionTrait, TransactionTrait};
use secrecy::ExposeSecret;
use serde_json::json;
use tests::client::{http, letter};
use tests::database::Backend;
use tests::mailgun::FakeMailgun;
use tests::patience::{SOON, until_true};
use tests::process::Launch;

use super::{Wire, limited, retry_after};
use crate::api::{KEY, Served};

on_both! {
    strangers_at_one_address_wait_and_a_known_key_there_does_not
    a_flood_of_webhooks_is_asked_to_come_back_while_others_are_served
    links_to_unsubscribe_are_open_for_so_many_at_a_time
}

async fn strangers_at_one_address_wait_and_a_known_key_there_does_not(backend: Backend) {
    let more = |launch: Launch| launch.env("LIMIT_ADDRESS_REQUESTS", "6/h").env("TRUSTED_PROXIES", "127.0.0.1");
    let served = Served::with(backend, more).await;
    let ask = async |path: &str, key: Option<&str>, from: &str| {
        let get = http().get(format!("{}{path}", served.url)).header("x-forwarded-for", from);
        key.into_iter().fold(get, |get, key| get.bearer_auth(key)).send().await.unwrap()
    };
    let (here, there) = ("192.0.2.1", "192.0.2.2");
    // The dashboard's page, what needs a key, and what is no key.
    for (path, key, status) in [
        ("/", None, 200),
        ("/metrics", None, 401),
        ("/metrics", Some("nobody's"), 401),
        ("/api/email-reliability/queue/stats", None, 401),
        ("/assets/no.js", None, 404),
        ("/emails", None, 200),
    ] {
        assert_eq!(ask(path, key, here).await.status(), status, "{path} {key:?}");
    }
    for path in ["/", "/assets/no.js", "/metrics"] {
        assert_eq!(limited(ask(path, None, here).await).await, "RATE_LIMITED", "{path}");
    }
    let problem = ask("/api/email-reliability/queue/stats", Some("nobody's"), here).await;
    assert_eq!(problem.headers()[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(limited(problem).await, "RATE_LIMITED");
    let socket = http().get(format!("{}/graphql", served.url)).header("x-forwarded-for", here);
    let socket = socket.header("connection", "upgrade").header("upgrade", "websocket").send().await.unwrap();
    assert_eq!(limited(socket).await, "RATE_LIMITED");
    let code = http().post(format!("{}/session/link", served.url)).header("x-forwarded-for", here);
    assert_eq!(limited(code.json(&json!({ "code": "guessed" })).send().await.unwrap()).await, "RATE_LIMITED");
    assert_eq!(ask("/metrics", Some(KEY), here).await.status(), 200, "a key that is known has limits of its own");
    assert_eq!(ask("/metrics", None, there).await.status(), 401, "another address");
    assert_eq!(ask("/health/live", None, here).await.status(), 200, "who looks after the process is not counted");
}

async fn a_flood_of_webhooks_is_asked_to_come_back_while_others_are_served(backend: Backend) {
    let served = Served::with(backend, |launch| launch.env("LIMIT_WEBHOOKS", "8")).await;
    // Bodies that do not come, two from each of four addresses: a quarter of the places for each.
    let mut slow = Vec::new();
    for n in 0..8 {
        let mut wire = Wire::from(&format!("127.0.0.{}", 2 + n / 2), &served).await;
        wire.say("POST /webhooks/mailgun HTTP/1.1\r\nhost: m\r\ncontent-length: 100\r\n\r\n{").await;
        slow.push(wire);
    }
    let webhook = async || {
        let post = http().post(format!("{}/webhooks/mailgun", served.url));
        post.body(r#"{"signature":{"timestamp":"1","token":"t","signature":"s"},"event-data":{}}"#)
            .send()
            .await
            .unwrap()
    };
    until_true("the places to be taken", SOON, async || webhook().await.status() == StatusCode::SERVICE_UNAVAILABLE)
        .await;
    assert_eq!(retry_after(&webhook().await), Some(1));
    served.client.send_email(letter("ann@example.org")).await;
    let (_, metrics) = served.client.get("/metrics").await.unwrap();
    assert!(!metrics.contains("mailmind_limited_total{limit=\"webhooks\"} 0"), "{metrics}");
    // One address gives its places back; its third would have had none before.
    slow.truncate(6);
    until_true("a place to be free", SOON, async || webhook().await.status() == StatusCode::UNAUTHORIZED).await;
    let mut third = Wire::from("127.0.0.2", &served).await;
    third.say("POST /webhooks/mailgun HTTP/1.1\r\nhost: m\r\ncontent-length: 1\r\n\r\n{").await;
    assert_eq!(third.status().await, 503);
}

/// The token in the link that a campaign's email carries.
async fn link(served: &Served, mailgun: &FakeMailgun) -> String {
    let mut campaign = letter("bob@example.org");
    campaign["campaignId"] = json!("campaign:01980000-0000-7000-8000-000000000009");
    served.client.send_email(campaign).await;
    mailgun.until("the message", SOON, |state| state.accepted() > 0).await;
    let link = mailgun.look(|state| {
        let form = state.messages().last().unwrap().post.form();
        form.text("h:List-Unsubscribe").unwrap().to_owned()
    });
    link.strip_prefix("<https://mail.example.com/u/").unwrap().strip_suffix('>').unwrap().to_owned()
}

async fn links_to_unsubscribe_are_open_for_so_many_at_a_time(backend: Backend) {
    let mailgun = FakeMailgun::start();
    let more = |launch: Launch| {
        let launch = launch.env("MAILGUN_API_BASE", mailgun.url()).env("MAILGUN_API_KEY", "key");
        let launch = launch.env("MAILGUN_DOMAIN", "mg.example.com").env("PUBLIC_URL", "https://mail.example.com");
        let launch = launch.env("CONTENT_KEYRING", Keyring::generate().to_text().expose_secret());
        launch.env("LIMIT_UNSUBSCRIBES", "4")
    };
    let served = Served::with(backend, more).await;
    let url = format!("{}/u/{}", served.url, link(&served, &mailgun).await);
    // Whoever records an event needs this row (on SQLite, the file): until it is given back, one is under way.
    let store = Store::connect(&served.database.url).await.unwrap();
    let kept = store.write().begin().await.unwrap();
    kept.execute_unprepared("UPDATE event_clock SET seq = seq").await.unwrap();
    let under_way = tokio::spawn(http().post(&url).send());
    until_true("an address's place to be taken", SOON, async || {
        http().get(&url).send().await.unwrap().status() == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    assert_eq!(retry_after(&http().get(&url).send().await.unwrap()), Some(1));
    let mut elsewhere = Wire::from("127.0.0.2", &served).await;
    elsewhere.say(&format!("GET {} HTTP/1.1\r\nhost: m\r\n\r\n", &url[served.url.len()..])).await;
    assert_eq!(elsewhere.status().await, 200, "others have places of their own");
    assert_eq!(served.client.get("/health/live").await.unwrap().0, 200);
    kept.rollback().await.unwrap();
    assert_eq!(under_way.await.unwrap().unwrap().status(), 200, "whoever was let in is unsubscribed");
    for _ in 0..20 {
        assert_eq!(http().get(&url).send().await.unwrap().status(), 200, "it is not counted in a time");
    }
}

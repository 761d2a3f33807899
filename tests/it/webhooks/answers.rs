//! What each webhook is answered, and what of it is stored: Mailgun keeps an event until it hears 200, and for ever forgets one
//! that is answered 406.

use std::cell::Cell;

use bytes::Bytes;
use chrono::TimeDelta;
use entity::delivery_event::Kind;
use entity::quarantined_event;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};
use tests::child::Scratch;
use tests::client::{Client, letter};
use tests::database::{Backend, Postgres};
use tests::mailgun::FakeMailgun;
use tests::patience::{SOON, until};
use tests::webhook::{SIGNING_KEY, Told};

use super::{PATH, bare, beside, entries, events, facts, now, post, try_post};
use crate::api::{KEY, Served, address, mailmind};

on_both! {
    each_webhook_is_answered_by_what_it_is_and_only_what_is_signed_is_stored
}

/// With the same event data under another signature.
fn resigned(body: &Bytes, change: impl FnOnce(&mut Value)) -> Bytes {
    let mut json: Value = serde_json::from_slice(body).unwrap();
    change(&mut json);
    json.to_string().into()
}

/// A body of this many bytes, all of them needed.
fn of_size(told: &Told, token: &str, bytes: usize) -> Bytes {
    let bare = told.clone().with("padding", "").body(now(), token).len();
    told.clone().with("padding", "x".repeat(bytes - bare)).body(now(), token)
}

async fn each_webhook_is_answered_by_what_it_is_and_only_what_is_signed_is_stored(backend: Backend) {
    let keys = format!("the-next-key, {SIGNING_KEY},");
    let served = Served::with(backend, |launch| launch.env("MAILGUN_WEBHOOK_SIGNING_KEY", keys)).await;
    // Nothing is told of it but what this test tells.
    let id = served.client.send_email(letter("silent@example.org")).await;
    served.client.await_status(&id, "SENT", SOON).await;
    let email = bare(&id);
    let told = |event: &str| Told::new(event, email, "silent@example.org", now());
    let signed = |event: &str, token: &str| told(event).body(now(), token);
    let ago = |time: TimeDelta, token: &str| {
        let at = now() - time;
        Told::new("complained", email, "silent@example.org", at).body(at, token)
    };
    let (delivered, stale) = (signed("delivered", "a"), ago(TimeDelta::hours(13), "e"));
    let (none, event, kept) = ((0, 0), (1, 0), (0, 1));
    let cases = [
        ("signed", delivered.clone(), 200, event),
        ("replayed", delivered.clone(), 200, none),
        ("its token reused", signed("complained", "a"), 406, none),
        ("forged", resigned(&signed("complained", "b"), |json| json["signature"]["token"] = "c".into()), 401, none),
        ("no signature in it", resigned(&signed("complained", "b"), |json| json["signature"] = json!({})), 401, none),
        ("nothing in it", "{}".into(), 401, none),
        ("no object", "[1]".into(), 401, none),
        (
            "repeated by Mailgun for hours",
            Told::new("opened", email, "silent@example.org", now() - TimeDelta::hours(9))
                .body(now() - TimeDelta::hours(9), "d"),
            200,
            event,
        ),
        ("stale", stale.clone(), 200, kept),
        ("stale, again", stale, 200, none),
        ("of the future", ago(TimeDelta::minutes(-10), "f"), 200, kept),
        ("as large as it may be", of_size(&told("opened"), "g", 256 * 1024), 200, event),
        ("too large by one byte", of_size(&told("complained"), "h", 256 * 1024 + 1), 406, none),
        ("far too large", vec![b' '; 3 * 1024 * 1024].into(), 406, none),
        ("cut off", signed("complained", "i").slice(..300), 406, none),
        ("a form, as in old times", "event=complained&recipient=silent%40example.org".into(), 406, none),
        ("empty", Bytes::new(), 406, none),
        (
            "no event, but signed",
            resigned(&signed("complained", "j"), |json| json["event-data"] = json!(7)),
            200,
            event,
        ),
        ("of a kind to come", signed("teleported", "k"), 200, event),
        (
            "of nobody's email",
            Told::new("opened", uuid::Uuid::nil(), "eve@example.net", now()).body(now(), "l"),
            200,
            event,
        ),
    ];
    let ctx = beside(&served.database.url).await;
    let (mut seen, cut_off) = ((0, 0), Cell::new(0));
    for (i, (what, body, status, stored)) in cases.into_iter().enumerate() {
        let path = if i % 2 == 0 { PATH } else { "/api/email-reliability/webhook/mailgun" };
        // Whoever is refused amid a body that is far too large may be cut off before they hear of it, and comes again.
        let heard = async || match try_post(&served, path, body.clone()).await {
            Err(error) if what == "far too large" => {
                assert!(error.is_request(), "{error}");
                cut_off.set(cut_off.get() + 1);
                None
            }
            heard => Some(heard.unwrap()),
        };
        let (answered, words) = until(what, SOON, heard).await;
        assert_eq!(answered.as_u16(), status, "{what}: {words}");
        let quarantined = quarantined_event::Entity::find().count(ctx.store.write()).await.unwrap() as usize;
        let now = (events(&ctx).await.len(), quarantined);
        assert_eq!((now.0 - seen.0, now.1 - seen.1), stored, "{what}: {words}");
        seen = now;
    }
    assert_eq!(served.client.status(&id).await, "DELIVERED");
    assert_eq!(facts(&ctx, email).await.unwrap().opens, 2);
    assert!(entries(&ctx, "silent@example.org").await.is_empty(), "no complaint had an effect");
    let unknown: Vec<_> = events(&ctx).await.into_iter().filter(|event| event.kind == Kind::Unknown).collect();
    assert_eq!(unknown.iter().map(|event| event.name.as_deref()).collect::<Vec<_>>(), [None, Some("teleported")]);
    let (_, metrics) = served.client.get("/metrics").await.unwrap();
    for (outcome, n) in [
        ("taken", 6),
        ("repeated", 2),
        ("quarantined", 2),
        ("token_reused", 1),
        ("unsigned", 4),
        ("too_large", 2 + cut_off.get()),
        ("not_json", 3),
    ] {
        let line = format!("mailmind_webhooks_total{{outcome=\"{outcome}\"}} {n}");
        assert!(metrics.lines().any(|told| told == line), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_signing_key_nothing_is_believed_and_mailgun_keeps_it() {
    let mailgun = FakeMailgun::start();
    let live = |launch: tests::process::Launch| {
        let launch = launch.env("MAILGUN_API_BASE", mailgun.url()).env("MAILGUN_API_KEY", "key");
        launch.env("MAILGUN_DOMAIN", "mg.example.com").env("MAILGUN_WEBHOOK_SIGNING_KEY", " , ")
    };
    let served = Served::with(Backend::Sqlite, live).await;
    let told = Told::new("delivered", uuid::Uuid::nil(), "bob@example.org", now());
    let (status, words) = post(&served, PATH, told.body(now(), "a")).await;
    assert_eq!(status, 401, "{words}");
    assert!(words.contains("no signing key"), "{words}");
    served.process.await_line("MAILGUN_WEBHOOK_SIGNING_KEY is wrong", SOON).await;
    assert!(events(&*beside(&served.database.url).await).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_mailgun_is_told_to_come_again() {
    let postgres = Postgres::start().await;
    let (data, database) = (Scratch::new("data"), postgres.database().await);
    let process = mailmind(&["serve", "--no-worker"], &data, &database);
    let process = process.env("MAILGUN_WEBHOOK_SIGNING_KEY", SIGNING_KEY).start();
    let url = address(&process).await;
    let client = Client::new(&url, KEY);
    client.await_ready(SOON).await;
    let body = Told::new("delivered", uuid::Uuid::nil(), "bob@example.org", now()).body(now(), "a");
    let told = async || {
        let answer = tests::client::http().post(format!("{url}{PATH}")).body(body.clone()).send().await.unwrap();
        answer.status().as_u16()
    };
    postgres.stop().await;
    assert_eq!(told().await, 503);
    postgres.start_again().await;
    tests::patience::until_true("the webhook to be taken", SOON, async || told().await == 200).await;
    assert_eq!(events(&*beside(&database.url).await).await.len(), 1);
}

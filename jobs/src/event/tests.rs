//! Each payload reads as its file says, and the signature is Mailgun's.

#![expect(clippy::unwrap_used, reason = "tests may")]

use std::path::Path;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::event::consequence::BOUNCED;

const KEY: &str = "signing-key-of-the-tests";

/// One file of `payloads`.
#[derive(Deserialize)]
struct Case {
    webhook: Option<Value>,
    log: Option<Value>,
    /// The domain whose log was asked.
    asked: Option<String>,
    expected: Value,
    /// What it means for its address.
    follows: String,
}

impl Case {
    fn event(&self) -> Event {
        match (&self.webhook, &self.log) {
            (Some(body), None) => signed(body).event,
            (None, Some(item)) => LogItem::read(item, self.asked.as_deref().unwrap(), now()).event,
            _ => panic!("neither webhook nor log"),
        }
    }
}

fn cases() -> Vec<(String, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/event/payloads");
    let read = |path: std::path::PathBuf| {
        let case = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), case)
    };
    std::fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap().path())).collect()
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_512_605, 0).unwrap()
}

fn keys(keys: &[&str]) -> Keys {
    Keys::new(&keys.iter().map(|key| SecretString::from(*key)).collect::<Vec<_>>())
}

fn envelope(body: &Value) -> Envelope {
    Envelope::read(Bytes::from(body.to_string())).unwrap()
}

fn signed(body: &Value) -> Signed {
    keys(&[KEY]).verify(envelope(body)).unwrap()
}

fn in_words(consequence: Consequence) -> String {
    let Consequence::Suppress(entry) = consequence else {
        return if consequence == Consequence::None { "nothing" } else { "against the domain" }.to_owned();
    };
    let mut words = vec![format!("{:?}", entry.reason)];
    words.extend(entry.bounce_type.map(|kind| format!("{kind:?}")));
    words.push(entry.lasts.map_or("for ever".into(), |lasts| format!("{} days", lasts.as_secs() / 86_400)));
    if entry.source == entity::suppression::Source::Provider {
        words.push("from Mailgun's list".into());
    }
    words
        .join(", ")
        .replace("Bounce", "bounce")
        .replace("Complaint", "complaint")
        .replace("Unsubscribe", "unsubscribe")
        .replace("Hard", "hard")
        .replace("Soft", "soft")
}

#[test]
fn every_payload_reads_as_its_file_says() {
    let cases = cases();
    assert!(cases.len() >= 60, "only {} payloads", cases.len());
    for (name, case) in cases {
        let event = case.event();
        let read = serde_json::to_value(&event).unwrap();
        assert_eq!(read, case.expected, "{name}: {read:#}");
        assert_eq!(in_words(consequence(&event.kind)), case.follows, "{name}");
    }
}

#[test]
fn every_kind_and_every_rule_of_the_table_has_a_payload() {
    let (mut kinds, mut rules) = (std::collections::HashSet::new(), std::collections::HashSet::new());
    for (_, case) in cases() {
        let event = case.event();
        kinds.insert(event.kind.stored());
        if let Kind::Bounced(failure) = &event.kind {
            rules.insert(BOUNCED.iter().position(|(fits, _)| fits(failure)).unwrap());
        }
    }
    assert_eq!(kinds.len(), 10, "{kinds:?}");
    assert_eq!(rules.len(), BOUNCED.len(), "{rules:?}");
}

/// The same event from the webhook and from either log is one, and everything that tells events apart does.
#[test]
fn a_key_tells_events_apart_and_not_the_ways_they_come() {
    let data = |change: &dyn Fn(&mut Value)| {
        let mut data = json!({ "event": "delivered", "id": "a", "timestamp": 1_795_512_600.5, "recipient": "ann@example.org",
            "message": { "headers": { "message-id": "m@mg.example.com" } } });
        change(&mut data);
        data
    };
    let key = |item: Value| {
        let item = LogItem::read(&item, "mg.example.com", now());
        item.event.key(&item.body)
    };
    let plain = key(data(&|_| {}));
    let same: [&dyn Fn(&mut Value); 4] = [
        &|d| d["domain"] = json!({ "name": "MG.example.com" }),
        &|d| d["timestamp"] = json!(1_795_512_600.499),
        &|d| d["recipient"] = json!("Ann@EXAMPLE.org"),
        &|d| d["user-variables"] = json!("{}"),
    ];
    for (i, change) in same.iter().enumerate() {
        assert_eq!(key(data(change)), plain, "same {i}");
    }
    let other: [&dyn Fn(&mut Value); 4] = [
        &|d| d["id"] = json!("b"),
        &|d| d["event"] = json!("opened"),
        &|d| d["recipient"] = json!("bob@example.org"),
        &|d| d["domain"] = json!({ "name": "other.example.com" }),
    ];
    for (i, change) in other.iter().enumerate() {
        assert_ne!(key(data(change)), plain, "other {i}");
    }
    let without_id = |at: f64| key(data(&|d| (d["id"], d["timestamp"]) = (Value::Null, json!(at))));
    assert_eq!(without_id(1_795_512_600.5), without_id(1_795_512_600.5));
    assert_ne!(without_id(1_795_512_600.5), without_id(1_795_512_601.5));
    assert_ne!(key(json!({ "x": 1 })), key(json!({ "x": 2 })), "what can't be read is told apart by all of it");
}

#[test]
fn only_what_mailgun_signed_is_believed() {
    let case = || cases().into_iter().find(|(name, _)| name == "delivered").unwrap().1.webhook.unwrap();
    let verify = |keys: &Keys, body: &Value| keys.verify(envelope(body)).map(drop);
    let changed = |part: &str, value: Value| {
        let mut body = case();
        body["signature"][part] = value;
        body
    };
    assert_eq!(verify(&keys(&["old", KEY]), &case()), Ok(()), "while a key is replaced both are good");
    assert_eq!(verify(&keys(&["other"]), &case()), Err(Unsigned::Wrong));
    assert_eq!(verify(&keys(&["", " "]), &case()), Err(Unsigned::NoKey));
    assert_eq!(verify(&keys(&[KEY]), &changed("token", json!("another"))), Err(Unsigned::Wrong));
    assert_eq!(verify(&keys(&[KEY]), &changed("timestamp", json!("1795512606"))), Err(Unsigned::Wrong));
    assert_eq!(verify(&keys(&[KEY]), &changed("signature", json!("00"))), Err(Unsigned::Wrong));
    assert_eq!(verify(&keys(&[KEY]), &changed("signature", json!("no hex"))), Err(Unsigned::Wrong));
    assert_eq!(verify(&keys(&[KEY]), &changed("signature", Value::Null)), Err(Unsigned::Missing));
    assert_eq!(verify(&keys(&[KEY]), &json!({ "event-data": {} })), Err(Unsigned::Missing));
    assert_eq!(verify(&keys(&[KEY]), &json!([])), Err(Unsigned::Missing));
    assert_eq!(
        verify(&keys(&[KEY]), &changed("timestamp", json!(1_795_512_605))),
        Ok(()),
        "a number has the same digits"
    );
    // hmac-sha256("signing-key-of-the-tests", "7a" + "token"), by another implementation.
    let odd = "c0b1ebb19929191f98d52ce907f404528ffba8e821b0c08aa1588f93d54133e1";
    let body = json!({ "signature": { "timestamp": "7a", "token": "token", "signature": odd } });
    assert_eq!(verify(&keys(&[KEY]), &body), Err(Unsigned::NoTime), "rightly signed, and no time");
}

#[test]
fn a_body_is_refused_for_good_only_when_it_is_no_json_or_too_large() {
    let read = |body: &[u8]| Envelope::read(Bytes::copy_from_slice(body)).map(drop);
    assert_eq!(read(b"event=delivered&token=a"), Err(Unreadable::NotJson));
    assert_eq!(read(br#"{"signature": {"timestamp": "1"#), Err(Unreadable::NotJson));
    assert_eq!(read(b""), Err(Unreadable::NotJson));
    assert_eq!(read("[".repeat(10_000).as_bytes()), Err(Unreadable::NotJson));
    assert_eq!(read(b"null"), Ok(()));
    let mut large = b"{}".to_vec();
    large.resize(MOST_BYTES, b' ');
    assert_eq!(read(&large), Ok(()));
    large.push(b' ');
    assert_eq!(read(&large), Err(Unreadable::TooLarge));
}

#[test]
fn a_foreign_servers_broken_characters_spoil_nothing() {
    let with = |message: &[u8]| {
        let mut body =
            br#"{"event-data":{"event":"failed","severity":"permanent","delivery-status":{"message":""#.to_vec();
        body.extend_from_slice(message);
        body.extend_from_slice(br#""}}}"#);
        match Envelope::read(Bytes::from(body)).unwrap().event(now()).kind {
            Kind::Bounced(failure) => failure.message.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(with(b"caf\xe9"), "caf\u{fffd}");
    assert_eq!(with(br"half \ud83d of one"), "half \u{fffd} of one");
    assert_eq!(with(br"\udc00\ud83d\ude00\\ud83d \ud83d"), "\u{fffd}😀\\ud83d \u{fffd}");
    assert_eq!(with("lang ".repeat(1_000).as_bytes()).chars().count(), 1_000);
}

#[test]
fn an_event_from_outside_its_time_has_no_effect() {
    let (hours, minutes) = (TimeDelta::hours, TimeDelta::minutes);
    let at = |signed: TimeDelta, occurred: TimeDelta| quarantine(now() + signed, now() + occurred, now());
    assert_eq!(at(-hours(8), -hours(8)), None, "Mailgun tries for 8 hours");
    assert_eq!(at(-hours(12), -hours(12)), None);
    assert_eq!(at(-hours(12) - TimeDelta::seconds(1), TimeDelta::zero()), Some(Quarantine::TooOld));
    assert_eq!(at(TimeDelta::zero(), -hours(48)), None, "a report may be late, a signature not");
    assert_eq!(at(minutes(5), minutes(5)), None);
    assert_eq!(at(minutes(6), TimeDelta::zero()), Some(Quarantine::InTheFuture));
    assert_eq!(at(TimeDelta::zero(), minutes(6)), Some(Quarantine::InTheFuture), "the body is not signed");
}

/// JSON whose fields have the names that events have, and anything in them.
fn any_payload() -> impl Strategy<Value = Value> {
    let names = proptest::sample::select(vec![
        "event",
        "id",
        "timestamp",
        "@timestamp",
        "recipient",
        "domain",
        "name",
        "severity",
        "reason",
        "delivery-status",
        "code",
        "enhanced-code",
        "bounce-code",
        "bounce-type",
        "message",
        "headers",
        "message-id",
        "user-variables",
        "email-id",
        "client-info",
        "bot",
        "geolocation",
        "country",
        "url",
        "storage",
        "tags",
        "reject",
        "description",
        "signature",
        "token",
        "event-data",
        "retry-seconds",
        "attempt-no",
        "envelope",
        "sender",
    ]);
    let words = proptest::sample::select(vec![
        "accepted",
        "delivered",
        "failed",
        "opened",
        "clicked",
        "complained",
        "unsubscribed",
        "rejected",
        "permanent",
        "temporary",
        "bounce",
        "5.1.1",
        "a@example.com",
        "@",
        "<>",
        "{}",
        "https://x/domains/",
        "1e400",
        "-1",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words.prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            6 => proptest::collection::hash_map(names.clone(), inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever comes is read, twice the same, and an event of it has a key.
    #[test]
    fn every_json_is_an_event_and_every_body_is_read_or_refused(payload in any_payload(), bytes: Vec<u8>) {
        let read = || LogItem::read(&payload, "mg.example.com", now());
        prop_assert_eq!(format!("{:?}", read().event()), format!("{:?}", read().event()));
        let body = Bytes::from(payload.to_string());
        prop_assert_eq!(read().event().key(&body), read().event().key(&body));
        let _ = consequence(&read().event().kind);
        let body = json!({ "signature": payload, "event-data": payload }).to_string();
        prop_assert!(Envelope::read(Bytes::from(body)).is_ok());
        let _ = Envelope::read(Bytes::from(bytes));
    }
}

//! Pages as they were recorded from Mailgun, and as they must not be taken for the log.

#![expect(clippy::unwrap_used, reason = "tests may")]

use super::*;
use crate::log::Kinds;

fn query() -> Query {
    let at = |seconds: i64, nanos| DateTime::from_timestamp(1_800_000_000 + seconds, nanos).unwrap();
    Query { domain: "mg.example.com".into(), from: at(0, 500), to: at(60, 500), kinds: Kinds::HandedOver }
}

fn base() -> Url {
    Url::parse("https://api.mailgun.net/v3").unwrap()
}

fn item() -> Value {
    json!({ "event": "accepted", "id": "1", "message": { "headers": { "message-id": "x@mg.example.com" } } })
}

#[test]
fn both_logs_are_asked_for_whole_seconds_around_the_window() {
    let logs = logs_query(&query(), Some("t"));
    assert_eq!(logs["start"], "Fri, 15 Jan 2027 08:00:00 +0000");
    assert_eq!(logs["end"], "Fri, 15 Jan 2027 08:01:01 +0000");
    assert_eq!((&logs["pagination"]["token"], &logs["events"][0]), (&json!("t"), &json!("accepted")));
    let events = events_query(&query());
    assert_eq!(events[0].1, "1800000000");
    assert_eq!(events[1].1, "1800000061");
    assert_eq!(events[4], ("event", "accepted OR delivered OR failed OR rejected".to_owned()));
    assert_eq!(events_query(&Query { kinds: Kinds::All, ..query() }).len(), 4);
}

#[test]
fn a_page_of_the_logs_api_names_the_next_by_a_token() {
    let next = |pagination: Value| {
        let body = json!({ "items": [item()], "pagination": pagination }).to_string();
        of_logs(body.as_bytes(), &query()).unwrap().next
    };
    assert_eq!(next(json!({ "next": "abc" })), Some(Cursor::Logs("abc".into())));
    assert_eq!(next(json!({ "next": "" })), None);
    assert_eq!(next(json!({})), None);
    let empty = json!({ "items": [], "pagination": { "next": "abc" } }).to_string();
    assert_eq!(of_logs(empty.as_bytes(), &query()).unwrap().next, None, "an empty page is the end");
}

#[test]
fn a_log_that_searched_less_than_asked_says_so() {
    let of = |start: &str| of_logs(json!({ "start": start, "items": [] }).to_string().as_bytes(), &query());
    assert!(of("Fri, 15 Jan 2027 08:00:00 -0000").is_ok());
    let late = of("Fri, 15 Jan 2027 08:00:30 -0000").unwrap_err();
    assert_eq!(late, LogError::GoesBackTo(DateTime::from_timestamp(1_800_000_030, 0).unwrap()));
}

#[test]
fn a_page_of_the_events_api_is_followed_on_the_same_server_alone() {
    let of = |items: Value, next: &str| {
        let body = json!({ "items": items, "paging": { "next": next } }).to_string();
        of_events(body.as_bytes(), &base(), &query())
    };
    let next = "https://api.mailgun.net/v3/mg.example.com/events/abc";
    assert_eq!(of(json!([item()]), next).unwrap().next, Some(Cursor::Events(Url::parse(next).unwrap())));
    assert_eq!(of(json!([]), next).unwrap().next, None, "an empty page is the end");
    for elsewhere in ["https://evil.example/v3/x", "http://api.mailgun.net/v3/x", "", "https://api.mailgun.net:8443/x"]
    {
        assert!(matches!(of(json!([item()]), elsewhere), Err(LogError::Unreadable(_))), "{elsewhere}");
    }
}

#[test]
fn what_is_no_log_is_no_empty_log() {
    for body in ["Mailgun Magnificent API", "", "{}", r#"{"items":null}"#, r#"{"items":{}}"#, "[]"] {
        assert!(matches!(of_logs(body.as_bytes(), &query()), Err(LogError::Unreadable(_))), "{body}");
        assert!(matches!(of_events(body.as_bytes(), &base(), &query()), Err(LogError::Unreadable(_))), "{body}");
    }
}

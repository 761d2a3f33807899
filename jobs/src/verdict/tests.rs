//! The table of answers and verdicts.

#![expect(clippy::unwrap_used, reason = "tests may")]

use proptest::prelude::*;

use super::*;

/// Mon, 20 Dec 2021 20:30:00 UTC: 201 s before the time in Mailgun's recorded text.
fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_640_032_200, 0).unwrap()
}

fn answer(status: u16, body: &str) -> Answer {
    let content_type = Some(if body.starts_with('{') { "application/json" } else { "text/plain" }.to_owned());
    Answer::Response { status, retry: RetryHint::default(), body: body.to_owned(), content_type }
}

fn hinted(status: u16, retry_after: Option<&str>, reset: Option<&str>) -> Answer {
    let retry = RetryHint { retry_after: retry_after.map(str::to_owned), rate_limit_reset: reset.map(str::to_owned) };
    Answer::Response { status, retry, body: String::new(), content_type: None }
}

fn held(scope: HoldScope, seconds: i64, why: &str) -> Verdict {
    Verdict::Hold { scope, until: now() + TimeDelta::seconds(seconds), why: why.to_owned() }
}

fn account(key: BreakerKey, why: &str) -> Verdict {
    Verdict::Account { key, why: why.to_owned() }
}

fn unconfirmed(why: &str) -> Verdict {
    Verdict::Unconfirmed { why: why.to_owned() }
}

fn fail(why: &str) -> Verdict {
    Verdict::Fail { why: why.to_owned() }
}

#[test]
fn every_row_of_the_table() {
    use BreakerKey::{Domain, Transport};
    let html = "<!DOCTYPE HTML>\n<title>404 Not Found</title>";
    let rows = [
        // 200 with an id
        (
            answer(200, r#"{"id":"<20260101.1@mg.example.com>","message":"Queued. Thank you."}"#),
            Verdict::Sent { provider_id: "20260101.1@mg.example.com".into() },
        ),
        (answer(202, r#"{"id":"a@b"}"#), Verdict::Sent { provider_id: "a@b".into() }),
        // It never left.
        (
            Answer::Connect("connection refused".into()),
            Verdict::Retry { why: "could not connect: connection refused".into() },
        ),
        // 429, 420, and 503 with a time
        (answer(429, ""), held(HoldScope::Domain, 30, "HTTP 429 without a word")),
        (answer(420, "calm down"), held(HoldScope::Domain, 30, "calm down")),
        (Answer::BodyCut { status: 429 }, held(HoldScope::Domain, 30, "HTTP 429, then the connection broke")),
        (hinted(503, Some("5"), None), held(HoldScope::Domain, 5, "HTTP 503 without a word")),
        (answer(503, "Try again after 7 seconds."), held(HoldScope::Domain, 7, "Try again after 7 seconds.")),
        // It may be with Mailgun.
        (Answer::Timeout, unconfirmed("no answer in time")),
        (Answer::Cut("reset by peer".into()), unconfirmed("the connection broke: reset by peer")),
        (answer(408, ""), unconfirmed("HTTP 408 without a word")),
        (answer(500, "Internal Server Error"), unconfirmed("Internal Server Error")),
        (answer(502, "<html>Bad Gateway"), unconfirmed("HTTP 502 with a web page instead of an answer")),
        (answer(504, ""), unconfirmed("HTTP 504 without a word")),
        (answer(599, ""), unconfirmed("HTTP 599 without a word")),
        (answer(503, ""), unconfirmed("HTTP 503 without a word")),
        (hinted(503, None, Some("5")), unconfirmed("HTTP 503 without a word")),
        (hinted(503, Some("soon"), None), unconfirmed("HTTP 503 without a word")),
        (Answer::BodyCut { status: 200 }, unconfirmed("HTTP 200, then the connection broke")),
        (Answer::BodyCut { status: 500 }, unconfirmed("HTTP 500, then the connection broke")),
        (answer(200, r#"{"message":"Queued. Thank you."}"#), unconfirmed("Queued. Thank you.")),
        (answer(200, r#"{"id":""}"#), unconfirmed("HTTP 200 with JSON that says nothing")),
        (answer(200, r#"{"id":7}"#), unconfirmed("HTTP 200 with JSON that says nothing")),
        (answer(200, r#"{"id":"<2026"#), unconfirmed("HTTP 200 with JSON that can't be read")),
        (answer(200, ""), unconfirmed("HTTP 200 without a word")),
        (answer(204, ""), unconfirmed("HTTP 204 without a word")),
        (answer(0, ""), unconfirmed("HTTP 0 without a word")),
        // Account, base URL or domain
        (answer(401, "Forbidden"), account(Transport, "Forbidden")),
        (answer(401, r#"{"message":"Invalid private key"}"#), account(Transport, "Invalid private key")),
        (answer(402, ""), account(Transport, "HTTP 402 without a word")),
        (answer(301, ""), account(Transport, "HTTP 301 without a word")),
        (answer(308, ""), account(Transport, "HTTP 308 without a word")),
        (answer(404, html), account(Transport, "HTTP 404 with a web page instead of an answer")),
        (answer(404, "404 page not found"), account(Transport, "404 page not found")),
        (answer(404, ""), account(Transport, "HTTP 404 without a word")),
        (answer(200, "Mailgun Magnificent API"), account(Transport, "Mailgun Magnificent API")),
        (answer(200, html), account(Transport, "HTTP 200 with a web page instead of an answer")),
        (Answer::BodyCut { status: 401 }, account(Transport, "HTTP 401, then the connection broke")),
        (answer(403, r#"{"message":"Domain x.example is not allowed to send: unverified"}"#), {
            account(Domain, "Domain x.example is not allowed to send: unverified")
        }),
        (answer(403, ""), account(Domain, "HTTP 403 without a word")),
        (answer(404, r#"{"message":"Domain not found: x.example"}"#), account(Domain, "Domain not found: x.example")),
        (answer(404, "Domain not found: x.example"), account(Domain, "Domain not found: x.example")),
        // Mailgun's words about this email
        (answer(400, r#"{"message":"to parameter is not a valid address. please check documentation"}"#), {
            fail("to parameter is not a valid address. please check documentation")
        }),
        (answer(413, "request size exceeds 52.4MiB limit"), fail("request size exceeds 52.4MiB limit")),
        (answer(405, ""), fail("HTTP 405 without a word")),
        (answer(415, ""), fail("HTTP 415 without a word")),
        (answer(422, r#"{"Error":"no"}"#), fail("no")),
        (Answer::BodyCut { status: 400 }, fail("HTTP 400, then the connection broke")),
        // Nothing left.
        (Answer::NotHandedOver, Verdict::NotHandedOver),
    ];
    for (answer, expected) in rows {
        assert_eq!(verdict(&answer, now(), 0.0), expected, "{answer:?}");
    }
}

#[test]
fn every_status_has_the_verdict_of_its_row() {
    for status in 0..=u16::MAX {
        let got = verdict(&answer(status, r#"{"message":"m"}"#), now(), 0.0);
        let right = match status {
            420 | 429 => matches!(got, Verdict::Hold { .. }),
            300..=399 | 401 | 402 => matches!(got, Verdict::Account { key: BreakerKey::Transport, .. }),
            403 | 404 => matches!(got, Verdict::Account { key: BreakerKey::Domain, .. }),
            408 => matches!(got, Verdict::Unconfirmed { .. }),
            400..=499 => matches!(got, Verdict::Fail { .. }),
            _ => matches!(got, Verdict::Unconfirmed { .. }),
        };
        assert!(right, "{status}: {got:?}");
    }
}

#[test]
fn mailguns_recorded_limits_name_scope_and_time() {
    let date = "try again after Mon, 20 Dec 2021 20:33:21 UTC";
    let texts = [
        (format!("Domain x.example is not allowed to send: request limit exceeded, {date}"), HoldScope::Domain, 201),
        (format!("Domain x.example is not allowed to send: bytes limit exceeded, {date}"), HoldScope::Domain, 201),
        (format!("Domain x.example is not allowed to send: recipient limit exceeded, {date}."), HoldScope::Domain, 201),
        ("account-requests-per-sec limit exceeded, try again after 120 seconds".into(), HoldScope::Account, 120),
        ("Account limit exceeded, Try again after 2 minutes.".into(), HoldScope::Account, 120),
        ("Domain account.example is not allowed to send: x".into(), HoldScope::Domain, 30),
        ("limit of your account.".into(), HoldScope::Account, 30),
    ];
    for (text, scope, seconds) in texts {
        for body in [text.clone(), format!("{{\"message\":\"{text}\"}}")] {
            assert_eq!(verdict(&answer(429, &body), now(), 0.0), held(scope, seconds, &text));
        }
    }
}

#[test]
fn the_time_of_a_limit_is_read_from_whatever_says_it() {
    let epoch = now().timestamp();
    let (soon, soon_ms, past) = ((epoch + 90).to_string(), ((epoch + 90) * 1_000).to_string(), (epoch - 9).to_string());
    let fraction = format!("{}.5", epoch + 90);
    let cases: &[(Option<&str>, Option<&str>, i64)] = &[
        (Some("120"), None, 120_000),
        (Some(" 1.5 "), None, 1_500),
        (Some("Mon, 20 Dec 2021 20:33:21 GMT"), None, 201_000),
        (Some("Monday, 20-Dec-21 20:33:21 GMT"), None, 201_000),
        (None, Some("45"), 45_000),
        (None, Some("60.25"), 60_250),
        (None, Some("90000"), 90_000),
        (None, Some(&soon), 90_000),
        (None, Some(&fraction), 90_500),
        (None, Some(&soon_ms), 90_000),
        // Retry-After is the standard's word and goes first.
        (Some("7"), Some("45"), 7_000),
        (Some("soon"), Some("45"), 45_000),
        // At least a second, at most 15 minutes.
        (Some("0"), None, 1_000),
        (Some("Mon, 20 Dec 2021 20:00:00 GMT"), None, 1_000),
        (None, Some(&past), 1_000),
        (Some("3600"), None, 900_000),
        (Some("99999999999999999999999999"), None, 900_000),
        (None, Some("1e300"), 900_000),
        (None, Some("86400"), 900_000),
        // Nothing that can be read.
        (None, None, 30_000),
        (Some(""), None, 30_000),
        (Some("-5"), None, 30_000),
        (None, Some("-5"), 30_000),
        (None, Some("NaN"), 30_000),
        (None, Some("inf"), 30_000),
        (Some("Mon, 99 Dec 2021 20:33:21 GMT"), None, 30_000),
        (Some("20. Dezember 2021, Grüße aus Köln, ö"), None, 20_000),
    ];
    for (retry_after, reset, millis) in cases {
        let Verdict::Hold { until, .. } = verdict(&hinted(429, *retry_after, *reset), now(), 0.0) else { panic!() };
        assert_eq!((until - now()).num_milliseconds(), *millis, "{retry_after:?} {reset:?}");
    }
}

#[test]
fn jitter_adds_up_to_a_tenth_of_the_wait() {
    for (jitter, millis) in
        [(0.0, 100_000), (0.5, 105_000), (1.0, 110_000), (9.0, 110_000), (-1.0, 100_000), (f64::NAN, 100_000)]
    {
        let Verdict::Hold { until, .. } = verdict(&hinted(429, Some("100"), None), now(), jitter) else { panic!() };
        assert_eq!((until - now()).num_milliseconds(), millis, "{jitter}");
    }
}

#[test]
fn words_are_one_line_of_at_most_300_characters() {
    let Verdict::Fail { why } = verdict(&answer(400, &"ä\r\n \t".repeat(1_000)), now(), 0.0) else { panic!() };
    assert!(why.chars().count() <= 300 && why.starts_with("ä ä ä") && why.ends_with('…'), "{why}");
    let Verdict::Fail { why } = verdict(&answer(400, &"🛒".repeat(299)), now(), 0.0) else { panic!() };
    assert_eq!(why, "🛒".repeat(299));
    let Verdict::Fail { why } = verdict(&answer(400, "a\0b\u{1b}[31mc"), now(), 0.0) else { panic!() };
    assert_eq!(why, "a b [31mc");
    let Verdict::Retry { why } = verdict(&Answer::Connect("x".repeat(999)), now(), 0.0) else { panic!() };
    assert_eq!(why.chars().count(), 300);
}

/// Anything that may come over the wire.
fn any_answer() -> impl Strategy<Value = Answer> {
    let body = prop_oneof![
        Just(String::new()),
        Just(r#"{"id":"<1@mg.example.com>","message":"Queued. Thank you."}"#.to_owned()),
        ".{0,400}",
        "\\{\"message\":\"[ -~&&[^\"\\\\]]{0,400}\"\\}",
        "<html>.{0,100}",
    ];
    let hint = || proptest::option::of(prop_oneof!["[0-9]{1,16}", ".{0,30}"]);
    let content_type = proptest::option::of(prop_oneof![Just("application/json".to_owned()), ".{0,20}"]);
    let response =
        (any::<u16>(), body, hint(), hint(), content_type).prop_map(|(status, body, after, reset, content_type)| {
            let retry = RetryHint { retry_after: after, rate_limit_reset: reset };
            Answer::Response { status, retry, body, content_type }
        });
    prop_oneof![
        8 => response,
        1 => any::<u16>().prop_map(|status| Answer::BodyCut { status }),
        1 => ".{0,400}".prop_map(Answer::Connect),
        1 => ".{0,400}".prop_map(Answer::Cut),
        1 => Just(Answer::Timeout),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The line that must never blur: another try without asking is only safe where nothing can have been accepted.
    #[test]
    fn only_what_can_not_have_been_accepted_is_tried_again_or_failed(answer in any_answer(), jitter: f64) {
        let verdict = verdict(&answer, now(), jitter);
        let status = answer.http_status();
        let why = match &verdict {
            Verdict::Sent { provider_id } => {
                prop_assert!(matches!(status, Some(200..=299)) && !provider_id.is_empty(), "{answer:?}");
                ""
            }
            Verdict::Retry { why } => {
                prop_assert!(matches!(answer, Answer::Connect(_)), "{answer:?}");
                why
            }
            Verdict::Fail { why } => {
                prop_assert!(matches!(status, Some(400..=499)), "{answer:?}");
                why
            }
            Verdict::Hold { until, why, .. } => {
                prop_assert!(matches!(status, Some(420 | 429 | 503)), "{answer:?}");
                prop_assert!(*until > now() && *until <= now() + HOLD_MAX + HOLD_MAX / 10, "{until}");
                why
            }
            Verdict::Account { why, .. } => {
                prop_assert!(matches!(status, Some(200..=399 | 401..=404)), "{answer:?}");
                why
            }
            Verdict::Unconfirmed { why } => why,
            Verdict::NotHandedOver => "",
        };
        prop_assert!(why.chars().count() <= 300);
    }
}

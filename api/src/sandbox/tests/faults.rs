//! What a client sees of each fault, and whether the message was accepted.

use chrono::DateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

impl Served {
    async fn accepted(&self) -> u64 {
        self.get("stats").await["accepted"].as_u64().unwrap()
    }

    /// Waits until a counter has this value.
    async fn counts(&self, counter: &str, value: u64) {
        let waited = async {
            while self.get("stats").await[counter] != value {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waited).await.expect(counter);
    }

    /// What arrives on the wire until the server closes the connection.
    async fn raw(&self) -> String {
        let body = "from=bob%40mg.example.com&to=sally%40example.com&text=Testing";
        let authorization = "YXBpOmtleS0wMTIzNDU2Nzg5";
        let request = format!(
            "POST /v3/mg.example.com/messages HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Basic {authorization}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    }
}

#[tokio::test]
async fn each_has_its_status_and_words() {
    let served = Served::start().await;
    let free = "Domain mg.example.com is not allowed to send: Free accounts are for test purposes only. Please upgrade \
                or add the address to authorized recipients in Account Settings.";
    let limited = "Domain mg.example.com is not allowed to send: request limit exceeded";
    let account = "Domain mg.example.com is not allowed to send: account-requests-per-sec limit exceeded, try again \
                   after 1 seconds";
    let hourly = "Domain mg.example.com is not allowed to send: sending limit (messages per hour) exceeded";
    let cases = [
        ("400", 400, message("to parameter is not a valid address. please check documentation"), 0),
        ("401", 401, "Forbidden".to_owned(), 0),
        ("402", 402, message("Parameters were valid but request failed"), 0),
        ("403", 403, message(free), 0),
        ("404", 404, message("Domain not found: mg.example.com"), 0),
        ("420", 420, message(hourly), 0),
        ("429_account", 429, message(account), 0),
        ("429_bare", 429, message(limited), 0),
        ("429_retry_after", 429, message(limited), 0),
        ("500", 500, message("Internal Server Error"), 0),
        ("500_accepted", 500, message("Internal Server Error"), 1),
        ("magnificent", 200, "Mailgun Magnificent API".to_owned(), 0),
        ("no_id", 200, message("Queued. Thank you."), 1),
        ("redirect", 302, String::new(), 0),
    ];
    for (kind, status, body, accepted) in cases {
        served.delete("messages").await;
        served.fail(kind).await;
        let answer = served.hello().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap()), (status, body), "{kind}");
        assert_eq!(served.accepted().await, accepted, "{kind}");
        assert_eq!(served.hello().await.unwrap().status(), 200, "{kind} strikes once");
    }
}

#[tokio::test]
async fn a_proxy_answers_with_a_page() {
    let served = Served::start().await;
    let cases = [
        ("502", 502, "<title>502 Bad Gateway</title>", 0),
        ("502_accepted", 502, "<title>502 Bad Gateway</title>", 1),
        ("503", 503, "<title>503 Service Temporarily Unavailable</title>", 0),
        ("503_retry_after", 503, "<title>503 Service Temporarily Unavailable</title>", 0),
        ("html404", 404, "<title>404 Not Found</title>", 0),
    ];
    for (kind, expected, title, accepted) in cases {
        served.delete("messages").await;
        served.fail(kind).await;
        let answer = served.hello().await.unwrap();
        assert_eq!(answer.headers().contains_key("retry-after"), kind == "503_retry_after");
        let (status, content_type, page) = parts(answer).await;
        assert_eq!((status.as_u16(), content_type.as_str()), (expected, "text/html; charset=utf-8"), "{kind}");
        assert!(page.contains(title), "{page}");
        assert_eq!(served.accepted().await, accepted, "{kind}");
    }
}

#[tokio::test]
async fn a_429_tells_its_wait_in_one_way() {
    let served = Served::start().await;
    for kind in ["429", "429_bare", "429_retry_after", "429_reset_s", "429_reset_ms"] {
        served.set(json!([{ "kind": kind, "retry_after_ms": 90_400 }])).await;
        let before = Clock::system().now();
        let answer = served.hello().await.unwrap();
        assert_eq!(answer.status(), 429);
        let header = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (retry_after, reset) = (header("retry-after"), header("x-ratelimit-reset"));
        let text = answer.json::<Value>().await.unwrap()["message"].as_str().unwrap().to_owned();
        let told = text
            .split_once("try again after ")
            .map(|(_, date)| DateTime::parse_from_rfc2822(&date.replace("UTC", "GMT")));
        let at = match (kind, retry_after, reset, told) {
            ("429", None, None, Some(date)) => date.unwrap().to_utc(),
            ("429_bare", None, None, None) => continue,
            ("429_retry_after", Some(seconds), None, None) => {
                assert_eq!(seconds, "91");
                continue;
            }
            ("429_reset_s", None, Some(seconds), None) => {
                DateTime::from_timestamp_millis((seconds.parse::<f64>().unwrap() * 1_000.0) as i64).unwrap()
            }
            ("429_reset_ms", None, Some(millis), None) => {
                DateTime::from_timestamp_millis(millis.parse().unwrap()).unwrap()
            }
            other => panic!("{other:?}"),
        };
        let wait = (at - before).num_milliseconds();
        assert!((90_300..95_000).contains(&wait), "{kind}: {wait} ms");
    }
}

#[tokio::test]
async fn a_cut_connection_brings_not_one_byte() {
    let served = Served::start().await;
    for (kind, accepted) in [("cut", 0), ("cut_accepted", 1)] {
        served.delete("messages").await;
        served.fail(kind).await;
        assert_eq!(served.raw().await, "", "{kind}");
        assert_eq!(served.accepted().await, accepted, "{kind}");
        served.fail(kind).await;
        let error = served.hello().await.unwrap_err();
        assert!(error.is_request() && !error.is_connect() && !error.is_timeout(), "{error:?}");
    }
}

#[tokio::test]
async fn a_cut_body_begins_and_does_not_end() {
    let served = Served::start().await;
    served.fail("cut_body").await;
    let raw = served.raw().await;
    assert!(raw.starts_with("HTTP/1.1 200 OK\r\n"), "{raw}");
    let (_, body) = raw.split_once("\r\n\r\n").unwrap();
    assert!(body.starts_with("{\"id\":\"<") && !body.contains('}'), "{raw}");
    assert_eq!(served.accepted().await, 1);

    served.fail("cut_body").await;
    let answer = served.hello().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap_err();
}

#[tokio::test]
async fn a_hang_ends_when_the_client_leaves() {
    let served = Served::start().await;
    for (kind, accepted) in [("hang", 0), ("hang_accepted", 1)] {
        served.delete("messages").await;
        served.fail(kind).await;
        let request = tokio::spawn(served.post().form(HELLO).send());
        served.counts("under_way", 1).await;
        request.abort();
        served.counts("under_way", 0).await;
        let stats = served.get("stats").await;
        let counted = (&stats["requests"], &stats["by_status"], &stats["cut"], &stats["accepted"]);
        assert_eq!(counted, (&json!(1), &json!({}), &json!(0), &json!(accepted)), "{kind}");
    }
}

#[tokio::test]
async fn a_hang_does_not_hold_up_the_shutdown() {
    let served = Served::start().await;
    served.fail("hang_accepted").await;
    let hung = tokio::spawn(served.post().form(HELLO).send());
    served.counts("accepted", 1).await;
    let Served { serving, stop, .. } = served;
    let asked = tokio::time::Instant::now();
    drop(stop);
    serving.await.unwrap().unwrap();
    assert!(asked.elapsed() < super::super::GRACE, "{:?}", asked.elapsed());
    hung.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn latency_passes_and_the_message_goes_on() {
    let served = Served::start().await;
    served.set(json!([{ "kind": "latency", "after_ms": 150 }, { "kind": "500", "times": 1, "after_ms": 50 }])).await;
    for (status, least) in [(500, 200), (200, 150)] {
        let asked = tokio::time::Instant::now();
        assert_eq!(served.hello().await.unwrap().status(), status);
        assert!(asked.elapsed() >= Duration::from_millis(least));
    }
}

#[tokio::test]
async fn another_message_id_is_made_in_place_of_the_senders() {
    let served = Served::start().await;
    served.fail("other_message_id").await;
    let form = hello_but(&[("h:Message-Id", "<e1@mg.example.com>"), ("v:email-id", "e1")]);
    let first: Value = served.send(&form).await.json().await.unwrap();
    let id = first["id"].as_str().unwrap();
    assert!(id != "<e1@mg.example.com>" && id.ends_with("@mg.example.com>"), "{id}");
    let found = served.get("messages?email_id=e1").await;
    assert_eq!(
        (&found["messages"][0]["message_id"], &found["messages"][0]["fault"]),
        (&first["id"], &json!("other_message_id"))
    );
    let second: Value = served.send(&form).await.json().await.unwrap();
    assert_eq!(second["id"], "<e1@mg.example.com>");
}

#[tokio::test]
async fn only_whom_it_concerns_is_struck_and_in_other_words_if_told() {
    let served = Served::start().await;
    served
        .set(json!([
            { "kind": "400", "to": "@gmail.", "message": "no such mailbox" },
            { "kind": "500", "domain": "other.example" },
            { "kind": "500", "chance": 0 },
        ]))
        .await;
    let answer = served.send(&hello_but(&[("to", "amy@gmail.com")])).await;
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap()), (400, message("no such mailbox")));
    assert_eq!(served.hello().await.unwrap().status(), 200);
}

#[tokio::test]
async fn what_is_refused_anyway_spends_no_fault() {
    let served = Served::start().await;
    served.fail("500").await;
    assert_eq!(served.send(&hello_but(&[("from", "")])).await.status(), 400);
    assert_eq!(served.hello().await.unwrap().status(), 500);
}

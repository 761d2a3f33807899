//! GraphQL over HTTP, case by case: what is answered with which status, in which kind, with which code.

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tests::client::http;
use tests::database::Backend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{KEY, Served};

on_both! {
    every_request_is_answered_by_the_book
    no_refusal_has_data_and_each_has_its_code
    a_body_is_refused_by_what_it_says_of_itself
}

const JSON: &str = "application/json";
const GRAPHQL: &str = "application/graphql-response+json";
const QUERY: &str = r#"{"query":"{ viewer { version } }"}"#;

/// What is sent: a method, what follows `/graphql`, `Accept`, `Content-Type` and a body.
type Asked<'a> = (Method, &'a str, Option<&'a str>, Option<&'a str>, &'a str);

fn request(served: &Served, (method, more, accept, sent, body): Asked<'_>) -> RequestBuilder {
    let mut request = http().request(method, format!("{}/graphql{more}", served.url)).bearer_auth(KEY);
    for (name, value) in [("accept", accept), ("content-type", sent)] {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    request.body(body.to_owned())
}

fn kind(answer: &Response) -> String {
    let kind = answer.headers()["content-type"].to_str().unwrap();
    kind.split(';').next().unwrap().to_owned()
}

async fn every_request_is_answered_by_the_book(backend: Backend) {
    let served = Served::on(backend).await;
    let (get, post) = (Method::GET, Method::POST);
    let named = r#"{"query":"query A { viewer { version } } mutation B { resume { ended } }","operationName":"A"}"#;
    let cases: [(Asked, u16, &str, &str); 24] = [
        ((post.clone(), "", None, Some(JSON), QUERY), 200, JSON, ""),
        ((post.clone(), "", Some("*/*"), Some("application/json; charset=utf-8"), QUERY), 200, JSON, ""),
        ((post.clone(), "", Some(GRAPHQL), Some(JSON), QUERY), 200, GRAPHQL, ""),
        (
            (post.clone(), "", Some("application/json;q=0.5, application/graphql-response+json"), Some(JSON), QUERY),
            200,
            GRAPHQL,
            "",
        ),
        ((post.clone(), "", Some(JSON), Some(JSON), named), 200, JSON, ""),
        ((post.clone(), "", Some("text/plain"), Some(JSON), QUERY), 406, JSON, "BAD_REQUEST"),
        ((post.clone(), "", None, Some("text/plain"), QUERY), 415, JSON, "BAD_REQUEST"),
        (
            (post.clone(), "", None, Some("application/x-www-form-urlencoded"), "query=%7Bviewer%7Bversion%7D%7D"),
            415,
            JSON,
            "BAD_REQUEST",
        ),
        ((post.clone(), "", None, None, QUERY), 415, JSON, "BAD_REQUEST"),
        ((post.clone(), "", None, Some(JSON), "{"), 400, JSON, "BAD_REQUEST"),
        ((post.clone(), "", None, Some(JSON), "{}"), 400, JSON, "BAD_REQUEST"),
        ((post.clone(), "", None, Some(JSON), r#"[{"query":"{ viewer { version } }"}]"#), 400, JSON, "BAD_REQUEST"),
        ((post.clone(), "", Some(JSON), Some(JSON), r#"{"query":"{ viewer"}"#), 200, JSON, "GRAPHQL_PARSE_FAILED"),
        (
            (post.clone(), "", Some(GRAPHQL), Some(JSON), r#"{"query":"{ viewer"}"#),
            400,
            GRAPHQL,
            "GRAPHQL_PARSE_FAILED",
        ),
        (
            (post.clone(), "", Some(GRAPHQL), Some(JSON), r#"{"query":"{ nothing }"}"#),
            400,
            GRAPHQL,
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            (
                post.clone(),
                "",
                Some(GRAPHQL),
                Some(JSON),
                r#"{"query":"subscription { queueStatsUpdated { active } }"}"#,
            ),
            400,
            GRAPHQL,
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (
            (post.clone(), "", Some(GRAPHQL), Some(JSON), r#"{"query":"{ emails(first: 101) { nodes { id } } }"}"#),
            200,
            GRAPHQL,
            "BAD_USER_INPUT",
        ),
        ((get.clone(), "?query={viewer{version}}", None, None, ""), 200, JSON, ""),
        (
            (get.clone(), "?query=query($i:ID!){node(id:$i){id}}&variables={\"i\":\"x\"}", Some(GRAPHQL), None, ""),
            200,
            GRAPHQL,
            "",
        ),
        ((get.clone(), "?query=mutation{resume{ended}}", None, None, ""), 405, JSON, "BAD_REQUEST"),
        ((get.clone(), "", None, None, ""), 400, JSON, "BAD_REQUEST"),
        ((get.clone(), "?query={viewer{version}}&variables=x", None, None, ""), 400, JSON, "BAD_REQUEST"),
        ((get, "", Some("application/xml"), None, ""), 406, JSON, "BAD_REQUEST"),
        ((Method::PUT, "", None, Some(JSON), QUERY), 405, JSON, "BAD_REQUEST"),
    ];
    for (asked, status, media, code) in cases {
        let answer = request(&served, asked.clone()).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), kind(&answer).as_str()), (status, media), "{asked:?}");
        let allow = answer.headers().get("allow").map(|allow| allow.to_str().unwrap().to_owned());
        let allowed = (status == 405).then(|| if asked.0 == Method::GET { "POST" } else { "GET, POST" });
        assert_eq!(allow.as_deref(), allowed, "{asked:?}");
        let body: Value = answer.json().await.unwrap();
        let said = body["errors"][0]["extensions"]["code"].as_str().unwrap_or_default();
        assert_eq!(said, code, "{asked:?}: {body}");
        assert_eq!(code.is_empty(), body.get("errors").is_none(), "{body}");
    }
}

async fn no_refusal_has_data_and_each_has_its_code(backend: Backend) {
    let served = Served::on(backend).await;
    let post = |body: &str| request(&served, (Method::POST, "", Some(GRAPHQL), Some(JSON), body));
    for body in ["{", r#"{"query":"{ nothing }"}"#, r#"{"query":"{"}"#] {
        let answer: Value = post(body).send().await.unwrap().json().await.unwrap();
        assert!(answer.get("data").is_none() && answer["errors"][0]["message"].is_string(), "{answer}");
    }
    // What fails in a field is an answer, and its data is there, be it null.
    let failed: Value =
        post(r#"{"query":"{ emails(last: -1) { nodes { id } } }"}"#).send().await.unwrap().json().await.unwrap();
    assert!(failed.get("data").is_some() && failed["errors"][0]["path"] == json!(["emails"]), "{failed}");
    let elsewhere = post(QUERY).header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(elsewhere.status(), 403);
    for here in ["same-origin", "same-site", "none"] {
        assert_eq!(post(QUERY).header("sec-fetch-site", here).send().await.unwrap().status(), 200, "{here}");
    }
    // A sandbox is there to be tried out.
    let page =
        http().get(format!("{}/graphql", served.url)).header("accept", "text/html,*/*;q=0.8").send().await.unwrap();
    assert!(page.status().is_success() && kind(&page) == "text/html", "{page:?}");
    assert!(page.text().await.unwrap().contains("id=\"key\""));
}

async fn a_body_is_refused_by_what_it_says_of_itself(backend: Backend) {
    let served = Served::on(backend).await;
    let (bearer, kib) = (format!("Authorization: Bearer {KEY}\r\n"), 1024);
    let cases = [
        ("", 256 * kib, 401),
        ("", 256 * kib + 1, 413),
        ("Authorization: Bearer nobody\r\n", 256 * kib + 1, 401),
        (bearer.as_str(), 16 * 1024 * kib + 1, 413),
    ];
    for (authorization, length, status) in cases {
        let head = format!("{authorization}Content-Type: {JSON}\r\nContent-Length: {length}\r\n");
        assert_eq!(head_alone(&served, &head).await, status, "{authorization}{length}");
    }
    // Chunked, nothing is known before it is read.
    let stream = futures::stream::iter((0..17).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1024 * 1024])));
    let chunked = request(&served, (Method::POST, "", None, Some(JSON), "")).body(reqwest::Body::wrap_stream(stream));
    // The answer comes while the rest is still sent, and may be lost with the connection then.
    if let Ok(answer) = chunked.send().await {
        assert_eq!(answer.status(), 413);
    }
    let large =
        json!({ "query": "{ viewer { version } }", "variables": { "x": "x".repeat(15 * 1024 * kib) } }).to_string();
    assert_eq!(request(&served, (Method::POST, "", None, Some(JSON), &large)).send().await.unwrap().status(), 200);
}

/// Sends the head of a POST without its body, and answers the status: what is refused so was refused unread.
async fn head_alone(served: &Served, headers: &str) -> u16 {
    let address = served.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("POST /graphql HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    std::str::from_utf8(&answer).unwrap()["HTTP/1.1 ".len()..].parse().unwrap()
}

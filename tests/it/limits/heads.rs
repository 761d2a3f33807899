//! What the head of every answer says to browsers, and which pages may read it.

use reqwest::{Method, RequestBuilder, Response, header};
use serde_json::json;
use tests::client::http;
use tests::database::Backend;

use crate::api::{KEY, Served};

on_both! {
    every_answer_says_to_browsers_what_not_to_do_with_it
    pages_from_listed_places_may_ask_and_others_are_told_nothing
    a_body_that_would_have_to_be_unpacked_is_refused_unread
}

async fn sent(request: RequestBuilder) -> Response {
    request.send().await.unwrap()
}

async fn every_answer_says_to_browsers_what_not_to_do_with_it(backend: Backend) {
    let served = Served::with(backend, |launch| launch.env("PUBLIC_URL", "https://mail.example.com")).await;
    let paths = api::routes::ROUTES.iter().map(|route| (route.method.clone(), route.path.clone()));
    let more = [(Method::GET, "/nowhere"), (Method::OPTIONS, "/graphql"), (Method::PUT, "/health/live")];
    let more = more.map(|(method, path)| (method, path.to_owned()));
    for (method, path) in paths.chain(more) {
        let path = path.replace(['{', '}'], "");
        for key in [None, Some(KEY)] {
            let asked = http().request(method.clone(), format!("{}{path}", served.url));
            let answer = sent(key.into_iter().fold(asked, |asked, key| asked.bearer_auth(key))).await;
            let said =
                |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let what = format!("{method} {path} {key:?}: {} {:?}", answer.status(), answer.headers());
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-resource-policy", "same-origin"),
                ("strict-transport-security", "max-age=31536000"),
            ] {
                assert_eq!(said(name), value, "{what}");
            }
            assert!(said("content-security-policy").contains("frame-ancestors 'none'"), "{what}");
            assert!(
                ["no-store", "no-cache", "public, max-age=31536000, immutable"].contains(&said("cache-control")),
                "{what}"
            );
        }
    }
}

async fn pages_from_listed_places_may_ask_and_others_are_told_nothing(backend: Backend) {
    let board = "https://board.example.com";
    let served = Served::with(backend, |launch| launch.env("ALLOWED_ORIGINS", board)).await;
    let url = |path: &str| format!("{}{path}", served.url);
    let before = async |path: &str, origin: &str| {
        let asked = http().request(Method::OPTIONS, url(path)).header(header::ORIGIN, origin);
        sent(asked.header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")).await
    };
    for path in ["/graphql", "/api/email-reliability/queue/send"] {
        let allowed = before(path, board).await;
        assert_eq!(allowed.status(), 204, "{path}");
        let said = allowed.headers();
        assert_eq!(said[header::ACCESS_CONTROL_ALLOW_ORIGIN], board);
        assert_eq!(said[header::ACCESS_CONTROL_ALLOW_METHODS], "GET, POST, DELETE");
        assert!(said[header::ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap().contains("authorization"));
        assert!(said.get(header::ACCESS_CONTROL_ALLOW_CREDENTIALS).is_none(), "no cookie is there to be sent");
        for elsewhere in ["https://evil.example", "https://board.example.com.evil.example", "null"] {
            let refused = before(path, elsewhere).await;
            assert!(!refused.status().is_success(), "{elsewhere}");
            assert!(refused.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN).is_none(), "{elsewhere}");
        }
    }
    let ask = async |origin: &str, key: &str| {
        let asked = http().post(url("/graphql")).header(header::ORIGIN, origin).header("sec-fetch-site", "cross-site");
        sent(asked.bearer_auth(key).json(&json!({ "query": "{ viewer { version } }" }))).await
    };
    let (answered, refused) = (ask(board, KEY).await, ask(board, "nobody's").await);
    assert_eq!((answered.status().as_u16(), refused.status().as_u16()), (200, 401));
    for answer in [&answered, &refused] {
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], board, "refusals can be read as well");
        assert!(answer.headers()[header::ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap().contains("retry-after"));
        assert!(answer.headers().get_all(header::VARY).iter().any(|vary| vary == "origin"), "{answer:?}");
    }
    let elsewhere = ask("https://evil.example", KEY).await;
    assert_eq!(elsewhere.status(), 403);
    assert!(elsewhere.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN).is_none());
}

async fn a_body_that_would_have_to_be_unpacked_is_refused_unread(backend: Backend) {
    let served = Served::on(backend).await;
    for path in ["/graphql", "/api/email-reliability/queue/send", "/webhooks/mailgun"] {
        for coding in ["gzip", "br", "zstd", "deflate"] {
            let asked = http().post(format!("{}{path}", served.url)).bearer_auth(KEY);
            let asked = asked.header("content-encoding", coding).header("content-type", "application/json");
            let answer = sent(asked.body(vec![0; 1_000])).await;
            assert_eq!(answer.status(), 415, "{path} {coding}");
            assert_eq!(answer.headers()["accept-encoding"], "identity", "{path} {coding}");
        }
    }
}

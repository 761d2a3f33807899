//! What is taken, and what is refused in which words.

use reqwest::multipart::{Form, Part};

use super::*;

#[tokio::test]
async fn a_message_is_queued_under_an_id_of_its_domain() {
    let served = Served::start().await;
    let answer = served.hello().await.unwrap();
    assert_eq!(answer.status(), 200);
    // As recorded, all but Date and Content-Length.
    for (name, value) in [
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-origin", "*"),
        ("cache-control", "no-store"),
        ("content-type", "application/json; charset=utf-8"),
        ("strict-transport-security", "max-age=63072000; includeSubDomains"),
        ("x-xss-protection", "1; mode=block"),
    ] {
        assert_eq!(answer.headers()[name], value, "{name}");
    }
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["message"], "Queued. Thank you.");
    let id = body["id"].as_str().unwrap();
    let unique = id.strip_prefix('<').and_then(|id| id.strip_suffix("@mg.example.com>")).unwrap();
    let [at, one, random] = unique.split('.').collect::<Vec<_>>()[..] else { panic!("{id}") };
    assert!(at.len() == 14 && at.bytes().all(|byte| byte.is_ascii_digit()), "{id}");
    assert!(one == "1" && random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
}

#[tokio::test]
async fn an_own_message_id_is_honoured_and_not_deduplicated() {
    let served = Served::start().await;
    let own = "<0198c0de-0000-7000-8000-000000000001@mg.example.com>";
    for name in ["h:Message-Id", "h:message-id"] {
        let answer: Value = served.send(&hello_but(&[(name, own)])).await.json().await.unwrap();
        assert_eq!(answer, json!({ "id": own, "message": "Queued. Thank you." }));
    }
    assert_eq!(served.get("stats").await["accepted"], 2);

    for odd in ["0198c0de@mg.example.com", "<0198c0de>", "<a b@mg.example.com>"] {
        let answer: Value = served.send(&hello_but(&[("h:Message-Id", odd)])).await.json().await.unwrap();
        let id = answer["id"].as_str().unwrap();
        assert!(id != odd && id.ends_with(".com>"), "{id} for {odd}");
    }
}

#[tokio::test]
async fn what_mailgun_refuses_is_refused_in_its_words() {
    let served = Served::start().await;
    let too_many = (0..1_001).map(|n| format!("n{n}@example.com")).collect::<Vec<_>>().join(",");
    let large = "x".repeat(16 * 1_024);
    let cases: [(&[(&str, &str)], &str); 17] = [
        (&[("from", "")], "from parameter is missing"),
        (&[("from", "bob")], "from parameter is not a valid address. please check documentation"),
        (&[("to", "")], "to parameter is missing"),
        (&[("to", "sallyexample.com")], "to parameter is not a valid address. please check documentation"),
        (&[("cc", "a@b@")], "cc parameter is not a valid address. please check documentation"),
        (&[("bcc", "a b@c.de")], "bcc parameter is not a valid address. please check documentation"),
        (&[("text", "")], "Need at least one of 'text', 'html', 'amp-html' or 'template' parameters specified"),
        (&[("html", "<p>"), ("template", "t")], "Only one parameters 'html' or 'template' is allowed"),
        (&[("to", &too_many)], "Too many recipients, max is 1000"),
        (&[("v:note", &large)], "Send options (parameters starting with o:, h:, or v:) are limited to 16 kB total"),
        (&[("h:X-Ä", "1")], "Header name must be pure ASCII: X-Ä"),
        (&[("o:deliverytime", "tomorrow")], "tomorrow is not an RFC-2822 compliant date"),
        (&[("recipient-variables", "{")], "'recipient-variables' parameter is not a valid JSON"),
        (&[("recipient-variables", "[]")], "'recipient-variables' parameter is not a valid JSON"),
        (
            &[("attachment", "hello")],
            "Invalid request content type. Expecting 'multipart/form-data' but got \
             'application/x-www-form-urlencoded'",
        ),
        (&[("from", ""), ("to", "")], "from parameter is missing"),
        (&[("to", ""), ("text", "")], "to parameter is missing"),
    ];
    for (changes, text) in cases {
        let answer = served.send(&hello_but(changes)).await;
        let expected = (StatusCode::BAD_REQUEST, "application/json; charset=utf-8".to_owned(), message(text));
        assert_eq!(parts(answer).await, expected);
    }
    assert_eq!(served.get("stats").await["accepted"], 0);
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused() {
    let served = Served::start().await;
    let cases = [
        (
            "application/json",
            "{}",
            "Invalid request content type. Expecting 'multipart/form-data' but got 'application/json'",
        ),
        ("application/x-www-form-urlencoded", "from=sally%te", "unable to parse request: invalid URL escape"),
        ("application/x-www-form-urlencoded", "from=sally%4", "unable to parse request: invalid URL escape"),
        ("multipart/form-data", "--a--", "malformed multipart/form-data request"),
        ("multipart/form-data; boundary=a", "--a\r\nContent-Dis", "malformed multipart/form-data request"),
    ];
    for (content_type, body, text) in cases {
        let answer = served.post().header("content-type", content_type).body(body).send().await.unwrap();
        assert_eq!((answer.status(), answer.text().await.unwrap()), (StatusCode::BAD_REQUEST, message(text)));
    }
    for (encoding, expected) in [("gzip", 400), ("br", 415)] {
        let packed = served.post().header("content-encoding", encoding).form(HELLO).send().await.unwrap();
        assert_eq!(packed.status(), expected, "{encoding}");
    }
}

#[tokio::test]
async fn a_request_over_the_limit_is_read_and_refused() {
    let served = Served::start().await;
    let body = format!("text={}", "x".repeat(52_428_800));
    let request = served.post().header("content-type", "application/x-www-form-urlencoded").body(body);
    let answer = request.send().await.unwrap();
    let text = message("request size exceeds 52.4MiB limit");
    assert_eq!((answer.status(), answer.text().await.unwrap()), (StatusCode::PAYLOAD_TOO_LARGE, text));
}

#[tokio::test]
async fn without_the_key_everything_is_forbidden() {
    let served = Served::start().await;
    for path in ["/v3/mg.example.com/messages", "/v3/unknown.example/messages"] {
        for (user, password) in [("api", "wrong"), ("api", ""), ("bob", KEY)] {
            let request = served.client.post(served.url(path)).basic_auth(user, Some(password)).form(HELLO);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.headers()["www-authenticate"], "Basic realm=\"MG API\"");
            let expected = (StatusCode::UNAUTHORIZED, "text/plain; charset=utf-8".to_owned(), "Forbidden".to_owned());
            assert_eq!(parts(answer).await, expected);
        }
    }
    let bare = served.client.post(served.url("/v3/mg.example.com/messages")).form(HELLO).send().await.unwrap();
    assert_eq!(bare.status(), 401);
}

#[tokio::test]
async fn an_unknown_domain_is_not_found_unless_any_will_do() {
    let served = Served::start().await;
    let send = |served: &Served, domain: &str| {
        let url = served.url(&format!("/v3/{domain}/messages"));
        served.client.post(url).basic_auth("api", Some(KEY)).form(HELLO).send()
    };
    let answer = send(&served, "not-our-doma.in").await.unwrap();
    let text = message("Domain not found: not-our-doma.in");
    assert_eq!((answer.status(), answer.text().await.unwrap()), (StatusCode::NOT_FOUND, text));
    assert_eq!(send(&served, "MG.Example.com").await.unwrap().status(), 200);

    let open = Served::with_domains(Vec::new()).await;
    assert_eq!(send(&open, "not-our-doma.in").await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_wrong_base_is_greeted_and_an_unknown_path_gets_a_page() {
    let served = Served::start().await;
    let post = |path: &str| served.client.post(served.url(path)).basic_auth("api", Some(KEY)).form(HELLO).send();
    for path in ["/", "/v3", "/v3/", "/v3//messages", "/mg.example.com/messages"] {
        let expected = (StatusCode::OK, "text/plain; charset=utf-8".to_owned(), "Mailgun Magnificent API".to_owned());
        assert_eq!(parts(post(path).await.unwrap()).await, expected, "{path}");
    }
    let greeting = served.client.get(served.url("/")).send().await.unwrap();
    assert_eq!(greeting.text().await.unwrap(), "Mailgun Magnificent API");
    for path in ["/v3/mg.example.com/mesages", "/v2/mg.example.com/messages", "/nowhere"] {
        let (status, content_type, page) = parts(post(path).await.unwrap()).await;
        assert_eq!((status, content_type.as_str()), (StatusCode::NOT_FOUND, "text/html; charset=utf-8"), "{path}");
        assert!(page.contains("<title>404 Not Found</title>"));
    }
    assert_eq!(served.get("stats").await["accepted"], 0);
}

#[tokio::test]
async fn array_names_and_comma_lists_are_taken_and_doubles_ignored() {
    let served = Served::start().await;
    let form = [
        ("from[]", "Bob <bob@mg.example.com>"),
        ("to[]", "sally@example.com, \"Doe, Jane\" <jane@example.com>"),
        ("to[]", "SALLY@example.com"),
        ("cc", "amy@example.com"),
        ("html[]", "<p>Test!</p>"),
        ("o:tag", "welcome"),
        ("o:tag[]", "june"),
    ];
    assert_eq!(served.send(&form).await.status(), 200);
    let listed = served.get("messages").await;
    let one = &listed["messages"][0];
    assert_eq!(one["to"], json!(["sally@example.com", "jane@example.com"]));
    assert_eq!(one["cc"], json!(["amy@example.com"]));
    assert_eq!(one["options"], json!({ "tag": ["welcome", "june"] }));
}

#[tokio::test]
async fn a_multipart_message_brings_its_files() {
    let served = Served::start().await;
    let form = Form::new()
        .text("from", "bob@mg.example.com")
        .text("to", "sally@example.com")
        .text("to", "amy@example.com")
        .text("text", "Größe")
        .text("v:email-id", "0198c0de")
        .part("attachment", Part::bytes(vec![0; 3_000]).file_name("a.pdf").mime_str("application/pdf").unwrap())
        .part("attachment", Part::bytes(vec![0; 10]).file_name(""))
        .part("inline", Part::bytes(vec![0; 70]).file_name("logo.png"));
    assert_eq!(served.post().multipart(form).send().await.unwrap().status(), 200);
    let listed = served.get("messages").await;
    let one = &listed["messages"][0];
    assert_eq!(one["to"], json!(["sally@example.com", "amy@example.com"]));
    assert_eq!(one["variables"], json!({ "email-id": "0198c0de" }));
    assert_eq!(
        one["files"],
        json!([
            { "field": "attachment", "name": "a.pdf", "content_type": "application/pdf", "size": 3_000 },
            { "field": "inline", "name": "logo.png", "content_type": null, "size": 70 },
        ])
    );
    assert_eq!(served.get("messages/1").await["bodies"]["text"], "Größe");
}

//! What each caller may do: each scope's doors, every path without a credential, tokens, and what who may only read sees.

use api::{Door, routes};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tests::client::{Client, http};
use tests::database::Backend;
use tests::patience::{SOON, until};

use super::{Served, letter};

on_both! {
    without_a_credential_only_the_state_of_the_process_is_told
    each_scope_opens_its_own_doors
    a_token_opens_what_it_names
    whoever_may_only_read_sees_no_address_and_no_content
    addresses_in_mailguns_words_are_masked_too
    what_is_not_there_is_told_to_whoever_has_a_key
    no_log_line_names_a_key_or_a_token
}

/// The paths that anybody may call as often as they like.
const OPEN: [&str; 2] = ["GET /health/live", "GET /health/ready"];

/// Where the page exchanges a code for a key.
const LINK: &str = "POST /session/link";

/// The paths that anybody may call, and those from one address only so often.
const COUNTED: [&str; 12] = [
    "GET /assets/{name}",
    LINK,
    "GET /",
    "GET /emails",
    "GET /live",
    "GET /campaigns",
    "GET /campaigns/{id}",
    "GET /templates",
    "GET /templates/new",
    "GET /templates/{id}",
    "GET /suppressions",
    "GET /settings",
];

/// The paths where a signature in the request stands for a credential.
const SIGNED: [&str; 4] =
    ["POST /webhooks/mailgun", "POST /api/email-reliability/webhook/mailgun", "GET /u/{token}", "POST /u/{token}"];

async fn without_a_credential_only_the_state_of_the_process_is_told(backend: Backend) {
    let served = Served::on(backend).await;
    let behind = |door: Door| -> Vec<String> {
        let routes = routes::ROUTES.iter().filter(|route| route.door == door);
        routes.map(|route| format!("{} {}", route.method, route.path)).collect()
    };
    assert_eq!(
        (behind(Door::Open), behind(Door::Counted), behind(Door::Signed)),
        (OPEN.map(str::to_owned).into(), COUNTED.map(str::to_owned).into(), SIGNED.map(str::to_owned).into())
    );
    for route in routes::ROUTES.iter() {
        let name = format!("{} {}", route.method, route.path);
        let path = route.path.replace("{jobId}", "01980000-0000-7000-8000-000000000007").replace("{token}", "none");
        let ask =
            || http().request(route.method.clone(), format!("{}{path}", served.url)).header("accept", "*/*").body("{}");
        let stranger = ask().send().await.unwrap().status();
        let admin = ask().bearer_auth(super::KEY).send().await.unwrap().status();
        assert_ne!(admin, 405, "{name} is not there");
        let name = name.as_str();
        if name == LINK || SIGNED.contains(&name) {
            // To whoever has a key as well: it is not asked for.
            assert!(matches!(stranger.as_u16(), 401 | 404) && admin == stranger, "{name}: {stranger}, {admin}");
        } else if OPEN.contains(&name) || COUNTED.contains(&name) {
            // A part of the page that is not there is nothing else in its place.
            let expected = if path.contains("{name}") { 404 } else { 200 };
            assert_eq!(stranger, expected, "{name}");
        } else {
            assert_eq!(stranger, 401, "{name}");
        }
    }
}

/// A key of these scopes.
async fn key(served: &Served, scopes: &str) -> Client {
    let made = served.command(&["key", "create", "--scope", scopes]).await;
    Client::new(&served.url, made.last().unwrap())
}

async fn each_scope_opens_its_own_doors(backend: Backend) {
    let served = Served::on(backend).await;
    let input = json!({ "input": letter(json!({})) });
    let (stats, pause, keys) = ("{ queueStats { active } }", "mutation { resume { ended } }", "{ apiKeys { id } }");
    let cases = [
        // What is asked, and who may: READ, SEND, MANAGE, ADMIN, SEND and READ (what `key create` makes).
        (stats, json!({}), [true, false, true, true, true]),
        (super::SEND, input, [false, true, false, true, true]),
        (pause, json!({}), [false, false, true, true, false]),
        (keys, json!({}), [false, false, false, true, false]),
    ];
    let usual = served.command(&["key", "create"]).await;
    let usual = Client::new(&served.url, usual.last().unwrap());
    let mut callers = Vec::new();
    for scopes in ["read", "send", "manage", "admin"] {
        callers.push(key(&served, scopes).await);
    }
    callers.push(usual);
    for (document, variables, allowed) in cases {
        for (place, (caller, allowed)) in callers.iter().zip(allowed).enumerate() {
            let answer = caller.try_query(document, variables.clone()).await.unwrap();
            let expected = if allowed { Value::Null } else { json!("FORBIDDEN") };
            assert_eq!(answer["errors"][0]["extensions"]["code"], expected, "{document} by {place}: {answer}");
        }
    }
    for (caller, status) in callers.iter().zip([200, 403, 200, 200, 200]) {
        assert_eq!(caller.get("/metrics").await.unwrap().0, status);
        assert_eq!(caller.get("/api/email-reliability/queue/stats").await.unwrap().0, status);
    }
}

const SECRET: &str = "a secret of thirty-two bytes, or more";

/// A token that lives for so many seconds from now, with these claims besides.
fn token(life: i64, secret: &str, claims: Value) -> String {
    let end = entity::Clock::system().now().timestamp() + life;
    let mut all = json!({ "sub": "ann", "aud": "mailmind", "exp": end, "scope": "READ" });
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    encode(&Header::new(Algorithm::HS256), &all, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

async fn a_token_opens_what_it_names(backend: Backend) {
    let served = Served::with(backend, |launch| launch.env("JWT_SECRET", SECRET).env("JWT_AUDIENCE", "board")).await;
    let code = async |token: &str| {
        let client = Client::new(&served.url, token);
        let answer = client.try_query("{ viewer { scopes key { id } } }", json!({})).await.unwrap();
        match &answer["errors"] {
            Value::Null => format!("{}", answer["data"]["viewer"]["scopes"]),
            errors => errors[0]["extensions"]["code"].as_str().unwrap().to_owned(),
        }
    };
    let of = |life, secret, claims: Value| {
        let mut all = json!({ "aud": "board" });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        token(life, secret, all)
    };
    let cases = [
        (of(60, SECRET, json!({})), "[\"READ\"]"),
        (of(60, SECRET, json!({ "scope": "READ SEND" })), "[\"READ\",\"SEND\"]"),
        (of(60, SECRET, json!({ "scope": "SEND" })), "FORBIDDEN"),
        (of(-60, SECRET, json!({})), "UNAUTHENTICATED"),
        (of(90_000, SECRET, json!({})), "UNAUTHENTICATED"),
        (of(60, "another secret of thirty-two bytes", json!({})), "UNAUTHENTICATED"),
        (of(60, SECRET, json!({ "aud": "mailmind" })), "UNAUTHENTICATED"),
        (of(60, SECRET, json!({ "scope": "EVERYTHING" })), "UNAUTHENTICATED"),
    ];
    for (token, expected) in cases {
        assert_eq!(code(&token).await, expected);
    }
    // One subject has one name for idempotency, whichever of its tokens it shows.
    let once = json!({ "input": letter(json!({ "idempotencyKey": "once" })) });
    let mut ids = Vec::new();
    for (sub, life) in [("ann", 60), ("ann", 70), ("bob", 60)] {
        let client = Client::new(&served.url, &of(life, SECRET, json!({ "sub": sub, "scope": "SEND" })));
        ids.push(client.query(super::SEND, once.clone()).await["sendEmail"]["email"]["id"].clone());
    }
    assert!(ids[0] == ids[1] && ids[0] != ids[2], "{ids:?}");
}

const SHOWN: &str = "query($id: ID!) { email(id: $id) {
  from to cc bcc subject tags heldBy attempts { error } timeline { words } } }";

async fn whoever_may_only_read_sees_no_address_and_no_content(backend: Backend) {
    let served = Served::on(backend).await;
    let change = json!({ "to": "Bob <bob@example.org>", "cc": ["carol@example.org"], "bcc": ["\"dave d\"@example.org"],
        "metadata": { "order": 17 }, "sendAt": "2027-06-01T09:00:00Z",
        "content": { "inline": { "subject": "For bob@example.org", "text": "Hello" } } });
    let id = served.client.send_email(letter(change)).await;
    served.mutate(
        "mutation($reason: String) { pause(reason: $reason) { pause { reason } userErrors { code field message } } }",
        json!({ "reason": "asked by carol@example.org" }),
    )
    .await;
    let asked = json!({ "id": id });
    let (reader, sender) = (key(&served, "read").await, key(&served, "read,send").await);
    let clear = sender.query(SHOWN, asked.clone()).await["email"].take();
    assert_eq!((&clear["to"], &clear["cc"]), (&json!("bob@example.org"), &json!(["carol@example.org"])));
    assert_eq!((&clear["bcc"], &clear["subject"]), (&json!(["\"dave d\"@example.org"]), &json!("For bob@example.org")));
    let masked = reader.query(SHOWN, asked.clone()).await["email"].take();
    assert_eq!(masked["from"], "ann@example.com", "ours is no secret");
    assert_eq!((&masked["to"], &masked["cc"]), (&json!("b***@example.org"), &json!(["c***@example.org"])));
    assert_eq!((&masked["bcc"], &masked["subject"]), (&json!(["***@example.org"]), &json!("For b***@example.org")));
    let why = "{ holds { reason description } queueStats { pauses { reason } } failures { cause sample { to } }
        emails { nodes { to } } }";
    for (caller, hides) in [(&reader, true), (&sender, false)] {
        let told = caller.query(why, json!({})).await.to_string();
        assert_eq!(!told.contains("bob@") && !told.contains("carol@"), hides, "{told}");
        assert_eq!(told.contains("b***@example.org") && told.contains("c***@example.org"), hides, "{told}");
    }
    for field in ["content { text }", "content { headers { value } }", "metadata"] {
        let document = format!("query($id: ID!) {{ email(id: $id) {{ status {field} }} }}");
        let answer = reader.try_query(&document, asked.clone()).await.unwrap();
        assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{answer}");
        assert_eq!(answer["data"]["email"]["status"], "SCHEDULED", "the rest is answered: {answer}");
        sender.query(&document, asked.clone()).await;
    }
    let job = reader.get(&format!("/api/email-reliability/queue/job/{id}")).await.unwrap();
    assert!(job.0.is_success() && !job.1.contains("bob@") && !job.1.contains("\"order\""), "{}", job.1);
}

async fn addresses_in_mailguns_words_are_masked_too(backend: Backend) {
    let served = Served::on(backend).await;
    let line = served.process.await_line("  sandbox   http://", SOON).await;
    let sandbox = line.split_whitespace().nth(1).unwrap();
    let faults = json!([{ "kind": "400", "to": "bob@", "message": "no mailbox <bob@example.org> here" }]);
    let put = http().put(format!("{sandbox}/_sandbox/faults")).basic_auth("api", Some("sandbox")).json(&faults);
    put.send().await.unwrap().error_for_status().unwrap();
    let id = served.client.send_email(letter(json!({}))).await;
    served.client.await_status(&id, "FAILED", SOON).await;
    let asked = "query($id: ID!) { email(id: $id) { attempts { error } timeline { words } } failures { cause } }";
    for (scopes, shown) in [("read,manage", true), ("read", false)] {
        let data = key(&served, scopes).await.query(asked, json!({ "id": id })).await;
        let words = [
            &data["email"]["attempts"][0]["error"],
            &data["email"]["timeline"].as_array().unwrap().last().unwrap()["words"],
        ];
        for words in words {
            let words = words.as_str().unwrap();
            assert_eq!(words.contains("<bob@example.org>"), shown, "{scopes}: {words}");
            assert_eq!(words.contains("<b***@example.org>"), !shown, "{scopes}: {words}");
        }
        assert!(shown || !data.to_string().contains("bob@"), "{data}");
    }
}

async fn what_is_not_there_is_told_to_whoever_has_a_key(backend: Backend) {
    let served = Served::on(backend).await;
    let reader = key(&served, "read").await;
    for path in ["/api/email-reliability/nowhere", "/api/email-reliability/queue/nowhere"] {
        assert_eq!(reader.get(path).await.unwrap().0, 404, "{path}");
        assert_eq!(http().get(format!("{}{path}", served.url)).send().await.unwrap().status(), 401, "{path}");
    }
    for (path, status) in [("/metrics", 401), ("/health/live", 200), ("/api/email-reliability/queue/stats", 401)] {
        assert_eq!(http().head(format!("{}{path}", served.url)).send().await.unwrap().status(), status, "HEAD {path}");
    }
}

async fn no_log_line_names_a_key_or_a_token(backend: Backend) {
    let served =
        Served::with(backend, |launch| launch.env("JWT_SECRET", SECRET).env("RUST_LOG", "debug,sqlx=trace")).await;
    let made = served.command(&["key", "create"]).await;
    let good = made.last().unwrap();
    let token = token(60, SECRET, json!({}));
    let wrong = "mm_live_00112233_000102030405060708090a0b0c0d0e0f1011121314151617";
    for key in [good.as_str(), wrong, &token, &token[..token.len() - 4], super::KEY] {
        Client::new(&served.url, key).try_query("{ viewer { version } }", json!({})).await.unwrap();
    }
    let secret = served
        .mutate("mutation { createApiKey(input: { name: \"x\", scopes: [READ] }) { secret userErrors { code field message } } }", json!({}))
        .await["secret"]
        .as_str()
        .unwrap()
        .to_owned();
    until("the line that a key was made", SOON, async || {
        served.process.output().iter().any(|line| line.contains("An API key was made")).then_some(())
    })
    .await;
    let said = served.process.output().join("\n");
    for (what, text) in [
        ("the key", good.rsplit_once('_').unwrap().1),
        ("the wrong key", "000102030405060708090a0b0c0d0e0f1011121314151617"),
        ("the token", token.rsplit_once('.').unwrap().1),
        ("the new key", secret.rsplit_once('_').unwrap().1),
        ("ADMIN_API_KEY", super::KEY),
        ("JWT_SECRET", SECRET),
    ] {
        assert!(!said.contains(text), "{what} stands in the log");
    }
}

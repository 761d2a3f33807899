//! API keys: how they are made, by whom, for how long and from where they open, and how they end.

use jobs::Store;
use reqwest::header;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, Set};
use serde_json::{Value, json};
use tests::client::{Client, http};
use tests::database::Backend;
use tests::patience::{SOON, until, until_true};

use super::{Served, mailmind, mistakes};

on_both! {
    a_credential_that_is_nobodys_is_refused_and_the_answer_says_how_to_ask
    a_key_is_made_listed_and_revoked_beside_a_running_service
    a_key_is_made_seen_and_revoked_by_mutations
    mistakes_in_a_key_are_named_by_their_place
    a_key_ends_at_its_time
    a_key_of_former_times_may_do_everything
    a_key_opens_from_its_own_addresses_alone
    whoever_guesses_waits_and_those_beside_them_do_not
}

const VERSION: &str = "{ viewer { version } }";

const CREATE: &str = "mutation($input: ApiKeyInput!) { createApiKey(input: $input) {
  secret userErrors { code field message }
  apiKey { id name prefix scopes createdAt expiresAt revokedAt lastUsedAt allowedAddresses } } }";

const REVOKE: &str = "mutation($id: ID!) { revokeApiKey(id: $id) {
  apiKey { id revokedAt } userErrors { code field message } } }";

/// Makes a key by the command line and answers it.
async fn made(served: &Served, args: &[&str]) -> String {
    let printed = served.command(&[&["key", "create"], args].concat()).await;
    printed.last().unwrap().clone()
}

/// Changes the row of the key that begins like this, as nobody but an operator can.
async fn change(served: &Served, key: &str, change: impl FnOnce(&mut entity::api_key::ActiveModel)) {
    let store = Store::connect(&served.database.url).await.unwrap();
    let prefix = key.rsplit_once('_').unwrap().0;
    let asked = entity::api_key::Entity::find().filter(entity::api_key::Column::Prefix.eq(prefix));
    let mut row: entity::api_key::ActiveModel = asked.one(store.read()).await.unwrap().unwrap().into();
    change(&mut row);
    row.update(store.write()).await.unwrap();
}

/// The code of the error that a key is answered with; nothing when it opens.
async fn code(client: &Client) -> Option<String> {
    let answer = client.try_query(VERSION, json!({})).await.unwrap();
    answer["errors"][0]["extensions"]["code"].as_str().map(str::to_owned)
}

async fn await_closed(client: &Client) {
    until_true("the key to be forgotten", SOON, async || code(client).await.as_deref() == Some("UNAUTHENTICATED"))
        .await;
}

async fn a_credential_that_is_nobodys_is_refused_and_the_answer_says_how_to_ask(backend: Backend) {
    let served = Served::on(backend).await;
    let http = http();
    let post = || http.post(format!("{}/graphql", served.url)).json(&json!({ "query": VERSION }));
    let nobodys = "mm_live_00112233_000102030405060708090a0b0c0d0e0f1011121314151617";
    let refused = [
        post(),
        post().bearer_auth(nobodys),
        post().bearer_auth("mm_live_00000000_00"),
        post().bearer_auth("eyJhbGciOiJub25lIn0.e30."),
        post().header("authorization", "Bearer "),
        post().basic_auth("api", Some(super::KEY)),
    ];
    for request in refused {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert!(answer.headers()[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer "));
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    }
}

async fn a_key_is_made_listed_and_revoked_beside_a_running_service(backend: Backend) {
    let served = Served::on(backend).await;
    let args =
        ["--name", "the shop", "--scope", "send", "--scope", "read", "--expires", "90d", "--from", "127.0.0.0/8"];
    let key = made(&served, &args).await;
    assert!(key.starts_with("mm_test_"), "made in the sandbox");
    let shop = Client::new(&served.url, &key);
    shop.query(VERSION, json!({})).await;
    let prefix = key.rsplit_once('_').unwrap().0;
    let line = until("the use to be noted", SOON, async || {
        let listed = served.command(&["key", "list"]).await;
        listed.into_iter().find(|line| line.contains(prefix) && !line.contains("used never"))
    });
    let line = line.await;
    for words in ["READ,SEND", "valid until 20", "from 127.0.0.0/8", "the shop"] {
        assert!(line.contains(words), "{words}: {line}");
    }
    assert!(!line.contains(key.as_str()), "a list shows no key");
    served.command(&["key", "revoke", prefix]).await;
    await_closed(&shop).await;
    let listed = served.command(&["key", "list"]).await.join("\n");
    assert!(listed.contains("revoked 20"), "{listed}");
    for wrong in [["--scope", "all"], ["--from", "10.0.0.1/8"], ["--expires", "2020-01-01"], ["--name", " "]] {
        let process =
            mailmind(&[&["key", "create"], wrong.as_slice()].concat(), &served.data, &served.database).start();
        assert_eq!(process.ended(SOON).await.code(), Some(2), "{wrong:?}\n{}", process.output().join("\n"));
    }
}

async fn a_key_is_made_seen_and_revoked_by_mutations(backend: Backend) {
    let served = Served::on(backend).await;
    let input = json!({ "name": " a board ", "scopes": ["READ"], "expiresAt": "2099-01-01T00:00:00Z",
        "allowedAddresses": ["127.0.0.1", "10.0.0.0/8"] });
    let made = served.mutate(CREATE, json!({ "input": input })).await;
    assert_eq!(mistakes(&made), Vec::<String>::new());
    let (key, secret) = (&made["apiKey"], made["secret"].as_str().unwrap());
    assert_eq!((&key["name"], &key["scopes"]), (&json!("a board"), &json!(["READ"])));
    assert_eq!(key["allowedAddresses"], json!(["127.0.0.1", "10.0.0.0/8"]));
    assert!(secret.starts_with(key["prefix"].as_str().unwrap()) && key["revokedAt"].is_null());
    let board = Client::new(&served.url, secret);
    let own = board.query("{ viewer { scopes key { id name } } }", json!({})).await;
    assert_eq!(own["viewer"], json!({ "scopes": ["READ"], "key": { "id": key["id"], "name": "a board" } }));
    let node = "query($id: ID!) { node(id: $id) { ... on ApiKey { name } } nodes(ids: [$id]) { id } }";
    for client in [&board, &served.client] {
        let data = client.query(node, json!({ "id": key["id"] })).await;
        assert_eq!(data, json!({ "node": { "name": "a board" }, "nodes": [{ "id": key["id"] }] }));
    }
    let other = served.mutate(CREATE, json!({ "input": { "name": "another", "scopes": ["SEND"] } })).await;
    for document in [
        "query($id: ID!) { node(id: $id) { id } }",
        "query($id: ID!) { nodes(ids: [$id]) { id } }",
        "{ apiKeys { id } }",
    ] {
        let answer = board.try_query(document, json!({ "id": other["apiKey"]["id"] })).await.unwrap();
        assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{document}: {answer}");
    }
    let listed = served.client.query("{ apiKeys { id name } viewer { scopes key { id } } }", json!({})).await;
    let names: Vec<&str> = listed["apiKeys"].as_array().unwrap().iter().map(|k| k["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a board", "another"]);
    assert_eq!(listed["viewer"], json!({ "scopes": ["READ", "REVEAL", "SEND", "MANAGE", "ADMIN"], "key": null }));
    let revoked = served.mutate(REVOKE, json!({ "id": key["id"] })).await;
    assert!(revoked["apiKey"]["revokedAt"].is_string(), "{revoked}");
    assert_eq!(code(&board).await.as_deref(), Some("UNAUTHENTICATED"), "this process knows at once");
    let again = served.mutate(REVOKE, json!({ "id": key["id"] })).await;
    assert_eq!(again, revoked, "what ended stays ended");
}

async fn mistakes_in_a_key_are_named_by_their_place(backend: Backend) {
    let served = Served::on(backend).await;
    let input =
        json!({ "name": "", "scopes": [], "expiresAt": "2020-01-01T00:00:00Z", "allowedAddresses": ["::1", "x"] });
    let refused = served.mutate(CREATE, json!({ "input": input })).await;
    assert_eq!((&refused["apiKey"], &refused["secret"]), (&Value::Null, &Value::Null));
    let expected = ["input.name", "input.scopes", "input.expiresAt", "input.allowedAddresses.1"];
    assert_eq!(mistakes(&refused), expected.map(|path| format!("INVALID {path}")));
    for id in ["api-key:00000000-0000-7000-8000-000000000007", "email:00000000-0000-7000-8000-000000000007", "x"] {
        assert_eq!(mistakes(&served.mutate(REVOKE, json!({ "id": id })).await), ["NOT_FOUND id"]);
    }
    assert_eq!(served.client.query("{ apiKeys { id } }", json!({})).await["apiKeys"], json!([]));
}

async fn a_key_ends_at_its_time(backend: Backend) {
    let served = Served::on(backend).await;
    let key = made(&served, &["--expires", "1m"]).await;
    let client = Client::new(&served.url, &key);
    assert_eq!(code(&client).await, None);
    let now = jobs::Store::connect(&served.database.url).await.unwrap().now().await.unwrap();
    change(&served, &key, |row| row.expires_at = Set(Some(now))).await;
    await_closed(&client).await;
    let listed = served.command(&["key", "list"]).await.join("\n");
    assert!(listed.contains("expired 20"), "{listed}");
}

/// The migration that brought scopes gave the keys that were there what they had: everything.
async fn a_key_of_former_times_may_do_everything(backend: Backend) {
    let database = backend.database().await;
    let store = Store::connect(&database.url).await.unwrap();
    migration::up(store.write()).await.unwrap();
    let insert = "INSERT INTO api_keys (id, name, hash, prefix, created_at) VALUES ";
    let values = match backend {
        Backend::Sqlite => {
            "(x'01980000000070008000000000000007', 'old', x'00', 'mm_live_0', '2026-01-01 00:00:00+00:00')"
        }
        Backend::Postgres => "('01980000-0000-7000-8000-000000000007', 'old', '\\x00', 'mm_live_0', '2026-01-01')",
    };
    sea_orm::ConnectionTrait::execute_unprepared(store.write(), &format!("{insert}{values}")).await.unwrap();
    let key = entity::api_key::Entity::find().one(store.read()).await.unwrap().unwrap();
    assert_eq!((key.scopes, key.allowed().count()), (entity::ApiScopes::ADMIN, 0));
}

async fn a_key_opens_from_its_own_addresses_alone(backend: Backend) {
    let served = Served::with(backend, |launch| launch.env("TRUSTED_PROXIES", "127.0.0.1")).await;
    let key = made(&served, &["--from", "192.0.2.7,2001:db8::/32"]).await;
    let ask = async |forwarded: &[&str]| {
        let mut request = http().post(format!("{}/graphql", served.url)).bearer_auth(&key);
        for line in forwarded {
            request = request.header("x-forwarded-for", *line);
        }
        let answer = request.json(&json!({ "query": VERSION })).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let cases: &[(&[&str], u16)] = &[
        (&["192.0.2.7"], 200),
        (&["198.51.100.1, 192.0.2.7"], 200),
        (&["2001:db8::7"], 200),
        (&["192.0.2.8"], 403),
        (&["192.0.2.7, 198.51.100.1"], 403),
        (&["192.0.2.7", "198.51.100.1"], 403),
        (&["unknown"], 403),
        (&[], 403),
    ];
    for (forwarded, status) in cases {
        let (answered, body) = ask(forwarded).await;
        assert_eq!(answered, *status, "{forwarded:?}: {body}");
        if *status == 403 {
            assert!(body.contains("FORBIDDEN") && body.contains("this address"), "{body}");
        }
    }
    // An entry that nobody can read must not open the door to all.
    change(&served, &key, |row| row.allowed_addresses = Set("192.0.2.7,nonsense".to_owned())).await;
    until_true("the change to be seen", SOON, async || ask(&["192.0.2.7"]).await.0 == 401).await;
    let direct = Served::on(backend).await;
    let key = made(&direct, &["--from", "192.0.2.7"]).await;
    let request =
        http().post(format!("{}/graphql", direct.url)).bearer_auth(&key).header("x-forwarded-for", "192.0.2.7");
    let answer = request.json(&json!({ "query": VERSION })).send().await.unwrap();
    assert_eq!(answer.status(), 403, "nobody is believed whom nobody trusts");
}

async fn whoever_guesses_waits_and_those_beside_them_do_not(backend: Backend) {
    let served = Served::with(backend, |launch| launch.env("TRUSTED_PROXIES", "127.0.0.1")).await;
    let known = made(&served, &[]).await;
    let strange = made(&served, &[]).await;
    let ask = async |key: &str, from: &str| {
        let request = http().get(format!("{}/metrics", served.url)).bearer_auth(key).header("x-forwarded-for", from);
        request.send().await.unwrap()
    };
    let (guesser, other) = ("192.0.2.1", "192.0.2.2");
    assert_eq!(ask(&known, guesser).await.status(), 200);
    for n in 0..30 {
        let guess = format!("mm_live_00112233_{n:048x}");
        assert_eq!(ask(&guess, guesser).await.status(), 401, "guess {n}");
    }
    let refused = ask("mm_live_00112233_000000000000000000000000000000000000000000000fff", guesser).await;
    assert_eq!(refused.status(), 429);
    let wait: u64 = refused.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["errors"][0]["extensions"]["code"], "RATE_LIMITED");
    assert_eq!(ask(&strange, guesser).await.status(), 429, "nothing strange is looked up any more");
    assert_eq!(ask(&known, guesser).await.status(), 200, "what was good before is no guess");
    assert_eq!(ask(&strange, other).await.status(), 200, "others may ask");
    assert_eq!(ask(&strange, guesser).await.status(), 200, "nor is what was good elsewhere");
    let fresh = made(&served, &[]).await;
    let burst = futures::future::join_all((0..60).map(|_| ask(&fresh, "192.0.2.3"))).await;
    assert!(burst.iter().all(|answer| answer.status() == 200), "one key asked many times at once is no guessing");
    let guesses: Vec<String> = (1_000..1_100).map(|n| format!("mm_live_00112233_{n:048x}")).collect();
    let flood = futures::future::join_all(guesses.iter().map(|guess| ask(guess, "192.0.2.4"))).await;
    let looked_up = flood.iter().filter(|answer| answer.status() == 401).count();
    assert!((30..=38).contains(&looked_up), "{looked_up} of 100 at once were looked up: 30, and those under way");
}

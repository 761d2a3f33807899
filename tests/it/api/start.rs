//! Starting and stopping.

use serde_json::json;
use tests::child::Scratch;
use tests::client::{Client, http, letter};
use tests::database::{Backend, Postgres};
use tests::patience::{SOON, until};
use tests::process::{Launch, Process};
use tests::redis::Redis;

use super::{KEY, SEND, address, mailmind};

fn bare() -> Launch {
    Launch::of(env!("CARGO_BIN_EXE_mailmind-tested")).env("LISTEN", "127.0.0.1:0")
}

async fn printed_key(process: &Process) -> String {
    let line = process.await_line("API key", SOON).await;
    line.split_whitespace().find(|word| word.starts_with("mm_test_")).unwrap().to_owned()
}

#[tokio::test]
async fn from_an_empty_directory_an_email_goes_from_queued_to_delivered() {
    let process = bare().start();
    let (url, key) = (address(&process).await, printed_key(&process).await);
    let client = Client::new(&url, &key);
    client.await_ready(SOON).await;
    let id = client.send_email(letter("bob@example.org")).await;
    client.await_status(&id, "DELIVERED", SOON).await;
    let asked =
        "query($id: ID!) { viewer { sandbox } email(id: $id) { sandbox sentAt attempts { number outcome httpStatus }
        timeline { kind } content { text } subject } }";
    let data = client.query(asked, json!({ "id": id })).await;
    assert_eq!(data["viewer"]["sandbox"], true);
    let email = &data["email"];
    assert_eq!(email["sandbox"], true);
    assert_eq!(email["attempts"], json!([{ "number": 1, "outcome": "SENT", "httpStatus": 200 }]));
    assert_eq!((&email["timeline"][0]["kind"], &email["timeline"][1]["kind"]), (&json!("ACCEPTED"), &json!("SENT")));
    assert_eq!((&email["subject"], &email["content"]["text"]), (&json!("Hello"), &json!("Hello there.")));
    let stats = client.queue_stats().await;
    assert_eq!((&stats["completed"], &stats["ledger"]["total"]), (&json!(1), &json!(1)));
    let (_, ready) = client.get("/health/ready").await.unwrap();
    assert!(ready.contains("\"sandbox\""), "{ready}");
    let (_, page) = client.get("/").await.unwrap();
    assert!(page.contains("MailMind"), "{page}");
    assert!(process.dir().join("data/mailmind.db").exists() && process.dir().join("data/content.keyring").exists());
    assert!(process.terminate(SOON).await.success());
}

#[tokio::test]
async fn the_key_is_shown_at_the_first_start_alone_and_nowhere_stored() {
    let data = Scratch::new("data");
    let first = bare().env("DATA_DIR", data.path()).start();
    let key = printed_key(&first).await;
    assert!(first.terminate(SOON).await.success());
    let secret = key.rsplit('_').next().unwrap().as_bytes();
    for file in std::fs::read_dir(data.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(secret.len()).any(|part| part == secret));
    }
    let second = bare().env("DATA_DIR", data.path()).start();
    let client = Client::new(&address(&second).await, &key);
    client.await_ready(SOON).await;
    client.send_email(letter("bob@example.org")).await;
    assert!(!second.output().join("\n").contains("mm_test_"));
}

#[tokio::test]
async fn the_link_of_the_first_start_is_exchanged_for_its_key_once() {
    let process = bare().start();
    let (url, key) = (address(&process).await, printed_key(&process).await);
    let line = process.await_line("#link=", SOON).await;
    let code = line.split("#link=").nth(1).unwrap().split_whitespace().next().unwrap();
    let exchange = async |code: &str| {
        let asked = http().post(format!("{url}/session/link")).body(json!({ "code": code }).to_string());
        let answer = asked.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(exchange("00000000000000000000000000000000").await.0, 401);
    assert_eq!(exchange(code).await, (200, json!({ "key": key }).to_string()));
    assert_eq!(exchange(code).await.0, 401);
}

#[tokio::test]
async fn nonsense_ends_the_start_with_the_variables_name() {
    for (name, value) in [
        ("MAILGUN_BULK_CONCURRENCY", "0"),
        ("LISTEN", "0.0.0.0:0"),
        ("DATABASE_URL", "mysql://db/x"),
        ("JWT_SECRET", "short"),
        ("TRUSTED_PROXIES", "proxy"),
        ("OUTBOUND_PRIVATE_NETWORKS", "10.0.0.1/8"),
    ] {
        let process = bare().env(name, value).start();
        assert_eq!(process.ended(SOON).await.code(), Some(2), "{name}");
        let output = process.output().join("\n");
        assert!(output.contains(name), "{output}");
    }
}

#[tokio::test]
async fn check_says_what_is_wrong_and_ends_badly() {
    let good = bare().args(["check"]).start();
    assert!(good.ended(SOON).await.success(), "{:?}", good.output());
    assert!(good.output().iter().any(|line| line.contains("sandbox, as nothing is configured")), "{:?}", good.output());
    assert!(!good.dir().join("data").exists(), "check changes nothing");
    let jwt = bare().args(["check"]).env("JWT_SECRET", "a secret of thirty-two bytes, or more").start();
    assert!(jwt.ended(SOON).await.success(), "{:?}", jwt.output());
    assert!(jwt.output().iter().any(|line| line.starts_with("jwt") && line.contains("HS256")), "{:?}", jwt.output());
    let closed = tests::child::free_port().to_string();
    let bad = bare().args(["check"]).env("MAILGUN_API_BASE", "sandbox").env("REDIS_HOST", "127.0.0.1");
    let bad = bad.env("REDIS_PORT", closed).start();
    assert!(!bad.ended(SOON).await.success());
    assert!(
        bad.output().iter().any(|line| line.starts_with("redis") && line.contains("TROUBLE")),
        "{:?}",
        bad.output()
    );
}

#[tokio::test]
async fn links_without_https_are_warned_of_at_the_start_and_by_check() {
    for (url, open) in [("http://mail.example.com", true), ("https://mail.example.com", false)] {
        let checked = bare().args(["check"]).env("PUBLIC_URL", url).start();
        assert_eq!(checked.ended(SOON).await.success(), !open, "{:?}", checked.output());
        let line = checked.output().into_iter().find(|line| line.starts_with("links")).unwrap();
        assert!(line.contains(url) && line.contains("TROUBLE") == open, "{line}");
        let served = bare().env("PUBLIC_URL", url).start();
        address(&served).await;
        let warned = served.output().iter().any(|line| line.contains("PUBLIC_URL is not https"));
        assert_eq!(warned, open, "{:?}", served.output());
    }
}

#[tokio::test]
async fn the_schema_is_printed_without_anything_being_configured() {
    let process = bare().args(["schema"]).env("MAILGUN_BULK_CONCURRENCY", "5").start();
    assert!(process.ended(SOON).await.success());
    let written = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../schema.graphql")).unwrap();
    assert_eq!(process.output(), written.lines().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_goes_away_is_said_and_waited_for() {
    let postgres = Postgres::start().await;
    let (data, database) = (Scratch::new("data"), postgres.database().await);
    let process = mailmind(&["serve"], &data, &database).start();
    let client = Client::new(&address(&process).await, KEY);
    client.await_ready(SOON).await;
    postgres.stop().await;
    let (status, text) = client.get("/health/ready").await.unwrap();
    assert_eq!(status, 503, "{text}");
    let answer = client.try_query("{ queueStats { active } }", json!({})).await.unwrap();
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{answer}");
    postgres.start_again().await;
    client.await_ready(SOON).await;
    // "Please try again", says the service while connections of old times are still found broken.
    let taken = until("an email to be taken again", SOON, async || {
        let answer = client.try_query(SEND, json!({ "input": letter("bob@example.org") })).await.unwrap();
        answer["data"]["sendEmail"]["email"]["id"].as_str().map(str::to_owned)
    });
    client.await_status(&taken.await, "DELIVERED", SOON).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_process_takes_another_sends() {
    let (redis, data) = (Redis::start().await, Scratch::new("data"));
    let database = Backend::Postgres.database().await;
    let launch = |args: &[&str]| {
        let launch = mailmind(args, &data, &database);
        launch.env("REDIS_HOST", "127.0.0.1").env("REDIS_PORT", redis.port().to_string()).start()
    };
    let api = launch(&["serve", "--no-worker"]);
    let client = Client::new(&address(&api).await, KEY);
    client.await_ready(SOON).await;
    let id = client.send_email(letter("bob@example.org")).await;
    assert_eq!(client.status(&id).await, "QUEUED");
    let worker = launch(&["work"]);
    client.await_status(&id, "SENT", SOON).await;
    assert!(worker.terminate(SOON).await.success() && api.terminate(SOON).await.success());
}

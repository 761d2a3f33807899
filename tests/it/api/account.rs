//! `mailmind check` and `mailmind webhooks register` against an account of Mailgun's, which the sandbox stands in for.

use chrono::TimeDelta;
use entity::Clock;
use jobs::Store;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tests::child::Scratch;
use tests::client::{http, letter};
use tests::database::{Backend, Database};
use tests::patience::SOON;
use tests::process::{Launch, Process};

use super::{KEY, Served, address, mailmind};

const URL: &str = "http://127.0.0.1:9/webhooks/mailgun";
const SIGNING_KEY: &str = "the-key-of-the-account";

/// A sandbox that runs alone, and what a process is told that takes it for Mailgun.
struct Account {
    base: String,
    _process: Process,
}

impl Account {
    async fn open() -> Self {
        let process = Launch::of(env!("CARGO_BIN_EXE_mailmind-tested")).args(["sandbox"]);
        let process = process
            .env("LISTEN", "127.0.0.1:0")
            .env("MAILGUN_API_KEY", "key-1")
            .env("MAILGUN_WEBHOOK_SIGNING_KEY", SIGNING_KEY)
            .start();
        let line = process.await_line("listens on http://", SOON).await;
        let base = line[line.find("http://").unwrap()..].to_owned();
        Self { base, _process: process }
    }

    fn launch(&self, args: &[&str]) -> Launch {
        Launch::of(env!("CARGO_BIN_EXE_mailmind-tested"))
            .args(args)
            .env("MAILGUN_API_BASE", &self.base)
            .env("MAILGUN_API_KEY", "key-1")
            .env("MAILGUN_DOMAIN", "mg.example.com,news.example.com")
            .env("MAILGUN_WEBHOOK_SIGNING_KEY", SIGNING_KEY)
            .env("PUBLIC_URL", "http://127.0.0.1:9")
    }

    async fn ask(&self, method: Method, path: &str, form: &[(&str, &str)]) -> Value {
        let asked = http().request(method, format!("{}{path}", self.base)).basic_auth("api", Some("key-1"));
        asked.form(form).send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    async fn webhooks(&self, domain: &str) -> Value {
        self.ask(Method::GET, &format!("/v3/domains/{domain}/webhooks"), &[]).await["webhooks"].take()
    }
}

/// Runs it, and answers its exit code and what it printed.
async fn run(launch: Launch) -> (Option<i32>, Vec<String>) {
    let process = launch.start();
    let code = process.ended(SOON).await.code();
    (code, process.output())
}

/// What `check` says of one thing.
async fn said(launch: Launch, name: &str) -> String {
    let (_, lines) = run(launch).await;
    let line = lines.iter().find(|line| line.starts_with(name));
    line.unwrap_or_else(|| panic!("nothing is said of {name}: {lines:#?}")).clone()
}

fn count(lines: &[String], words: &str) -> usize {
    lines.iter().filter(|line| line.ends_with(words)).count()
}

#[tokio::test]
async fn every_kind_of_event_is_registered_once_and_others_stay() {
    let account = Account::open().await;
    let other = "http://127.0.0.1:10/other";
    account.ask(Method::POST, "/v3/domains/mg.example.com/webhooks", &[("id", "opened"), ("url", other)]).await;

    let (code, lines) = run(account.launch(&["webhooks", "register", "--dry-run"])).await;
    assert_eq!((code, count(&lines, "would be registered")), (Some(0), 16), "{lines:#?}");
    assert_eq!(account.webhooks("news.example.com").await, json!({}), "a dry run changes nothing");

    let (code, lines) = run(account.launch(&["webhooks", "register", "--domain", "mg.example.com"])).await;
    assert_eq!((code, count(&lines, "  registered")), (Some(0), 8), "{lines:#?}");
    let registered = account.webhooks("mg.example.com").await;
    assert_eq!(registered.as_object().unwrap().len(), 8, "{registered}");
    assert_eq!(registered["opened"]["urls"], json!([other, URL]));
    assert_eq!(registered["delivered"]["urls"], json!([URL]));
    assert_eq!(account.webhooks("news.example.com").await, json!({}), "the other domain was not meant");

    let (code, lines) = run(account.launch(&["webhooks", "register"])).await;
    assert_eq!((code, count(&lines, "was registered"), count(&lines, "  registered")), (Some(0), 8, 8), "{lines:#?}");
    assert_eq!(account.webhooks("mg.example.com").await, registered);
    let (code, lines) = run(account.launch(&["webhooks", "register"])).await;
    assert_eq!((code, count(&lines, "was registered")), (Some(0), 16), "{lines:#?}");
}

#[tokio::test]
async fn what_can_not_be_registered_is_said() {
    let account = Account::open().await;
    let urls = ["http://127.0.0.1:1/", "http://127.0.0.1:2/", "http://127.0.0.1:3/"].map(|url| ("url", url));
    let full: Vec<_> = std::iter::once(("id", "clicked")).chain(urls).collect();
    account.ask(Method::POST, "/v3/domains/mg.example.com/webhooks", &full).await;
    let (code, lines) = run(account.launch(&["webhooks", "register"])).await;
    assert_eq!(code, Some(1), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("clicked") && line.contains("TROUBLE")), "{lines:#?}");
    assert_eq!(count(&lines, "  registered"), 15, "{lines:#?}");

    for (launch, words) in [
        (account.launch(&["webhooks", "register", "--domain", "other.example.com"]), "is not in MAILGUN_DOMAIN"),
        (account.launch(&["webhooks", "register", "--url", "mail.example.com"]), "--url mail.example.com"),
        (account.launch(&["webhooks", "register"]).env("MAILGUN_API_KEY", "wrong"), "refuses MAILGUN_API_KEY"),
        // Nobody asks Mailgun itself: a place on this machine is refused before.
        (
            account.launch(&["webhooks", "register"]).env("MAILGUN_API_BASE", "https://mailgun.invalid"),
            "Mailgun can't reach http://127.0.0.1:9",
        ),
    ] {
        let (code, lines) = run(launch).await;
        assert_eq!(code, Some(1), "{lines:#?}");
        assert!(lines.iter().any(|line| line.contains(words)), "{words:?} is not in {lines:#?}");
    }
}

#[tokio::test]
async fn check_says_what_is_wrong_at_mailgun_and_what_to_do() {
    let account = Account::open().await;
    let check = || account.launch(&["check"]);
    let missing = said(check(), "webhooks").await;
    assert!(missing.contains("TROUBLE") && missing.contains("`mailmind webhooks register`"), "{missing}");
    let (code, lines) = run(account.launch(&["webhooks", "register"])).await;
    assert_eq!(code, Some(0), "{lines:#?}");

    let (code, lines) = run(check()).await;
    assert_eq!(code, Some(0), "{lines:#?}");
    for (name, words) in [
        ("mailgun", "takes the key and knows the domains"),
        ("webhooks", "Mailgun reports every kind of event to http://127.0.0.1:9/webhooks/mailgun"),
        ("signing", "Mailgun signs with a key that is believed"),
    ] {
        assert!(lines.iter().any(|line| line.starts_with(name) && line.contains(words)), "{name}: {lines:#?}");
    }

    for (variable, value, name, words) in [
        ("MAILGUN_API_KEY", "wrong", "mailgun", "refuses MAILGUN_API_KEY"),
        ("MAILGUN_WEBHOOK_SIGNING_KEY", "another", "signing", "is not the key that the account signs with"),
        ("MAILGUN_WEBHOOK_SIGNING_KEY", "", "signing", "MAILGUN_WEBHOOK_SIGNING_KEY is not set"),
    ] {
        let line = said(check().env(variable, value), name).await;
        assert!(line.contains("TROUBLE") && line.contains(words), "{line}");
    }
    let rotated = said(check().env("MAILGUN_WEBHOOK_SIGNING_KEY", format!("old,{SIGNING_KEY}")), "signing").await;
    assert!(rotated.contains("ok "), "{rotated}");

    account.ask(Method::POST, "/v4/domains", &[("name", "fresh.example.com")]).await;
    let unverified = said(check().env("MAILGUN_DOMAIN", "fresh.example.com"), "mailgun").await;
    assert!(unverified.contains("TROUBLE") && unverified.contains("has not verified"), "{unverified}");
    account.ask(Method::DELETE, "/v3/domains/news.example.com", &[]).await;
    let unknown = said(check(), "mailgun").await;
    assert!(unknown.contains("TROUBLE") && unknown.contains("does not know the domain news.example.com"), "{unknown}");
}

#[tokio::test]
async fn no_secret_is_printed_by_check() {
    let account = Account::open().await;
    let keyring = entity::sealed::Keyring::generate().to_text();
    let secrets = [
        ("MAILGUN_WEBHOOK_SIGNING_KEY", "a-signing-key-of-its-own"),
        ("ADMIN_API_KEY", "an-admin-key-of-sixteen-characters"),
        ("CONTENT_KEYRING", keyring.expose_secret()),
        ("JWT_SECRET", "a secret of thirty-two bytes, or more"),
    ];
    let launch = secrets.iter().fold(account.launch(&["check"]), |launch, (name, value)| launch.env(name, value));
    let (_, lines) = run(launch).await;
    let all = lines.join("\n");
    assert!(all.contains("signing"), "{all}");
    for secret in secrets.iter().map(|(_, value)| *value).chain([SIGNING_KEY, "key-1"]) {
        assert!(!all.contains(secret), "{all}");
    }
}

on_both! {
    check_says_why_the_queue_is_not_processing
}

async fn check_says_why_the_queue_is_not_processing(backend: Backend) {
    let data = Scratch::new("data");
    let database: Database = backend.database().await;
    // Nobody sends: a process that only takes emails in.
    let process = mailmind(&["serve", "--no-worker"], &data, &database).start();
    let url = address(&process).await;
    let client = tests::client::Client::new(&url, KEY);
    client.await_ready(SOON).await;
    let check = || mailmind(&["check"], &data, &database);
    client.send_email(letter("bob@example.org")).await;
    let (code, lines) = run(check()).await;
    assert_eq!(code, Some(0), "due just now is no trouble: {lines:#?}");

    let store = Store::connect(&database.url).await.unwrap();
    let since = Clock::system().now() - TimeDelta::hours(2);
    let long_ago = store.sql("UPDATE email_queue SET due_at = $1", [sea_orm::Value::from(since)]);
    jobs::store::execute(store.write(), long_ago).await.unwrap();
    let line = said(check(), "queue").await;
    assert!(line.contains("TROUBLE") && line.contains("no process sends"), "{line}");

    client.query("mutation { pause(reason: \"a look\") { userErrors { message } } }", json!({})).await;
    let line = said(check(), "queue").await;
    assert!(line.contains("TROUBLE") && line.contains("the queue is paused") && line.contains("a look"), "{line}");
}

/// Asks the service on LISTEN, as a container's health check does.
#[tokio::test]
async fn health_says_whether_the_service_is_ready() {
    let served = Served::on(Backend::Sqlite).await;
    let at = served.url.strip_prefix("http://").unwrap().to_owned();
    let health = || Launch::of(env!("CARGO_BIN_EXE_mailmind-tested")).args(["health"]).env("LISTEN", &at);
    let (code, lines) = run(health()).await;
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(lines[0].contains("\"ready\""), "{lines:#?}");
    // As in an image, where the service listens everywhere.
    let port = at.rsplit(':').next().unwrap();
    let (code, lines) = run(health().env("LISTEN", format!("0.0.0.0:{port}"))).await;
    assert_eq!(code, Some(0), "{lines:#?}");
    served.process.kill9().await;
    let (code, lines) = run(health()).await;
    assert_eq!(code, Some(1), "{lines:#?}");
}

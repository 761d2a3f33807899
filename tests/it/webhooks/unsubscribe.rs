//! One-click unsubscribe (RFC 8058): what campaign mail carries, and what following it does.

use entity::delivery_event::{Kind, Source};
use entity::sealed::Keyring;
use entity::suppression::Reason;
use reqwest::Method;
use sea_orm::ConnectionTrait;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tests::client::{http, letter};
use tests::database::Backend;
use tests::mailgun::FakeMailgun;
use tests::patience::SOON;
use tests::process::Launch;

use super::{beside, entries, events};
use crate::api::{Served, mailmind};

on_both! {
    campaign_mail_carries_a_link_whose_post_unsubscribes_and_whose_get_does_not
}

const CAMPAIGN: &str = "campaign:01980000-0000-7000-8000-000000000009";
const SEND: &str =
    "mutation($input: SendEmailInput!) { sendEmail(input: $input) { email { status } userErrors { field message } } }";

fn with(change: Value) -> Value {
    let mut letter = letter("bob@example.org");
    letter.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    letter
}

/// What Mailgun was given of these fields with the last message.
async fn handed(served: &Served, mailgun: &FakeMailgun, input: Value) -> [Option<String>; 3] {
    let before = mailgun.accepted();
    served.client.send_email(input).await;
    mailgun.until("the message", SOON, |state| state.accepted() > before).await;
    mailgun.look(|state| {
        let form = state.messages().last().unwrap().post.form();
        ["h:List-Unsubscribe", "h:List-Unsubscribe-Post", "o:tracking-unsubscribe"]
            .map(|name| form.text(name).map(str::to_owned))
    })
}

async fn campaign_mail_carries_a_link_whose_post_unsubscribes_and_whose_get_does_not(backend: Backend) {
    let mailgun = FakeMailgun::start();
    let old = Keyring::generate().to_text();
    let live = |launch: Launch, keyring: &str| {
        let launch = launch.env("MAILGUN_API_BASE", mailgun.url()).env("MAILGUN_API_KEY", "key");
        let launch = launch.env("MAILGUN_DOMAIN", "mg.example.com").env("CONTENT_KEYRING", keyring);
        launch.env("PUBLIC_URL", "https://mail.example.com/")
    };
    let served = Served::with(backend, |launch| live(launch, old.expose_secret())).await;
    let none = [None, None, None];
    assert_eq!(handed(&served, &mailgun, with(json!({}))).await, none, "it belongs to no campaign");
    let needed = with(json!({ "campaignId": CAMPAIGN, "transactional": true }));
    assert_eq!(handed(&served, &mailgun, needed.clone()).await, none, "whoever unsubscribed gets it all the same");
    let own = with(json!({ "campaignId": CAMPAIGN, "headers": { "List-Unsubscribe": "<https://own.example/>" } }));
    assert_eq!(handed(&served, &mailgun, own).await, [Some("<https://own.example/>".to_owned()), None, None]);
    let campaign = with(json!({ "campaignId": CAMPAIGN }));
    let [link, one_click, tracking] = handed(&served, &mailgun, campaign.clone()).await;
    assert_eq!((one_click.as_deref(), tracking.as_deref()), (Some("List-Unsubscribe=One-Click"), Some("no")));
    let link = link.unwrap();
    let token = link.strip_prefix("<https://mail.example.com/u/").unwrap().strip_suffix('>').unwrap();
    assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{token}");

    let ctx = beside(&served.database.url).await;
    let call = async |served: &Served, method: Method, token: &str| {
        let answer = http().request(method, format!("{}/u/{token}", served.url)).body("List-Unsubscribe=One-Click");
        let answer = answer.send().await.unwrap();
        assert!(!answer.headers().contains_key("set-cookie") && !answer.headers().contains_key("location"));
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, page) = call(&served, Method::GET, token).await;
    assert!(status == 200 && page.contains("<form method=\"post\">") && !page.contains("bob"), "{page}");
    let forged = if token.ends_with('A') { token.replace('A', "B") } else { format!("{}A", &token[..token.len() - 1]) };
    for token in [&forged, &token[1..], "none", &token[..20]] {
        assert_eq!((call(&served, Method::GET, token).await.0, call(&served, Method::POST, token).await.0), (404, 404));
    }
    assert!(entries(&ctx, "bob@example.org").await.is_empty(), "nobody has asked for it yet");

    // By another process, whose keyring was rotated, and after the email is gone.
    ctx.store.write().execute_unprepared("DELETE FROM email_attempts").await.unwrap();
    ctx.store.write().execute_unprepared("DELETE FROM email_queue").await.unwrap();
    let rotated = format!("{},{}", Keyring::generate().to_text().expose_secret(), old.expose_secret());
    let other = live(mailmind(&["serve", "--no-worker"], &served.data, &served.database), &rotated).start();
    let other_url = crate::api::address(&other).await;
    let answer = http().post(format!("{other_url}/u/{token}")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(call(&served, Method::POST, token).await.0, 200, "done is done");
    let list = entries(&ctx, "bob@example.org").await;
    assert_eq!(list.len(), 1);
    assert_eq!((list[0].reason, list[0].expires_at, list[0].sandbox), (Reason::Unsubscribe, None, false));
    let told: Vec<_> = events(&ctx).await.into_iter().map(|event| (event.kind, event.source)).collect();
    assert_eq!(told, [(Kind::Unsubscribed, Source::Recipient)]);
    let status = async |input: &Value| {
        served.client.query(SEND, json!({ "input": input })).await["sendEmail"]["email"]["status"].take()
    };
    assert_eq!((status(&campaign).await, status(&needed).await), (json!("SUPPRESSED"), json!("QUEUED")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn campaign_mail_is_refused_where_nobody_could_unsubscribe() {
    let served = Served::with(Backend::Sqlite, |launch| launch.env("LISTEN", "0.0.0.0:0")).await;
    let refused = served.client.query(SEND, json!({ "input": with(json!({ "campaignId": CAMPAIGN })) })).await;
    let error = &refused["sendEmail"]["userErrors"][0];
    assert_eq!(error["field"], json!(["input", "campaignId"]));
    assert!(error["message"].as_str().unwrap().contains("PUBLIC_URL"), "{error}");
    served.client.send_email(with(json!({ "campaignId": CAMPAIGN, "transactional": true }))).await;
}

//! The scripted Mailgun.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;
use tests::client::http;
use tests::mailgun::{FakeMailgun, Reply};
use tests::patience::{SOON, until_true};
use tests::process::Process;

async fn post(mailgun: &FakeMailgun, id: &str) -> Result<(u16, String), reqwest::Error> {
    let url = format!("{}/v3/example.com/messages", mailgun.url());
    let form = [("to", "bob@example.com"), ("v:email-id", id), ("h:Message-Id", "<1@example.com>"), ("text", "a&b+c")];
    let answer = http().post(url).timeout(Duration::from_millis(300)).form(&form).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

#[tokio::test]
async fn the_fake_mailgun_remembers_what_it_accepted() {
    let mailgun = FakeMailgun::start();
    let (status, text) = post(&mailgun, "one").await.unwrap();
    assert_eq!((status, text.as_str()), (200, r#"{"id":"<1@example.com>","message":"Queued. Thank you."}"#));
    mailgun.look(|state| {
        let message = &state.messages()[0];
        assert_eq!((message.email_id.as_str(), message.to.as_str()), ("one", "bob@example.com"));
        assert_eq!(message.message_id, "<1@example.com>");
        assert_eq!(message.post.domain(), "example.com");
        assert_eq!(message.post.form().text("text"), Some("a&b+c"));
    });
    assert_eq!(mailgun.doubles(), Vec::<String>::new());
    post(&mailgun, "one").await.unwrap();
    post(&mailgun, "two").await.unwrap();
    assert_eq!(mailgun.doubles(), ["one"]);
    assert_eq!((mailgun.accepted(), mailgun.accepted_for("one"), mailgun.accepted_for("two")), (3, 2, 1));
    let stats = http().get(format!("{}/stats", mailgun.url())).send().await.unwrap();
    let stats: HashMap<String, u64> = stats.json().await.unwrap();
    assert_eq!(stats, HashMap::from([("posts".into(), 3), ("accepted".into(), 3), ("doubles".into(), 1)]));
}

#[tokio::test]
async fn the_fake_mailgun_takes_files() {
    let mailgun = FakeMailgun::start();
    let part = reqwest::multipart::Part::bytes(vec![0, 13, 10, 45, 45, 255]).file_name("a.bin");
    let form = reqwest::multipart::Form::new().text("to", "bob@example.com").text("v:email-id", "one");
    let request = http().post(format!("{}/v3/example.com/messages", mailgun.url()));
    request.multipart(form.part("attachment", part)).send().await.unwrap().error_for_status().unwrap();
    mailgun.look(|state| {
        let message = &state.messages()[0];
        assert_eq!(message.email_id, "one");
        let form = message.post.form();
        let file = form.files().next().unwrap();
        assert_eq!(file.file.as_deref(), Some("a.bin"));
        assert_eq!(&file.value[..], [0, 13, 10, 45, 45, 255]);
    });
}

/// What the client gets for each reply, and whether the message was accepted all the same.
#[tokio::test]
async fn the_fake_mailgun_answers_as_scripted() {
    let retry = vec![("retry-after", "7".to_owned())];
    let cases = [
        (Reply::Ok, "200", 1),
        (Reply::status(400, "no"), "400", 0),
        (Reply::Status(429, retry, "slow down".into()), "429", 0),
        (Reply::AcceptThen(500), "500", 1),
        (Reply::Hang, "timeout", 0),
        (Reply::AcceptThenHang, "timeout", 1),
        (Reply::Cut, "cut", 0),
        (Reply::AcceptThenCut, "cut", 1),
        (Reply::AcceptThenHalf, "half", 1),
        (Reply::Ok.after(Duration::from_millis(20)), "200", 1),
        (Reply::Ok.after(Duration::from_secs(60)), "timeout", 0),
    ];
    for (reply, expected, accepted) in cases {
        let mailgun = FakeMailgun::start();
        let scripted = reply.clone();
        mailgun.answer(move |_| scripted.clone());
        let got = match post(&mailgun, "one").await {
            Ok((status, _)) => status.to_string(),
            Err(error) if error.is_timeout() => "timeout".into(),
            Err(error) if error.is_decode() || error.is_body() => "half".into(),
            Err(error) => if error.is_connect() { "refused" } else { "cut" }.into(),
        };
        assert_eq!((got.as_str(), mailgun.accepted_for("one")), (expected, accepted), "{reply:?}");
        assert_eq!(mailgun.look(|state| state.posts_for("one")), 1, "{reply:?}");
    }
}

#[tokio::test]
async fn a_scripted_header_reaches_the_client() {
    let mailgun = FakeMailgun::start();
    mailgun.answer(|_| Reply::Status(429, vec![("Retry-After", "7".into())], "slow down".into()));
    let answer = http().post(format!("{}/v3/example.com/messages", mailgun.url())).body("to=a").send().await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "7");
}

#[tokio::test]
async fn a_refusing_mailgun_refuses_and_listens_again_on_its_port() {
    let mailgun = FakeMailgun::start();
    let client = http();
    let url = format!("{}/v3/example.com/messages", mailgun.url());
    let send = async || client.post(&url).body("to=a").send().await;
    send().await.unwrap();
    mailgun.refuse();
    // An idle connection was closed with the port; the client may notice while it sends.
    until_true("a refusal", SOON, async || send().await.is_err_and(|error| error.is_connect())).await;
    assert_eq!(mailgun.accepted(), 1);
    mailgun.listen_again();
    send().await.unwrap();
    mailgun.until("the second message", SOON, |state| state.accepted() == 2).await;
}

#[tokio::test]
async fn a_message_under_way_is_answered_while_the_port_closes() {
    let mailgun = FakeMailgun::start();
    mailgun.answer(|_| Reply::Ok.after(Duration::from_millis(100)));
    let client = http();
    let request = client.post(format!("{}/v3/example.com/messages", mailgun.url())).body("to=a");
    let sent = tokio::spawn(async move { request.send().await.unwrap().status().as_u16() });
    mailgun.until("the message", SOON, |state| state.posts() == 1).await;
    mailgun.refuse();
    assert_eq!(sent.await.unwrap(), 200);
}

#[tokio::test]
#[should_panic(expected = "waited 50ms for a second message; Mailgun saw 0 messages and accepted 0")]
async fn waiting_in_vain_says_for_what() {
    FakeMailgun::start().until("a second message", Duration::from_millis(50), |state| state.posts() == 2).await;
}

#[tokio::test]
async fn the_fake_mailgun_runs_as_a_process_of_its_own() {
    let process = Process::start(env!("CARGO_BIN_EXE_fake-mailgun"), &[], &[]);
    let port: u16 = process.await_line("", SOON).await.parse().unwrap();
    let base = format!("http://127.0.0.1:{port}");
    let form = [("to", "bob@example.com"), ("v:email-id", "one")];
    for _ in 0..2 {
        http().post(format!("{base}/v3/example.com/messages")).form(&form).send().await.unwrap();
    }
    let stats: serde_json::Value = http().get(format!("{base}/stats")).send().await.unwrap().json().await.unwrap();
    assert_eq!(stats, json!({ "posts": 2, "accepted": 2, "doubles": 1 }));
}

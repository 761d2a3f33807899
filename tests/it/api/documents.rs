//! What the documentation shows is run against the program as it is shown: every document of `docs/`, with the variables that
//! stand behind it.

use std::collections::HashMap;
use std::path::Path;

use chrono::{SecondsFormat, TimeDelta};
use entity::Clock;
use serde_json::{Value, json};
use tests::client::letter;
use tests::database::Backend;
use tests::patience::SOON;

use super::ws::Socket;
use super::{KEY, Served};

on_both! {
    every_document_of_the_documentation_does_what_it_says
}

/// A document of a page, and its variables.
struct Shown {
    page: String,
    line: usize,
    text: String,
    variables: Value,
}

/// The pages that show documents; and that they do.
const PAGES: [(&str, usize); 3] = [("api.md", 22), ("troubleshooting.md", 8), ("webhooks.md", 6)];

/// All blocks that are GraphQL, each with the block of JSON that comes next before any other.
fn shown(page: &str) -> Vec<Shown> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let (mut shown, mut block): (Vec<Shown>, Option<(String, String, usize)>) = (Vec::new(), None);
    let mut may_have_variables = false;
    for (line, words) in text.lines().enumerate() {
        match (&mut block, words.strip_prefix("```")) {
            (None, Some(language)) => block = Some((language.to_owned(), String::new(), line + 1)),
            (None, None) => may_have_variables &= words.is_empty(),
            (Some((_, text, _)), None) => *text += &format!("{words}\n"),
            (Some(_), Some(_)) => {
                let (language, text, line) = block.take().unwrap();
                let last = shown.last_mut().filter(|_| may_have_variables && language == "json");
                may_have_variables = language == "graphql";
                if let Some(last) = last {
                    last.variables = serde_json::from_str(&text).unwrap_or_else(|why| panic!("{page}:{line}: {why}"));
                } else if language == "graphql" {
                    shown.push(Shown { page: page.to_owned(), line, text, variables: json!({}) });
                }
            }
        }
    }
    shown
}

/// What the ids in the documentation stand for in this database.
async fn standing_in(served: &Served) -> HashMap<&'static str, String> {
    served.break_the_sandbox(json!([{ "kind": "500", "to": "doubt@", "times": 1 }])).await;
    let later = json!({ "sendAt": tomorrow() });
    let with = |mut letter: Value, more: Value| {
        letter.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        letter
    };
    let delivered = served.client.send_email(letter("bob@example.org")).await;
    let waiting = served.client.send_email(with(letter("cyn@example.org"), later)).await;
    let doubtful = with(letter("doubt@example.org"), json!({ "onUnconfirmed": "HOLD" }));
    let doubtful = served.client.send_email(doubtful).await;
    served.client.await_status(&doubtful, "UNCONFIRMED", SOON).await;
    served.client.await_status(&delivered, "DELIVERED", SOON).await;
    let create = "mutation { createCampaign(input: { name: \"Spring\", content: { inline: { subject: \"Hi {{ first_name }}\", \
                  text: \"Hi\" } } }) { campaign { id } userErrors { message } } }";
    let campaign = served.mutate(create, json!({})).await["campaign"]["id"].as_str().unwrap().to_owned();
    let create = "mutation { createEventEndpoint(input: { url: \"https://localhost/\" }) { eventEndpoint { id } userErrors { message } } }";
    let endpoint = served.mutate(create, json!({})).await["eventEndpoint"]["id"].as_str().unwrap().to_owned();
    HashMap::from([
        ("email:01980000-0000-7000-8000-000000000001", delivered),
        ("email:01980000-0000-7000-8000-000000000002", doubtful),
        ("email:01980000-0000-7000-8000-000000000003", waiting),
        ("campaign:01980000-0000-7000-8000-000000000001", campaign),
        // Nobody is looked up outside this machine.
        ("https://app.example.com/mail-events", "https://localhost/mail-events".to_owned()),
        ("event-endpoint:01980000-0000-7000-8000-000000000001", endpoint),
    ])
}

/// What is to be sent later must be dated ahead, whenever the documentation was written.
fn tomorrow() -> String {
    (Clock::system().now() + TimeDelta::days(1)).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The variables, with ids that there are and times that are to come.
fn meant(variables: &Value, ids: &HashMap<&str, String>) -> Value {
    match variables {
        Value::String(text) => ids.get(text.as_str()).map_or_else(|| variables.clone(), |id| json!(id)),
        Value::Array(items) => items.iter().map(|item| meant(item, ids)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let meant = if name == "sendAt" { json!(tomorrow()) } else { meant(value, ids) };
                (name.clone(), meant)
            })
            .collect(),
        other => other.clone(),
    }
}

/// What users are told to mend, anywhere in an answer.
fn complaints(answer: &Value) -> Vec<&Value> {
    match answer {
        Value::Array(items) => items.iter().flat_map(complaints).collect(),
        Value::Object(fields) => {
            let own = fields.get("userErrors").and_then(Value::as_array).into_iter().flatten();
            own.chain(fields.values().flat_map(complaints)).collect()
        }
        _ => Vec::new(),
    }
}

async fn every_document_of_the_documentation_does_what_it_says(backend: Backend) {
    let served = Served::with(backend, |launch| launch.env("MAILGUN_DOMAIN", "mg.example.com")).await;
    let ids = standing_in(&served).await;
    for (page, least) in PAGES {
        let shown = shown(page);
        assert!(shown.len() >= least, "{page} shows {} documents", shown.len());
        for document in shown {
            run(&served, &ids, &document).await;
        }
    }
}

async fn run(served: &Served, ids: &HashMap<&str, String>, document: &Shown) {
    let place = format!("docs/{}:{}", document.page, document.line);
    let variables = meant(&document.variables, ids);
    if document.text.starts_with("subscription") {
        let mut socket = Socket::begun(served, KEY).await;
        socket.ask_with("1", &document.text, variables).await;
        // What tells nothing at once is at least taken up: the next operation is answered.
        socket.ask("2", "{ viewer { sandbox } }").await;
        loop {
            let message = socket.hear().await;
            assert_ne!(message["type"], "error", "{place}: {message}");
            assert!(message["payload"]["errors"].is_null(), "{place}: {message}");
            if message["id"] == "2" {
                return;
            }
        }
    }
    let answer = served.client.try_query(&document.text, variables).await.unwrap();
    assert!(answer.get("errors").is_none_or(Value::is_null), "{place}: {answer:#}");
    assert_eq!(complaints(&answer["data"]), Vec::<&Value>::new(), "{place}");
    for field in answer["data"].as_object().unwrap().values() {
        assert!(!field.is_null(), "{place} found nothing: {answer}");
    }
}

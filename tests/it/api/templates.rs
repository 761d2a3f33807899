//! Templates as callers meet them: written, written anew, listed and rendered, by whoever may; and what a campaign makes of one.

use serde_json::{Value, json};
use tests::client::Client;
use tests::database::Backend;
use tests::patience::{SOON, until_true};

use super::campaigns::{ADD, CREATE as CREATE_CAMPAIGN, LAUNCH, standing};
use super::{Served, mistakes};

on_both! {
    a_template_is_stored_read_and_written_anew
    templates_are_the_same_walked_from_either_end
    what_can_be_mended_is_told_by_field_and_in_words
    a_name_that_means_nothing_is_refused_before_anybody_is_mailed
    templates_are_read_by_some_and_written_by_others
    a_template_says_what_it_would_say
    a_campaign_says_what_its_template_said_at_the_launch
}

const CREATE: &str = "mutation($input: TemplateInput!) { createTemplate(input: $input) {
  template { id name version subject html text variables createdAt updatedAt } userErrors { code field message } } }";

const UPDATE: &str = "mutation($id: ID!, $input: TemplateInput!) { updateTemplate(id: $id, input: $input) {
  template { id name version subject html text variables createdAt updatedAt } userErrors { code field message } } }";

const TEMPLATES: &str = "query($first: Int, $after: String, $last: Int, $before: String) {
  templates(first: $first, after: $after, last: $last, before: $before) { nodes { name } totalCount totalCountIsCapped
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

const RENDER: &str = "query($id: ID!, $variables: JSON) { renderTemplate(templateId: $id, variables: $variables) {
  subject html text userErrors { code field message } } }";

const NOBODY: &str = "template:01980000-0000-7000-8000-000000000007";

fn input(name: &str, subject: &str, html: &str) -> Value {
    json!({ "name": name, "content": { "subject": subject, "html": html } })
}

/// A template of this name; answers it.
async fn made(served: &Served, name: &str, subject: &str, html: &str) -> Value {
    let mut payload = served.mutate(CREATE, json!({ "input": input(name, subject, html) })).await;
    assert_eq!(payload["userErrors"], json!([]));
    payload["template"].take()
}

async fn a_template_is_stored_read_and_written_anew(backend: Backend) {
    let served = Served::on(backend).await;
    let first = made(&served, " Welcome ", "Hi {{ name }}", "<p>{{ order.total }}</p>").await;
    let said =
        |template: &Value| ["name", "version", "subject", "html", "text", "variables"].map(|f| template[f].clone());
    let was = [json!("Welcome"), json!(1), json!("Hi {{ name }}"), json!("<p>{{ order.total }}</p>"), Value::Null];
    assert_eq!(said(&first)[..5], was);
    assert_eq!(first["variables"], json!(["name", "order.total"]));
    let id = &first["id"];
    let again = served.mutate(UPDATE, json!({ "id": id, "input": input("Hello", "Ho {{ n }}", "<b>") })).await;
    let now = [json!("Hello"), json!(2), json!("Ho {{ n }}"), json!("<b>"), Value::Null, json!(["n"])];
    assert_eq!((said(&again["template"]), &again["template"]["id"]), (now.clone(), id));
    assert_eq!(again["template"]["createdAt"], first["createdAt"]);
    let asked = "query($id: ID!) { template(id: $id) { name version subject html text variables }
      node(id: $id) { id ... on Template { name } } nobody: template(id: \"template:7\") { id } }";
    let told = served.client.query(asked, json!({ "id": id })).await;
    assert_eq!(said(&told["template"]), now);
    assert_eq!((&told["node"], &told["nobody"]), (&json!({ "id": id, "name": "Hello" }), &Value::Null));
}

async fn templates_are_the_same_walked_from_either_end(backend: Backend) {
    let served = Served::on(backend).await;
    for name in ["a", "b", "c", "d", "e"] {
        made(&served, name, "Hi", "<p>").await;
    }
    let page = async |variables: Value| {
        let told = served.client.query(TEMPLATES, variables).await["templates"].take();
        let names: String =
            told["nodes"].as_array().unwrap().iter().map(|node| node["name"].as_str().unwrap()).collect();
        (names, told["pageInfo"].clone(), told["totalCount"].clone())
    };
    let (names, info, total) = page(json!({ "first": 2 })).await;
    assert_eq!((names.as_str(), &info["hasNextPage"], &total), ("ed", &json!(true), &json!(5)));
    let (names, second, _) = page(json!({ "first": 2, "after": info["endCursor"] })).await;
    assert_eq!((names.as_str(), &second["hasPreviousPage"]), ("cb", &json!(true)));
    let (names, info, _) = page(json!({ "first": 2, "after": second["endCursor"] })).await;
    assert_eq!((names.as_str(), &info["hasNextPage"]), ("a", &json!(false)));
    let (names, info, _) = page(json!({ "last": 2, "before": second["startCursor"] })).await;
    assert_eq!((names.as_str(), &info["hasPreviousPage"]), ("ed", &json!(false)));
    let (names, info, _) = page(json!({ "last": 2 })).await;
    assert_eq!((names.as_str(), &info["hasPreviousPage"], &info["hasNextPage"]), ("ba", &json!(true), &json!(false)));
}

async fn what_can_be_mended_is_told_by_field_and_in_words(backend: Backend) {
    let served = Served::on(backend).await;
    let taken = made(&served, "Taken", "Hi", "<p>").await;
    let other = made(&served, "Other", "Hi", "<p>").await;
    let nothing = json!({ "name": "New", "content": { "subject": "Hi" } });
    let cases = [
        (input("", "Hi", "<p>"), "INVALID input.name", "must be 1 to 200 characters without control characters"),
        (
            input(&"n".repeat(201), "Hi", "<p>"),
            "INVALID input.name",
            "must be 1 to 200 characters without control characters",
        ),
        (input("Taken", "Hi", "<p>"), "CONFLICT input.name", "is the name of another template"),
        (input("New", " ", "<p>"), "INVALID input.content.subject", "is empty"),
        (nothing, "INVALID input.content", "needs html or text"),
        (input("New", "Hi {{ a", "<p>"), "INVALID input.content.subject", "can't be compiled: "),
        (input("New", "Hi", "\n{% if %}"), "INVALID input.content.html", "can't be compiled: "),
        (
            input("New", "Hi", "<p>\n<a href=\"javascript:x\">"),
            "INVALID input.content.html",
            "can't be compiled: a link begins with javascript: and only http, https, mailto and tel may, in line 2",
        ),
    ];
    for (input, expected, words) in cases {
        for (document, variables) in
            [(CREATE, json!({ "input": input })), (UPDATE, json!({ "id": other["id"], "input": input }))]
        {
            let payload = served.mutate(document, variables).await;
            assert_eq!(
                (mistakes(&payload), &payload["template"]),
                (vec![expected.to_owned()], &Value::Null),
                "{input}"
            );
            let message = payload["userErrors"][0]["message"].as_str().unwrap();
            assert!(message.starts_with(words), "{message}");
        }
    }
    for id in [NOBODY, "template:7", "lead:01980000-0000-7000-8000-000000000007"] {
        let payload = served.mutate(UPDATE, json!({ "id": id, "input": input("New", "Hi", "<p>") })).await;
        assert_eq!(mistakes(&payload), ["NOT_FOUND id"]);
    }
    // Under its own name it is written anew.
    let again = served.mutate(UPDATE, json!({ "id": taken["id"], "input": input("Taken", "Ho", "<p>") })).await;
    assert_eq!((mistakes(&again), &again["template"]["version"]), (vec![], &json!(2)));
    assert_eq!(served.client.query(TEMPLATES, json!({})).await["templates"]["totalCount"], 2);
}

async fn a_name_that_means_nothing_is_refused_before_anybody_is_mailed(backend: Backend) {
    let served = Served::on(backend).await;
    let html = "<p>\n{% if rare %}\n{{ name|uper }}{% endif %}";
    let words = "can't be compiled: unknown filter \"uper\", in line 3";
    let template = served.mutate(CREATE, json!({ "input": input("New", "Hi", html) })).await;
    assert_eq!(mistakes(&template), ["INVALID input.content.html"]);
    assert_eq!(template["userErrors"][0]["message"], words);
    let inline = json!({ "name": "Spring", "content": { "inline": { "subject": "Hi {{ greet() }}", "html": html } } });
    let campaign = served.mutate(CREATE_CAMPAIGN, json!({ "input": inline })).await;
    assert_eq!(mistakes(&campaign), ["INVALID input.content.inline.subject", "INVALID input.content.inline.html"]);
    let told = campaign["userErrors"].as_array().unwrap().iter().map(|error| error["message"].as_str().unwrap());
    let told: Vec<&str> = told.collect();
    assert_eq!(told, ["can't be compiled: unknown function \"greet\", in line 1", words]);
}

async fn templates_are_read_by_some_and_written_by_others(backend: Backend) {
    let served = Served::on(backend).await;
    let id = made(&served, "Welcome", "Hi {{ name }}", "<p>").await["id"].clone();
    let cases = [
        // What is asked, and who may: READ, SEND, MANAGE.
        (TEMPLATES, json!({}), [true, false, true]),
        ("query($id: ID!) { template(id: $id) { name } }", json!({ "id": id }), [true, false, true]),
        (RENDER, json!({ "id": id, "variables": { "name": "Ann" } }), [true, false, true]),
        (CREATE, json!({ "input": input("New", "Hi", "<p>") }), [false, false, true]),
        (UPDATE, json!({ "id": id, "input": input("Welcome", "Hi", "<p>") }), [false, false, true]),
    ];
    for (place, scope) in ["read", "send", "manage"].into_iter().enumerate() {
        let key = served.command(&["key", "create", "--scope", scope]).await;
        let caller = Client::new(&served.url, key.last().unwrap());
        for (document, variables, allowed) in &cases {
            let answer = caller.try_query(document, variables.clone()).await.unwrap();
            let expected = if allowed[place] { Value::Null } else { json!("FORBIDDEN") };
            assert_eq!(answer["errors"][0]["extensions"]["code"], expected, "{document} by {scope}: {answer}");
        }
    }
}

async fn a_template_says_what_it_would_say(backend: Backend) {
    let served = Served::on(backend).await;
    let id = made(&served, "Welcome", "Hi {{ name }}", "<p>{{ name|upper }}</p>").await["id"].clone();
    let rendered = async |id: &Value, variables: Value| {
        served.client.query(RENDER, json!({ "id": id, "variables": variables })).await["renderTemplate"].take()
    };
    let said = rendered(&id, json!({ "name": "<Ann>" })).await;
    let expected = json!({ "subject": "Hi <Ann>", "html": "<p>&lt;ANN&gt;</p>", "text": null, "userErrors": [] });
    assert_eq!(said, expected);
    for (id, variables, expected, words) in [
        (&id, json!({}), "INVALID variables", "the variable name is missing"),
        (&id, json!([1]), "INVALID variables", "must be an object"),
        (&json!(NOBODY), json!({}), "NOT_FOUND templateId", "is no template's id"),
    ] {
        let said = rendered(id, variables).await;
        assert_eq!((mistakes(&said), &said["subject"]), (vec![expected.to_owned()], &Value::Null));
        assert_eq!(said["userErrors"][0]["message"], words);
    }
}

async fn a_campaign_says_what_its_template_said_at_the_launch(backend: Backend) {
    let served = Served::on(backend).await;
    let template = made(&served, "Spring", "one {{ name }}", "<p>one</p>").await["id"].clone();
    let content = json!({ "template": { "templateId": template } });
    let made = served.mutate(CREATE_CAMPAIGN, json!({ "input": { "name": "Spring", "content": content } })).await;
    let id = made["campaign"]["id"].as_str().unwrap();
    let people = json!([{ "address": "ann@example.com", "variables": { "name": "Ann" } }]);
    served.mutate(ADD, json!({ "id": id, "recipients": people })).await;
    // Before the launch what it says is the template's affair, from then on its own.
    let update = async |subject: &str| {
        let anew = input("Spring", subject, "<p>anew</p>");
        let payload = served.mutate(UPDATE, json!({ "id": template, "input": anew })).await;
        assert_eq!(mistakes(&payload), Vec::<String>::new());
    };
    update("two {{ name }}").await;
    let pause = "mutation($id: ID!) { pause(scope: { campaignId: $id }) { userErrors { code } } }";
    served.mutate(pause, json!({ "id": id })).await;
    let launched = served.mutate(LAUNCH, json!({ "id": id })).await;
    assert_eq!((mistakes(&launched), &launched["campaign"]["status"]), (vec![], &json!("PAUSED")));
    update("three {{ nobody }}").await;
    let subject = "query($id: ID!) { campaign(id: $id) { subject } }";
    let told = served.client.query(subject, json!({ "id": id })).await;
    assert_eq!(told["campaign"], json!({ "subject": "two {{ name }}" }));
    let resume = "mutation($id: ID!) { resume(scope: { campaignId: $id }) { ended } }";
    served.mutate(resume, json!({ "id": id })).await;
    until_true("it to be through", SOON, async || standing(&served.client, id).await["status"] == "COMPLETED").await;
    let received = served.ask_the_sandbox("messages").await["messages"].take();
    assert_eq!((received.as_array().unwrap().len(), &received[0]["subject"]), (1, &json!("two Ann")));
}

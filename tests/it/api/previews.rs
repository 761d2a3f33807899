//! Templates as whoever writes them meets them: found by name, shown before they are stored, and who uses one.

use serde_json::{Value, json};
use tests::database::Backend;

use super::Served;
use super::campaigns::CREATE as CREATE_CAMPAIGN;

on_both! {
    templates_are_found_by_name_and_tell_which_campaigns_use_them
    what_is_being_written_is_shown_or_its_mistakes_by_field_and_line
}

const CREATE: &str = "mutation($input: TemplateInput!) { createTemplate(input: $input) {
  template { id name version } userErrors { code field message } } }";

const PREVIEW: &str = "query($content: InlineContentInput!, $variables: JSON, $leadId: ID) {
  renderContent(content: $content, variables: $variables, leadId: $leadId) {
    subject html text variables userErrors { code field message } } }";

async fn made(served: &Served, name: &str) -> String {
    let content = json!({ "subject": "Hi {{ first_name }}", "html": "<p>{{ recipient.address }}</p>" });
    let made = served.mutate(CREATE, json!({ "input": { "name": name, "content": content } })).await;
    made["template"]["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

async fn templates_are_found_by_name_and_tell_which_campaigns_use_them(backend: Backend) {
    let served = Served::on(backend).await;
    let welcome = made(&served, "Welcome").await;
    made(&served, "Farewell").await;
    let asked = "query($filter: TemplateFilter) { templates(filter: $filter) { totalCount nodes { id } } }";
    let found = served.client.query(asked, json!({ "filter": { "name": "wELc" } })).await;
    assert_eq!(found["templates"], json!({ "totalCount": 1, "nodes": [{ "id": welcome }] }));
    let input = |name: &str, content: Value| json!({ "input": { "name": name, "content": content } });
    let by_template = input("With it", json!({ "template": { "templateId": welcome } }));
    let used = served.mutate(CREATE_CAMPAIGN, by_template).await["campaign"]["id"].take();
    served.mutate(CREATE_CAMPAIGN, input("Without", json!({ "inline": { "subject": "Hi", "text": "Hi" } }))).await;
    let asked = "query($id: ID) { campaigns(filter: { templateId: $id }) { totalCount nodes { id } } }";
    let found = served.client.query(asked, json!({ "id": welcome })).await;
    assert_eq!(found["campaigns"], json!({ "totalCount": 1, "nodes": [{ "id": used }] }));
    let none = served.client.query(asked, json!({ "id": "nothing" })).await;
    assert_eq!(none["campaigns"]["totalCount"], 0);
}

async fn what_is_being_written_is_shown_or_its_mistakes_by_field_and_line(backend: Backend) {
    let served = Served::on(backend).await;
    let shown = async |content: Value, variables: Value| {
        served.client.query(PREVIEW, json!({ "content": content, "variables": variables })).await["renderContent"]
            .take()
    };
    let content = json!({ "subject": "Hi {{ name }}", "html": "<p>{{ order.total }}</p>" });
    let said = shown(content.clone(), json!({ "name": "Ann", "order": { "total": "<5>" } })).await;
    let expected = json!({ "subject": "Hi Ann", "html": "<p>&lt;5&gt;</p>", "text": null,
        "variables": ["name", "order.total"], "userErrors": [] });
    assert_eq!(said, expected);
    let cases = [
        (content.clone(), json!({ "name": "Ann", "order": {} }), "variables: the variable order.total is missing"),
        (content.clone(), json!([]), "variables: must be an object"),
        (json!({ "subject": "{{ a" , "text": "x" }), Value::Null, "content.subject: can't be compiled"),
        (json!({ "subject": "a", "html": "x\n{% if %}" }), Value::Null, "content.html: can't be compiled"),
        (json!({ "subject": "a" }), Value::Null, "content: needs html or text"),
        (json!({ "subject": "{{ a }}", "text": "x" }), json!({ "a": "b\nc" }), "content.subject: the subject must not"),
        (
            json!({ "subject": "a", "html": "<a href=\"{{ a }}\">" }),
            json!({ "a": "javascript:x" }),
            "content.html: html would hold a link that begins with javascript:",
        ),
    ];
    for (content, variables, expected) in cases {
        let said = shown(content, variables).await;
        let [error] = &said["userErrors"].as_array().unwrap()[..] else { panic!("{expected}: {said}") };
        let way: Vec<&str> = error["field"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let told = format!("{}: {}", way.join("."), error["message"].as_str().unwrap());
        assert!(told.starts_with(expected), "{told} instead of {expected}");
    }
    let said = shown(json!({ "subject": "a", "html": "x\n{% if %}" }), Value::Null).await;
    assert!(said["userErrors"][0]["message"].as_str().unwrap().ends_with("in line 2"), "{said}");
}

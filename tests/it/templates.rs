//! Templates: written, listed, sent from, and rendered for each recipient of a campaign.

use std::collections::HashMap;

use entity::{Status, content};
use jobs::accept::{Answer, Draft, TemplateContent};
use jobs::campaign::recipients::NewRecipient;
use jobs::campaign::{self, Content};
use jobs::filter::Order;
use jobs::find::Page;
use jobs::template::{self, Refusal};
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value as Json, json};
use tests::app::{App, Plan, accepted, letter};
use tests::database::Backend;
use tests::patience::SOON;
use uuid::Uuid;

use crate::campaigns::{added, emails, expanded};

on_both! {
    a_template_is_written_anew_under_its_id_and_gives_its_old_content_up
    what_can_be_mended_of_a_template_is_told_by_field
    templates_are_walked_from_both_ends
    an_email_is_rendered_from_a_template_when_it_is_accepted
    a_campaigns_email_is_rendered_for_its_recipient_and_a_missing_variable_fails_it_alone
}

fn draft(name: &str, html: &str) -> template::Draft {
    template::Draft { name: name.into(), subject: "Hi {{ first_name }}".into(), html: Some(html.into()), text: None }
}

async fn contents(app: &App) -> u64 {
    content::Entity::find().count(app.ctx.store.write()).await.unwrap()
}

async fn a_template_is_written_anew_under_its_id_and_gives_its_old_content_up(backend: Backend) {
    let app = App::start(Plan::on(backend).without_workers()).await;
    let made = template::create(&app.ctx, draft(" Welcome ", "<p>{{ a }}")).await.unwrap().unwrap();
    assert_eq!((made.name.as_str(), made.version), ("Welcome", 1));
    let again = template::update(&app.ctx, made.id, draft("Welcome", "<p>{{ b }}")).await.unwrap().unwrap();
    assert_eq!((again.id, again.version, contents(&app).await), (made.id, 2, 1));
    assert_ne!(again.content_id, made.content_id);
    let stored = template::with_ids(&app.ctx, &[made.id]).await.unwrap().remove(&made.id).unwrap();
    assert_eq!((stored.content_id, stored.version), (again.content_id, 2));
    let opened = jobs::find::contents(&app.ctx, &[stored.content_id]).await.unwrap();
    assert_eq!(opened[&stored.content_id].html.as_deref(), Some("<p>{{ b }}"));
    let ready = template::ready(&app.ctx, &[made.id]).await.unwrap().remove(&made.id).unwrap();
    let named: Vec<String> = ready.template.as_ref().unwrap().variables().into_iter().collect();
    assert_eq!(named, ["b", "first_name"]);
    let nobody = template::update(&app.ctx, Uuid::nil(), draft("x", "x")).await.unwrap();
    assert_eq!((nobody, contents(&app).await), (Err(Refusal::NotFound), 1));
}

async fn what_can_be_mended_of_a_template_is_told_by_field(backend: Backend) {
    let app = App::start(Plan::on(backend).without_workers()).await;
    let first = template::create(&app.ctx, draft("One", "x")).await.unwrap().unwrap();
    template::create(&app.ctx, draft("Two", "x")).await.unwrap().unwrap();
    assert_eq!(template::create(&app.ctx, draft("One", "y")).await.unwrap(), Err(Refusal::NameTaken));
    assert_eq!(template::update(&app.ctx, first.id, draft("Two", "y")).await.unwrap(), Err(Refusal::NameTaken));
    assert_eq!(contents(&app).await, 2, "what was refused left nothing");
    let bad = template::Draft { name: "".into(), subject: "{{ a".into(), html: Some("\n{% if %}".into()), text: None };
    let Err(Refusal::Complaints(told)) = template::create(&app.ctx, bad).await.unwrap() else {
        panic!("it is refused")
    };
    let paths: Vec<String> = told.iter().map(|complaint| complaint.path.join(".")).collect();
    assert_eq!(paths, ["name", "content.subject", "content.html"]);
    assert!(told[2].message.ends_with("in line 2"), "{}", told[2].message);
}

async fn templates_are_walked_from_both_ends(backend: Backend) {
    let app = App::start(Plan::on(backend).without_workers()).await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(template::create(&app.ctx, draft(name, "x")).await.unwrap().unwrap().id);
    }
    let walk = async |page, order| {
        let found = template::list(&app.ctx, &template::Filter::default(), page, order).await.unwrap().page;
        (found.items.iter().map(|row| row.name.clone()).collect::<String>(), found.has_next)
    };
    assert_eq!(walk(Page::First { n: 2, after: None }, Order::Descending).await, ("cb".into(), true));
    assert_eq!(walk(Page::First { n: 2, after: Some(ids[1]) }, Order::Descending).await, ("a".into(), false));
    assert_eq!(walk(Page::Last { n: 2, before: None }, Order::Descending).await, ("ba".into(), false));
    assert_eq!(walk(Page::First { n: 3, after: Some(ids[0]) }, Order::Ascending).await, ("bc".into(), false));
    let named = |name: &str| template::Filter { name: Some(name.into()) };
    assert_eq!(template::count(&app.ctx, &template::Filter::default()).await.unwrap(), (3, false));
    assert_eq!(template::count(&app.ctx, &named("B")).await.unwrap(), (1, false));
    let found = template::list(&app.ctx, &named("B"), Page::First { n: 2, after: None }, Order::Descending).await;
    let found: Vec<Uuid> = found.unwrap().page.items.iter().map(|row| row.id).collect();
    assert_eq!(found, ids[1..2]);
}

fn by_template(id: Uuid, variables: Json) -> Draft {
    let template = Some(TemplateContent { id, variables: Some(variables) });
    Draft { subject: String::new(), text: None, template, ..letter("Bob <bob@example.org>") }
}

async fn an_email_is_rendered_from_a_template_when_it_is_accepted(backend: Backend) {
    let app = App::start(Plan::on(backend)).await;
    let html = "<a href=\"{{ url }}\">{{ recipient.name }} {{ recipient.address }}</a>";
    let id = template::create(&app.ctx, draft("Offer", html)).await.unwrap().unwrap().id;
    let given = |url: &str| json!({ "first_name": "Bob", "url": url });
    let email = accepted(app.take(vec![by_template(id, given("https://x.example/?a&b"))]).await.remove(0));
    app.await_status(email.id, Status::Sent).await;
    app.mailgun.look(|state| {
        let form = state.messages()[0].post.form();
        assert_eq!(form.text("subject"), Some("Hi Bob"));
        assert_eq!(form.text("html"), Some("<a href=\"https://x.example/?a&amp;b\">Bob bob@example.org</a>"));
    });
    let cases = [
        (by_template(id, json!({ "url": "" })), "content.template.variables: the variable first_name is missing"),
        (by_template(id, json!([])), "content.template.variables: must be an object of names and values"),
        (by_template(Uuid::nil(), json!({})), "content.template.templateId: is no such template"),
        (
            by_template(id, given("JavaScript:alert(1)")),
            "content.template.variables: html would hold a link that begins with javascript: and only http, https, mailto and tel may",
        ),
    ];
    for (draft, expected) in cases {
        let Answer::Refused(told) = app.take(vec![draft]).await.remove(0) else { panic!("not refused: {expected}") };
        assert_eq!(format!("{}: {}", told[0].path.join("."), told[0].message), expected);
    }
    // The key stands for what was asked for, not for what came of it.
    let keyed = |url: &str| Draft { idempotency_key: Some("k".into()), ..by_template(id, given(url)) };
    let first = accepted(app.take(vec![keyed("https://a.example")]).await.remove(0)).id;
    template::update(&app.ctx, id, draft("Offer", "<p>anew {{ url }}")).await.unwrap().unwrap();
    let answer = app.take(vec![keyed("https://a.example")]).await.remove(0);
    assert!(matches!(answer, Answer::Known(id) if id == first), "{answer:?}");
    assert!(matches!(app.take(vec![keyed("https://b.example")]).await.remove(0), Answer::Conflict));
    // Also where it would be refused now; a key that was never used is refused.
    template::update(&app.ctx, id, draft("Offer", "<p>{{ somebody }}")).await.unwrap().unwrap();
    let new = Draft { idempotency_key: Some("new".into()), ..keyed("https://a.example") };
    let other = keyed("https://b.example");
    let answers = app.take(vec![other, keyed("https://a.example"), new]).await;
    assert!(
        matches!(answers[..], [Answer::Refused(_), Answer::Known(known), Answer::Refused(_)] if known == first),
        "{answers:?}"
    );
}

/// A launched campaign that says this to these people; answers their emails by address.
async fn launched(app: &App, html: &str, people: &[(&str, Option<Json>)]) -> HashMap<String, Uuid> {
    let ctx = &app.ctx;
    let content = Content::Inline { subject: "Hi {{ first_name }}".into(), html: Some(html.into()), text: None };
    let draft = campaign::Draft { name: "Spring".into(), content: Some(content), ..campaign::Draft::default() };
    let id = campaign::create(ctx, draft).await.unwrap().unwrap().row.id;
    let recipients = people.iter().map(|(address, variables)| NewRecipient {
        address: (*address).to_owned(),
        variables: variables.clone(),
        ..NewRecipient::default()
    });
    added(ctx, id, recipients.collect()).await;
    campaign::launch(ctx, id, None).await.unwrap().unwrap();
    expanded(ctx, id).await;
    emails(ctx, id).await.into_iter().map(|email| (email.recipient_key, email.id)).collect()
}

async fn a_campaigns_email_is_rendered_for_its_recipient_and_a_missing_variable_fails_it_alone(backend: Backend) {
    let app = App::start(Plan::on(backend)).await;
    let html = "<p>{{ recipient.address }} {{ order.total }}";
    let people = [
        ("ann@example.org", Some(json!({ "first_name": "<Ann>", "order": { "total": 7 } }))),
        ("bob@example.org", Some(json!({ "first_name": "Bob", "order": { "total": 9 } }))),
        ("eve@example.org", Some(json!({ "first_name": "Eve", "order": {} }))),
        ("joe@example.org", None),
    ];
    let ids = launched(&app, html, &people).await;
    app.await_all(&[ids["ann@example.org"], ids["bob@example.org"]], Status::Sent, SOON).await;
    let failed = |to: &str| app.await_status(ids[to], Status::Failed);
    let why = (failed("eve@example.org").await.last_error, failed("joe@example.org").await.last_error);
    let missing = |name: &str| Some(format!("the variable {name} is missing"));
    assert_eq!(why, (missing("order.total"), missing("first_name")));
    app.mailgun.look(|state| {
        let mut sent: Vec<(String, String)> = state
            .messages()
            .iter()
            .map(|message| {
                let form = message.post.form();
                (form.text("subject").unwrap().to_owned(), form.text("html").unwrap().to_owned())
            })
            .collect();
        sent.sort_unstable();
        let said = |subject: &str, html: &str| (subject.to_owned(), html.to_owned());
        assert_eq!(sent, [said("Hi <Ann>", "<p>ann@example.org 7"), said("Hi Bob", "<p>bob@example.org 9")]);
    });
    app.assert_ledger_equals_rows().await;
}

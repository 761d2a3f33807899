//! What a campaign may be made of, and how each mistake is told.

#![expect(clippy::unwrap_used, reason = "tests may")]

use serde_json::json;

use super::*;

fn inline(subject: &str, text: &str) -> Option<Content> {
    Some(Content::Inline { subject: subject.into(), html: None, text: Some(text.into()) })
}

fn draft() -> Draft {
    Draft { name: "Spring".into(), content: inline("Hello {{ name }}", "Good day"), ..Draft::default() }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

#[test]
fn each_mistake_is_named_where_it_was_made() {
    let from = |text: &str| Some(text.to_owned());
    let cases: [(Draft, &[&str], &str); 9] = [
        (Draft { name: " ".into(), ..draft() }, &["name"], "must be 1 to"),
        (Draft { name: "n".repeat(201), ..draft() }, &["name"], "must be 1 to"),
        (Draft { content: None, ..draft() }, &["content"], "is needed"),
        (Draft { content: inline("{{", "text"), ..draft() }, &["content", "inline", "subject"], "can't be compiled"),
        (Draft { content: inline("Hi", "{% if %}"), ..draft() }, &["content", "inline", "text"], "can't be compiled"),
        (Draft { headers: Some(json!({"X-A": "{{ a"})), ..draft() }, &["headers", "X-A"], "can't be compiled"),
        (Draft { from: from("ann@elsewhere.example"), ..draft() }, &["from"], "is at none of the sending domains"),
        (Draft { from: from("ann"), ..draft() }, &["from"], "has no @"),
        (Draft { deliver_by: Some(now()), ..draft() }, &["deliverBy"], "is in the past"),
    ];
    for (i, (draft, path, words)) in cases.into_iter().enumerate() {
        let complaints = draft.check(&Settings::default(), now()).unwrap_err();
        assert_eq!(complaints.len(), 1, "case {i}: {complaints:?}");
        assert_eq!(complaints[0].path, path, "case {i}");
        assert!(complaints[0].message.starts_with(words), "case {i}: {}", complaints[0].message);
    }
}

#[test]
fn with_a_template_the_campaigns_own_part_of_the_content_is_its_head() {
    let content = Some(Content::Template(Uuid::max()));
    let draft = Draft { content, tags: vec!["spring".into()], ..draft() };
    let (mail, parts) = draft.check(&Settings::default(), now()).unwrap();
    assert_eq!((mail.priority, mail.policy), (Priority::Normal, Policy::Verify));
    assert_eq!(
        (parts.head.tags.as_slice(), &parts.html, &parts.text),
        (["spring".to_owned()].as_slice(), &None, &None)
    );
}

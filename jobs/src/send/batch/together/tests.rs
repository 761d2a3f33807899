//! What goes along for each recipient of a call, who goes alone since the placeholders would say otherwise, and how large a call
//! becomes.

#![expect(clippy::unwrap_used, reason = "tests may")]

use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::mailer::tests::{batch_size, mail};
use crate::render::Said;
use crate::send::batch::tests::claimed;

const ANN: &str = "\"Ann, B\" <ann@example.com>";

fn template(subject: &str, html: &str, text: &str) -> Template {
    Template::compile(Said {
        subject: subject.into(),
        html: Some(html.into()),
        text: Some(text.into()),
        headers: vec![("X-Plan".into(), "{{ plan|default('none') }}".into())],
    })
    .unwrap()
}

fn values_of(template: &Template, variables: Json) -> Result<Vec<String>, Way> {
    values(template, variables.as_object().unwrap().clone(), &Mailbox::parse(ANN).unwrap())
}

#[test]
fn each_value_goes_along_as_it_is_written_where_it_stands() {
    let template = template("Hi {{ name }}", "<b>{{ name }}</b> {{ name }}", "{{ recipient.address }}: {{ n + 1 }}");
    let values = values_of(&template, json!({ "name": "<Ann>", "n": 1 })).unwrap();
    assert_eq!(
        values,
        ["<Ann>", "&lt;Ann&gt;", "ann@example.com", "2", "none"],
        "each expression once for each escaping"
    );
    let (email, recipient) = (claimed(ANN), Mailbox::parse(ANN).unwrap());
    for (link, expected) in [
        (None, json!({ "v0": "a\n\"b\"" })),
        (Some("https://x.example/u/t".to_owned()), json!({ "v0": "a\n\"b\"", "unsubscribe": "https://x.example/u/t" })),
    ] {
        let one = addressee(&email, &recipient, vec!["a\n\"b\"".to_owned()], link);
        assert_eq!((one.to.as_str(), one.address.as_str()), (ANN, "ann@example.com"));
        assert_eq!((one.email_id, Json::Object(one.variables)), (email.row.id, expected));
    }
}

#[test]
fn what_the_placeholders_can_not_say_goes_alone_and_what_can_not_be_rendered_fails() {
    let plain = "<p>Good day";
    let cases = [
        ("Hi {{ name }}", plain, "together"),
        ("Hi", plain, "together"),
        ("{{ name }}% off", plain, "together"),
        ("%{{ name }}", plain, "alone"),
        ("Hi %recipient.name%", plain, "alone"),
        ("Hi {{ mark }}", plain, "alone"),
        ("Hi {{ name }}recipient.v0%", plain, "together"),
        ("Hi {{ percent }}recipient.v0%", plain, "alone"),
        ("{% if name %}Hi{% endif %}", plain, "alone"),
        ("Hi {{- name }}", plain, "alone"),
        ("Hi {{ nobody }}", plain, "the variable nobody is missing"),
        ("{{ lines }}", plain, "the subject must not hold a line break or another control character"),
        (
            "Hi",
            "<a href=\"{{ script }}\">",
            "html would hold a link that begins with javascript: and only http, https, mailto and tel may",
        ),
    ];
    let given =
        json!({ "name": "Ann", "mark": "%recipient.v0%", "percent": "%", "lines": "a\nb", "script": "javascript:x" });
    for (subject, html, expected) in cases {
        let way = match values_of(&template(subject, html, "text"), given.clone()) {
            Ok(_) => "together".to_owned(),
            Err(Way::Alone) => "alone".to_owned(),
            Err(Way::Not(Verdict::Fail { why })) => why,
            Err(other) => panic!("{subject}: {other:?}"),
        };
        assert_eq!(way, expected, "{subject} {html}");
    }
}

fn with_value(value: &str) -> Addressee {
    addressee(&claimed(ANN), &Mailbox::parse(ANN).unwrap(), vec![value.to_owned()], None)
}

#[test]
fn a_call_takes_as_many_as_its_size_allows() {
    const MIB: usize = 1 << 20;
    let cases: [(&[usize], &[usize]); 5] = [
        (&[1, 1, 1], &[3]),
        (&[3 * MIB; 5], &[2, 2, 1]),
        (&[9 * MIB, 1, 9 * MIB, 1], &[1, 1, 1, 1]),
        (&[1, 9 * MIB], &[1, 1]),
        (&[], &[0]),
    ];
    for (sizes, expected) in cases {
        let mut calls = vec![Call::default()];
        for size in sizes {
            add(&mut calls, claimed(ANN), with_value(&"x".repeat(*size)));
        }
        let grouped: Vec<usize> = calls.iter().map(|call| call.emails.len()).collect();
        assert_eq!(grouped, expected, "{sizes:?}");
        assert!(calls.iter().all(|call| call.emails.len() == call.addressees.len()));
    }
    // A thousand usual ones share one.
    let usual = cost(&with_value(&"Some words of a sentence. ".repeat(100)));
    assert!(1_000 * usual < MOST_BYTES, "{usual}");
}

proptest! {
    #[test]
    fn a_recipient_costs_no_more_than_was_reckoned(value in any::<String>(), name in "\\PC{0,20}") {
        let mut one = with_value(&value);
        one.to = format!("{name} <ann@example.com>");
        let mut batch = Batch { mail: mail(), addressees: Vec::new() };
        let before = batch_size(&batch);
        let reckoned = cost(&one);
        batch.addressees.push(one);
        prop_assert!(batch_size(&batch) - before <= reckoned);
    }
}

#[test]
fn a_long_domain_is_reckoned_with() {
    let mut mail = mail();
    mail.sending_domain = format!("{}.example", "d".repeat(245));
    mail.email_id = Uuid::max();
    let size = |addressees| batch_size(&Batch { mail: mail.clone(), addressees });
    assert!(size(vec![with_value("")]) - size(Vec::new()) <= cost(&with_value("")));
}

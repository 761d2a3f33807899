//! What may be asked for, and how each mistake is told.

#![expect(clippy::unwrap_used, reason = "tests may")]

use base64::Engine;
use serde_json::json;

use super::*;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn draft() -> Draft {
    Draft { to: "ann@example.com".into(), subject: "Hello".into(), text: Some("Hi".into()), ..Draft::default() }
}

fn complaints(change: impl FnOnce(&mut Draft)) -> Vec<String> {
    let mut draft = draft();
    change(&mut draft);
    let told = draft.check(&Settings::default(), now()).err().unwrap_or_default();
    told.into_iter().map(|c| format!("{} {}", c.path.join("."), c.message)).collect()
}

#[test]
fn a_plain_email_passes() {
    let checked = draft().check(&Settings::default(), now()).unwrap();
    assert_eq!(checked.send_at, now());
    assert_eq!(checked.priority, Priority::Normal);
    assert_eq!(checked.policy, Policy::Verify);
    assert_eq!(checked.sender.address.as_str(), "noreply@sandbox.mailmind.test");
}

#[test]
fn each_mistake_is_told_with_the_way_to_its_field() {
    type Change = fn(&mut Draft);
    let cases: &[(Change, &str)] = &[
        (|d| d.to = "ann".into(), "to "),
        (|d| d.from = Some("a@b@c".into()), "from "),
        (|d| d.cc = vec!["ok@example.com".into(), "no".into()], "cc.1 "),
        (|d| d.bcc = vec!["a@b.c, d@e.f".into()], "bcc.0 "),
        (|d| d.reply_to = Some("".into()), "replyTo "),
        (|d| d.subject = "a\r\nBcc: x@y.z".into(), "content.inline.subject must not hold a line break"),
        (|d| d.subject = "x".repeat(999), "content.inline.subject is longer than 998 characters"),
        (|d| d.text = None, "content.inline needs html or text"),
        (|d| d.html = Some("x".repeat(MOST_BODY + 1)), "content.inline.html is larger than 2 MiB"),
        (|d| d.headers = Some(json!(["x"])), "headers must be an object of names and texts"),
        (|d| d.headers = Some(json!({"X-A": 1})), "headers.X-A must be a text"),
        (|d| d.headers = Some(json!({"X A": "v"})), "headers.X A is not a header's name"),
        (|d| d.headers = Some(json!({"Bcc": "v"})), "headers.Bcc is reserved"),
        (|d| d.headers = Some(json!({"Content-Type": "v"})), "headers.Content-Type is reserved"),
        (|d| d.headers = Some(json!({"X-A": "a\nb"})), "headers.X-A must not hold a line break"),
        (|d| d.headers = Some(json!({"X-A": "a".repeat(13_000)})), "headers are larger than 12 KiB together"),
        (|d| d.tags = vec!["a".into(); 4], "tags 3 tags are allowed"),
        (|d| d.tags = vec!["ä".into()], "tags.0 must be"),
        (|d| d.metadata = Some(json!("x")), "metadata must be an object"),
        (|d| d.metadata = Some(json!({"a": "x".repeat(17_000)})), "metadata is larger than 16 KiB"),
        (|d| d.idempotency_key = Some(String::new()), "idempotencyKey must be"),
        (|d| d.send_at = Some(now() - TimeDelta::minutes(6)), "sendAt is in the past"),
        (|d| d.send_at = Some(now() + TimeDelta::days(800)), "sendAt is more than two years away"),
        (|d| d.deliver_by = Some(now()), "deliverBy is in the past"),
        (
            |d| {
                d.send_at = Some(now() + TimeDelta::hours(2));
                d.deliver_by = Some(now() + TimeDelta::hours(1));
            },
            "deliverBy is not after sendAt",
        ),
        (|d| d.cc = vec!["a@example.com".into(); 50], "to to, cc and bcc have 51 addresses together"),
        (|d| d.attachments = vec![attachment("../x", "text/plain", "")], "attachments.0.filename"),
        (|d| d.attachments = vec![attachment("x", "text", "")], "attachments.0.contentType"),
        (|d| d.attachments = vec![attachment("x", "text/plain", "%")], "attachments.0.base64 is not base64"),
    ];
    for (change, expected) in cases {
        let told = complaints(change);
        assert!(told.len() == 1 && told[0].starts_with(expected), "expected {expected:?}, told {told:?}");
    }
}

fn attachment(filename: &str, content_type: &str, base64: &str) -> Attachment {
    Attachment { filename: filename.into(), content_type: content_type.into(), base64: base64.into() }
}

#[test]
fn attachments_of_ten_mebibytes_together_are_allowed_and_not_one_byte_more() {
    let file =
        |size: usize| attachment("f", "text/plain", &base64::engine::general_purpose::STANDARD.encode(vec![0; size]));
    assert!(complaints(|d| d.attachments = vec![file(MOST_ATTACHED / 2), file(MOST_ATTACHED / 2)]).is_empty());
    let told = complaints(|d| d.attachments = vec![file(MOST_ATTACHED / 2), file(MOST_ATTACHED / 2 + 1)]);
    assert_eq!(told, ["attachments are larger than 10 MiB together"]);
}

#[test]
fn a_time_up_to_five_minutes_past_means_now() {
    let mut asked = draft();
    asked.send_at = Some(now() - TimeDelta::minutes(5));
    assert_eq!(asked.check(&Settings::default(), now()).unwrap().send_at, now());
}

#[test]
fn an_address_counts_once_in_the_order_to_cc_bcc() {
    let mut asked = draft();
    asked.cc = vec!["Ann@Example.com".into(), "bob@example.com".into()];
    asked.bcc = vec!["bob@EXAMPLE.com".into(), "eve@example.com".into()];
    let checked = asked.check(&Settings::default(), now()).unwrap();
    let keys = |list: &[Mailbox]| list.iter().map(|m| m.address.key()).collect::<Vec<_>>();
    assert_eq!(keys(&checked.cc), ["bob@example.com"]);
    assert_eq!(keys(&checked.bcc), ["eve@example.com"]);
}

#[test]
fn the_sending_domain_is_the_longest_relative_of_the_from_domain() {
    let domains: Vec<String> = ["example.com", "mg.example.com", "other.org", "a.b.other.org"].map(Into::into).into();
    let cases = [
        ("example.com", "mg.example.com"),
        ("mg.example.com", "mg.example.com"),
        ("x.mg.example.com", "mg.example.com"),
        ("news.example.com", "example.com"),
        ("other.org", "a.b.other.org"),
        ("b.other.org", "a.b.other.org"),
        ("z.other.org", "other.org"),
        ("badexample.com", "example.com"),
        ("nowhere.net", "example.com"),
    ];
    for (from, expected) in cases {
        assert_eq!(sending_domain(from, &domains), expected, "{from}");
    }
}

#[test]
fn the_hash_covers_the_content_and_not_the_key() {
    let mut keyed = draft();
    keyed.idempotency_key = Some("k".into());
    assert_eq!(keyed.hash(), draft().hash());
    let mut other = draft();
    other.subject = "Hello!".into();
    assert_ne!(other.hash(), draft().hash());
}

//! Which emails share a call, and for how long those of a refused one go singly.

#![expect(clippy::unwrap_used, reason = "tests may")]

use std::sync::Arc;

use entity::{Priority, content};

use super::*;
use crate::ledger::tests::row;

/// An email of a campaign in batches that is under way to this recipient.
pub(super) fn claimed(recipient: &str) -> Claimed {
    Claimed {
        row: row(Status::Sending),
        sending_domain: "mg.example.com".into(),
        campaign: Some(Uuid::from_u128(1)),
        sender: "Ann <ann@example.com>".into(),
        recipient: recipient.into(),
        recipient_key: recipient.into(),
        cc: Vec::new(),
        bcc: Vec::new(),
        reply_to: None,
        test_mode: false,
        transactional: false,
        content: content_of(7),
        personal: None,
        probe: false,
    }
}

fn content_of(id: u128) -> Arc<content::Model> {
    Arc::new(content::Model {
        id: Uuid::from_u128(id),
        key_id: String::new(),
        wrapped_key: Vec::new(),
        head: Vec::new(),
        html: None,
        text: None,
        attachments: None,
        template: true,
        emails: 1,
        created_at: DateTime::UNIX_EPOCH,
    })
}

#[test]
fn emails_share_a_call_that_differ_in_nothing_but_their_recipient() {
    let bob = || claimed("bob@example.net");
    let in_lane = |lane| Claimed { row: crate::ledger::Row { lane, ..bob().row }, ..bob() };
    let in_scope = |scope| Claimed { row: crate::ledger::Row { scope, ..bob().row }, ..bob() };
    let cases = [
        ("another recipient", bob(), true),
        ("the same recipient", claimed("ann@example.net"), false),
        ("another campaign", Claimed { campaign: Some(Uuid::from_u128(2)), ..bob() }, false),
        ("another content", Claimed { content: content_of(8), ..bob() }, false),
        ("another lane", in_lane(Priority::High), false),
        ("another scope", in_scope(2), false),
        ("another sender", Claimed { sender: "Eve <eve@example.com>".into(), ..bob() }, false),
        ("another Reply-To", Claimed { reply_to: Some("desk@example.com".into()), ..bob() }, false),
        ("a test", Claimed { test_mode: true, ..bob() }, false),
        ("transactional", Claimed { transactional: true, ..bob() }, false),
    ];
    for (what, other, along) in cases {
        let one = claimed("ann@example.net");
        assert_eq!((go_along(&one, &other), go_along(&other, &one)), (along, along), "{what}");
    }
}

#[test]
fn a_refused_content_goes_singly_for_a_while() {
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let (singly, id) = (Singly::default(), Uuid::from_u128(7));
    assert!(!singly.has(id, now));
    singly.note(id, now + SINGLY_FOR);
    let second = TimeDelta::seconds(1);
    assert!(singly.has(id, now) && singly.has(id, now + SINGLY_FOR - second));
    assert!(!singly.has(id, now + SINGLY_FOR) && !singly.has(Uuid::from_u128(8), now));
    // What is remembered stays bounded.
    for n in 0..2 * MOST_SINGLY as u128 {
        singly.note(Uuid::from_u128(100 + n), now + SINGLY_FOR);
        assert!(singly.0.lock().unwrap().len() <= MOST_SINGLY);
    }
}

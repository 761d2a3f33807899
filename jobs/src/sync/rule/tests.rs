//! The rules, case by case.

#![expect(clippy::unwrap_used, reason = "tests may")]

use entity::suppression::BounceType;
use serde_json::json;
use uuid::Uuid;

use super::*;

fn now() -> DateTime<Utc> {
    time("Tue, 24 Nov 2026 12:00:00 UTC").unwrap()
}

fn item(json: serde_json::Value) -> Item {
    let mut item = json!({ "address": "Ann@Example.com", "created_at": "Tue, 24 Nov 2026 10:00:00 UTC" });
    item.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
    serde_json::from_value(item).unwrap()
}

#[test]
fn an_entry_of_mailguns_list_means_what_an_event_would_have() {
    let (hard, soft) = (Some(BounceType::Hard), Some(BounceType::Soft));
    let cases = [
        (List::Bounces, json!({ "code": "550", "error": "5.1.1 no such user" }), Ok((Reason::Bounce, hard, None))),
        (List::Bounces, json!({ "code": 550, "error": "" }), Ok((Reason::Bounce, hard, None))),
        (List::Bounces, json!({ "code": "605" }), Ok((Reason::Bounce, hard, None))),
        (List::Bounces, json!({ "code": "552", "error": "5.2.2 full" }), Ok((Reason::Bounce, soft, Some(7)))),
        (List::Bounces, json!({ "code": "550", "error": "5.7.1 blocked" }), Err(Skip::AgainstTheDomain)),
        (List::Bounces, json!({ "code": "550", "error": BY_HAND }), Ok((Reason::Manual, None, None))),
        (
            List::Bounces,
            json!({ "code": "552", "error": "5.2.2 full", "created_at": "Tue, 17 Nov 2026 12:00:00 UTC" }),
            Err(Skip::Over),
        ),
        (List::Complaints, json!({}), Ok((Reason::Complaint, None, None))),
        (List::Unsubscribes, json!({ "tags": ["*"] }), Ok((Reason::Unsubscribe, None, None))),
        (List::Unsubscribes, json!({ "tags": ["news", "*"] }), Ok((Reason::Unsubscribe, None, None))),
        (List::Unsubscribes, json!({}), Ok((Reason::Unsubscribe, None, None))),
        (List::Unsubscribes, json!({ "tags": ["news"] }), Err(Skip::Tags)),
        (List::Unsubscribes, json!({ "tags": [] }), Err(Skip::Tags)),
        (List::Complaints, json!({ "address": "ann@" }), Err(Skip::Address)),
        (List::Complaints, json!({ "address": null }), Err(Skip::Address)),
        (List::Complaints, json!({ "created_at": "soon" }), Err(Skip::Time)),
        (List::Complaints, json!({ "created_at": "Thu, 01 Jan 1970 00:00:00 UTC" }), Err(Skip::Time)),
    ];
    for (list, told, expected) in cases {
        let fact = meaning(list, &item(told.clone()), false, now());
        let days = |fact: &suppression_fact::Model| fact.expires_at.map(|end| (end - fact.occurred_at).num_days());
        let found = fact.as_ref().map(|fact| (fact.reason, fact.bounce_type, days(fact))).map_err(|skip| *skip);
        assert_eq!(found, expected, "{list:?} {told}");
        if let Ok(fact) = fact {
            assert_eq!((fact.target.as_str(), fact.source), ("ann@example.com", Source::Provider));
            assert_eq!(fact.occurred_at, now() - TimeDelta::hours(2));
        }
    }
}

#[test]
fn the_same_entry_is_the_same_fact_and_the_sandbox_has_its_own() {
    let told = item(json!({}));
    let id = |list, sandbox| meaning(list, &told, sandbox, now()).unwrap().id;
    assert_eq!(id(List::Complaints, false), id(List::Complaints, false));
    assert_ne!(id(List::Complaints, false), id(List::Complaints, true));
    assert_ne!(id(List::Complaints, false), id(List::Unsubscribes, false));
}

#[test]
fn a_date_ahead_is_now() {
    let told = item(json!({ "created_at": "2030-01-01T00:00:00Z" }));
    assert_eq!(meaning(List::Complaints, &told, false, now()).unwrap().occurred_at, now());
}

fn entry_that(expires: Option<i64>, lifted: Option<i64>) -> suppression::Model {
    let at = |hours| now() + TimeDelta::hours(hours);
    suppression::Model {
        id: Uuid::nil(),
        target: "ann@example.com".into(),
        reason: Reason::Bounce,
        sandbox: false,
        note: None,
        bounce_type: None,
        source: Source::Manual,
        event_id: None,
        occurred_at: now(),
        created_at: now(),
        updated_at: now(),
        expires_at: expires.map(at),
        lifted_at: lifted.map(at),
        archived_at: None,
    }
}

#[test]
fn what_stands_longer_or_was_lifted_since_makes_it_no_news() {
    // Hours from now: when the entry ends and was lifted, and when the fact happened and ends.
    let cases = [
        (None, (0, None), true),
        (Some((None, None)), (0, None), false),
        (Some((None, None)), (0, Some(5)), false),
        (Some((Some(5), None)), (0, None), true),
        (Some((Some(5), None)), (0, Some(4)), false),
        (Some((Some(5), None)), (0, Some(6)), true),
        (Some((None, Some(1))), (0, None), false),
        (Some((None, Some(1))), (1, None), false),
        (Some((None, Some(1))), (2, None), true),
    ];
    for (stands, (happened, ends), news) in cases {
        let fact = suppression_fact::Model {
            occurred_at: now() + TimeDelta::hours(happened),
            expires_at: ends.map(|hours| now() + TimeDelta::hours(hours)),
            ..meaning(List::Bounces, &item(json!({})), false, now()).unwrap()
        };
        let stands = stands.map(|(expires, lifted)| entry_that(expires, lifted));
        assert_eq!(is_news(stands.as_ref(), &fact), news, "{stands:?} {happened} {ends:?}");
    }
}

#[test]
fn addresses_for_ever_and_of_our_own_belong_on_mailguns_lists() {
    let cases = [
        ("ann@example.com", None, Source::Manual, true),
        ("ann@example.com", None, Source::Event, true),
        ("ann@example.com", None, Source::Provider, false),
        ("ann@example.com", Some(now()), Source::Manual, false),
        ("example.com", None, Source::Manual, false),
    ];
    for (target, expires_at, source, expected) in cases {
        assert_eq!(belongs(target, expires_at, source), expected, "{target} {expires_at:?} {source:?}");
    }
}

#[test]
fn a_lift_leaves_the_lists_that_no_other_reason_needs() {
    use Reason::{Bounce, Complaint, Manual, Unsubscribe};
    let cases: [(&[Reason], &[Reason], &[List]); 6] = [
        (&Reason::ALL, &[], &List::ALL),
        (&[Manual], &[], &[List::Bounces]),
        (&[Manual], &[Bounce], &[]),
        (&[Bounce], &[Manual], &[]),
        (&[Manual, Complaint], &[Bounce, Unsubscribe], &[List::Complaints]),
        (&[], &[], &[]),
    ];
    for (lifted, stays, expected) in cases {
        assert_eq!(left(lifted, stays), expected.iter().copied().collect(), "{lifted:?} {stays:?}");
    }
}

#[test]
fn a_lift_is_done_when_every_list_has_followed() {
    let order = |lift, tries, done: bool| provider_order::Model {
        id: Uuid::nil(),
        domain: "mg.example.com".into(),
        list: List::Bounces,
        sandbox: false,
        target: "ann@example.com".into(),
        lift,
        note: None,
        occurred_at: now(),
        ordered_at: now(),
        due_at: now(),
        tries,
        last_error: None,
        done_at: done.then(now),
    };
    let (done, new, tried) = (order(true, 9, true), order(true, 0, false), order(true, MANY, false));
    let cases = [
        (vec![], None),
        (vec![order(false, 0, false)], None),
        (vec![done.clone(), done.clone()], Some(Lift::Done)),
        (vec![done.clone(), new.clone()], Some(Lift::Pending)),
        (vec![new.clone(), done.clone()], Some(Lift::Pending)),
        (vec![new.clone(), tried.clone(), done], Some(Lift::Failed)),
        (vec![tried, new], Some(Lift::Failed)),
    ];
    for (orders, expected) in cases {
        assert_eq!(followed(&orders), expected, "{orders:?}");
    }
}

#[test]
fn each_failure_doubles_the_wait_up_to_a_limit() {
    let timing = Timing::default();
    let seconds = |failures| wait(failures, &timing).num_seconds();
    assert_eq!([0, 1, 2, 3, 9, 10, i32::MAX].map(seconds), [10, 10, 20, 40, 2_560, 3_600, 3_600]);
}

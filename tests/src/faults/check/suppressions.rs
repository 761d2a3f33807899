//! Who must not be mailed was not, and the list has who it should have.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use entity::suppression::Reason;
use uuid::Uuid;

use super::Violation;
use crate::faults::mailgun::Posted;
use crate::faults::truth::Truth;
use crate::faults::world::Pace;

/// From when on an address is closed, and to whom it is still open for a lease.
struct Closed<'a> {
    address: &'a str,
    reason: &'a str,
    at: DateTime<Utc>,
    /// `None` where nobody was named: then any that was under way.
    named: Option<&'a BTreeSet<Uuid>>,
}

/// After the answer nothing goes to the address but what was named, and nothing at all a lease later.
pub fn nothing_goes_to_a_suppressed_address(truth: &Truth, pace: &Pace, found: &mut Vec<Violation>) {
    let lease = TimeDelta::from_std(pace.timing().lease).unwrap_or_default();
    let mut to: BTreeMap<&str, Vec<&Posted>> = BTreeMap::new();
    for post in &truth.posts {
        post.recipients.iter().for_each(|recipient| to.entry(recipient).or_default().push(post));
    }
    let asked = truth.wishes.suppressed.iter().map(|one| Closed {
        address: &one.address,
        reason: one.reason,
        at: one.at,
        named: Some(&one.in_flight),
    });
    let told =
        truth.taken.iter().map(|one| Closed { address: &one.address, reason: one.reason, at: one.at, named: None });
    for closed in asked.chain(told) {
        for post in to.get(closed.address).into_iter().flatten().filter(|post| post.at > closed.at) {
            let transactional = truth.emails.get(&post.email).is_some_and(|email| email.transactional);
            if transactional && closed.reason == "UNSUBSCRIBE" {
                continue;
            }
            let late = post.at - closed.at;
            let copy = post.recipients.first().is_none_or(|first| first != closed.address);
            let may = copy || closed.named.is_none_or(|named| named.contains(&post.email));
            if late > lease || !may {
                let what = format!(
                    "Mailgun was handed it for {} {} ms after that was suppressed for {}{}",
                    closed.address,
                    late.num_milliseconds(),
                    closed.reason,
                    if may { ", longer than a lease" } else { ", and it was not named" }
                );
                found.push(Violation::of(post.email, what));
            }
        }
    }
}

/// What people entered and what events say, and nothing else.
pub fn the_list_follows_from_what_happened(truth: &Truth, found: &mut Vec<Violation>) {
    let told = truth.log.iter().filter_map(|logged| Some((logged.recipient.clone(), logged.fate.suppresses()?)));
    let told: BTreeSet<(String, &str)> = told.collect();
    let mut expected: BTreeSet<(String, &str)> =
        truth.wishes.suppressed.iter().map(|one| (one.address.clone(), one.reason)).collect();
    expected.extend(told);
    let meant: BTreeSet<(String, &str)> = expected.union(&truth.wishes.meant).cloned().collect();
    let stands: BTreeSet<(String, &str)> = truth
        .suppressions
        .iter()
        .filter(|entry| entry.lifted_at.is_none())
        .map(|entry| (entry.target.clone(), name(entry.reason)))
        .collect();
    for (address, reason) in expected.difference(&stands) {
        found.push(Violation::new(format!("{address} should be suppressed for {reason} and is not")));
    }
    for (address, reason) in stands.difference(&meant) {
        found.push(Violation::new(format!("{address} is suppressed for {reason}, and nothing says so")));
    }
}

fn name(reason: Reason) -> &'static str {
    match reason {
        Reason::Bounce => "BOUNCE",
        Reason::Complaint => "COMPLAINT",
        Reason::Unsubscribe => "UNSUBSCRIBE",
        Reason::Manual => "MANUAL",
    }
}

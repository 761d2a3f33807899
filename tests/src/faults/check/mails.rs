//! Of each email: that it is there, where it stands and why, and how often Mailgun took it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use entity::{Outcome, Policy, Status, email};
use uuid::Uuid;

use super::Violation;
use crate::faults::load::RENAMED;
use crate::faults::logbook::Fate;
use crate::faults::mailgun::takes_batches;
use crate::faults::truth::Truth;
use crate::faults::world::Pace;

/// A key names one email, and there is none that nobody was told of.
pub fn each_accepted_email_is_there_once(truth: &Truth, found: &mut Vec<Violation>) {
    let mut named: BTreeMap<Uuid, &str> = BTreeMap::new();
    for planned in &truth.planned {
        match planned.id {
            None => found.push(Violation::new(format!("{} was never accepted", planned.key))),
            Some(id) => {
                if let Some(other) = named.insert(id, &planned.key) {
                    found.push(Violation::of(id, format!("{} and {other} are one email", planned.key)));
                }
                if !truth.emails.contains_key(&id) {
                    found.push(Violation::of(id, format!("{} was accepted and is not there", planned.key)));
                }
            }
        }
    }
    // Those of campaigns are looked at with their recipients.
    let single = truth.emails.values().filter(|email| email.campaign_id.is_none());
    for id in single.map(|email| email.id).filter(|id| !named.contains_key(id)) {
        found.push(Violation::of(id, "there is an email whose acceptance nobody was told of"));
    }
}

/// The join of its events, by a fold of our own over Mailgun's log.
pub fn each_stands_where_its_events_say(truth: &Truth, found: &mut Vec<Violation>) {
    let heard: BTreeSet<Uuid> =
        truth.log.iter().filter(|logged| logged.fate != Fate::Rejected).map(|logged| logged.email).collect();
    for email in truth.emails.values() {
        let rank = truth.own_events(email).map(|logged| rank(logged.fate)).max();
        let rank = rank.max(heard.contains(&email.id).then_some(0));
        let Some(rank) = rank else { continue };
        let expected =
            [Status::Sent, Status::Deferred, Status::Failed, Status::Delivered, Status::Bounced, Status::Complained]
                [rank];
        if email.status != expected {
            let what = format!("it stands {} and Mailgun's log says {}", email.status.name(), expected.name());
            found.push(Violation::of(email.id, what));
        }
    }
}

/// SENT < DEFERRED < REJECTED < DELIVERED < BOUNCED < COMPLAINED.
fn rank(fate: Fate) -> usize {
    match fate {
        Fate::Accepted | Fate::Unsubscribed => 0,
        Fate::Deferred => 1,
        Fate::Rejected => 2,
        Fate::Delivered | Fate::Opened | Fate::MachineOpened | Fate::Clicked => 3,
        Fate::HardBounce | Fate::SoftBounce => 4,
        Fate::Complained => 5,
    }
}

/// It has ended, and it can be said why.
pub fn each_end_is_explained(truth: &Truth, found: &mut Vec<Violation>) {
    for email in truth.emails.values() {
        let taken = truth.accepted.get(&email.id).copied().unwrap_or_default();
        if let Some(what) = unexplained(truth, email, taken) {
            found.push(Violation::of(email.id, format!("it stands {} {what}", email.status.name())));
        }
    }
}

fn unexplained(truth: &Truth, email: &email::Model, taken: u32) -> Option<&'static str> {
    let last = truth.attempts.get(&email.id).and_then(|attempts| attempts.last());
    match email.status {
        Status::Scheduled | Status::Queued => Some("though everything has settled"),
        Status::Sending => Some("though nobody works on it"),
        Status::Unconfirmed if email.on_unconfirmed != Policy::Hold && !email.sender.contains(RENAMED) => {
            // In doubt after a batch, of a domain of which no batch is known to have arrived, it waits for a person as well.
            let decided = truth.batched.contains(&email.id) && !takes_batches(&truth.posts, &email.sender);
            (!decided || taken > 0).then_some("though its policy is not HOLD")
        }
        Status::Unconfirmed => (taken > 0).then_some("though Mailgun has it and its log says so"),
        Status::Sent | Status::Deferred | Status::Delivered | Status::Bounced | Status::Complained => {
            (taken == 0).then_some("and Mailgun does not have it")
        }
        Status::Failed if taken > 0 => (!email.rejected).then_some("though Mailgun has it"),
        Status::Failed => {
            let refused = last.is_some_and(|last| matches!(last.outcome, Outcome::Failed));
            let spent = email.last_error.as_deref().is_some_and(|why| why.contains("tries are spent"));
            (!refused && !spent).then_some("and nobody refused it")
        }
        _ if taken > 0 => Some("though Mailgun has it"),
        Status::Cancelled => {
            let asked = truth.was_asked(email.id, "cancel") || truth.is_of_a_cancelled_campaign(email);
            (!asked).then_some("and nobody asked")
        }
        Status::Suppressed => {
            let by = |entry: &entity::suppression::Model| entry.target == email.recipient_key;
            (!truth.suppressions.iter().any(by)).then_some("and its address is not suppressed")
        }
        Status::Expired => email.deliver_by.is_none().then_some("and had no deadline"),
    }
}

/// Unless its policy is RESEND and the outcome of a try was unknown, or a person retried it.
pub fn none_is_taken_twice(truth: &Truth, pace: &Pace, found: &mut Vec<Violation>) {
    let resend = TimeDelta::from_std(pace.timing().resend).unwrap_or_default();
    for (id, taken) in truth.accepted.iter().filter(|(_, taken)| **taken > 1) {
        let Some(email) = truth.emails.get(id) else {
            found.push(Violation::of(*id, "Mailgun took an email that is not there"));
            continue;
        };
        if truth.was_asked(*id, "retry") {
            continue;
        }
        if email.on_unconfirmed != Policy::Resend {
            let what = format!("Mailgun took it {taken} times, and its policy is {:?}", email.on_unconfirmed);
            found.push(Violation::of(*id, what));
            continue;
        }
        let attempts = truth.attempts.get(id).map(Vec::as_slice).unwrap_or_default();
        let unknown = attempts.iter().filter(|attempt| {
            // A late report of the first hand-over overwrites that it was in doubt.
            let doubt = matches!(attempt.outcome, Outcome::Unconfirmed | Outcome::LeaseRanOut | Outcome::Sent);
            doubt && attempt.fence < email.fence
        });
        if unknown.count() < *taken as usize - 1 {
            found.push(Violation::of(*id, format!("Mailgun took it {taken} times, and its tries do not explain that")));
        }
        let times: Vec<_> =
            truth.posts.iter().filter(|post| post.email == *id && post.accepted).map(|post| post.at).collect();
        if times.windows(2).any(|pair| pair[1] - pair[0] < resend * 9 / 10) {
            found.push(Violation::of(*id, "Mailgun took it twice, without the wait between that RESEND has"));
        }
    }
}

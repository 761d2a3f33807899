//! Events, facts and metrics equal a fold over Mailgun's log.

use std::collections::{BTreeMap, BTreeSet};

use entity::campaign_metrics::Metric;
use uuid::Uuid;

use super::Violation;
use crate::faults::logbook::Fate;
use crate::faults::truth::Truth;

/// Each event of the log is recorded once, and nothing that is not in it.
pub fn events_are_those_of_the_log(truth: &Truth, found: &mut Vec<Violation>) {
    let mut recorded: BTreeMap<&str, u32> = BTreeMap::new();
    for event in &truth.events {
        *recorded.entry(event.provider_id.as_deref().unwrap_or_default()).or_default() += 1;
    }
    for logged in &truth.log {
        match recorded.remove(logged.id.as_str()) {
            None => found.push(Violation::of(logged.email, format!("the event {} is not recorded", logged.id))),
            Some(1) => {}
            Some(n) => {
                found.push(Violation::of(logged.email, format!("the event {} is recorded {n} times", logged.id)))
            }
        }
    }
    for id in recorded.keys() {
        found.push(Violation::new(format!("the event {id} is recorded, and Mailgun never logged it")));
    }
    for id in &truth.fooled {
        found.push(Violation::new(format!("the forged event {id} was answered 200")));
    }
}

/// Whoever reads by number has missed none.
pub fn the_follower_missed_none(truth: &Truth, found: &mut Vec<Violation>) {
    if !truth.missed.is_empty() {
        found.push(Violation::new(format!("a follower was never given the events numbered {:?}", truth.missed)));
    }
}

/// How often each happened to the email's own recipient.
pub fn facts_follow_from_the_log(truth: &Truth, found: &mut Vec<Violation>) {
    for email in truth.emails.values() {
        let count = |fate| truth_count(truth, email, fate);
        let expected = [count(Fate::Deferred), count(Fate::Opened), count(Fate::MachineOpened), count(Fate::Clicked)];
        let stands = truth.facts.get(&email.id).map_or([0; 4], |f| [f.deferrals, f.opens, f.machine_opens, f.clicks]);
        if stands != expected {
            let what = format!("deferrals, opens, machine opens and clicks are {stands:?} and should be {expected:?}");
            found.push(Violation::of(email.id, what));
        }
    }
}

fn truth_count(truth: &Truth, email: &entity::email::Model, fate: Fate) -> i32 {
    truth.own_events(email).filter(|logged| logged.fate == fate).count() as i32
}

/// The counters of what became of emails, of each campaign and of those without one.
pub fn metrics_follow_from_the_log(truth: &Truth, found: &mut Vec<Violation>) {
    let mut expected: BTreeMap<(Uuid, Metric), i64> = BTreeMap::new();
    for email in truth.emails.values() {
        let campaign = email.campaign_id.unwrap_or_default();
        let fates: BTreeMap<Fate, i64> = truth.own_events(email).fold(BTreeMap::new(), |mut fates, logged| {
            *fates.entry(logged.fate).or_default() += 1;
            fates
        });
        let has = |fate| fates.contains_key(&fate);
        let n = |fate| fates.get(&fate).copied().unwrap_or_default();
        let bounced = has(Fate::HardBounce) || has(Fate::SoftBounce);
        let once = [
            (Metric::Sent, truth.accepted.contains_key(&email.id)),
            (Metric::Delivered, has(Fate::Delivered)),
            (Metric::Deferred, has(Fate::Deferred)),
            (Metric::Bounced, bounced),
            (Metric::HardBounced, has(Fate::HardBounce)),
            (Metric::SoftBounced, bounced && !has(Fate::HardBounce)),
            (Metric::Complained, has(Fate::Complained)),
            (Metric::Unsubscribed, has(Fate::Unsubscribed)),
            (Metric::Rejected, has(Fate::Rejected)),
            (Metric::UniqueOpened, has(Fate::Opened)),
            (Metric::UniqueClicked, has(Fate::Clicked)),
            (Metric::UniqueMachineOpened, has(Fate::MachineOpened)),
        ];
        for (metric, counted) in once {
            *expected.entry((campaign, metric)).or_default() += i64::from(counted);
        }
        for (metric, fate) in [
            (Metric::Opened, Fate::Opened),
            (Metric::Clicked, Fate::Clicked),
            (Metric::MachineOpened, Fate::MachineOpened),
        ] {
            *expected.entry((campaign, metric)).or_default() += n(fate);
        }
    }
    let metrics: BTreeSet<(Uuid, Metric)> = expected.keys().chain(truth.metrics.keys()).copied().collect();
    for (campaign, metric) in metrics {
        let of = |counts: &BTreeMap<_, i64>| counts.get(&(campaign, metric)).copied().unwrap_or_default();
        if of(&truth.metrics) != of(&expected) {
            let (stands, should) = (of(&truth.metrics), of(&expected));
            let what = format!("the metric {metric:?} of campaign {campaign} is {stands} and should be {should}");
            found.push(Violation::new(what));
        }
    }
}

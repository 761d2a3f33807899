//! Of each campaign: that everybody on it has one email at most, that its ledger is its rows, and that it ended.

use std::collections::{BTreeMap, BTreeSet};

use entity::Status;
use entity::campaign::Status as Stands;
use uuid::Uuid;

use super::Violation;
use crate::faults::campaigns::Planned;
use crate::faults::truth::{OfCampaign, Truth};

/// Each that was launched, and nothing of those whose creation was not answered.
pub fn each_has_come_to_its_end(truth: &Truth, found: &mut Vec<Violation>) {
    let mut others: BTreeSet<Uuid> = truth.campaigns.keys().copied().collect();
    for planned in &truth.sent {
        let Some(of) = planned.id.and_then(|id| truth.campaigns.get(&id)) else {
            found.push(Violation::new(format!("{} is not there", planned.name)));
            continue;
        };
        others.remove(&of.standing.row.id);
        let cancelled = of.standing.row.cancelled_at.is_some();
        has_its_recipients(truth, planned, of, found);
        adds_up(truth, &planned.name, of, found);
        // What waits for a person to decide keeps it open; whether it may is each email's own matter.
        let waits = of.standing.ledger.of(Status::Unconfirmed) > 0;
        let should = match (cancelled, waits) {
            (true, _) => Stands::Cancelled,
            (false, true) => Stands::Running,
            (false, false) => Stands::Completed,
        };
        if (cancelled && !planned.stopped) || of.standing.status != should {
            let words = format!("{} is {:?} and should be {should:?}", planned.name, of.standing.status);
            found.push(Violation::new(words));
        }
    }
    for id in others {
        let of = &truth.campaigns[&id];
        if of.standing.status != Stands::Draft || !of.recipients.is_empty() {
            found.push(Violation::new(format!("the campaign {id} is no empty draft, and nobody was told of it")));
        }
    }
}

fn has_its_recipients(truth: &Truth, planned: &Planned, of: &OfCampaign, found: &mut Vec<Violation>) {
    let (name, cancelled) = (&planned.name, of.standing.row.cancelled_at.is_some());
    let meant: BTreeSet<&str> = planned.recipients.iter().map(String::as_str).collect();
    let stand: BTreeSet<&str> = of.recipients.iter().map(|one| one.address_key.as_str()).collect();
    // Who came after it was cancelled was refused.
    if !stand.is_subset(&meant) || (!cancelled && stand != meant) || stand.len() != of.recipients.len() {
        found.push(Violation::new(format!("{name} has {} recipients and should have {}", stand.len(), meant.len())));
    }
    let mut became: BTreeMap<Uuid, &str> = BTreeMap::new();
    for one in &of.recipients {
        let Some(id) = one.email_id else {
            if !cancelled {
                found.push(Violation::new(format!("{} of {name} has no email", one.address_key)));
            }
            continue;
        };
        if let Some(other) = became.insert(id, &one.address_key) {
            found.push(Violation::of(id, format!("{} and {other} of {name} are one email", one.address_key)));
        }
        match truth.emails.get(&id) {
            Some(email) if email.recipient_key == one.address_key => {}
            _ => found.push(Violation::of(id, format!("the email of {} of {name} is not there", one.address_key))),
        }
    }
    let own = truth.emails.values().filter(|email| email.campaign_id == Some(of.standing.row.id));
    for email in own.filter(|email| !became.contains_key(&email.id)) {
        found.push(Violation::of(email.id, format!("an email of {name} is nobody's")));
    }
}

fn adds_up(truth: &Truth, name: &str, of: &OfCampaign, found: &mut Vec<Violation>) {
    let mut rows: BTreeMap<&str, i64> = BTreeMap::new();
    for email in truth.emails.values().filter(|email| email.campaign_id == Some(of.standing.row.id)) {
        *rows.entry(email.status.name()).or_default() += 1;
    }
    let pending = of.recipients.iter().filter(|one| one.email_id.is_none()).count() as i64;
    let ledger = &of.standing.ledger;
    let counts = Status::all().map(|status| (status.name(), ledger.of(status))).filter(|(_, n)| *n != 0);
    let counts: BTreeMap<&str, i64> = counts.collect();
    if counts != rows || ledger.pending != pending || ledger.total() != of.recipients.len() as i64 {
        let (total, rows_total) = (ledger.total(), of.recipients.len());
        found.push(Violation::new(format!(
            "the ledger of {name} says {counts:?}, {} pending, {total} in all, and its rows {rows:?}, {pending}, {rows_total}",
            ledger.pending
        )));
    }
}

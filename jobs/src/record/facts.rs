//! What an event about an email's own recipient adds to what is known of the email, and to the counters. Pure, and the same
//! whatever order the events come in: times are the first or the last, counts are sums, and an email is counted in the hour
//! of the first time, wherever that moves.

use chrono::{DateTime, Utc};
use entity::campaign_metrics::Metric;
use entity::email_facts;
use entity::suppression::BounceType;

use crate::event::{Consequence, Event, Kind, consequence};
use crate::ledger::{Report, Said};
use crate::metric::Counts;

/// Adds an event. Answers what it says of where the email stands.
pub fn add(facts: &mut email_facts::Model, scope: i32, event: &Event, counts: &mut Counts) -> Report {
    let (at, before) = (event.occurred_at, facts.clone());
    let mut shown = true;
    let said = match &event.kind {
        Kind::Accepted | Kind::Unknown { .. } => Said::Accepted,
        Kind::Delivered => {
            first(&mut facts.delivered_at, at);
            Said::Delivered
        }
        Kind::Deferred(_) => {
            facts.deferrals += 1;
            first(&mut facts.deferred_at, at);
            shown = facts.last_deferred_at.is_none_or(|last| at >= last);
            facts.last_deferred_at = facts.last_deferred_at.max(Some(at));
            Said::Deferred
        }
        Kind::Bounced(failure) => {
            shown = first(&mut facts.bounced_at, at);
            if failure.bounce_kind() == BounceType::Hard {
                first(&mut facts.hard_bounced_at, at);
            }
            if consequence(&event.kind) == Consequence::AgainstTheDomain {
                counts.add(scope, at, Metric::Blocked, 1);
            }
            Said::Bounced
        }
        Kind::Opened(client) if client.is_human() => {
            engaged(&mut facts.opens, &mut facts.opened_at, at, counts, scope, Metric::Opened)
        }
        Kind::Opened(_) => {
            let (opens, first) = (&mut facts.machine_opens, &mut facts.machine_opened_at);
            engaged(opens, first, at, counts, scope, Metric::MachineOpened)
        }
        Kind::Clicked { client, .. } if client.is_human() => {
            engaged(&mut facts.clicks, &mut facts.clicked_at, at, counts, scope, Metric::Clicked)
        }
        Kind::Clicked { .. } => {
            let (clicks, first) = (&mut facts.machine_clicks, &mut facts.machine_clicked_at);
            engaged(clicks, first, at, counts, scope, Metric::MachineClicked)
        }
        Kind::Complained => {
            shown = first(&mut facts.complained_at, at);
            Said::Complained
        }
        Kind::Unsubscribed => {
            first(&mut facts.unsubscribed_at, at);
            Said::Accepted
        }
        Kind::Rejected { .. } => {
            shown = first(&mut facts.rejected_at, at);
            Said::Rejected
        }
    };
    recount(&before, facts, scope, counts);
    Report { said, at, why: event.why().filter(|_| shown) }
}

/// What an event about somebody who got a copy says of the email: that Mailgun has it, and nothing else.
pub fn of_copy(event: &Event) -> Option<Report> {
    match event.kind {
        Kind::Rejected { .. } => None,
        _ => Some(Report { said: Said::Accepted, at: event.occurred_at, why: None }),
    }
}

/// Moves each counted email from the hours it was counted in to those it belongs in now.
pub fn recount(before: &email_facts::Model, after: &email_facts::Model, scope: i32, counts: &mut Counts) {
    for (sign, facts) in [(-1, before), (1, after)] {
        for (metric, at) in counted(facts) {
            if let Some(at) = at {
                counts.add(scope, at, metric, sign);
            }
        }
    }
}

/// In which hours an email is counted, once each.
fn counted(facts: &email_facts::Model) -> [(Metric, Option<DateTime<Utc>>); 12] {
    let soft = facts.bounced_at.filter(|_| facts.hard_bounced_at.is_none());
    [
        (Metric::Delivered, facts.delivered_at),
        (Metric::Deferred, facts.deferred_at),
        (Metric::Bounced, facts.bounced_at),
        (Metric::HardBounced, facts.hard_bounced_at),
        (Metric::SoftBounced, soft),
        (Metric::Complained, facts.complained_at),
        (Metric::Unsubscribed, facts.unsubscribed_at),
        (Metric::Rejected, facts.rejected_at),
        (Metric::UniqueOpened, facts.opened_at),
        (Metric::UniqueClicked, facts.clicked_at),
        (Metric::UniqueMachineOpened, facts.machine_opened_at),
        (Metric::UniqueMachineClicked, facts.machine_clicked_at),
    ]
}

/// Keeps the earlier of two times; true when that is the new one.
fn first(kept: &mut Option<DateTime<Utc>>, at: DateTime<Utc>) -> bool {
    let earlier = kept.is_none_or(|first| at < first);
    if earlier {
        *kept = Some(at);
    }
    earlier
}

/// An open or a click: nobody opens what has not arrived.
fn engaged(
    count: &mut i32,
    kept: &mut Option<DateTime<Utc>>,
    at: DateTime<Utc>,
    counts: &mut Counts,
    scope: i32,
    metric: Metric,
) -> Said {
    *count += 1;
    first(kept, at);
    counts.add(scope, at, metric, 1);
    Said::Delivered
}

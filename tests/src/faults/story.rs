//! The life of one email, told from every source in the order of time.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::truth::Truth;

/// Tells it.
pub fn story(truth: &Truth, email: Uuid) -> String {
    let mut lines: Vec<(DateTime<Utc>, String)> = Vec::new();
    let mut head = format!("the story of {email}\n");
    if let Some(planned) = truth.planned.iter().find(|planned| planned.id == Some(email)) {
        let _ = writeln!(head, "  sent as {}", planned.input);
    }
    if let Some(row) = truth.emails.get(&email) {
        if let Some(of) = row.campaign_id.and_then(|id| truth.campaigns.get(&id)) {
            let campaign = &of.standing.row;
            let _ = writeln!(head, "  to {} of {} (batch: {})", row.recipient_key, campaign.name, campaign.batch);
            lines.extend(campaign.launched_at.map(|at| (at, "its campaign is launched".to_owned())));
            lines.extend(campaign.cancelled_at.map(|at| (at, "its campaign is cancelled".to_owned())));
        }
        let _ = writeln!(
            head,
            "  stands {} fence {} attempts {} acceptances {} heard {} policy {:?} cancelRequested {} why {:?} resolve at {:?}",
            row.status.name(),
            row.fence,
            row.attempts,
            row.acceptances,
            row.heard,
            row.on_unconfirmed,
            row.cancel_requested,
            row.last_error,
            row.resolve_at,
        );
        lines.push((row.created_at, "accepted".into()));
        lines.extend(row.finished_at.map(|at| (at, format!("finished; stands {}", row.status.name()))));
    }
    for one in truth.wishes.asked.iter().filter(|asked| asked.email == email) {
        lines.push((one.at, format!("people: {} → {}", one.what, one.answer)));
    }
    let own: Vec<&String> = truth.planned.iter().filter(|p| p.id == Some(email)).flat_map(|p| &p.recipients).collect();
    for one in truth.wishes.suppressed.iter().filter(|one| own.contains(&&one.address)) {
        let named = if one.in_flight.contains(&email) { "names it" } else { "does not name it" };
        lines.push((one.at, format!("people: suppress {} for {} {named}", one.address, one.reason)));
    }
    for one in truth.posts.iter().filter(|post| post.email == email) {
        let with = if one.batch_of.is_some() { ", in a batch" } else { "" };
        lines.push((one.at, format!("Mailgun: from {} to {:?}{with}: {}", one.from, one.recipients, one.what)));
    }
    if truth.batched.contains(&email) {
        // Whether it is decided depends on how batches of its domain went.
        let batches: BTreeSet<_> =
            truth.posts.iter().filter_map(|post| Some((post.at, post.batch_of.as_ref()?, post.what))).collect();
        for (at, domain, what) in batches {
            lines.push((at, format!("Mailgun: a batch of {domain}: {what}")));
        }
    }
    for one in truth.log.iter().filter(|logged| logged.email == email) {
        lines.push((one.at, format!("Mailgun's log: {:?} for {} ({})", one.fate, one.recipient, one.id)));
        for tried in truth.deliveries.iter().filter(|tried| tried.event == one.id) {
            lines.push((tried.at, format!("webhook {} → {}", one.id, tried.status)));
        }
    }
    for one in truth.taken.iter().filter(|taken| own.contains(&&taken.address)) {
        lines.push((one.at, format!("an event suppressed {} for {}", one.address, one.reason)));
    }
    for one in truth.attempts.get(&email).into_iter().flatten() {
        lines.push((one.started_at, format!("attempt {} begins", one.fence)));
        let (outcome, status) = (one.outcome, one.http_status);
        lines.push((one.finished_at, format!("attempt {} ends {outcome:?} {status:?} {:?}", one.fence, one.error)));
    }
    for one in truth.events.iter().filter(|event| event.email_id == Some(email)) {
        let (kind, source, id) = (one.kind, one.source, one.provider_id.as_deref().unwrap_or_default());
        lines.push((one.recorded_at, format!("recorded {kind:?} {id} as number {} by {source:?}", one.seq)));
    }
    lines.sort();
    for (at, line) in lines {
        let _ = writeln!(head, "  {} {line}", at.format("%H:%M:%S%.3f"));
    }
    head
}

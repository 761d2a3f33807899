//! Where an email stands by all that was said of it: the highest of SENT < DEFERRED < REJECTED < DELIVERED < BOUNCED <
//! COMPLAINED, whatever came first and however often. Pure.
//!
//! A report of a hand-over and an event of Mailgun's are proof of acceptance from every state. A rejection alone is none: it
//! reads FAILED, ends what is under way, and leaves what had ended otherwise as it is.

use chrono::{DateTime, Utc};
use entity::Status;

use super::terms::{Effect, Report, Row, Said};
use super::transition::finish;

/// Lets an event be said of an email.
pub(super) fn report(row: &mut Row, report: &Report, now: DateTime<Utc>) -> Effect {
    let before = row.clone();
    if report.said == Said::Rejected {
        reject(row, report, now);
    } else {
        hear(row, report, now);
    }
    if row.status != before.status {
        Effect::Moved
    } else if *row != before {
        Effect::Noted
    } else {
        Effect::Nothing
    }
}

/// Mailgun answered 200 to a hand-over, whichever it was: a second time is a double. What was only heard of before is the
/// acceptance that the answer speaks of.
pub(super) fn handed_over(row: &mut Row, provider_id: &str, now: DateTime<Utc>) -> Effect {
    row.provider_id.get_or_insert_with(|| provider_id.to_owned());
    if row.acceptances > 0 {
        row.acceptances += i32::from(!row.heard);
        row.heard = false;
        return Effect::Noted;
    }
    accepted(row, now, now);
    Effect::Moved
}

/// Somebody knows that Mailgun has it.
pub(super) fn known_to_be_sent(row: &mut Row, now: DateTime<Utc>) {
    row.heard = true;
    accepted(row, now, now);
}

/// The first proof that Mailgun has it.
fn accepted(row: &mut Row, at: DateTime<Utc>, now: DateTime<Utc>) {
    row.acceptances = 1;
    row.sent_at = Some(at.min(now));
    if !row.rejected {
        finish(row, Status::Sent, None, now);
    } else if row.status != Status::Failed {
        finish(row, Status::Failed, Some("Mailgun rejected it".to_owned()), now);
    }
}

fn hear(row: &mut Row, report: &Report, now: DateTime<Utc>) {
    if row.acceptances == 0 {
        row.heard = true;
        accepted(row, report.at, now);
    }
    let stands = stands(row);
    if report.said > stands {
        row.status = status(report.said);
        row.last_error.clone_from(&report.why);
    } else if report.said == stands && report.why.is_some() {
        row.last_error.clone_from(&report.why);
    }
}

fn reject(row: &mut Row, report: &Report, now: DateTime<Utc>) {
    let again = row.rejected;
    row.rejected = true;
    match row.status {
        Status::Scheduled | Status::Queued | Status::Sending | Status::Unconfirmed => {
            finish(row, Status::Failed, report.why.clone(), now);
        }
        Status::Sent | Status::Deferred => {
            row.status = Status::Failed;
            row.last_error.clone_from(&report.why);
        }
        Status::Failed if !again || report.why.is_some() => row.last_error.clone_from(&report.why),
        Status::Failed | Status::Cancelled | Status::Suppressed | Status::Expired => {}
        Status::Delivered | Status::Bounced | Status::Complained => {}
    }
}

/// What was said of an email that Mailgun has.
fn stands(row: &Row) -> Said {
    match row.status {
        Status::Sent => Said::Accepted,
        Status::Deferred => Said::Deferred,
        Status::Delivered => Said::Delivered,
        Status::Bounced => Said::Bounced,
        Status::Complained => Said::Complained,
        Status::Scheduled | Status::Queued | Status::Sending | Status::Unconfirmed => Said::Rejected,
        Status::Failed | Status::Cancelled | Status::Suppressed | Status::Expired => Said::Rejected,
    }
}

fn status(said: Said) -> Status {
    match said {
        Said::Accepted => Status::Sent,
        Said::Deferred => Status::Deferred,
        Said::Rejected => Status::Failed,
        Said::Delivered => Status::Delivered,
        Said::Bounced => Status::Bounced,
        Said::Complained => Status::Complained,
    }
}

//! An email's story in plain words, from its row, its tries and what Mailgun reported: accepted, tried, held, delivered, opened,
//! ended. Pure.

mod events;

use chrono::{DateTime, Utc};
use entity::{Outcome, Status, attempt, email};

use crate::find::events::Event;
use crate::hold::Leave;

/// One sentence of the story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub at: DateTime<Utc>,
    pub kind: Kind,
    pub words: String,
}

/// What an [`Entry`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It was taken in.
    Accepted,
    /// It was set to go at a time.
    Scheduled,
    /// It was handed over, or tried to be.
    Attempt,
    /// A further try was planned.
    Retry,
    /// It waits.
    Waiting,
    /// Something keeps it waiting.
    Held,
    /// Nobody knows whether Mailgun has it.
    Unconfirmed,
    /// Somebody asked to stop it while it was under way.
    CancelRequested,
    /// Mailgun accepted it.
    Sent,
    Failed,
    Cancelled,
    Suppressed,
    Expired,
    /// The recipient's server took it.
    Delivered,
    /// The recipient's server refused it for now.
    Deferred,
    /// It came back.
    Bounced,
    Opened,
    Clicked,
    Complained,
    Unsubscribed,
    /// Mailgun refused it after accepting it.
    Rejected,
    /// Mailgun reported something else.
    Reported,
}

/// The story up to `now`, the oldest first. `held` is whether it may leave, for an email that waits.
pub fn entries(
    email: &email::Model,
    attempts: &[attempt::Model],
    events: &[Event],
    held: Option<&Leave>,
    now: DateTime<Utc>,
) -> Vec<Entry> {
    let mut story = vec![entry(email.created_at, Kind::Accepted, "accepted into the queue")];
    if email.send_at > email.created_at {
        story.push(entry(email.created_at, Kind::Scheduled, format!("to be sent at {}", time(email.send_at))));
    }
    for tried in attempts {
        tell_attempt(&mut story, tried);
    }
    let known = attempts.iter().any(|tried| tried.outcome == Outcome::Sent);
    let failed = attempts.last().is_some_and(|tried| tried.outcome == Outcome::Failed);
    if let Some(sent_at) = email.sent_at.filter(|_| !known) {
        story.push(entry(sent_at, Kind::Sent, "found to have been accepted by Mailgun"));
    }
    let why = email.last_error.as_deref();
    let ended = email.finished_at.unwrap_or(email.updated_at);
    match email.status {
        Status::Scheduled | Status::Queued => story.push(tell_waiting(email, held, now)),
        Status::Sending => story.push(entry(email.updated_at, Kind::Attempt, "being handed over to Mailgun")),
        Status::Unconfirmed => {
            if let Some(at) = email.resolve_at {
                story.push(entry(
                    email.updated_at,
                    Kind::Retry,
                    format!("to be looked for in Mailgun's log at {}", time(at)),
                ));
            }
        }
        Status::Sent | Status::Deferred | Status::Delivered | Status::Bounced | Status::Complained => {}
        Status::Failed if failed => {}
        Status::Failed => story.push(entry(ended, Kind::Failed, because("failed", why))),
        Status::Cancelled => story.push(entry(ended, Kind::Cancelled, because("cancelled", why))),
        Status::Suppressed => story.push(entry(ended, Kind::Suppressed, because("not sent", why))),
        Status::Expired => story.push(entry(ended, Kind::Expired, because("expired", why))),
    }
    if email.cancel_requested && matches!(email.status, Status::Sending | Status::Unconfirmed) {
        let words = "asked to stop; it ends CANCELLED if it turns out not to have left";
        story.push(entry(email.updated_at, Kind::CancelRequested, words));
    }
    story.extend(events.iter().map(events::tell));
    // Stable: what happened at one moment stays in the order it is told in.
    story.sort_by_key(|e| e.at);
    story
}

fn tell_attempt(story: &mut Vec<Entry>, tried: &attempt::Model) {
    let why = tried.error.as_deref();
    let (kind, words) = match tried.outcome {
        Outcome::Sent => (Kind::Sent, "Mailgun accepted it".to_owned()),
        Outcome::Retry => (Kind::Attempt, because("it never reached Mailgun", why)),
        Outcome::Held => (Kind::Attempt, because("Mailgun asked to wait; the try did not count", why)),
        Outcome::Unconfirmed => (Kind::Unconfirmed, because("perhaps with Mailgun: its answer could not be read", why)),
        Outcome::AccountRefused => {
            (Kind::Attempt, because("Mailgun refused the account, not the email; the try did not count", why))
        }
        Outcome::Failed => (Kind::Failed, because("Mailgun refused it", why)),
        Outcome::NotHandedOver => {
            (Kind::Attempt, "given back before it was handed over; the try did not count".to_owned())
        }
        Outcome::LeaseRanOut => {
            (Kind::Unconfirmed, "perhaps with Mailgun: the worker that held it fell silent".to_owned())
        }
    };
    story.push(entry(tried.finished_at, kind, words));
    if let Some(at) = tried.retry_at.filter(|at| *at > tried.finished_at) {
        story.push(entry(tried.finished_at, Kind::Retry, format!("the next try is due at {}", time(at))));
    }
}

fn tell_waiting(email: &email::Model, held: Option<&Leave>, now: DateTime<Utc>) -> Entry {
    match held {
        Some(Leave::Held { why, .. }) => entry(now, Kind::Held, why.clone()),
        Some(Leave::Probe(_)) => entry(now, Kind::Held, "held until one email finds that Mailgun answers again"),
        Some(Leave::Open) | None => match email.due_at.filter(|due| *due > now) {
            Some(due) => entry(now, Kind::Waiting, format!("waits until {}", time(due))),
            None => entry(now, Kind::Waiting, "waits for a free slot"),
        },
    }
}

fn entry(at: DateTime<Utc>, kind: Kind, words: impl Into<String>) -> Entry {
    Entry { at, kind, words: words.into() }
}

/// "what: why", once where the reason begins with the same word.
fn because(what: &str, why: Option<&str>) -> String {
    match why.filter(|why| !why.is_empty()) {
        None => what.to_owned(),
        Some(why) if why.starts_with(what) => why.to_owned(),
        Some(why) => format!("{what}: {why}"),
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests;

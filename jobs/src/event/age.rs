//! How old a signed report may be. Mailgun signs once and repeats the same signature for 8 hours, so a strict window would
//! lose what came back while we were away; a report from outside the window is kept, without effect, until Mailgun's log
//! confirms it.

use chrono::{DateTime, TimeDelta, Utc};

/// Mailgun tries for 8 hours (its "Webhook retries" page); the rest is for clocks and queues.
const OLDEST: TimeDelta = TimeDelta::hours(12);

/// By how much Mailgun's clock may be ahead of the database's.
const AHEAD: TimeDelta = TimeDelta::minutes(5);

/// Why a truly signed event has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Quarantine {
    /// A signature of long ago: somebody may have kept it.
    #[error("it was signed more than 12 hours ago")]
    TooOld,
    /// It would win over everything that happens until then.
    #[error("it is dated more than 5 minutes in the future")]
    InTheFuture,
}

/// Whether an event must stay without effect at `now`. `signed_at` is what Mailgun's signature covers; `occurred_at` stands in
/// the body, which it does not cover.
pub fn quarantine(signed_at: DateTime<Utc>, occurred_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<Quarantine> {
    if now - signed_at > OLDEST {
        return Some(Quarantine::TooOld);
    }
    (signed_at.max(occurred_at) - now > AHEAD).then_some(Quarantine::InTheFuture)
}

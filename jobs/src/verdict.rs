//! What Mailgun's answer means for the email: one exhaustive table, without side effects.
//!
//! The line that must never blur runs between *it cannot have been accepted* (another try is safe) and *it may have been*
//! (Mailgun is asked before anything else): Mailgun knows no idempotency key, and a 5xx of its front may hide an acceptance.

#[cfg(test)]
mod tests;
mod words;

use chrono::{DateTime, TimeDelta, Utc};

use crate::mailer::{Answer, RetryHint};
use words::{Body, bounded};

/// The longest hold that an answer can ask for; after it a single email tries again.
pub const HOLD_MAX: TimeDelta = TimeDelta::minutes(15);
/// The hold where the answer names no time.
pub const HOLD_DEFAULT: TimeDelta = TimeDelta::seconds(30);

/// What one answer means. `why` is in Mailgun's words where it had any, at most 300 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Mailgun accepted the email.
    Sent {
        /// Mailgun's id, without angle brackets: the `Message-Id` it will use.
        provider_id: String,
    },
    /// It never left this machine: try again after a backoff.
    Retry {
        /// What stood in the way.
        why: String,
    },
    /// Mailgun asks for less: nothing of this scope goes before `until`, and nothing is spent.
    Hold {
        /// What waits.
        scope: HoldScope,
        /// When it may go on.
        until: DateTime<Utc>,
        /// Mailgun's words.
        why: String,
    },
    /// It may be with Mailgun: ask there before anything else.
    Unconfirmed {
        /// What was seen.
        why: String,
    },
    /// Nothing of this account, base URL or domain can pass as things are: the breaker opens.
    Account {
        /// Which breaker.
        key: BreakerKey,
        /// Mailgun's words.
        why: String,
    },
    /// Mailgun refused this email for what it is.
    Fail {
        /// Mailgun's words.
        why: String,
    },
    /// The lease had become too short: nothing was sent, nothing is spent.
    NotHandedOver,
}

/// What a limit binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HoldScope {
    /// The sending domain.
    Domain,
    /// The whole Mailgun account.
    Account,
}

/// What a breaker guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BreakerKey {
    /// Base URL and account.
    Transport,
    /// The sending domain.
    Domain,
}

/// Reads `answer`. `now` is the time that relative waits count from; `jitter` (0..1) spreads the ends of holds.
pub fn verdict(answer: &Answer, now: DateTime<Utc>, jitter: f64) -> Verdict {
    match answer {
        Answer::Response { status, retry, body, content_type } => {
            of_response(*status, retry, &Body::read(body, content_type.as_deref()), now, jitter)
        }
        // The head was readable: without its body it still means what its status says, but that a 2xx lacks its id.
        Answer::BodyCut { status } => of_response(*status, &RetryHint::default(), &Body::Cut, now, jitter),
        Answer::Connect(what) => Verdict::Retry { why: bounded(&format!("could not connect: {what}")) },
        Answer::Timeout => Verdict::Unconfirmed { why: "no answer in time".to_owned() },
        Answer::Cut(what) => Verdict::Unconfirmed { why: bounded(&format!("the connection broke: {what}")) },
        Answer::NotHandedOver => Verdict::NotHandedOver,
    }
}

fn of_response(status: u16, retry: &RetryHint, body: &Body<'_>, now: DateTime<Utc>, jitter: f64) -> Verdict {
    let why = || body.words(status);
    let account = |key| Verdict::Account { key, why: why() };
    match status {
        200..=299 => match body {
            Body::Json { id: Some(id), .. } => Verdict::Sent { provider_id: id.clone() },
            // "Mailgun Magnificent API", a login page: whoever answers there takes no mail.
            Body::Text(_) | Body::Html => account(BreakerKey::Transport),
            Body::Json { id: None, .. } | Body::BrokenJson | Body::Empty | Body::Cut => {
                Verdict::Unconfirmed { why: why() }
            }
        },
        300..=399 | 401 | 402 => account(BreakerKey::Transport),
        403 => account(BreakerKey::Domain),
        404 => match body {
            Body::Json { .. } | Body::BrokenJson => account(BreakerKey::Domain),
            Body::Text(text) if text.contains("Domain not found") => account(BreakerKey::Domain),
            Body::Text(_) | Body::Html | Body::Empty | Body::Cut => account(BreakerKey::Transport),
        },
        408 => Verdict::Unconfirmed { why: why() },
        420 | 429 => hold(asked_wait(retry, body, now), body, why(), now, jitter),
        400..=499 => Verdict::Fail { why: why() },
        503 => match named_wait(retry, body, now) {
            Some(wait) => hold(Some(wait), body, why(), now, jitter),
            None => Verdict::Unconfirmed { why: why() },
        },
        // 5xx, and what is no HTTP status at all.
        _ => Verdict::Unconfirmed { why: why() },
    }
}

fn hold(wait: Option<TimeDelta>, body: &Body<'_>, why: String, now: DateTime<Utc>, jitter: f64) -> Verdict {
    let wait = wait.unwrap_or(HOLD_DEFAULT).clamp(TimeDelta::seconds(1), HOLD_MAX);
    // A tenth of the wait, so that not everything held returns in one instant. NaN is not above 0.
    let jitter = if jitter > 0.0 { jitter.min(1.0) } else { 0.0 };
    let spread = wait.num_milliseconds() as f64 / 10.0 * jitter;
    let until = now + wait + TimeDelta::milliseconds(spread as i64);
    let scope = if body.says_account() { HoldScope::Account } else { HoldScope::Domain };
    Verdict::Hold { scope, until, why }
}

/// The wait that a 429 or 420 asks for, from whatever it says it with.
fn asked_wait(retry: &RetryHint, body: &Body<'_>, now: DateTime<Utc>) -> Option<TimeDelta> {
    named_wait(retry, body, now).or_else(|| rate_limit_reset(retry.rate_limit_reset.as_deref()?, now))
}

/// The wait that an answer names aloud: `Retry-After`, or "try again after" in its text.
fn named_wait(retry: &RetryHint, body: &Body<'_>, now: DateTime<Utc>) -> Option<TimeDelta> {
    retry.retry_after.as_deref().and_then(|value| after(value, now)).or_else(|| {
        const SAID: &str = "try again after ";
        let text = body.text()?;
        let at = text.to_ascii_lowercase().find(SAID)?;
        after(&text[at + SAID.len()..], now)
    })
}

/// Reads what follows "after": a number of seconds (or with a unit), or a date (RFC 9110 §5.6.7, or the same with `UTC`).
pub(crate) fn after(value: &str, now: DateTime<Utc>) -> Option<TimeDelta> {
    let value = value.trim();
    let digits = value.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(value.len());
    // A full stop that ends the sentence is no decimal point.
    if let Ok(number) = value[..digits].trim_end_matches('.').parse::<f64>() {
        let unit = value[digits..].trim_start();
        let scale = match unit {
            _ if unit.starts_with("ms") || unit.starts_with("milli") => 0.001,
            _ if unit.starts_with('m') => 60.0,
            _ if unit.starts_with('h') => 3_600.0,
            _ => 1.0,
        };
        return seconds(number * scale);
    }
    // Mailgun's date says UTC, and its sentence may go on behind it.
    let date = value.replace("UTC", "GMT");
    let date = &date[..date.find("GMT")? + "GMT".len()];
    let date = DateTime::<Utc>::from(httpdate::parse_http_date(date).ok()?);
    Some(date - now)
}

/// `X-RateLimit-Reset` has been seen in milliseconds since the epoch and is read by Mailgun's own client as seconds; nothing
/// documents it. The magnitude tells: a wait of up to a day in seconds, more than that in milliseconds, then the epoch in
/// seconds (from 2001 on), then in milliseconds.
fn rate_limit_reset(value: &str, now: DateTime<Utc>) -> Option<TimeDelta> {
    let number = value.trim().parse().ok().filter(|number: &f64| number.is_finite())?;
    let epoch = now.timestamp_millis() as f64 / 1_000.0;
    match number {
        _ if number <= 86_400.0 => seconds(number),
        _ if number < 1e9 => seconds(number / 1_000.0),
        _ if number < 1e11 => seconds((number - epoch).max(0.0)),
        _ => seconds((number / 1_000.0 - epoch).max(0.0)),
    }
}

/// `None` for what is no wait: negative, infinite or not a number. Longer than a day is a day; a hold is shorter anyway.
fn seconds(number: f64) -> Option<TimeDelta> {
    (number.is_finite() && number >= 0.0).then(|| TimeDelta::milliseconds((number.min(86_400.0) * 1_000.0) as i64))
}

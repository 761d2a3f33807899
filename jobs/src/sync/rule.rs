//! What an entry of Mailgun's list means here, which of our entries belong on which of its lists, and how long to wait after a
//! failure. Pure.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use entity::provider_list::List;
use entity::provider_order::{self, Lift};
use entity::suppression::{self, Reason, Scope, Source};
use entity::{EmailAddress, suppression_fact};
use sea_orm::ActiveEnum;

use super::provider::Item;
use crate::erase::is_mark;
use crate::event::{Consequence, Entry, Failure, Kind, consequence, digest, enhanced_of};
use crate::timing::{Timing, delta};

/// What stands as the error of a bounce that somebody entered by hand here: Mailgun has no list for those. Read again it means
/// that, and no bounce.
pub const BY_HAND: &str = "Entered by hand";

/// After so many tries in vain somebody should look.
pub const MANY: i32 = 5;

/// A note, in characters.
const MOST_NOTE: usize = 500;

/// Why an entry of Mailgun's list suppresses nobody here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// Its owner opted out of single tags.
    Tags,
    /// It is the sending domain that was refused.
    AgainstTheDomain,
    /// It is a soft bounce, of which the time is over.
    Over,
    /// It names no address that could be mailed.
    Address,
    /// It does not say since when.
    Time,
}

/// What an entry of `list` means here: something that suppressed an address, for Mailgun's own reasons.
///
/// # Errors
/// Why it suppresses nobody.
pub fn meaning(list: List, item: &Item, sandbox: bool, now: DateTime<Utc>) -> Result<suppression_fact::Model, Skip> {
    let address = item.address.as_deref().and_then(|text| EmailAddress::parse(text).ok()).ok_or(Skip::Address)?;
    let since = item.created_at.as_deref().and_then(time).ok_or(Skip::Time)?.min(now);
    let note = note(item);
    let entry = match list {
        List::Unsubscribes if item.tags.as_ref().is_some_and(|tags| !tags.iter().any(|tag| tag == "*")) => {
            return Err(Skip::Tags);
        }
        List::Bounces if item.error.as_deref() == Some(BY_HAND) => by_hand(),
        List::Bounces => entry(Kind::Bounced(failure(item)))?,
        List::Complaints => entry(Kind::Complained)?,
        List::Unsubscribes => entry(Kind::Unsubscribed)?,
    };
    let expires_at = entry.lasts.and_then(|lasts| TimeDelta::from_std(lasts).ok()).map(|lasts| since + lasts);
    if expires_at.is_some_and(|end| end <= now) {
        return Err(Skip::Over);
    }
    let (target, at) = (address.key(), since.timestamp_micros().to_be_bytes());
    let reason = entry.reason.to_value().to_be_bytes();
    Ok(suppression_fact::Model {
        id: digest(&[b"provider", target.as_bytes(), &reason, &[u8::from(sandbox)], &at]),
        target,
        reason: entry.reason,
        sandbox,
        lift: false,
        occurred_at: since,
        recorded_at: now,
        expires_at,
        bounce_type: entry.bounce_type,
        source: Source::Provider,
        note,
        event_id: None,
    })
}

fn by_hand() -> Entry {
    Entry { reason: Reason::Manual, bounce_type: None, lasts: None, source: Source::Provider }
}

fn entry(kind: Kind) -> Result<Entry, Skip> {
    match consequence(&kind) {
        Consequence::Suppress(entry) => Ok(entry),
        Consequence::AgainstTheDomain | Consequence::None => Err(Skip::AgainstTheDomain),
    }
}

/// A bounce as an event would have told it.
fn failure(item: &Item) -> Failure {
    Failure {
        reason: Some("bounce".to_owned()),
        code: code(item).and_then(|code| code.parse().ok()),
        enhanced: item.error.as_deref().and_then(enhanced_of),
        message: item.error.clone(),
        ..Failure::default()
    }
}

fn code(item: &Item) -> Option<String> {
    let code = item.code.as_ref()?;
    code.as_str().map(str::to_owned).or_else(|| code.as_i64().map(|code| code.to_string()))
}

fn note(item: &Item) -> Option<String> {
    let parts = [code(item), item.error.clone()];
    let note = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let note: String = note.replace('\0', "\u{FFFD}").chars().take(MOST_NOTE).collect();
    Some(note).filter(|note| !note.is_empty())
}

/// RFC 2822, with the UTC that it does not know; RFC 3339 has been seen as well.
fn time(text: &str) -> Option<DateTime<Utc>> {
    let rfc2822 = DateTime::parse_from_rfc2822(&text.replace("UTC", "GMT"));
    let time = rfc2822.or_else(|_| DateTime::parse_from_rfc3339(text)).ok()?.to_utc();
    // The epoch means that nobody knows.
    (time > DateTime::UNIX_EPOCH).then_some(time)
}

/// Whether a fact tells more than the entry of its target and reason that stands.
pub fn is_news(stands: Option<&suppression::Model>, fact: &suppression_fact::Model) -> bool {
    match stands {
        None => true,
        Some(suppression::Model { lifted_at: Some(at), .. }) => fact.occurred_at > *at,
        Some(stands) => match (stands.expires_at, fact.expires_at) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(stands), Some(told)) => told > stands,
        },
    }
}

/// On which of Mailgun's lists the addresses of a reason stand.
pub fn list_of(reason: Reason) -> List {
    match reason {
        Reason::Bounce | Reason::Manual => List::Bounces,
        Reason::Complaint => List::Complaints,
        Reason::Unsubscribe => List::Unsubscribes,
    }
}

/// Whether Mailgun's lists are to have it: an address, for ever, and not from there. What ends by itself here would not there,
/// and the mark of somebody who was erased is nobody's address.
pub fn belongs(target: &str, expires_at: Option<DateTime<Utc>>, source: Source) -> bool {
    Scope::of(target) == Scope::Address && !is_mark(target) && expires_at.is_none() && source != Source::Provider
}

/// What stands as the error where an entry of this reason is put on its list.
pub fn words(reason: Reason, note: Option<&str>) -> Option<String> {
    match reason {
        Reason::Manual => Some(BY_HAND.to_owned()),
        Reason::Bounce => note.map(str::to_owned),
        Reason::Complaint | Reason::Unsubscribe => None,
    }
}

/// The lists that an address leaves when these reasons are lifted: not those that it stands on for ever for another reason.
pub fn left(lifted: &[Reason], stays: &[Reason]) -> BTreeSet<List> {
    let kept: BTreeSet<List> = stays.iter().map(|reason| list_of(*reason)).collect();
    lifted.iter().map(|reason| list_of(*reason)).filter(|list| !kept.contains(list)).collect()
}

/// How far Mailgun's lists have followed a lift; `None` where they need not.
pub fn followed<'a>(orders: impl IntoIterator<Item = &'a provider_order::Model>) -> Option<Lift> {
    slowest(orders.into_iter().filter(|order| order.lift).map(|order| match order.done_at {
        Some(_) => Lift::Done,
        None if order.tries >= MANY => Lift::Failed,
        None => Lift::Pending,
    }))
}

/// Of several lifts the one that somebody should look at first: one that fails, then one that is still to be followed.
pub fn slowest(lifts: impl IntoIterator<Item = Lift>) -> Option<Lift> {
    lifts.into_iter().max_by_key(|lift| match lift {
        Lift::Done => 0,
        Lift::Pending => 1,
        Lift::Failed => 2,
    })
}

/// How long to wait after so many failures in a row: twice as long after each, up to a limit.
pub fn wait(failures: i32, timing: &Timing) -> TimeDelta {
    let doubled = timing.sync_retry.saturating_mul(1 << failures.clamp(1, 20).saturating_sub(1));
    delta(doubled.min(timing.sync_retry_most))
}

#[cfg(test)]
mod tests;

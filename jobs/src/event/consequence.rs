//! What an event means for its address: the one table of what suppresses, how, and for how long.

use std::time::Duration;

use entity::suppression::{BounceType, Reason, Source};

use super::{Failure, Kind};

/// What follows for the address an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// Nothing.
    None,
    /// It is the sending domain that was refused, not the address.
    AgainstTheDomain,
    /// The address must not be mailed.
    Suppress(Entry),
}

/// An entry of the suppression list, not yet dated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub reason: Reason,
    pub bounce_type: Option<BounceType>,
    /// `None` = for ever.
    pub lasts: Option<Duration>,
    pub source: Source,
}

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const HARD: Entry =
    Entry { reason: Reason::Bounce, bounce_type: Some(BounceType::Hard), lasts: None, source: Source::Event };
const SOFT: Entry = Entry { bounce_type: Some(BounceType::Soft), lasts: Some(WEEK), ..HARD };
const COMPLAINT: Entry = Entry { reason: Reason::Complaint, bounce_type: None, ..HARD };
const UNSUBSCRIBE: Entry = Entry { reason: Reason::Unsubscribe, bounce_type: None, ..HARD };

/// Mailgun kept the email back because the address stands in its own list, which is mirrored.
const fn mirrored(entry: Entry) -> Consequence {
    Consequence::Suppress(Entry { source: Source::Provider, ..entry })
}

pub(super) type Rule = (fn(&Failure) -> bool, Consequence);

/// A permanent failure; the first that fits. Permanent is not the same as a dead address: Mailgun says it of what it gave up,
/// of what it kept back, and of what was refused for the sender's sake.
pub(super) const BOUNCED: [Rule; 8] = [
    (|f| f.says("suppress-complaint") || f.code == Some(607), mirrored(COMPLAINT)),
    (|f| f.says("suppress-unsubscribe") || f.code == Some(606), mirrored(UNSUBSCRIBE)),
    (|f| f.begins("suppress-") || f.code == Some(605), mirrored(HARD)),
    (|f| f.says("espblock") || f.says("blacklisted"), Consequence::AgainstTheDomain),
    (|f| f.enhanced("5.7") || f.is_enhanced(&["5.1.7", "5.1.8"]), Consequence::AgainstTheDomain),
    (|f| f.is_hard() || f.is_enhanced(&["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"]), Consequence::Suppress(HARD)),
    // Mailgun says "bounce" of a full mailbox as well, which may be emptied.
    (|f| f.says("bounce") && !f.is_soft(), Consequence::Suppress(HARD)),
    // old, generic, hardfail, unknown, a full mailbox: the spec's rule, stricter than Mailgun's own list.
    (|_| true, Consequence::Suppress(SOFT)),
];

/// What follows from an event for its address.
pub fn consequence(kind: &Kind) -> Consequence {
    match kind {
        Kind::Bounced(failure) => {
            BOUNCED.iter().find(|(fits, _)| fits(failure)).map_or(Consequence::None, |(_, consequence)| *consequence)
        }
        Kind::Complained => Consequence::Suppress(COMPLAINT),
        Kind::Unsubscribed => Consequence::Suppress(UNSUBSCRIBE),
        // A deferral is never one: Mailgun goes on trying.
        Kind::Deferred(_) => Consequence::None,
        Kind::Accepted | Kind::Delivered | Kind::Opened(_) | Kind::Clicked { .. } => Consequence::None,
        Kind::Rejected { .. } | Kind::Unknown { .. } => Consequence::None,
    }
}

impl Failure {
    /// Whether a permanent failure means that the address is dead, or only that it could not be reached.
    pub fn bounce_kind(&self) -> BounceType {
        match consequence(&Kind::Bounced(self.clone())) {
            Consequence::Suppress(Entry { bounce_type: Some(BounceType::Hard), .. }) => BounceType::Hard,
            Consequence::Suppress(_) | Consequence::AgainstTheDomain | Consequence::None => BounceType::Soft,
        }
    }

    fn says(&self, reason: &str) -> bool {
        self.reason.as_deref() == Some(reason)
    }

    fn begins(&self, reason: &str) -> bool {
        self.reason.as_deref().is_some_and(|word| word.starts_with(reason))
    }

    /// Class and subject of the enhanced code, such as 5.7.
    fn enhanced(&self, subject: &str) -> bool {
        let detail = |code: &str| code.strip_prefix(subject).is_some_and(|rest| rest.starts_with('.'));
        self.enhanced.as_deref().is_some_and(detail)
    }

    fn is_enhanced(&self, codes: &[&str]) -> bool {
        self.enhanced.as_deref().is_some_and(|code| codes.contains(&code))
    }

    fn is_hard(&self) -> bool {
        self.bounce_type.as_deref() == Some("hard")
    }

    /// Said so, or a full mailbox.
    fn is_soft(&self) -> bool {
        self.bounce_type.as_deref() == Some("soft") || self.is_enhanced(&["5.2.2"])
    }
}

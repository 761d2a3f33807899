//! What becomes of a message at its recipient. [`TABLE`] says it by the word the address begins with; nothing else decides
//! it but Mailgun's own lists and test mode, which come first.

use std::time::Duration;

use serde::{Serialize, Serializer};

use self::Event::{Accepted, Clicked, Complained, Delivered, Discarded, Failed, Opened, Rejected, Unsubscribed};
use super::lists::List;

/// Something that happens to a message at one recipient, and that Mailgun makes an event of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Accepted,
    Delivered,
    /// Code 650: the message was in test mode.
    Discarded,
    Failed(Failure),
    /// Refused by Mailgun after it had said "Queued".
    Rejected,
    Opened(Reader),
    Clicked,
    Unsubscribed,
    Complained,
}

/// Why a delivery failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// There is no such mailbox.
    Bounce,
    /// For now: Mailgun tries again.
    Deferred,
    /// Mailgun has tried for eight hours.
    Old,
    MailboxFull,
    /// The provider refuses the sender.
    Blocked,
    /// The recipient is on one of Mailgun's own lists.
    Listed(List),
}

/// Who fetched the tracking pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    Person,
    /// A mail provider's proxy.
    Machine,
}

/// Who learns of the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Webhooks and the log.
    Everyone,
    /// The log alone.
    Log,
    /// Nobody: not even the log knows the message.
    Nobody,
}

/// A row of the table: after the words, milliseconds from acceptance (or from `o:deliverytime`) and what happens then.
#[derive(Debug, PartialEq)]
struct Row {
    words: &'static [&'static str],
    told: Told,
    events: &'static [(u64, Event)],
}

const fn row(words: &'static [&'static str], events: &'static [(u64, Event)]) -> Row {
    Row { words, told: Told::Everyone, events }
}

#[rustfmt::skip]
const TABLE: &[Row] = &[
    row(&["bounce"],                    &[(500, Failed(Failure::Bounce))]),
    row(&["softbounce"],                &[(500, Failed(Failure::Deferred)), (2_500, Failed(Failure::Old))]),
    row(&["mailboxfull"],               &[(500, Failed(Failure::MailboxFull))]),
    row(&["block"],                     &[(500, Failed(Failure::Blocked))]),
    row(&["old"],                       &[(500, Failed(Failure::Old))]),
    row(&["defer"],                     &[(500, Failed(Failure::Deferred)), (2_500, Delivered)]),
    row(&["reject"],                    &[(200, Rejected)]),
    row(&["complain", "complaint"],     &[(500, Delivered), (1_500, Complained)]),
    row(&["unsubscribe"],               &[(500, Delivered), (1_500, Unsubscribed)]),
    row(&["open"],                      &[(500, Delivered), (1_500, Opened(Reader::Person))]),
    row(&["click"],                     &[(500, Delivered), (1_500, Opened(Reader::Person)), (2_000, Clicked)]),
    row(&["machineopen"],               &[(500, Delivered), (600, Opened(Reader::Machine))]),
    Row { words: &["silent"], told: Told::Log,    events: &[(500, Delivered)] },
    Row { words: &["lost"],   told: Told::Nobody, events: &[(500, Delivered)] },
];

/// Everyone else.
static DELIVERED: Row = row(&["delivered"], &[(500, Delivered)]);
static TEST_MODE: Row = row(&["test mode"], &[(100, Discarded)]);
static BOUNCED_BEFORE: Row = row(&["suppress-bounce"], &[(100, Failed(Failure::Listed(List::Bounces)))]);
static UNSUBSCRIBED_BEFORE: Row = row(&["suppress-unsubscribe"], &[(100, Failed(Failure::Listed(List::Unsubscribes)))]);
static COMPLAINED_BEFORE: Row = row(&["suppress-complaint"], &[(100, Failed(Failure::Listed(List::Complaints)))]);

/// A row of the table, chosen when the message is accepted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fate(&'static Row);

/// An event of a fate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    /// From acceptance for the first, else from when the message is due to leave.
    pub(super) after: Duration,
    pub(super) event: Event,
    /// Which attempt at delivery this is, or follows; 1 for the first.
    pub(super) attempt: u32,
}

impl Fate {
    /// By the part of the address before `@`, or before a `+` in it.
    pub(super) fn of(address: &str) -> Self {
        let local = address.split_once('@').map_or(address, |(local, _)| local);
        let word = local.split_once('+').map_or(local, |(word, _)| word);
        let rows = TABLE.iter();
        Self(rows.into_iter().find(|row| row.words.iter().any(|w| w.eq_ignore_ascii_case(word))).unwrap_or(&DELIVERED))
    }

    /// Accepted, and then not delivered since the recipient is on `list`; an allowlist keeps nobody out.
    pub(super) fn listed(list: List) -> Self {
        Self(match list {
            List::Bounces => &BOUNCED_BEFORE,
            List::Unsubscribes => &UNSUBSCRIBED_BEFORE,
            List::Complaints => &COMPLAINED_BEFORE,
            List::Whitelists => &DELIVERED,
        })
    }

    pub(super) fn in_test_mode() -> Self {
        Self(&TEST_MODE)
    }

    pub(super) fn told(self) -> Told {
        self.0.told
    }

    /// How many events there are; the first is always the acceptance.
    pub(super) fn len(self) -> usize {
        1 + self.0.events.len()
    }

    /// The event at `index`.
    pub(super) fn step(self, index: usize) -> Option<Step> {
        let Some(later) = index.checked_sub(1) else {
            return Some(Step { after: Duration::ZERO, event: Accepted, attempt: 1 });
        };
        let (after, event) = *self.0.events.get(later)?;
        let before = self.0.events[..later].iter();
        let deferred = before.filter(|(_, event)| *event == Failed(Failure::Deferred)).count() as u32;
        Some(Step { after: Duration::from_millis(after), event, attempt: 1 + deferred })
    }

    /// The list that this fate puts the recipient on, and how long after the message left.
    pub(super) fn lists(self) -> Option<(List, Duration)> {
        self.0.events.iter().find_map(|(after, event)| {
            let list = match event {
                Failed(Failure::Bounce) => List::Bounces,
                Complained => List::Complaints,
                Unsubscribed => List::Unsubscribes,
                Accepted | Delivered | Discarded | Failed(_) | Rejected | Opened(_) | Clicked => return None,
            };
            Some((list, Duration::from_millis(*after)))
        })
    }
}

/// Its word, as in the address.
impl Serialize for Fate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.words[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_before_a_plus_decides() {
        let cases: [(&str, &[Event]); 9] = [
            ("sally@example.com", &[Accepted, Delivered]),
            ("bounce@example.com", &[Accepted, Failed(Failure::Bounce)]),
            ("Bounce+17@example.com", &[Accepted, Failed(Failure::Bounce)]),
            ("complain+x@example.com", &[Accepted, Delivered, Complained]),
            ("complaint@example.com", &[Accepted, Delivered, Complained]),
            ("defer@example.com", &[Accepted, Failed(Failure::Deferred), Delivered]),
            ("click@example.com", &[Accepted, Delivered, Opened(Reader::Person), Clicked]),
            ("bouncer@example.com", &[Accepted, Delivered]),
            ("sally+bounce@example.com", &[Accepted, Delivered]),
        ];
        for (address, expected) in cases {
            let fate = Fate::of(address);
            let events: Vec<Event> = (0..fate.len()).filter_map(|at| fate.step(at)).map(|step| step.event).collect();
            assert_eq!(events, expected, "{address}");
        }
    }

    #[test]
    fn each_rows_events_come_in_the_order_of_their_times() {
        for row in TABLE {
            assert!(row.events.is_sorted_by_key(|(after, _)| *after), "{:?}", row.words);
        }
    }

    #[test]
    fn what_follows_a_deferral_is_the_second_attempt() {
        let attempts = |address| {
            let fate = Fate::of(address);
            (0..fate.len()).filter_map(|at| fate.step(at)).map(|step| step.attempt).collect::<Vec<_>>()
        };
        assert_eq!(attempts("defer@example.com"), [1, 1, 2]);
        assert_eq!(attempts("click@example.com"), [1, 1, 1, 1]);
    }
}

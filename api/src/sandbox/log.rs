//! The event log: nothing of it is stored. What is asked for is worked out from the messages remembered, each event from
//! the moment it has happened.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Mailgun;
use super::event::{Occurrence, Place};
use super::fate::Told;
use super::store::Accepted;

/// In which order, and between which times (both included).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Span {
    pub(super) ascending: bool,
    pub(super) from: Option<DateTime<Utc>>,
    pub(super) to: Option<DateTime<Utc>>,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Start {
    First,
    /// In the order asked for, behind this one.
    After(Place),
    Before(Place),
    Last,
}

/// A page of events, and how many there are on all pages.
pub(super) struct Found {
    pub(super) events: Vec<Occurrence>,
    pub(super) total: usize,
}

impl Mailgun {
    /// The events of the messages that `concerns` which have happened, pass `matches` and lie in the span.
    pub(super) fn log(
        &self,
        (span, start, limit): (Span, Start, usize),
        concerns: impl Fn(&Accepted) -> bool,
        matches: impl Fn(&Occurrence) -> bool,
    ) -> Found {
        let now = self.clock.now();
        let to = span.to.map_or(now, |to| to.min(now));
        let from = span.from.unwrap_or(DateTime::<Utc>::MIN_UTC);
        let messages = self.store.all(|message| message.received_at <= to && concerns(message));
        let mut events: Vec<Occurrence> = messages
            .iter()
            .flat_map(occurrences)
            .filter(|event| (from..=to).contains(&event.at()) && matches(event))
            .collect();
        events.sort_by_key(|event| event.place);
        if !span.ascending {
            events.reverse();
        }
        let total = events.len();
        let passed = |place: Place, event: &Occurrence| {
            if span.ascending { event.place <= place } else { event.place >= place }
        };
        match start {
            Start::First => events.truncate(limit),
            Start::After(place) => {
                let first = events.partition_point(|event| passed(place, event));
                events = events.into_iter().skip(first).take(limit).collect();
            }
            Start::Before(place) => {
                let end = events.partition_point(|event| event.place != place && passed(place, event));
                events = events.into_iter().take(end).skip(end.saturating_sub(limit)).collect();
            }
            Start::Last => drop(events.drain(..total.saturating_sub(limit))),
        }
        Found { events, total }
    }
}

/// All events of a message that the log will ever know.
fn occurrences(message: &Arc<Accepted>) -> impl Iterator<Item = Occurrence> + '_ {
    let known = message.fates.iter().enumerate().filter(|(_, fate)| fate.told() != Told::Nobody);
    known.flat_map(move |(recipient, fate)| {
        (0..fate.len()).filter_map(move |step| Occurrence::of(message, recipient, step))
    })
}

//! What was received, in bounded memory: counters for all of it, a record of each of the newest messages, and the bodies
//! of the very newest.

mod record;
mod ring;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::response::Response;
use serde::Serialize;

pub(super) use self::record::{Accepted, Arrival};
use self::ring::{Bound, Ring, Seen};
use super::faults::Cut;
use super::submission::Bodies;

/// How many messages are remembered, and how many bytes their records may hold together. They are the event log too.
const RECORDS: Bound = Bound { count: 25_000, bytes: 32 << 20 };
/// The same for the bodies of the newest.
const BODIES: Bound = Bound { count: 200, bytes: 16 << 20 };
/// The variable by which a message is told from its duplicate.
pub(super) const EMAIL_ID: &str = "email-id";

/// All that happened since the start or the last clearing.
#[derive(Debug, Serialize)]
pub(super) struct Stats {
    /// On the Mailgun side; the control surface is not counted.
    requests: u64,
    /// By the status they were answered with.
    by_status: BTreeMap<u16, u64>,
    /// Requests whose connection was cut instead of an answer.
    cut: u64,
    /// Requests that are being answered, or hang. What is in none of these three, its client left.
    under_way: u64,
    accepted: u64,
    /// Accepted although a message with the same `v:email-id` had been; in a batch each recipient's counts.
    duplicates: u64,
    /// How many of the accepted are still remembered, and how many with their bodies.
    kept: usize,
    kept_bodies: usize,
}

#[derive(Default)]
pub(super) struct Store {
    requests: AtomicU64,
    under_way: AtomicU64,
    cut: AtomicU64,
    statuses: Statuses,
    received: Mutex<Received>,
}

/// One counter for each status from 100 to 599.
struct Statuses([AtomicU64; 500]);

impl Default for Statuses {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

struct Received {
    last_number: u64,
    accepted: u64,
    duplicates: u64,
    records: Ring<Arc<Accepted>>,
    bodies: Ring<(u64, Arc<Bodies>)>,
    /// Email ids, to tell duplicates from first arrivals.
    seen: Seen,
}

impl Default for Received {
    fn default() -> Self {
        Self {
            last_number: 0,
            accepted: 0,
            duplicates: 0,
            records: Ring::within(RECORDS),
            bodies: Ring::within(BODIES),
            seen: Seen::default(),
        }
    }
}

/// A request that was counted and is under way.
pub(super) struct UnderWay<'a>(&'a Store);

impl UnderWay<'_> {
    /// Counts its answer.
    pub(super) fn answered(self, answer: &Response) {
        let Self(store) = self;
        let counter = if answer.extensions().get::<Cut>().is_some() {
            Some(&store.cut)
        } else {
            store.statuses.0.get(usize::from(answer.status().as_u16()).saturating_sub(100))
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for UnderWay<'_> {
    /// Answered, or dropped by the server because the client left.
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Which records are asked for; an absent field asks nothing.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) email_id: Option<String>,
    /// With or without angle brackets.
    pub(super) message_id: Option<String>,
}

impl Store {
    /// Counts a request.
    pub(super) fn asked(&self) -> UnderWay<'_> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self)
    }

    /// Remembers a message.
    pub(super) fn accept(&self, arrival: Arrival) -> Arc<Accepted> {
        let (mut record, bodies) = arrival.into_record();
        let body_bytes = record.body_sizes.sum();
        let bodies = Arc::new(bodies);
        let bytes = record.bytes();

        let mut received = self.lock();
        received.last_number += 1;
        received.accepted += 1;
        record.number = received.last_number;
        for id in record.email_ids() {
            received.duplicates += u64::from(!received.seen.insert(&id));
        }
        let record = Arc::new(record);
        received.records.push(record.clone(), bytes);
        received.bodies.push((record.number, bodies), body_bytes);
        record
    }

    /// All that are wanted and remembered, oldest first.
    pub(super) fn all(&self, wanted: impl Fn(&Accepted) -> bool) -> Vec<Arc<Accepted>> {
        let received = self.lock();
        let mut found: Vec<_> = received.records.newest_first().filter(|record| wanted(record)).cloned().collect();
        found.reverse();
        found
    }

    /// The newest `limit` records that are wanted, newest first.
    pub(super) fn newest(&self, wanted: &Wanted, limit: usize) -> Vec<Arc<Accepted>> {
        let received = self.lock();
        received.records.newest_first().filter(|record| wanted.includes(record)).take(limit).cloned().collect()
    }

    /// One record, and its bodies while they are kept.
    pub(super) fn find(&self, number: u64) -> Option<(Arc<Accepted>, Option<Arc<Bodies>>)> {
        let received = self.lock();
        let record = received.records.newest_first().find(|record| record.number == number)?.clone();
        let bodies = received.bodies.newest_first().find(|(of, _)| *of == number).map(|(_, bodies)| bodies.clone());
        Some((record, bodies))
    }

    /// The counters.
    pub(super) fn stats(&self) -> Stats {
        let answers = (100..).zip(&self.statuses.0).map(|(status, count)| (status, count.load(Ordering::Relaxed)));
        let by_status = answers.filter(|(_, count)| *count > 0).collect();
        let received = self.lock();
        Stats {
            requests: self.requests.load(Ordering::Relaxed),
            by_status,
            cut: self.cut.load(Ordering::Relaxed),
            under_way: self.under_way.load(Ordering::Relaxed),
            accepted: received.accepted,
            duplicates: received.duplicates,
            kept: received.records.len(),
            kept_bodies: received.bodies.len(),
        }
    }

    /// Forgets the messages and sets the counters to zero; numbers go on.
    pub(super) fn clear(&self) {
        let mut received = self.lock();
        *received = Received { last_number: received.last_number, ..Received::default() };
        drop(received);
        for counter in self.statuses.0.iter().chain([&self.requests, &self.cut]) {
            counter.store(0, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wanted {
    /// Of a batch, any of its mails will do.
    fn includes(&self, record: &Accepted) -> bool {
        let bare = |id: &str| id.trim_matches(['<', '>']).to_owned();
        let has = |id: &String| {
            let mut own = record.recipients().map(|recipient| record.message_id_of(recipient));
            bare(&record.message_id) == bare(id) || own.any(|own| bare(&own) == bare(id))
        };
        self.email_id.as_ref().is_none_or(|id| record.email_ids().contains(id))
            && self.message_id.as_ref().is_none_or(has)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use chrono::DateTime;

    use super::*;
    use crate::sandbox::fate::Fate;
    use crate::sandbox::submission::Submission;

    fn message(email_id: &str, text: &str) -> Submission {
        Submission {
            to: vec!["bob@example.com".to_owned()],
            variables: [(EMAIL_ID.to_owned(), email_id.to_owned())].into(),
            bodies: Bodies { text: Some(text.to_owned()), ..Bodies::default() },
            ..Submission::default()
        }
    }

    fn accept(store: &Store, message: Submission) -> u64 {
        let fates = message.to.iter().map(|address| Fate::of(address)).collect();
        let (domain, message_id) = ("mg.example.com".to_owned(), "<1@mg.example.com>".to_owned());
        let received_at = DateTime::UNIX_EPOCH;
        store.accept(Arrival { message, domain, message_id, received_at, fates, fault: None }).number
    }

    #[test]
    fn the_newest_are_kept_and_all_are_counted() {
        let store = Store::default();
        for n in 1..=25_500 {
            assert_eq!(accept(&store, message(&n.to_string(), "hello")), n);
        }
        let stats = store.stats();
        assert_eq!((stats.accepted, stats.duplicates, stats.kept, stats.kept_bodies), (25_500, 0, 25_000, 200));
        let newest = store.newest(&Wanted::default(), usize::MAX);
        assert_eq!((newest[0].number, newest[24_999].number), (25_500, 501));
        assert!(store.find(500).is_none());
        assert!(store.find(25_300).unwrap().1.is_none());
        assert_eq!(store.find(25_301).unwrap().1.unwrap().text.as_deref(), Some("hello"));
    }

    #[test]
    fn large_messages_are_kept_in_smaller_number() {
        let store = Store::default();
        let large = "x".repeat(1 << 20);
        for n in 0..40 {
            let mut message = message(&n.to_string(), &large);
            message.subject = Some(large.clone());
            accept(&store, message);
        }
        let received = store.lock();
        assert_eq!((received.records.len(), received.bodies.len()), (31, 16));
    }

    #[test]
    fn a_duplicate_is_known_after_its_first_is_forgotten() {
        let store = Store::default();
        for n in 0..25_001 {
            accept(&store, message(&n.to_string(), ""));
        }
        accept(&store, message("0", ""));
        assert_eq!(store.stats().duplicates, 1);
    }
}

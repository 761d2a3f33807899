//! What is due when, within a bound.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Delivery;
use crate::sandbox::event::Occurrence;

/// How many jobs may wait or be held back together.
const MOST_JOBS: usize = 50_000;

/// Something to do at its time.
pub(super) enum Job {
    /// The event happens: whoever wants to know is called.
    Happens(Occurrence),
    Call(Arc<Delivery>, Manner),
}

/// How a webhook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Until it is taken, refused, or given up.
    Usual,
    /// Once, whatever has come of it before and comes of it now.
    Again,
}

/// A job in the heap: ordered by time, then as it came.
struct Entry {
    at: DateTime<Utc>,
    order: u64,
    job: Job,
}

impl Entry {
    fn key(&self) -> Reverse<(DateTime<Utc>, u64)> {
        Reverse((self.at, self.order))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

#[derive(Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Entry>,
    held: Vec<(Arc<Delivery>, Manner)>,
    last_order: u64,
    dropped: u64,
}

impl Queue {
    /// Whether there was room.
    pub(super) fn push(&mut self, at: DateTime<Utc>, job: Job) -> bool {
        let room = self.has_room();
        if room {
            self.last_order += 1;
            self.heap.push(Entry { at, order: self.last_order, job });
        }
        room
    }

    /// Takes the first job that is due.
    pub(super) fn due(&mut self, now: DateTime<Utc>) -> Option<Job> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|entry| entry.job)
    }

    /// When the first job is due.
    pub(super) fn next(&self) -> Option<DateTime<Utc>> {
        self.heap.peek().map(|entry| entry.at)
    }

    /// Puts a call aside until [`Self::release`].
    pub(super) fn hold(&mut self, delivery: Arc<Delivery>, manner: Manner) {
        if self.has_room() {
            self.held.push((delivery, manner));
        }
    }

    /// What was put aside is due at once, in the order it was.
    pub(super) fn release(&mut self) {
        for (delivery, manner) in std::mem::take(&mut self.held) {
            self.push(DateTime::UNIX_EPOCH, Job::Call(delivery, manner));
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.heap.len()
    }

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// How many found no room.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn has_room(&mut self) -> bool {
        let room = self.heap.len() + self.held.len() < MOST_JOBS;
        self.dropped += u64::from(!room);
        room
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use chrono::TimeDelta;

    use super::*;
    use crate::sandbox::fate::Fate;
    use crate::sandbox::store::{Arrival, Store};
    use crate::sandbox::submission::Submission;

    fn job(recipients: &[&str]) -> Job {
        let message = Submission { to: recipients.iter().map(ToString::to_string).collect(), ..Submission::default() };
        let arrival = Arrival {
            message,
            domain: "mg.example.com".to_owned(),
            message_id: "<1@mg.example.com>".to_owned(),
            received_at: DateTime::UNIX_EPOCH,
            fates: vec![Fate::of("sally@example.com")],
            fault: None,
        };
        Job::Happens(Occurrence::of(&Store::default().accept(arrival), 0, 0).unwrap())
    }

    fn taken(queue: &mut Queue, now: DateTime<Utc>) -> Option<String> {
        queue.due(now).map(|job| match job {
            Job::Happens(event) => event.recipient().to_owned(),
            Job::Call(..) => String::new(),
        })
    }

    #[test]
    fn jobs_come_by_their_time_and_then_as_they_were_put() {
        let mut queue = Queue::default();
        let at = |millis| DateTime::UNIX_EPOCH + TimeDelta::milliseconds(millis);
        for (millis, name) in [(20, "c"), (10, "a"), (10, "b")] {
            assert!(queue.push(at(millis), job(&[name])));
        }
        assert_eq!((taken(&mut queue, at(9)), queue.next()), (None, Some(at(10))));
        assert_eq!(taken(&mut queue, at(15)).as_deref(), Some("a"));
        assert_eq!(taken(&mut queue, at(15)).as_deref(), Some("b"));
        assert_eq!(taken(&mut queue, at(15)), None);
        assert_eq!(taken(&mut queue, at(20)).as_deref(), Some("c"));
    }

    #[test]
    fn beyond_the_bound_jobs_are_dropped_and_counted() {
        let mut queue = Queue::default();
        for _ in 0..MOST_JOBS {
            assert!(queue.push(DateTime::UNIX_EPOCH, job(&["a"])));
        }
        assert!(!queue.push(DateTime::UNIX_EPOCH, job(&["b"])));
        assert_eq!((queue.waiting(), queue.dropped()), (MOST_JOBS, 1));
    }
}

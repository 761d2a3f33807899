//! What a process knows without the database: what it counted, and that the database is away. The others can't be asked then,
//! so each process that can tell somebody does, with the same key for all of them; when the database is back, one of them
//! stores it and tells the end.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use entity::alert_count::Count;

use super::count::Counts;
use super::list::Alert;
use super::table::Name;
use crate::timing::Timing;

/// What a process knows of itself.
#[derive(Debug, Default)]
pub struct Own {
    pub(super) counts: Counts,
    outage: Mutex<Outages>,
    /// What was last read of the alerts of all.
    known: Mutex<Vec<Alert>>,
}

#[derive(Debug, Default)]
struct Outages {
    now: Option<Outage>,
    /// Those that are over and not stored yet.
    over: Vec<(Outage, DateTime<Utc>)>,
}

/// A time without the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outage {
    pub(super) since: DateTime<Utc>,
    /// When it had lasted long enough to be told.
    pub(super) fired_at: Option<DateTime<Utc>>,
    tell_at: Option<DateTime<Utc>>,
    pub(super) tries: u32,
    /// Somebody was told, or may have been.
    pub(super) heard: bool,
}

impl Own {
    /// This process met so many more.
    pub fn count(&self, count: Count, n: i64) {
        self.counts.add(count, n);
    }

    fn outages(&self) -> MutexGuard<'_, Outages> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, Vec<Alert>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn remember(&self, alerts: &[Alert]) {
        alerts.clone_into(&mut self.known());
    }

    pub(super) fn remembered(&self) -> Vec<Alert> {
        self.known().clone()
    }

    /// The database did not answer. Answers whether that is news that is to be told.
    pub(super) fn away(&self, now: DateTime<Utc>, timing: &Timing) -> bool {
        let mut outages = self.outages();
        let fresh = Outage { since: now, fired_at: None, tell_at: None, tries: 0, heard: false };
        let outage = outages.now.get_or_insert(fresh);
        let fires = outage.fired_at.is_none() && outage.since + timing.minutes(Name::DatabaseAway.rule().hold) <= now;
        if fires {
            (outage.fired_at, outage.tell_at) = (Some(now), Some(now));
        }
        fires
    }

    /// The database answered.
    pub(super) fn back(&self, now: DateTime<Utc>) {
        let mut outages = self.outages();
        if let Some(outage) = outages.now.take().filter(|outage| outage.fired_at.is_some()) {
            outages.over.push((outage, now));
        }
    }

    /// The outage that goes on.
    pub(super) fn outage(&self) -> Option<Outage> {
        self.outages().now.clone()
    }

    /// The first outage that is over and not stored yet, and when it ended.
    pub(super) fn over(&self) -> Option<(Outage, DateTime<Utc>)> {
        self.outages().over.first().cloned()
    }

    /// That one is stored.
    pub(super) fn is_stored(&self, outage: &Outage) {
        self.outages().over.retain(|(over, _)| over.since != outage.since);
    }

    /// The outage that is to be told now; whoever asked says how that went.
    pub(super) fn to_tell(&self, now: DateTime<Utc>) -> Option<Outage> {
        let mut outages = self.outages();
        let outage = outages.now.as_mut().filter(|outage| outage.tell_at.is_some_and(|at| at <= now))?;
        outage.tries += 1;
        outage.heard = true;
        Some(outage.clone())
    }

    /// It was told, or not; the next time is `after`.
    pub(super) fn told(&self, done: bool, now: DateTime<Utc>, after: TimeDelta) {
        if let Some(outage) = self.outages().now.as_mut() {
            outage.tell_at = Some(now + after);
            if done {
                outage.tries = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap_or_default()
    }

    #[test]
    fn an_outage_is_told_once_it_has_lasted_and_again_after_a_while() {
        let (own, timing) = (Own::default(), Timing::default());
        assert!(!own.away(at(0), &timing));
        assert!(!own.away(at(59), &timing));
        assert_eq!(own.to_tell(at(59)), None);
        assert!(own.away(at(60), &timing));
        assert!(!own.away(at(75), &timing), "it is news once");
        assert_eq!(own.to_tell(at(75)).map(|outage| outage.tries), Some(1));
        own.told(false, at(75), TimeDelta::seconds(5));
        assert_eq!(own.to_tell(at(79)), None);
        assert_eq!(own.to_tell(at(80)).map(|outage| outage.tries), Some(2));
        own.told(true, at(80), TimeDelta::hours(4));
        assert_eq!(own.to_tell(at(14_479)), None);
        assert_eq!(own.to_tell(at(14_480)).map(|outage| outage.tries), Some(1));
    }

    #[test]
    fn an_outage_that_was_raised_is_kept_until_it_is_stored_and_a_short_one_is_forgotten() {
        let (own, timing) = (Own::default(), Timing::default());
        own.away(at(0), &timing);
        own.back(at(30));
        assert_eq!((own.outage(), own.over()), (None, None));
        own.away(at(100), &timing);
        own.away(at(160), &timing);
        own.back(at(200));
        let (outage, ended) = own.over().expect("it was raised");
        assert_eq!((outage.since, outage.fired_at, outage.heard, ended), (at(100), Some(at(160)), false, at(200)));
        own.away(at(300), &timing);
        assert!(own.over().is_some(), "the next one does not push it out");
        own.is_stored(&outage);
        assert_eq!(own.over(), None);
    }
}

//! The one place where time and chance enter: everything else is handed a [`Clock`] or a number.
//!
//! In production the clock shows *database* time: an offset measured against the database, carried on by the monotonic
//! clock, so that two processes whose wall clocks disagree still agree on what is due and whose lease has run out.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::{ContextV7, Timestamp, Uuid};

/// A shared clock: clones show the same time.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    started: Instant,
    /// Wall time at `started`, in microseconds since the epoch, corrected whenever the database was asked.
    origin: AtomicI64,
    ids: Mutex<ContextV7>,
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl Clock {
    /// A clock that starts at this machine's wall time; [`Clock::align`] moves it to the database's.
    #[expect(clippy::disallowed_methods, reason = "this is the file that may")]
    pub fn system() -> Self {
        Self(Arc::new(Inner {
            started: Instant::now(),
            origin: AtomicI64::new(Utc::now().timestamp_micros()),
            ids: Mutex::new(ContextV7::new()),
        }))
    }

    /// The time that every statement takes as its parameter, to the microsecond (what both back ends keep).
    pub fn now(&self) -> DateTime<Utc> {
        let micros = self.0.origin.load(Ordering::Relaxed) + self.elapsed().as_micros() as i64;
        DateTime::from_timestamp_micros(micros).unwrap_or_default()
    }

    /// Time since this clock was made; never goes back, whatever the wall clock does.
    #[expect(clippy::disallowed_methods, reason = "this is the file that may")]
    pub fn elapsed(&self) -> Duration {
        Instant::now().duration_since(self.0.started)
    }

    /// Says that it is `truth` at this moment. Answers by how much the clock was off.
    pub fn align(&self, truth: DateTime<Utc>) -> TimeDelta {
        let off = truth - self.now();
        self.0.origin.store(truth.timestamp_micros() - self.elapsed().as_micros() as i64, Ordering::Relaxed);
        off
    }

    /// A new UUIDv7: ids made by one process sort in the order they were made.
    pub fn id(&self) -> Uuid {
        let micros = self.now().timestamp_micros().max(0) as u64;
        let ids = self.0.ids.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Uuid::new_v7(Timestamp::from_unix(&*ids, micros / 1_000_000, (micros % 1_000_000) as u32 * 1_000))
    }
}

/// A random number in `0.0..1.0`, for jitter.
#[expect(clippy::disallowed_methods, reason = "this is the file that may")]
pub fn chance() -> f64 {
    rand::RngExt::random(&mut rand::rng())
}

/// Random bytes from the operating system's generator, for keys and nonces.
#[expect(clippy::disallowed_methods, reason = "this is the file that may")]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    rand::RngExt::random(&mut rand::rng())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_in_the_order_they_were_made() {
        let clock = Clock::system();
        let made: Vec<Uuid> = (0..1_000).map(|_| clock.id()).collect();
        assert!(made.is_sorted());
    }

    #[test]
    fn an_aligned_clock_shows_the_time_it_was_told() {
        let clock = Clock::system();
        let truth = clock.now() + TimeDelta::minutes(2);
        let off = clock.align(truth);
        assert!((off - TimeDelta::minutes(2)).abs() < TimeDelta::milliseconds(50));
        assert!((clock.now() - truth).abs() < TimeDelta::milliseconds(50));
    }
}

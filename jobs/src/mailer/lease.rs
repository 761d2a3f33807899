//! How long a claimed email is still this worker's, by a clock that counts whatever happens to the worker.

use std::time::Duration;

use crate::guard::{Guard, stands};

/// A claim's end. The clock is CLOCK_BOOTTIME on Linux: it goes on while the process is stopped and while the machine sleeps,
/// and no change of the wall clock moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    until: Duration,
    margin: Duration,
}

impl Lease {
    /// A claim of the length `lease`, made now. It is good for a POST while more than `margin` of it is left. Measure before
    /// the claiming statement starts: then the database's lease ends later than this one, never earlier.
    pub fn starting_now(lease: Duration, margin: Duration) -> Self {
        Self { until: boot_time().saturating_add(lease), margin }
    }

    /// Whether a POST may begin.
    pub fn still_good(&self) -> bool {
        self.remaining() > self.margin || !stands(Guard::Lease)
    }

    /// Whether the email is still this worker's at all: a POST that has begun goes on while it is.
    pub fn held(&self) -> bool {
        !self.remaining().is_zero() || !stands(Guard::Lease)
    }

    /// How much of the claim is left.
    pub fn remaining(&self) -> Duration {
        self.until.saturating_sub(boot_time())
    }
}

#[cfg(target_os = "linux")]
fn boot_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    // Time since boot: neither part is ever negative.
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

#[cfg(not(target_os = "linux"))]
fn boot_time() -> Duration {
    static STARTED: std::sync::LazyLock<tokio::time::Instant> = std::sync::LazyLock::new(tokio::time::Instant::now);
    STARTED.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_lease_is_good_while_more_than_its_margin_is_left() {
        assert!(Lease::starting_now(MINUTE, MINUTE / 2).still_good());
        let short = Lease::starting_now(MINUTE, MINUTE * 2);
        assert!(!short.still_good() && short.held());
        let over = Lease::starting_now(Duration::ZERO, Duration::ZERO);
        assert!(!over.still_good() && !over.held());
    }

    #[test]
    fn a_lease_runs_down_and_ends() {
        let lease = Lease::starting_now(Duration::from_millis(20), Duration::ZERO);
        let first = lease.remaining();
        while lease.held() {
            std::thread::yield_now();
        }
        assert!(first > lease.remaining());
    }
}

//! The headers by which Mailgun says how often an endpoint may still be asked. The sandbox counts and refuses nobody.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use entity::Clock;

const LIMIT: HeaderName = HeaderName::from_static("x-request-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-request-remaining");
const RESET: HeaderName = HeaderName::from_static("x-request-reset");

/// So many requests in so long, counted anew from the first request after each end.
pub(super) struct Window {
    limit: u64,
    length: TimeDelta,
    clock: Clock,
    current: Mutex<(DateTime<Utc>, u64)>,
}

impl Window {
    /// As recorded at the suppression lists since 2025.
    pub(super) fn of_lists(clock: Clock) -> Arc<Self> {
        Arc::new(Self { limit: 2_500, length: TimeDelta::seconds(15), clock, current: Mutex::default() })
    }

    /// How many are left after this one, and when they are counted anew.
    fn take(&self, now: DateTime<Utc>) -> (u64, DateTime<Utc>) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0 <= now {
            *current = (now + self.length, 0);
        }
        current.1 += 1;
        (self.limit.saturating_sub(current.1), current.0)
    }
}

/// Adds the headers; the reset is in milliseconds since the epoch.
pub(super) async fn announce(State(window): State<Arc<Window>>, request: Request, next: Next) -> Response {
    let (remaining, reset) = window.take(window.clock.now());
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    headers.insert(LIMIT, HeaderValue::from(window.limit));
    headers.insert(REMAINING, HeaderValue::from(remaining));
    headers.insert(RESET, HeaderValue::from(reset.timestamp_millis()));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_counts_down_and_begins_anew() {
        let window =
            Window { limit: 2, length: TimeDelta::seconds(15), clock: Clock::system(), current: Mutex::default() };
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let taken: Vec<_> = [0, 1, 2, 15, 29, 31].map(|second| window.take(at(second))).into();
        assert_eq!(taken, [(1, at(15)), (0, at(15)), (0, at(15)), (1, at(30)), (0, at(30)), (1, at(46))]);
    }
}

//! What follows from an endpoint's answer, and when what failed is tried again: pure.
//!
//! An event is tried eight times over 27 hours and a half, the schedule of Svix. An endpoint that fails many times in a row is
//! offered new events one at a time, as probes, further and further apart: what it was not offered waits among the events and
//! costs nothing. One that took nothing for days is disabled.

use chrono::{DateTime, TimeDelta, Utc};
use entity::event_dispatch::State;
use entity::event_endpoint::{Disabled, Model as Endpoint};

use crate::timing::{Timing, delta};

/// After so many failures in a row an endpoint is offered one new event at a time.
pub const MANY: i32 = 5;

/// What an endpoint said, or did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An answer with this status came, and perhaps asks to be left alone for so long.
    Status { status: u16, retry_after: Option<TimeDelta> },
    /// None came: why, in our words.
    None(String),
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub state: State,
    /// When it is tried again.
    pub due_at: Option<DateTime<Utc>>,
    pub http_status: Option<u16>,
    /// Why it failed.
    pub error: Option<String>,
    /// For so long the endpoint asks to be left alone.
    pub leave_alone: Option<TimeDelta>,
    /// It says that it is gone for good.
    pub gone: bool,
}

/// What follows from the answer to try number `tries` (the first is 1) at `now`; `chance` in 0..1 spreads what failed together.
pub fn outcome(answer: &Answer, tries: i32, now: DateTime<Utc>, timing: &Timing, chance: f64) -> Outcome {
    let (http_status, retry_after, error) = match answer {
        Answer::Status { status: 200..=299, .. } => {
            let http_status = match answer {
                Answer::Status { status, .. } => Some(*status),
                Answer::None(_) => None,
            };
            let state = State::Taken;
            return Outcome { state, due_at: None, http_status, error: None, leave_alone: None, gone: false };
        }
        Answer::Status { status, retry_after } => (Some(*status), *retry_after, answered(*status)),
        Answer::None(why) => (None, None, why.clone()),
    };
    let leave_alone = retry_after.map(|wait| wait.clamp(TimeDelta::zero(), delta(timing.dispatch_asked_most)));
    let wait = wait(tries, timing, chance).map(|wait| wait.max(leave_alone.unwrap_or_default()));
    Outcome {
        state: if wait.is_some() { State::Waiting } else { State::Dead },
        due_at: wait.map(|wait| now + wait),
        http_status,
        error: Some(error),
        leave_alone,
        gone: http_status == Some(410),
    }
}

/// How long after failed try number `tries` it is tried again, a tenth more or less; `None` when it was the last.
fn wait(tries: i32, timing: &Timing, chance: f64) -> Option<TimeDelta> {
    let at = usize::try_from(tries.saturating_sub(1)).unwrap_or_default();
    let wait = timing.dispatch_waits.get(at)?;
    Some(delta(wait.mul_f64(0.9 + 0.2 * chance.clamp(0.0, 1.0))))
}

fn answered(status: u16) -> String {
    match status {
        300..=399 => format!("answered {status}; redirections are not followed"),
        410 => "answered 410: it is gone for good".to_owned(),
        _ => format!("answered {status}"),
    }
}

/// Puts the end of a try on record.
pub fn note(endpoint: &mut Endpoint, outcome: &Outcome, now: DateTime<Utc>) {
    if outcome.state == State::Taken {
        endpoint.taken += 1;
        endpoint.taken_at = Some(now);
        (endpoint.failures, endpoint.failing_since) = (0, None);
        (endpoint.held_until, endpoint.last_error) = (None, None);
        return;
    }
    endpoint.failures = endpoint.failures.saturating_add(1);
    endpoint.failing_since = endpoint.failing_since.or(Some(now));
    endpoint.last_error.clone_from(&outcome.error);
    if let Some(wait) = outcome.leave_alone {
        endpoint.held_until = endpoint.held_until.max(Some(now + wait));
    }
    if outcome.gone {
        (endpoint.disabled_at, endpoint.disabled_by) = (Some(now), Some(Disabled::Gone));
    }
}

/// Concludes a round of tries: how long nothing new is offered, and whether it is given up.
pub fn conclude(endpoint: &mut Endpoint, now: DateTime<Utc>, timing: &Timing) {
    if let Some(since) = endpoint.failing_since.filter(|_| endpoint.failures >= MANY) {
        endpoint.held_until = endpoint.held_until.max(Some(now + probe(now - since, timing)));
    }
    let since = endpoint.failing_since.filter(|since| now - *since >= delta(timing.dispatch_failing));
    if since.is_some() && endpoint.failures >= MANY && endpoint.disabled_at.is_none() {
        (endpoint.disabled_at, endpoint.disabled_by) = (Some(now), Some(Disabled::Failing));
    }
}

/// How far apart probes are of one that has been failing for so long: half of that again.
fn probe(failing: TimeDelta, timing: &Timing) -> TimeDelta {
    (failing / 2).clamp(delta(timing.dispatch_probe), delta(timing.dispatch_probe_most))
}

/// How many new events it may be offered at `now`.
pub fn offered(endpoint: &Endpoint, now: DateTime<Utc>) -> Offer {
    if endpoint.held_until.is_some_and(|until| until > now) {
        Offer::Nothing
    } else if endpoint.failures >= MANY {
        Offer::Probe
    } else {
        Offer::All
    }
}

/// What is offered to an endpoint besides what is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It is left alone.
    Nothing,
    /// One event.
    Probe,
    /// Whatever there is.
    All,
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn said(status: u16) -> Answer {
        Answer::Status { status, retry_after: None }
    }

    fn endpoint() -> Endpoint {
        Endpoint {
            id: Uuid::nil(),
            url: "https://example.com/".to_owned(),
            description: None,
            wanted: "{}".to_owned(),
            seq: 0,
            disabled_at: None,
            disabled_by: None,
            failures: 0,
            failing_since: None,
            held_until: None,
            last_error: None,
            taken: 0,
            taken_at: None,
            lease_until: None,
            created_at: NOW,
            updated_at: NOW,
        }
    }

    #[test]
    fn only_what_says_so_is_taken() {
        let timing = Timing::default();
        for (status, state, error) in [
            (200, State::Taken, None),
            (202, State::Taken, None),
            (204, State::Taken, None),
            (299, State::Taken, None),
            (100, State::Waiting, Some("answered 100")),
            (301, State::Waiting, Some("answered 301; redirections are not followed")),
            (400, State::Waiting, Some("answered 400")),
            (404, State::Waiting, Some("answered 404")),
            (410, State::Waiting, Some("answered 410: it is gone for good")),
            (500, State::Waiting, Some("answered 500")),
        ] {
            let outcome = outcome(&said(status), 1, NOW, &timing, 0.5);
            assert_eq!((outcome.state, outcome.error.as_deref()), (state, error), "{status}");
            assert_eq!(outcome.gone, status == 410);
            assert_eq!(outcome.http_status, Some(status));
        }
        let outcome = outcome(&Answer::None("timed out".to_owned()), 1, NOW, &timing, 0.5);
        assert_eq!((outcome.state, outcome.error.as_deref()), (State::Waiting, Some("timed out")));
        assert_eq!(outcome.http_status, None);
    }

    #[test]
    fn eight_tries_go_over_more_than_a_day() {
        let timing = Timing::default();
        let (mut now, mut waits) = (NOW, Vec::new());
        for tries in 1..8 {
            let due = outcome(&said(500), tries, now, &timing, 0.5).due_at.unwrap_or_default();
            waits.push((due - now).num_seconds());
            now = due;
        }
        assert_eq!(waits, [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000]);
        assert!(now - NOW > TimeDelta::hours(24), "{}", now - NOW);
        let last = outcome(&said(500), 8, now, &timing, 0.5);
        assert_eq!((last.state, last.due_at), (State::Dead, None));
        assert_eq!(outcome(&said(500), i32::MAX, now, &timing, 0.5).state, State::Dead);
        assert_eq!(outcome(&said(500), 0, now, &timing, 0.5).state, State::Waiting);
    }

    proptest::proptest! {
        #[test]
        fn what_failed_together_is_spread_by_a_tenth(tries in 1..8_i32, chance in 0.0..=1.0_f64) {
            let timing = Timing::default();
            let step = timing.dispatch_waits[tries as usize - 1].as_secs_f64();
            let wait = (outcome(&said(500), tries, NOW, &timing, chance).due_at.unwrap_or_default() - NOW).as_seconds_f64();
            proptest::prop_assert!((step * 0.89..=step * 1.11).contains(&wait), "{wait} of {step}");
        }
    }

    #[test]
    fn who_asks_to_be_left_alone_is_for_a_while() {
        let timing = Timing::default();
        for (asked, waits) in [(1, 5), (60, 60), (3_000, 3_000), (1_000_000, 3_600), (-5, 5)] {
            let answer = Answer::Status { status: 429, retry_after: Some(TimeDelta::seconds(asked)) };
            let outcome = outcome(&answer, 1, NOW, &timing, 0.5);
            assert_eq!(outcome.due_at, Some(NOW + TimeDelta::seconds(waits)), "{asked}");
            let mut endpoint = endpoint();
            note(&mut endpoint, &outcome, NOW);
            let left = TimeDelta::seconds(asked.clamp(0, 3_600));
            assert_eq!(endpoint.held_until, Some(NOW + left));
            assert_eq!(offered(&endpoint, NOW + left), Offer::All);
        }
    }

    #[test]
    fn who_fails_many_times_is_probed_further_and_further_apart_until_it_takes_one() {
        let timing = Timing::default();
        let mut endpoint = endpoint();
        let fails = outcome(&said(503), 1, NOW, &timing, 0.5);
        for failures in 1..MANY {
            note(&mut endpoint, &fails, NOW);
            conclude(&mut endpoint, NOW, &timing);
            assert_eq!(offered(&endpoint, NOW), Offer::All, "after {failures}");
        }
        let (mut now, mut gaps) = (NOW, Vec::new());
        for _ in 0..20 {
            note(&mut endpoint, &fails, now);
            conclude(&mut endpoint, now, &timing);
            assert_eq!(offered(&endpoint, now), Offer::Nothing);
            let until = endpoint.held_until.unwrap_or_default();
            gaps.push((until - now).num_seconds());
            now = until;
            assert_eq!(offered(&endpoint, now), Offer::Probe);
        }
        assert!(gaps.is_sorted() && gaps[..3] == [5, 5, 5] && gaps[15..] == [300; 5], "{gaps:?}");
        note(&mut endpoint, &outcome(&said(200), 1, now, &timing, 0.5), now);
        conclude(&mut endpoint, now, &timing);
        assert_eq!(offered(&endpoint, now), Offer::All);
        assert_eq!((endpoint.failures, endpoint.failing_since, endpoint.last_error), (0, None, None));
        assert_eq!((endpoint.taken, endpoint.taken_at), (1, Some(now)));
    }

    #[test]
    fn who_takes_nothing_for_five_days_is_disabled_and_who_is_gone_at_once() {
        let timing = Timing::default();
        let (mut failing, mut quiet, mut gone) = (endpoint(), endpoint(), endpoint());
        for day in 0..=5 {
            let now = NOW + TimeDelta::days(day);
            assert_eq!(failing.disabled_by, None, "on day {day}");
            for _ in 0..MANY {
                note(&mut failing, &outcome(&said(500), 1, now, &timing, 0.5), now);
            }
            conclude(&mut failing, now, &timing);
        }
        assert_eq!(failing.disabled_by, Some(Disabled::Failing));
        // Two failures, days apart, say little of it.
        for day in [0, 6] {
            let now = NOW + TimeDelta::days(day);
            note(&mut quiet, &outcome(&said(500), 1, now, &timing, 0.5), now);
            conclude(&mut quiet, now, &timing);
        }
        assert_eq!(quiet.disabled_by, None);
        note(&mut gone, &outcome(&said(410), 1, NOW, &timing, 0.5), NOW);
        assert_eq!((gone.disabled_at, gone.disabled_by), (Some(NOW), Some(Disabled::Gone)));
    }
}

//! Which window of the log to read, and when webhooks count as silent. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use crate::log::MARGIN;
use crate::timing::{Timing, delta};

/// The most that is read at once beyond what is read again; a log of days is caught up with in such steps.
const MOST: TimeDelta = TimeDelta::hours(1);

/// So many events in a row that no webhook brought are no coincidence.
pub const SILENT: i32 = 3;

/// What to read, and what is known once it was read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    /// Where the watermark stands then: never within the time in which the log may still grow.
    pub through: DateTime<Utc>,
    /// There is more to be read at once.
    pub more: bool,
}

/// The window behind a watermark. Younger events are left to webhooks for a while; `None` where there is nothing else.
pub fn window(checked_through: DateTime<Utc>, now: DateTime<Utc>, timing: &Timing) -> Option<Window> {
    let (trust, end) = (delta(timing.trust), now - delta(timing.grace));
    let to = end.min(checked_through + trust + MOST);
    let through = checked_through.max(to.min(now - trust));
    (to > checked_through).then_some(Window { from: checked_through - MARGIN, to, through, more: to < end })
}

/// What a reading met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Events that nobody had brought.
    pub missing: i32,
    /// Those of them that the last reading could not have met.
    pub fresh_missing: i32,
    /// Events that were known, though the last reading could not have met them.
    pub fresh_known: i32,
}

impl Seen {
    /// Counts an event.
    pub fn add(&mut self, missing: bool, fresh: bool) {
        self.missing += i32::from(missing);
        self.fresh_missing += i32::from(missing && fresh);
        self.fresh_known += i32::from(!missing && fresh);
    }
}

/// How many events in a row no webhook brought, and since when that is more than chance.
pub fn silence(
    missed: i32,
    since: Option<DateTime<Utc>>,
    seen: &Seen,
    now: DateTime<Utc>,
) -> (i32, Option<DateTime<Utc>>) {
    if seen.fresh_known > 0 {
        return (0, None);
    }
    let missed = missed.saturating_add(seen.fresh_missing);
    (missed, since.or((missed >= SILENT).then_some(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + 60 * minutes, 0).unwrap_or_default()
    }

    #[test]
    fn windows_overlap_until_the_log_can_be_trusted() {
        // Minutes: the watermark, now, and the window's end, the watermark then, whether there is more.
        let cases = [
            (0, 1, None),
            (0, 2, None),
            (0, 3, Some((1, 0, false))),
            (0, 30, Some((28, 0, false))),
            (0, 35, Some((33, 5, false))),
            (5, 40, Some((38, 10, false))),
            (0, 92, Some((90, 62, false))),
            (0, 600, Some((90, 90, true))),
            (90, 600, Some((180, 180, true))),
            (540, 600, Some((598, 570, false))),
        ];
        for (mark, now, expected) in cases {
            let found = window(at(mark), at(now), &Timing::default());
            let expected = expected.map(|(to, through, more)| Window {
                from: at(mark) - MARGIN,
                to: at(to),
                through: at(through),
                more,
            });
            assert_eq!(found, expected, "{mark} {now}");
        }
    }

    #[test]
    fn no_event_falls_between_two_windows() {
        let timing = Timing::default();
        let (mut mark, mut now, mut read) = (at(0), at(0), at(0));
        for minutes in [5, 5, 31, 5, 600, 0, 0, 0, 0, 0, 5, 5] {
            now += TimeDelta::minutes(minutes);
            if let Some(window) = window(mark, now, &timing) {
                assert!(window.from <= mark && window.from <= read, "a gap before {}", window.from);
                assert!(window.through <= now - TimeDelta::minutes(30) || window.through == mark);
                (mark, read) = (window.through, window.to);
            }
        }
        assert_eq!(mark, now - TimeDelta::minutes(30));
    }

    #[test]
    fn webhooks_are_silent_once_several_events_in_a_row_came_without_one() {
        let seen = |missing, known| Seen { missing, fresh_missing: missing, fresh_known: known };
        let cases = [
            ((0, None), seen(0, 0), (0, None)),
            ((0, None), seen(2, 0), (2, None)),
            ((2, None), seen(0, 0), (2, None)),
            ((2, None), seen(1, 0), (3, Some(at(9)))),
            ((2, None), seen(5, 1), (0, None)),
            ((3, Some(at(1))), seen(4, 0), (7, Some(at(1)))),
            ((3, Some(at(1))), seen(0, 0), (3, Some(at(1)))),
            ((9, Some(at(1))), seen(0, 2), (0, None)),
        ];
        for ((missed, since), seen, expected) in cases {
            assert_eq!(silence(missed, since, &seen, at(9)), expected, "{missed} {seen:?}");
        }
        let again = Seen { missing: 5, fresh_missing: 0, fresh_known: 0 };
        assert_eq!(silence(0, None, &again, at(9)), (0, None), "what the last reading may have met says nothing");
    }
}

//! The rule by which things are counted in a time: the generic cell rate algorithm (ITU-T I.371, annex A), which keeps one number
//! for each caller and limit. Pure: times are arguments, in whole microseconds, so that Redis' script (`shared.rs`), whose
//! numbers are doubles, comes to the very same; a property test compares the two.
//!
//! The number is the *theoretical arrival time*: when all that was taken will have come back. How far it lies ahead is the debt.

use std::fmt;
use std::time::Duration;

const SECOND: u64 = 1_000_000;

/// So many at once, and as many again in each window, evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    quota: u64,
    window: Duration,
}

impl Rate {
    /// A rate.
    ///
    /// # Errors
    /// Why it is none: in words that follow a variable's name.
    pub fn new(quota: u64, window: Duration) -> Result<Self, String> {
        let rate = Self { quota, window };
        if quota == 0 || window.is_zero() {
            Err("must allow something; `off` sets no limit".to_owned())
        } else if window > Duration::from_secs(7 * 86_400) {
            Err("must be for seven days at most".to_owned())
        } else if rate.emission() == 0 {
            Err("must be a million a second at most; `off` sets no limit".to_owned())
        } else {
            Ok(rate)
        }
    }

    /// How many at once.
    pub fn quota(&self) -> u64 {
        self.quota
    }

    /// The time in which as many come back.
    pub fn window(&self) -> Duration {
        self.window
    }

    /// Microseconds until one comes back.
    pub fn emission(&self) -> u64 {
        u64::try_from(self.window.as_micros()).unwrap_or(u64::MAX / 2) / self.quota
    }

    /// The largest debt there can be: all of it was taken.
    pub fn depth(&self) -> u64 {
        self.emission() * self.quota
    }

    /// How many may be taken with this debt.
    pub fn remaining(&self, debt: u64) -> u64 {
        self.depth().saturating_sub(debt) / self.emission()
    }
}

impl fmt::Display for Rate {
    /// `600 in a minute`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = u64::try_from(self.window.as_micros()).unwrap_or(u64::MAX) / SECOND;
        let (n, unit) = match seconds {
            s if s % 86_400 == 0 => (s / 86_400, "day"),
            s if s % 3_600 == 0 => (s / 3_600, "hour"),
            s if s % 60 == 0 => (s / 60, "minute"),
            s => (s, "second"),
        };
        match (n, unit) {
            (1, "hour") => write!(f, "{} in an hour", self.quota),
            (1, unit) => write!(f, "{} in a {unit}", self.quota),
            (n, unit) => write!(f, "{} in {n} {unit}s", self.quota),
        }
    }
}

/// How much is asked for, of what, and when all that was taken before will be back.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// What is allowed.
    pub rate: Rate,
    /// How much is asked for.
    pub cost: u64,
    /// The theoretical arrival time.
    pub tat: u64,
}

impl Ask {
    /// As it counts at this time: what is past is no credit, and a debt beyond the largest there can be (the limit was another
    /// before) is the largest.
    fn debt(&self, now: u64) -> u64 {
        self.tat.saturating_sub(now).min(self.rate.depth())
    }
}

/// The debts afterwards, one for each that was asked.
pub type Verdict = Result<Vec<u64>, Refused>;

/// Nothing was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The place of what has to be waited for longest.
    pub which: usize,
    /// Microseconds until that is allowed, if nothing else is taken; of no meaning where more is asked for than the quota.
    pub wait: u64,
    /// The debts as they are.
    pub debts: Vec<u64>,
}

/// Whether all of this may be taken at this time; if so, what the debts then are.
pub fn judge(now: u64, asked: &[Ask]) -> Verdict {
    let debts: Vec<u64> = asked.iter().map(|ask| ask.debt(now)).collect();
    let after: Vec<u64> = asked
        .iter()
        .zip(&debts)
        .map(|(ask, debt)| debt.saturating_add(ask.rate.emission().saturating_mul(ask.cost)))
        .collect();
    let waits = asked.iter().zip(&after).map(|(ask, after)| after.saturating_sub(ask.rate.depth()));
    // The first of the longest, as Redis' script has it.
    let longest = waits.enumerate().fold(
        (0, 0),
        |(which, longest), (place, wait)| {
            if wait > longest { (place, wait) } else { (which, longest) }
        },
    );
    match longest {
        (_, 0) => Ok(after),
        (which, wait) => Err(Refused { which, wait, debts }),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use proptest::prelude::*;

    use super::*;

    fn rate(quota: u64, seconds: u64) -> Rate {
        Rate::new(quota, Duration::from_secs(seconds)).unwrap()
    }

    #[test]
    fn a_rate_allows_its_quota_at_once_and_gives_it_back_evenly() {
        let rate = rate(10, 5);
        let judge = |now, tat, cost| judge(now, &[Ask { rate, cost, tat }]);
        let refused = |wait, debt| Err(Refused { which: 0, wait, debts: vec![debt] });
        assert_eq!(judge(100, 0, 1), Ok(vec![500_000]), "what is past is no credit");
        assert_eq!(judge(100, 0, 10), Ok(vec![5_000_000]));
        assert_eq!(judge(100, 0, 11), refused(500_000, 0), "more than there ever is");
        assert_eq!(judge(100, 5_000_100, 1), refused(500_000, 5_000_000));
        assert_eq!(judge(500_099, 5_000_100, 1), refused(1, 4_500_001));
        assert_eq!(judge(500_100, 5_000_100, 1), Ok(vec![5_000_000]));
        assert_eq!(judge(500_100, 5_000_100, 2), refused(500_000, 4_500_000));
        assert_eq!(judge(0, 900_000_000, 1), refused(500_000, 5_000_000), "a smaller limit is waited for no longer");
    }

    #[test]
    fn of_several_all_are_taken_or_none_and_the_longest_wait_is_told() {
        let (slow, fast) =
            (Ask { rate: rate(1, 10), cost: 1, tat: 10_000_000 }, Ask { rate: rate(1, 1), cost: 1, tat: 1_000_000 });
        let free = Ask { rate: rate(5, 1), cost: 1, tat: 0 };
        let which = |asked: &[Ask]| judge(0, asked).map_err(|refused| (refused.which, refused.wait));
        assert_eq!(which(&[free, fast, slow]), Err((2, 10_000_000)));
        assert_eq!(which(&[slow, fast]), Err((0, 10_000_000)));
        assert_eq!(which(&[fast, free]), Err((0, 1_000_000)));
        assert_eq!(which(&[free, free]), Ok(vec![200_000, 200_000]));
        assert_eq!(which(&[]), Ok(vec![]));
    }

    #[test]
    fn what_remains_is_what_may_be_taken() {
        let rate = rate(10, 5);
        assert_eq!([0, 1, 500_000, 500_001, 5_000_000].map(|debt| rate.remaining(debt)), [10, 9, 9, 8, 0]);
    }

    #[test]
    fn a_rate_that_allows_nothing_or_too_much_is_none() {
        assert!(Rate::new(0, Duration::from_secs(1)).is_err());
        assert!(Rate::new(1, Duration::ZERO).is_err());
        assert!(Rate::new(1_000_001, Duration::from_secs(1)).is_err());
        assert!(Rate::new(1, Duration::from_secs(8 * 86_400)).is_err());
        assert_eq!(rate(1_000_000, 1).emission(), 1);
    }

    #[test]
    fn a_rate_is_said_in_words() {
        let words =
            [(6, 1), (6, 10), (6, 60), (30, 600), (5, 3_600), (5, 172_800)].map(|(n, s)| rate(n, s).to_string());
        let expected =
            ["6 in a second", "6 in 10 seconds", "6 in a minute", "30 in 10 minutes", "5 in an hour", "5 in 2 days"];
        assert_eq!(words, expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// Whatever is asked and when, no span of time sees more than the quota and what comes back within it.
        #[test]
        fn no_span_of_time_sees_more_than_its_share(
            (quota, window) in (1u64..50, 1u64..100),
            steps in prop::collection::vec((0u64..3_000_000, 1u64..8), 1..60),
        ) {
            let rate = rate(quota, window);
            let (mut now, mut tat, mut taken) = (1_000, 0, Vec::new());
            for (passed, cost) in steps {
                now += passed;
                match judge(now, &[Ask { rate, cost, tat }]) {
                    Ok(debts) => {
                        tat = now + debts[0];
                        taken.push((now, cost));
                    }
                    Err(refused) if cost <= quota => {
                        let later = judge(now + refused.wait, &[Ask { rate, cost, tat }]);
                        prop_assert!(later.is_ok(), "whoever waited is let through");
                        let early = judge(now + refused.wait - 1, &[Ask { rate, cost, tat }]);
                        prop_assert!(early.is_err(), "and nobody waits longer than needed");
                    }
                    Err(_) => {}
                }
            }
            for (first, &(from, _)) in taken.iter().enumerate() {
                let mut sum = 0;
                for &(at, cost) in &taken[first..] {
                    sum += cost;
                    prop_assert!(sum <= quota + (at - from).div_ceil(rate.emission()), "{taken:?}");
                }
            }
        }
    }
}

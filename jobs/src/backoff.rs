//! How long to wait before the next try: exponential with full jitter, so that emails that failed together don't return
//! together.

use std::time::Duration;

/// No wait is longer than this.
pub const CEILING: Duration = Duration::from_millis(1_500);

/// The wait after try number `attempt` (the first is 1) failed: `chance` (0..1) of the step `base · 2^(attempt - 1)`, which
/// [`CEILING`] bounds.
///
/// With the default base of 200 ms the steps are 200, 400, 800 and then 1,500 ms. The wait is uniform between nothing and the
/// step ("full jitter"). A `chance` outside 0..1, or not a number, counts as the nearest end.
pub fn backoff(base: Duration, attempt: u32, chance: f64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(31);
    let step = base.saturating_mul(1 << doublings).min(CEILING);
    // NaN is not above 0.
    step.mul_f64(if chance > 0.0 { chance.min(1.0) } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_millis(200);

    #[test]
    fn the_schedule_doubles_from_the_base_to_the_ceiling() {
        let steps = [(0, 200), (1, 200), (2, 400), (3, 800), (4, 1_500), (5, 1_500), (31, 1_500), (u32::MAX, 1_500)];
        for (attempt, millis) in steps {
            assert_eq!(backoff(BASE, attempt, 1.0), Duration::from_millis(millis), "after try {attempt}");
        }
    }

    #[test]
    fn the_wait_is_a_share_of_the_step() {
        for (chance, millis) in [(0.0, 0), (0.25, 200), (0.5, 400), (1.0, 800), (-1.0, 0), (7.0, 800), (f64::NAN, 0)] {
            assert_eq!(backoff(BASE, 3, chance), Duration::from_millis(millis), "{chance}");
        }
    }

    #[test]
    fn any_base_stays_under_the_ceiling_and_never_shrinks() {
        for base in [Duration::ZERO, Duration::from_nanos(1), BASE, Duration::from_secs(9), Duration::MAX] {
            let steps: Vec<Duration> = (1..100).map(|attempt| backoff(base, attempt, 1.0)).collect();
            assert!(steps.is_sorted(), "{base:?}");
            assert!(steps.iter().all(|step| *step <= CEILING), "{base:?}");
            assert!(base.is_zero() || steps.last() == Some(&CEILING), "{base:?} reaches the ceiling");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_wait_is_within_its_step(millis in 0_u64..5_000, attempt: u32, chance: f64) {
            let base = Duration::from_millis(millis);
            let (wait, step) = (backoff(base, attempt, chance), backoff(base, attempt, 1.0));
            proptest::prop_assert!(wait <= step && step <= CEILING, "{wait:?} of {step:?}");
        }
    }
}

//! What to do about an email in doubt after a look into Mailgun's log that did not find it. Pure.
//!
//! That it is absent counts only where it would have to be there by now, if Mailgun had it: after the log can be trusted, read
//! to its end, as far back as it is kept, under the Message-Id that we gave it. In every other case somebody has to decide,
//! and what is sent again without one is the sender's choice (RESEND).

use chrono::{DateTime, Utc};
use entity::Policy;

use crate::log::{MARGIN, RETENTION};
use crate::timing::{Timing, delta};

/// An email in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// As it is in force: see [`in_force`].
    pub policy: Policy,
    /// Somebody asked to cancel it.
    pub cancel: bool,
    /// Since when it has been in doubt.
    pub since: DateTime<Utc>,
    /// When it was first handed over: since then its Message-Id may stand in the log.
    pub first_try: DateTime<Utc>,
    /// It was handed over together with others.
    pub batched: bool,
}

/// A look into the log in which an email was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// When the first page was asked for.
    pub asked_at: DateTime<Utc>,
    pub reading: Reading,
    /// Mailgun answered hand-overs of this domain with other Message-Ids than ours.
    pub foreign_ids: bool,
    /// Mailgun has kept the Message-Ids of emails of this domain that went in batches.
    pub batch_ids: bool,
}

/// How a reading of the log went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Every page was read.
    Whole,
    /// A page could not be read.
    Broken,
    /// It does not go back far enough.
    TooShort,
    /// We may not read it.
    NotAllowed,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Look again then.
    Again(DateTime<Utc>),
    /// Mailgun does not have it.
    Absent,
    /// A person decides; unless a later look finds it, or proves that it is not there.
    Hold { why: Why, again: Option<DateTime<Utc>> },
}

/// Why a person has to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its policy says so, and the log shows no trace of it.
    Policy,
    Broken,
    TooShort,
    NotAllowed,
    ForeignIds,
    BatchIds,
}

impl Why {
    /// As a label of metrics.
    pub fn label(self) -> &'static str {
        match self {
            Why::Policy => "policy",
            Why::Broken => "log_broken",
            Why::TooShort => "log_too_short",
            Why::NotAllowed => "log_not_allowed",
            Why::ForeignIds => "foreign_ids",
            Why::BatchIds => "batch_ids",
        }
    }

    /// For whoever has to decide.
    pub fn words(self) -> &'static str {
        match self {
            Why::Policy => "Mailgun's log shows no trace of it; its policy HOLD leaves the decision to resolveEmail",
            Why::Broken => "Mailgun's log could not be read to its end, so that only resolveEmail can decide for now",
            Why::TooShort => "Mailgun's log does not go back to its hand-over: only resolveEmail can decide",
            Why::NotAllowed => "Mailgun's log may not be read with MAILGUN_API_KEY: only resolveEmail can decide",
            Why::ForeignIds => {
                "Mailgun gave emails of this domain other Message-Ids, so that its log proves nothing: only resolveEmail can \
                 decide"
            }
            Why::BatchIds => {
                "it went in a batch, and no event of this domain shows yet that Mailgun keeps the Message-Ids of a batch: only \
                 resolveEmail can decide for now"
            }
        }
    }
}

/// With the tries spent, RESEND waits for proof like VERIFY.
pub fn in_force(policy: Policy, attempts: i32, max_tries: i32) -> Policy {
    match policy {
        Policy::Resend if attempts >= max_tries => Policy::Verify,
        Policy::Resend | Policy::Verify | Policy::Hold => policy,
    }
}

/// When an email of policy RESEND goes again without proof; `None` for the others.
pub fn resend_at(doubt: &Doubt, timing: &Timing) -> Option<DateTime<Utc>> {
    (doubt.policy == Policy::Resend).then(|| doubt.since + delta(timing.resend))
}

/// What a look that did not find it means.
pub fn step(doubt: &Doubt, look: &Look, timing: &Timing) -> Step {
    if let Some(at) = resend_at(doubt, timing) {
        return Step::Again(next_look(doubt, look.asked_at, timing).min(at));
    }
    if look.asked_at < doubt.since + delta(timing.trust) {
        return Step::Again(next_look(doubt, look.asked_at, timing));
    }
    let again = look.asked_at + delta(timing.trust);
    let too_old = look.asked_at - (doubt.first_try - MARGIN) > RETENTION;
    match look.reading {
        _ if look.foreign_ids => Step::Hold { why: Why::ForeignIds, again: None },
        Reading::NotAllowed => Step::Hold { why: Why::NotAllowed, again: (!too_old).then_some(again) },
        Reading::TooShort => Step::Hold { why: Why::TooShort, again: None },
        Reading::Whole | Reading::Broken if too_old => Step::Hold { why: Why::TooShort, again: None },
        Reading::Broken => Step::Hold { why: Why::Broken, again: Some(again) },
        Reading::Whole if doubt.batched && !look.batch_ids => Step::Hold { why: Why::BatchIds, again: Some(again) },
        Reading::Whole if doubt.policy == Policy::Hold && !doubt.cancel => Step::Hold { why: Why::Policy, again: None },
        Reading::Whole => Step::Absent,
    }
}

/// The first of the times to look at that is still to come; behind the last of them, when the log can be trusted.
fn next_look(doubt: &Doubt, now: DateTime<Utc>, timing: &Timing) -> DateTime<Utc> {
    let times = timing.looks.iter().map(|look| doubt.since + delta(*look));
    times.into_iter().find(|at| *at > now).unwrap_or(now.max(doubt.since + delta(timing.trust)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: fn() -> Timing = Timing::default;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap_or_default()
    }

    /// In doubt since second 0, handed over 20 s before.
    fn doubt(policy: Policy) -> Doubt {
        Doubt { policy, cancel: false, since: at(0), first_try: at(-20), batched: false }
    }

    fn look(seconds: i64, reading: Reading) -> Look {
        Look { asked_at: at(seconds), reading, foreign_ids: false, batch_ids: false }
    }

    #[test]
    fn the_log_is_asked_at_the_times_of_the_design() {
        for (now, next) in [(0, 2), (2, 10), (3, 10), (10, 30), (30, 120), (120, 600), (600, 1_860), (1_700, 1_860)] {
            for reading in [Reading::Whole, Reading::Broken, Reading::TooShort, Reading::NotAllowed] {
                for policy in [Policy::Verify, Policy::Hold] {
                    let step = step(&doubt(policy), &look(now, reading), &TIMING());
                    assert_eq!(step, Step::Again(at(next)), "{now} {reading:?} {policy:?}");
                }
            }
        }
    }

    #[test]
    fn absence_counts_only_where_nothing_speaks_against_it() {
        const HALF_AN_HOUR: i64 = 1_800;
        let hold = |why, again: Option<i64>| Step::Hold { why, again: again.map(at) };
        let day = RETENTION.num_seconds();
        let verify = doubt(Policy::Verify);
        let old = Doubt { first_try: at(1_860 - day), ..verify };
        let held = doubt(Policy::Hold);
        let cases = [
            (verify, look(HALF_AN_HOUR - 1, Reading::Whole), Step::Again(at(1_860))),
            (verify, look(HALF_AN_HOUR, Reading::Whole), Step::Absent),
            (verify, look(1_860, Reading::Whole), Step::Absent),
            (verify, look(1_860, Reading::Broken), hold(Why::Broken, Some(3_660))),
            (verify, look(1_860, Reading::TooShort), hold(Why::TooShort, None)),
            (verify, look(1_860, Reading::NotAllowed), hold(Why::NotAllowed, Some(3_660))),
            (verify, Look { foreign_ids: true, ..look(1_860, Reading::Whole) }, hold(Why::ForeignIds, None)),
            (verify, Look { foreign_ids: true, ..look(1_860, Reading::Broken) }, hold(Why::ForeignIds, None)),
            (old, look(1_860, Reading::Whole), hold(Why::TooShort, None)),
            (old, look(1_860, Reading::Broken), hold(Why::TooShort, None)),
            (old, look(1_860, Reading::NotAllowed), hold(Why::NotAllowed, None)),
            (held, look(1_860, Reading::Whole), hold(Why::Policy, None)),
            (held, look(1_860, Reading::Broken), hold(Why::Broken, Some(3_660))),
            (Doubt { batched: true, ..verify }, look(1_860, Reading::Whole), hold(Why::BatchIds, Some(3_660))),
            (Doubt { batched: true, ..held }, look(1_860, Reading::Whole), hold(Why::BatchIds, Some(3_660))),
            (Doubt { batched: true, ..verify }, Look { batch_ids: true, ..look(1_860, Reading::Whole) }, Step::Absent),
            (Doubt { cancel: true, ..held }, look(1_860, Reading::Whole), Step::Absent),
        ];
        for (doubt, look, expected) in cases {
            assert_eq!(step(&doubt, &look, &TIMING()), expected, "{doubt:?} {look:?}");
        }
    }

    #[test]
    fn resend_is_looked_for_until_it_goes_again() {
        let resend = doubt(Policy::Resend);
        for (now, next) in [(0, 2), (2, 10), (10, 20), (25, 20)] {
            assert_eq!(step(&resend, &look(now, Reading::Whole), &TIMING()), Step::Again(at(next)), "{now}");
        }
    }

    #[test]
    fn resend_with_its_tries_spent_waits_for_proof() {
        for (policy, attempts, expected) in [
            (Policy::Resend, 2, Policy::Resend),
            (Policy::Resend, 3, Policy::Verify),
            (Policy::Verify, 3, Policy::Verify),
            (Policy::Hold, 3, Policy::Hold),
        ] {
            assert_eq!(in_force(policy, attempts, 3), expected, "{policy:?} {attempts}");
        }
    }
}

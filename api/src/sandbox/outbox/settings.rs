//! How webhooks are told, as the control surface sets it.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::millis;

/// Mailgun's waits before it tries again, in minutes: eight hours together.
const RETRIES: [u32; 7] = [10, 10, 15, 30, 60, 120, 240];
/// The longest wait that may be asked for, in milliseconds.
const LONGEST: u64 = 24 * 3_600_000;

/// What stands in `PUT /_sandbox/webhooks`; an absent field is as at the start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::sandbox) struct Settings {
    /// How much faster than Mailgun's its clock runs: 600 makes seconds of ten minutes.
    scale: f64,
    /// How long after its event a webhook is called, in milliseconds.
    delay_ms: u64,
    /// Each waits up to so many milliseconds more, by chance: what happened within this window comes in any order.
    reorder_ms: u64,
    /// Which are told twice, with the same signature.
    duplicates: Option<Duplicates>,
    /// Which are held back until this is set otherwise.
    silence: Option<Silence>,
}

/// By chance (0 to 1), or every n-th.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::sandbox) enum Duplicates {
    Chance(f64),
    Every(u64),
}

/// `"all"`, or parts of the recipients' addresses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(in crate::sandbox) enum Silence {
    All(Everyone),
    For(Vec<String>),
}

/// The word in place of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::sandbox) enum Everyone {
    All,
}

impl Default for Settings {
    fn default() -> Self {
        Self { scale: 1.0, delay_ms: 0, reorder_ms: 0, duplicates: None, silence: None }
    }
}

impl Settings {
    /// What is wrong with them, naming the field.
    pub(in crate::sandbox) fn check(&self) -> Result<(), &'static str> {
        if !(0.001..=1e9).contains(&self.scale) {
            return Err("scale: from 0.001 to 1000000000");
        }
        if self.delay_ms > LONGEST {
            return Err("delay_ms: 86400000 at most");
        }
        if self.reorder_ms > LONGEST {
            return Err("reorder_ms: 86400000 at most");
        }
        match self.duplicates {
            Some(Duplicates::Chance(share)) if !(0.0..=1.0).contains(&share) => Err("duplicates.chance: from 0 to 1"),
            Some(Duplicates::Every(0)) => Err("duplicates.every: 1 at least"),
            Some(Duplicates::Chance(_) | Duplicates::Every(_)) | None => Ok(()),
        }
    }

    /// From an event to its webhook; `chance` is from 0 to 1.
    pub(super) fn wait(&self, chance: f64) -> TimeDelta {
        millis(self.delay_ms) + millis((self.reorder_ms as f64 * chance) as u64)
    }

    /// Whether the delivery of this number is told twice; `chance` is from 0 to 1.
    pub(super) fn repeats(&self, number: u64, chance: f64) -> bool {
        match self.duplicates {
            Some(Duplicates::Chance(share)) => chance < share,
            Some(Duplicates::Every(every)) => number.is_multiple_of(every),
            None => false,
        }
    }

    pub(super) fn silences(&self, recipient: &str) -> bool {
        match &self.silence {
            Some(Silence::All(Everyone::All)) => true,
            Some(Silence::For(parts)) => parts.iter().any(|part| recipient.contains(part.as_str())),
            None => false,
        }
    }

    /// After so many tries, the wait before the next; `None` once Mailgun gives up.
    pub(super) fn retry_after(&self, tries: u32) -> Option<TimeDelta> {
        let minutes = RETRIES.get(usize::try_from(tries.checked_sub(1)?).ok()?)?;
        Some(TimeDelta::microseconds((f64::from(*minutes) * 6e7 / self.scale) as i64))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use serde_json::json;

    use super::*;

    #[test]
    fn mailgun_tries_for_eight_hours_on_a_clock_that_can_be_scaled() {
        let waits = |scale: f64| {
            let settings = Settings { scale, ..Settings::default() };
            (1..).map_while(move |tries| settings.retry_after(tries)).collect::<Vec<_>>()
        };
        let minutes: Vec<i64> = waits(1.0).iter().map(TimeDelta::num_minutes).collect();
        assert_eq!(minutes, [10, 10, 15, 30, 60, 120, 240]);
        let seconds: Vec<i64> = waits(60.0).iter().map(TimeDelta::num_seconds).collect();
        assert_eq!(seconds, [10, 10, 15, 30, 60, 120, 240]);
    }

    #[test]
    fn settings_are_read_as_declared() {
        let cases = [
            (json!({}), Ok(())),
            (json!({ "scale": 600, "silence": "all" }), Ok(())),
            (json!({ "silence": ["@gmail.com"], "duplicates": { "every": 3 } }), Ok(())),
            (json!({ "scale": 0 }), Err("scale: from 0.001 to 1000000000")),
            (json!({ "duplicates": { "chance": 1.5 } }), Err("duplicates.chance: from 0 to 1")),
            (json!({ "duplicates": { "every": 0 } }), Err("duplicates.every: 1 at least")),
        ];
        for (given, expected) in cases {
            let settings: Settings = serde_json::from_value(given.clone()).unwrap();
            assert_eq!(settings.check(), expected, "{given}");
        }
        for given in [json!({ "scales": 1 }), json!({ "silence": "some" }), json!({ "duplicates": {} })] {
            assert!(serde_json::from_value::<Settings>(given.clone()).is_err(), "{given}");
        }
    }

    #[test]
    fn silence_and_repetition_choose() {
        let settings: Settings =
            serde_json::from_value(json!({ "silence": ["@gmail."], "duplicates": { "every": 3 } })).unwrap();
        assert!(settings.silences("bob@gmail.com") && !settings.silences("bob@example.com"));
        let twice: Vec<u64> = (1..=7).filter(|number| settings.repeats(*number, 0.0)).collect();
        assert_eq!(twice, [3, 6]);
    }
}

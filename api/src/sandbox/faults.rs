//! Failing on demand: which fault strikes which message. The kinds are in [`Kind`].

mod kind;
mod strike;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(super) use self::kind::Kind;
pub(super) use self::strike::{Cut, Strike};

/// The longest wait that a fault may ask for, and the longest that a request hangs.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// How many faults may be in force at once.
const MOST_FAULTS: usize = 100;

/// A fault as it is set: what goes wrong, when, and for whom. An absent condition is one that always holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    kind: Kind,
    /// How many messages it strikes before it is spent.
    times: Option<u64>,
    /// The share of messages it strikes, 0 to 1.
    chance: Option<f64>,
    /// The sending domain.
    domain: Option<String>,
    /// Part of an address in `to`.
    to: Option<String>,
    /// How long the message waits before it is struck, in milliseconds.
    after_ms: Option<u64>,
    /// The wait that a 429 or 503 asks of the client, in milliseconds; a second unless told. Forms that know only whole
    /// seconds round it up.
    retry_after_ms: Option<u64>,
    /// Other words in place of Mailgun's, where they are JSON.
    message: Option<String>,
}

/// Why a list of faults was not put in force; the text names the entry and its field.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}")]
pub(super) struct Invalid {
    path: String,
    why: &'static str,
}

/// A fault in force.
#[derive(Debug)]
struct Standing {
    fault: Fault,
    /// `u64::MAX` stands for "without end".
    left: AtomicU64,
    struck: AtomicU64,
}

/// A fault in force, as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    fault: Fault,
    /// How many messages it has still to strike; null: without end.
    left: Option<u64>,
    /// How many it has struck.
    struck: u64,
}

/// What comes over a message.
#[derive(Debug)]
pub(super) struct Trouble {
    /// It waits this long first.
    pub(super) delay: Duration,
    pub(super) strike: Option<Strike>,
}

/// The faults in force, in their order.
#[derive(Default)]
pub(super) struct Faults(RwLock<Arc<[Standing]>>);

impl Faults {
    /// Puts `faults` in force and the former ones out of it.
    pub(super) fn replace(&self, faults: Vec<Fault>) -> Result<(), Invalid> {
        if faults.len() > MOST_FAULTS {
            return Err(Invalid { path: "faults".to_owned(), why: "100 at most" });
        }
        for (at, fault) in faults.iter().enumerate() {
            fault.check().map_err(|(field, why)| Invalid { path: format!("[{at}].{field}"), why })?;
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = faults.into_iter().map(Standing::new).collect();
        Ok(())
    }

    /// Those in force.
    pub(super) fn show(&self) -> Vec<Shown> {
        self.in_force().iter().map(Standing::show).collect()
    }

    /// What comes over a message that would be accepted; `chance` gives numbers in `0.0..1.0`.
    pub(super) fn trouble(&self, domain: &str, to: &[String], chance: impl Fn() -> f64) -> Trouble {
        let mut delay = Duration::ZERO;
        for standing in self.in_force().iter() {
            let fault = &standing.fault;
            if fault.concerns(domain, to) && fault.chance.is_none_or(|share| chance() < share) && standing.spend() {
                delay += Duration::from_millis(fault.after_ms.unwrap_or(0));
                if fault.kind != Kind::Latency {
                    return Trouble { delay, strike: Some(Strike::new(fault)) };
                }
            }
        }
        Trouble { delay, strike: None }
    }

    fn in_force(&self) -> Arc<[Standing]> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Fault {
    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let longest = LONGEST_WAIT.as_millis();
        if self.times == Some(0) {
            return Err(("times", "1 at least, or null for without end"));
        }
        if self.chance.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err(("chance", "from 0 to 1"));
        }
        if self.after_ms.is_some_and(|wait| u128::from(wait) > longest) {
            return Err(("after_ms", "120000 at most"));
        }
        if self.kind == Kind::Latency && self.after_ms.is_none() {
            return Err(("after_ms", "latency needs it"));
        }
        if self.retry_after_ms.is_some_and(|wait| wait > 365 * 86_400_000) {
            return Err(("retry_after_ms", "a year at most"));
        }
        Ok(())
    }

    fn concerns(&self, domain: &str, to: &[String]) -> bool {
        self.domain.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(domain))
            && self.to.as_ref().is_none_or(|part| to.iter().any(|address| address.contains(part.as_str())))
    }
}

impl Standing {
    fn new(fault: Fault) -> Self {
        Self { left: AtomicU64::new(fault.times.unwrap_or(u64::MAX)), struck: AtomicU64::new(0), fault }
    }

    /// Takes one of the times that are left; false when none is.
    fn spend(&self) -> bool {
        let one_less = |left: u64| if left == u64::MAX { Some(left) } else { left.checked_sub(1) };
        let spent = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok();
        if spent {
            self.struck.fetch_add(1, Ordering::Relaxed);
        }
        spent
    }

    fn show(&self) -> Shown {
        let left = self.left.load(Ordering::Relaxed);
        Shown {
            fault: self.fault.clone(),
            left: (left != u64::MAX).then_some(left),
            struck: self.struck.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    fn in_force(faults: serde_json::Value) -> Faults {
        let set = Faults::default();
        set.replace(serde_json::from_value(faults).unwrap()).unwrap();
        set
    }

    fn kind(trouble: Trouble) -> Option<Kind> {
        trouble.strike.map(|strike| strike.kind)
    }

    #[test]
    fn the_first_that_matches_strikes() {
        let set = in_force(serde_json::json!([
            { "kind": "500", "domain": "a.example" },
            { "kind": "cut", "to": "@slow." },
            { "kind": "503", "chance": 0.25 },
        ]));
        let bob = ["bob@slow.example".to_owned()];
        let amy = ["amy@fast.example".to_owned()];
        let cases = [
            ("A.example", &bob, 0.9, Some(Kind::InternalError)),
            ("b.example", &bob, 0.9, Some(Kind::Cut)),
            ("b.example", &amy, 0.2, Some(Kind::Unavailable)),
            ("b.example", &amy, 0.25, None),
        ];
        for (domain, to, chance, expected) in cases {
            assert_eq!(kind(set.trouble(domain, to, || chance)), expected, "{domain} {to:?} {chance}");
        }
    }

    #[test]
    fn latencies_add_up_and_go_on() {
        let set = in_force(serde_json::json!([
            { "kind": "latency", "after_ms": 20, "times": 1 },
            { "kind": "latency", "after_ms": 300 },
            { "kind": "403", "after_ms": 4_000, "times": 1 },
        ]));
        let troubles = [(4_320, Some(Kind::NotAllowed)), (300, None)];
        for (millis, expected) in troubles {
            let trouble = set.trouble("a.example", &[], || 0.0);
            assert_eq!(trouble.delay, Duration::from_millis(millis));
            assert_eq!(kind(trouble), expected);
        }
    }

    #[test]
    fn a_fault_strikes_as_often_as_it_says_whoever_asks_at_once() {
        let set = in_force(serde_json::json!([{ "kind": "500", "times": 100 }]));
        let struck: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| (0..50).filter(|_| kind(set.trouble("a.example", &[], || 0.0)).is_some()).count())
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(struck, 100);
        let shown = &set.show()[0];
        assert_eq!((shown.left, shown.struck), (Some(0), 100));
    }
}

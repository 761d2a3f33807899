//! What each caller has taken, in this process. Bounded: addresses beyond the most that are remembered share one count, and so
//! do keys.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use super::gcra::{self, Ask, Verdict};
use super::{Asked, What, place};

/// As many callers are remembered, with each of their limits. A count takes some 60 bytes.
const MOST: usize = 50_000;
/// A full room is not searched for each caller: microseconds between two searches.
const BETWEEN_SWEEPS: u64 = 1_000_000;

/// Whoever is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// A key, by its id.
    Key(Uuid),
    /// An address, as it is counted.
    Address(IpAddr),
}

impl Who {
    /// Whoever calls from this address.
    pub fn at(from: IpAddr) -> Self {
        Who::Address(place(from))
    }

    /// Who stands for all that found no place of their own.
    fn rest(self) -> Self {
        match self {
            Who::Key(_) => Who::Key(Uuid::max()),
            Who::Address(_) => Who::Address(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        }
    }
}

/// The counts of this process.
#[derive(Default)]
pub struct Local(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    /// Theoretical arrival times, in microseconds of the process's clock.
    tats: HashMap<(Who, What), u64>,
    next_sweep: u64,
}

impl Local {
    /// Takes all of this, or nothing.
    pub fn take(&self, who: Who, now: u64, asked: &[Asked]) -> Verdict {
        let mut counts = self.lock();
        let verdict = counts.judge(who, now, asked);
        if let Ok(debts) = &verdict {
            for (asked, debt) in asked.iter().zip(debts) {
                counts.set(who, asked.what, now, now.saturating_add(*debt));
            }
        }
        verdict
    }

    /// Whether all of this could be taken.
    pub fn look(&self, who: Who, now: u64, asked: &[Asked]) -> Verdict {
        self.lock().judge(who, now, asked)
    }

    /// Takes over what all processes together have taken: never less than this one knows of.
    pub fn learn(&self, who: Who, now: u64, asked: &[Asked], debts: &[u64]) {
        let mut counts = self.lock();
        for (asked, debt) in asked.iter().zip(debts) {
            let told = now.saturating_add((*debt).min(asked.rate.depth()));
            if told > counts.tat(who, asked.what) {
                counts.set(who, asked.what, now, told);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn judge(&self, who: Who, now: u64, asked: &[Asked]) -> Verdict {
        let asks = asked.iter().map(|&Asked { what, rate, cost }| Ask { rate, cost, tat: self.tat(who, what) });
        gcra::judge(now, &asks.collect::<Vec<_>>())
    }

    fn tat(&self, who: Who, what: What) -> u64 {
        let found = self.tats.get(&(who, what));
        let found = if self.tats.len() >= MOST { found.or_else(|| self.tats.get(&(who.rest(), what))) } else { found };
        found.copied().unwrap_or_default()
    }

    fn set(&mut self, who: Who, what: What, now: u64, tat: u64) {
        let mut place = (who, what);
        if self.tats.len() >= MOST && !self.tats.contains_key(&place) {
            if now >= self.next_sweep {
                self.tats.retain(|_, tat| *tat > now);
                self.next_sweep = now + BETWEEN_SWEEPS;
            }
            if self.tats.len() >= MOST {
                place = (who.rest(), what);
            }
        }
        self.tats.insert(place, tat);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::super::gcra::Rate;
    use super::*;

    fn asked(quota: u64) -> [Asked; 1] {
        [Asked { what: What::AddressGuesses, rate: Rate::new(quota, Duration::from_secs(60)).unwrap(), cost: 1 }]
    }

    fn address(n: u32) -> Who {
        Who::Address(IpAddr::V4(Ipv4Addr::from_bits(n)))
    }

    #[test]
    fn whoever_took_all_waits_and_those_beside_them_do_not() {
        let local = Local::default();
        for _ in 0..3 {
            assert!(local.take(address(1), 0, &asked(3)).is_ok());
        }
        assert!(local.look(address(1), 0, &asked(3)).is_err());
        assert!(local.take(address(1), 0, &asked(3)).is_err());
        assert!(local.take(address(2), 0, &asked(3)).is_ok());
        assert!(local.take(Who::Key(Uuid::nil()), 0, &asked(3)).is_ok());
        assert!(local.take(address(1), 20_000_000, &asked(3)).is_ok(), "a third of a minute later");
    }

    #[test]
    fn any_number_of_addresses_takes_a_bounded_room() {
        let local = Local::default();
        for n in 0..70_000 {
            local.take(address(n), 0, &asked(3)).ok();
        }
        assert!(local.lock().tats.len() <= MOST + 1);
        assert!(local.take(address(80_000), 0, &asked(3)).is_err(), "those beyond are counted together");
        assert!(local.take(address(7), 0, &asked(3)).is_ok(), "those before are not");
        assert!(local.take(address(80_000), 60_000_000, &asked(3)).is_ok());
        assert!(local.lock().tats.len() <= 2, "what is over is forgotten");
    }

    #[test]
    fn what_others_took_is_learnt_and_never_makes_less_of_ones_own() {
        let local = Local::default();
        let key = Uuid::from_u128(7);
        local.take(Who::Key(key), 0, &asked(3)).unwrap();
        local.learn(Who::Key(key), 0, &asked(3), &[60_000_000]);
        assert!(local.look(Who::Key(key), 0, &asked(3)).is_err());
        local.learn(Who::Key(key), 0, &asked(3), &[0]);
        assert!(local.look(Who::Key(key), 0, &asked(3)).is_err());
    }
}

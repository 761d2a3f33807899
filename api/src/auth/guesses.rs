//! Who tries key after key: counted by address, so that guessing costs the guesser time and the database little. Pure: time
//! is an argument. Bounded: addresses beyond the most that are counted share one count.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// As many unknown keys may come from an address ..
const ALLOWED: u32 = 30;
/// .. within this time.
const SPAN: Duration = Duration::from_secs(60);
/// As many addresses are counted.
const MOST_ADDRESSES: usize = 10_000;
const BETWEEN_SWEEPS: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub struct Guesses {
    counts: HashMap<IpAddr, Count>,
    /// When what is over may be looked for again: a full room is not searched for each guess.
    next_sweep: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    n: u32,
    until: Duration,
}

impl Guesses {
    /// How long whoever is at this address must wait before another key of theirs is looked up; `None` if not at all.
    pub fn wait(&self, from: IpAddr, now: Duration) -> Option<Duration> {
        let count = self.counts.get(&place(from)).or_else(|| self.counts.get(&REST));
        count.filter(|count| count.until > now && count.n >= ALLOWED).map(|count| count.until - now)
    }

    /// Counts an unknown key.
    pub fn count(&mut self, from: IpAddr, now: Duration) {
        let mut place = place(from);
        if self.counts.len() >= MOST_ADDRESSES && !self.counts.contains_key(&place) {
            self.sweep(now);
            if self.counts.len() >= MOST_ADDRESSES {
                place = REST;
            }
        }
        let fresh = Count { n: 0, until: now + SPAN };
        let count = self.counts.entry(place).or_insert(fresh);
        if count.until <= now {
            *count = fresh;
        }
        count.n = count.n.saturating_add(1);
    }

    fn sweep(&mut self, now: Duration) {
        if now >= self.next_sweep {
            self.counts.retain(|_, count| count.until > now);
            self.next_sweep = now + BETWEEN_SWEEPS;
        }
    }
}

/// Stands for all addresses that found no place of their own.
const REST: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// What is counted together: a customer gets a whole /64 of IPv6 addresses at least, and could use another for each guess.
fn place(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn guess(guesses: &mut Guesses, from: &str, times: u32, now: Duration) {
        (0..times).for_each(|_| guesses.count(address(from), now));
    }

    #[test]
    fn after_thirty_unknown_keys_an_address_waits_for_the_rest_of_the_minute() {
        let mut guesses = Guesses::default();
        let now = Duration::from_secs(100);
        guess(&mut guesses, "192.0.2.1", 29, now);
        assert_eq!(guesses.wait(address("192.0.2.1"), now), None);
        guess(&mut guesses, "192.0.2.1", 1, now);
        assert_eq!(guesses.wait(address("192.0.2.1"), now), Some(SPAN));
        assert_eq!(guesses.wait(address("::ffff:192.0.2.1"), now), Some(SPAN));
        assert_eq!(guesses.wait(address("192.0.2.2"), now), None);
        assert_eq!(guesses.wait(address("192.0.2.1"), now + SPAN), None);
        guess(&mut guesses, "192.0.2.1", 1, now + SPAN);
        assert_eq!(guesses.wait(address("192.0.2.1"), now + SPAN), None, "counted anew");
    }

    #[test]
    fn a_network_of_ipv6_addresses_is_one_place() {
        let mut guesses = Guesses::default();
        for n in 0..30 {
            guess(&mut guesses, &format!("2001:db8::{n:x}"), 1, Duration::ZERO);
        }
        assert!(guesses.wait(address("2001:db8::ffff"), Duration::ZERO).is_some());
        assert!(guesses.wait(address("2001:db8:0:1::1"), Duration::ZERO).is_none());
    }

    #[test]
    fn any_number_of_addresses_takes_a_bounded_room() {
        let mut guesses = Guesses::default();
        for n in 0..=u16::MAX {
            guess(&mut guesses, &format!("10.0.{}.{}", n >> 8, n & 255), 1, Duration::ZERO);
        }
        assert!(guesses.counts.len() <= MOST_ADDRESSES + 1, "{}", guesses.counts.len());
        assert!(guesses.wait(address("198.51.100.1"), Duration::ZERO).is_some(), "those beyond are counted together");
        guess(&mut guesses, "198.51.100.1", 1, SPAN);
        assert!(guesses.counts.len() <= 1, "what is over is forgotten");
    }
}

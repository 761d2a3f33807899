//! What look-ups found, kept for a few seconds: a revoked key may open the door that much longer. Pure: time is an argument.
//! Bounded, and apart for found and unknown keys, so that whoever guesses pushes nobody out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::doorkeeper::Holder;

/// What a key is stored and looked up by.
pub type Hash = [u8; 32];

/// For how long a look-up is good.
const GOOD: Duration = Duration::from_secs(5);
/// As many of each kind are kept.
const MOST: usize = 10_000;
const BETWEEN_SWEEPS: Duration = Duration::from_secs(1);

/// What is remembered of a key.
#[derive(Clone, Debug)]
pub enum Recalled {
    /// A look-up that is still good: whose it is, or that it is nobody's.
    Fresh(Option<Arc<Holder>>),
    /// It was somebody's when it was looked up last: it has to be asked again, and is no guess.
    Familiar,
    /// Nothing.
    Strange,
}

#[derive(Debug, Default)]
pub struct Memory {
    found: HashMap<Hash, (Arc<Holder>, Duration)>,
    unknown: HashMap<Hash, Duration>,
    /// When what is over may be looked for again: a full room is not searched for each key.
    next_sweep: Duration,
}

impl Memory {
    /// What is remembered of the key with this hash.
    pub fn recall(&self, hash: &Hash, now: Duration) -> Recalled {
        match (self.found.get(hash), self.unknown.get(hash)) {
            (Some((holder, until)), _) if *until > now => Recalled::Fresh(Some(holder.clone())),
            (Some(_), _) => Recalled::Familiar,
            (None, Some(until)) if *until > now => Recalled::Fresh(None),
            (None, _) => Recalled::Strange,
        }
    }

    /// Keeps what a look-up found, if there is room.
    pub fn keep(&mut self, hash: Hash, holder: Option<Arc<Holder>>, now: Duration) {
        self.found.remove(&hash);
        self.unknown.remove(&hash);
        if self.found.len().max(self.unknown.len()) >= MOST {
            self.sweep(now);
        }
        match holder {
            Some(holder) if self.found.len() < MOST => drop(self.found.insert(hash, (holder, now + GOOD))),
            None if self.unknown.len() < MOST => drop(self.unknown.insert(hash, now + GOOD)),
            Some(_) | None => {}
        }
    }

    fn sweep(&mut self, now: Duration) {
        if now >= self.next_sweep {
            // A key that is familiar alone is forgotten too, where so many others have come.
            if self.found.len() >= MOST {
                self.found.retain(|_, (_, until)| *until > now);
            }
            self.unknown.retain(|_, until| *until > now);
            self.next_sweep = now + BETWEEN_SWEEPS;
        }
    }

    /// Forgets the key with this id.
    pub fn forget(&mut self, key: Uuid) {
        self.found.retain(|_, (holder, _)| holder.principal.key != key);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Networks, Principal};
    use super::*;

    fn hash(n: usize) -> Hash {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&n.to_be_bytes());
        hash
    }

    fn holder() -> Option<Arc<Holder>> {
        Some(Arc::new(Holder { principal: Principal::ADMIN, from: Networks::default() }))
    }

    #[test]
    fn a_look_up_is_good_for_five_seconds() {
        let mut memory = Memory::default();
        assert!(matches!(memory.recall(&hash(1), Duration::ZERO), Recalled::Strange));
        memory.keep(hash(1), holder(), Duration::ZERO);
        memory.keep(hash(2), None, Duration::ZERO);
        let late = GOOD - Duration::from_millis(1);
        assert!(matches!(memory.recall(&hash(1), late), Recalled::Fresh(Some(_))));
        assert!(matches!(memory.recall(&hash(2), late), Recalled::Fresh(None)));
        assert!(matches!(memory.recall(&hash(1), GOOD), Recalled::Familiar));
        assert!(matches!(memory.recall(&hash(2), GOOD), Recalled::Strange));
        memory.keep(hash(1), None, GOOD);
        assert!(matches!(memory.recall(&hash(1), GOOD), Recalled::Fresh(None)));
        assert!(matches!(memory.recall(&hash(1), 2 * GOOD), Recalled::Strange));
    }

    #[test]
    fn a_revoked_key_is_forgotten_at_once() {
        let mut memory = Memory::default();
        memory.keep(hash(1), holder(), Duration::ZERO);
        memory.forget(Principal::ADMIN.key);
        assert!(matches!(memory.recall(&hash(1), Duration::ZERO), Recalled::Strange));
    }

    #[test]
    fn whoever_guesses_fills_a_bounded_room_and_pushes_nobody_out() {
        let mut memory = Memory::default();
        memory.keep(hash(0), holder(), Duration::ZERO);
        (1..=2 * MOST).for_each(|n| memory.keep(hash(n), None, Duration::ZERO));
        assert_eq!(memory.unknown.len(), MOST);
        assert!(matches!(memory.recall(&hash(0), Duration::ZERO), Recalled::Fresh(Some(_))));
        (1..=2 * MOST).for_each(|n| memory.keep(hash(n), holder(), Duration::ZERO));
        assert!(memory.found.len() <= MOST && memory.unknown.len() <= MOST);
    }
}

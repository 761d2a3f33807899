//! What is held at a time: connections, sockets, subscriptions, webhooks under way. Each is given back when its guard is dropped,
//! however it ended. Counted in this process alone: what a process holds costs that process.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Table, What, Who, refused};

/// What is held in this process; clones are the same.
#[derive(Clone)]
pub struct Places(Arc<Inner>);

struct Inner {
    table: Table,
    /// `None` is whoever it may be: the process's own total. What nobody holds is not there.
    counts: Mutex<HashMap<(What, Option<Who>), usize>>,
}

/// There is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowded {
    /// What has no place.
    pub what: What,
    /// How many there may be.
    pub most: usize,
}

impl fmt::Display for Crowded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} are limited to {}", self.what.words(), self.most)
    }
}

impl std::error::Error for Crowded {}

impl Places {
    /// All free.
    pub fn new(table: &Table) -> Self {
        Self(Arc::new(Inner { table: table.clone(), counts: Mutex::default() }))
    }

    /// Takes one of the process's places.
    ///
    /// # Errors
    /// There is none.
    pub fn hold(&self, what: What) -> Result<Hold, Crowded> {
        self.take(what, None)
    }

    /// Takes one of somebody's places.
    ///
    /// # Errors
    /// They have none left.
    pub fn hold_for(&self, what: What, who: Who) -> Result<Hold, Crowded> {
        self.take(what, Some(who))
    }

    /// Takes one of an address's places, and one of the process's.
    ///
    /// # Errors
    /// The first that has none left.
    pub fn hold_both(&self, of_address: What, from: IpAddr, of_all: What) -> Result<[Hold; 2], Crowded> {
        Ok([self.hold_for(of_address, Who::at(from))?, self.hold(of_all)?])
    }

    /// How many are held.
    pub fn held(&self, what: What, who: Option<Who>) -> usize {
        self.0.lock().get(&(what, who)).copied().unwrap_or_default()
    }

    fn take(&self, what: What, who: Option<Who>) -> Result<Hold, Crowded> {
        let most = self.0.table.most(what);
        let mut counts = self.0.lock();
        let count = counts.entry((what, who)).or_default();
        if *count >= most {
            drop(counts);
            refused(what);
            return Err(Crowded { what, most });
        }
        *count += 1;
        Ok(Hold { places: self.clone(), what, who })
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, HashMap<(What, Option<Who>), usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that is taken until this is dropped.
pub struct Hold {
    places: Places,
    what: What,
    who: Option<Who>,
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("what", &self.what).finish_non_exhaustive()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut counts = self.places.0.lock();
        if let Some(count) = counts.get_mut(&(self.what, self.who)) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&(self.what, self.who));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use uuid::Uuid;

    use super::super::Most;
    use super::*;

    fn places() -> Places {
        Places::new(&Table { limit_sockets: Most(2), limit_webhooks: Most(8), ..Table::default() })
    }

    #[test]
    fn a_place_is_had_again_once_it_is_given_back() {
        let (places, ann, bob) = (places(), Who::Key(Uuid::from_u128(1)), Who::Key(Uuid::from_u128(2)));
        let first = places.hold_for(What::Sockets, ann).unwrap();
        let _second = places.hold_for(What::Sockets, ann).unwrap();
        let crowded = places.hold_for(What::Sockets, ann).unwrap_err();
        assert_eq!(crowded.to_string(), "the sockets of this key at a time are limited to 2");
        let _other = places.hold_for(What::Sockets, bob).unwrap();
        drop(first);
        let _third = places.hold_for(What::Sockets, ann).unwrap();
        assert_eq!(places.held(What::Sockets, Some(ann)), 2);
    }

    #[test]
    fn what_nobody_holds_takes_no_room() {
        let places = places();
        for n in 0..10_000 {
            drop(places.hold_for(What::Sockets, Who::Key(Uuid::from_u128(n))).unwrap());
        }
        assert!(places.0.lock().is_empty());
    }

    #[test]
    fn an_address_may_have_a_quarter_and_all_together_have_the_whole() {
        let places = places();
        let hold = |from: &str| places.hold_both(What::AddressWebhooks, from.parse().unwrap(), What::Webhooks);
        let mut held = vec![hold("192.0.2.1").unwrap(), hold("192.0.2.1").unwrap()];
        assert_eq!(hold("::ffff:192.0.2.1").unwrap_err().what, What::AddressWebhooks);
        held.extend(["192.0.2.2", "192.0.2.3", "2001:db8::1"].map(|from| hold(from).unwrap()));
        held.extend(["192.0.2.2", "192.0.2.3", "2001:db8::2"].map(|from| hold(from).unwrap()));
        assert_eq!(hold("2001:db8::3").unwrap_err().what, What::AddressWebhooks, "a network is one place");
        assert_eq!(hold("192.0.2.9").unwrap_err().what, What::Webhooks);
        held.clear();
        assert!(hold("192.0.2.1").is_ok());
        assert!(places.0.lock().is_empty());
    }
}

//! The newest of what came, within a bound.

use std::collections::hash_map::RandomState;
use std::collections::{HashSet, VecDeque};
use std::hash::BuildHasher as _;

/// How much a ring holds.
#[derive(Clone, Copy)]
pub(super) struct Bound {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

/// The newest entries within a bound; the oldest make room. An entry larger than the whole bound is not kept.
pub(super) struct Ring<T> {
    bound: Bound,
    entries: VecDeque<(T, usize)>,
    bytes: usize,
}

impl<T> Ring<T> {
    pub(super) fn within(bound: Bound) -> Self {
        Self { bound, entries: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn push(&mut self, entry: T, bytes: usize) {
        if bytes > self.bound.bytes {
            return;
        }
        self.entries.push_back((entry, bytes));
        self.bytes += bytes;
        while self.entries.len() > self.bound.count || self.bytes > self.bound.bytes {
            let Some((_, freed)) = self.entries.pop_front() else { break };
            self.bytes -= freed;
        }
    }

    pub(super) fn newest_first(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().rev().map(|(entry, _)| entry)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// How many ids are remembered.
const IDS: usize = 500_000;

/// The newest ids, as hashes: among half a million two are alike by chance once in a hundred million runs.
#[derive(Default)]
pub(super) struct Seen {
    hasher: RandomState,
    ids: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Seen {
    /// Whether `id` is new.
    pub(super) fn insert(&mut self, id: &str) -> bool {
        let id = self.hasher.hash_one(id);
        let new = self.ids.insert(id);
        if new {
            self.order.push_back(id);
            if self.order.len() > IDS
                && let Some(oldest) = self.order.pop_front()
            {
                self.ids.remove(&oldest);
            }
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_holds_the_newest_by_count_and_by_bytes() {
        let cases: [(&[usize], &[usize]); 5] = [
            (&[1, 2, 3], &[3, 2, 1]),
            (&[1, 2, 3, 4], &[4, 3, 2]),
            (&[50, 30, 40], &[40, 30]),
            (&[50, 30, 100], &[100]),
            (&[50, 30, 101], &[30, 50]),
        ];
        for (pushed, kept) in cases {
            let mut ring = Ring::within(Bound { count: 3, bytes: 100 });
            pushed.iter().for_each(|bytes| ring.push(*bytes, *bytes));
            assert_eq!(ring.newest_first().copied().collect::<Vec<_>>(), kept, "{pushed:?}");
            assert_eq!((ring.len(), ring.bytes), (kept.len(), kept.iter().sum()), "{pushed:?}");
        }
    }

    #[test]
    fn ids_are_remembered_up_to_a_bound() {
        let mut seen = Seen::default();
        for n in 0..=IDS {
            assert!(seen.insert(&n.to_string()));
        }
        assert_eq!((seen.ids.len(), seen.order.len()), (IDS, IDS));
        assert!(!seen.insert("1") && seen.insert("0"), "only the oldest is forgotten");
    }
}

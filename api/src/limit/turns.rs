//! Whose turn it is to read. Queries of one key are done so many at a time, and the others wait in the order they came: whoever asks
//! large questions on many connections keeps nobody waiting but themselves. Mutations wait for no turn; they gather in groups.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

/// Queries of one key at a time, for each core: enough that one waits for the database while another is computed.
const EACH_CORE: usize = 4;
/// Keys that are remembered before those are forgotten of which nothing is under way.
const MANY: usize = 256;

/// The turns of all keys in this process.
pub struct Turns {
    each: usize,
    keys: Mutex<HashMap<Uuid, Weak<Semaphore>>>,
}

/// It is somebody's turn until this is dropped.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "what matters is when it is dropped")] Option<OwnedSemaphorePermit>);

impl Default for Turns {
    fn default() -> Self {
        Self::of(EACH_CORE * std::thread::available_parallelism().map_or(1, NonZero::get))
    }
}

impl Turns {
    /// So many at a time for each key.
    fn of(each: usize) -> Self {
        Self { each, keys: Mutex::default() }
    }

    /// Waits until it is this key's turn.
    pub async fn take(&self, key: Uuid) -> Turn {
        // It is never closed.
        Turn(self.of_key(key).acquire_owned().await.ok())
    }

    fn of_key(&self, key: Uuid) -> Arc<Semaphore> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = keys.get(&key).and_then(Weak::upgrade) {
            return turns;
        }
        if keys.len() >= MANY {
            keys.retain(|_, turns| turns.strong_count() > 0);
        }
        let turns = Arc::new(Semaphore::new(self.each));
        keys.insert(key, Arc::downgrade(&turns));
        turns
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_key_waits_for_its_own_and_for_no_other_key() {
        let (turns, greedy, modest) = (Turns::of(2), Uuid::from_u128(1), Uuid::from_u128(2));
        let first = turns.take(greedy).await;
        let _second = turns.take(greedy).await;
        let mut third = Box::pin(turns.take(greedy));
        assert!(third.as_mut().now_or_never().is_none(), "two are under way");
        assert!(turns.take(modest).now_or_never().is_some(), "that is nothing to others");
        drop(first);
        assert!(third.now_or_never().is_some(), "one is done");
    }

    #[tokio::test]
    async fn who_has_nothing_under_way_is_forgotten() {
        let turns = Turns::of(2);
        let _one = turns.take(Uuid::nil()).await;
        for key in 1..3 * MANY as u128 {
            turns.take(Uuid::from_u128(key)).await;
        }
        let keys = turns.keys.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(keys.len() <= MANY && keys.contains_key(&Uuid::nil()), "{} are remembered", keys.len());
    }
}

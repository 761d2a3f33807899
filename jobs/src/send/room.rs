//! Where emails wait for a free slot of this process, and who gets it: the highest lane that waits, every eighth time the
//! lowest; of two or more slots one is kept for the high lane.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use entity::Priority;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

/// The waiting room and the slots.
pub struct Room {
    slots: usize,
    state: Mutex<State>,
    /// An id came, or a slot fell free.
    work: Notify,
    /// Room fell free.
    space: Notify,
}

#[derive(Default)]
struct State {
    waiting: [VecDeque<Uuid>; 3],
    /// All ids that wait: a bell that rings twice finds its email once.
    present: HashSet<Uuid>,
    busy: usize,
    /// Busy with anything but the high lane.
    busy_below: usize,
    turns: u64,
}

/// A slot in use; dropping it gives it back.
pub struct Slot {
    room: Arc<Room>,
    lane: Priority,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.room.lock();
        state.busy -= 1;
        if self.lane != Priority::High {
            state.busy_below -= 1;
        }
        drop(state);
        self.room.work.notify_one();
    }
}

impl Room {
    /// A room for this many POSTs at a time.
    pub fn new(slots: usize) -> Arc<Self> {
        let slots = slots.max(1);
        Arc::new(Self { slots, state: Mutex::default(), work: Notify::new(), space: Notify::new() })
    }

    /// Lets ids in, twice the slots a lane at most; waits for room, but not for longer than `patience`, and turns away what
    /// finds none. Answers how many were turned away.
    pub async fn offer(&self, lane: Priority, ids: Vec<Uuid>, patience: Duration) -> usize {
        let until = Instant::now() + patience;
        let mut rest: VecDeque<Uuid> = ids.into();
        loop {
            let freed = self.space.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            self.let_in(lane, &mut rest);
            if rest.is_empty() || tokio::time::timeout_at(until, freed).await.is_err() {
                return rest.len();
            }
        }
    }

    fn let_in(&self, lane: Priority, ids: &mut VecDeque<Uuid>) {
        let mut state = self.lock();
        while state.waiting[lane.lane()].len() < 2 * self.slots {
            let Some(id) = ids.pop_front() else { break };
            if state.present.insert(id) {
                state.waiting[lane.lane()].push_back(id);
            }
        }
        drop(state);
        self.work.notify_one();
    }

    /// Waits until an email and a slot for it are there, then takes as many as there are free slots, `most` at the most.
    pub async fn pick(self: &Arc<Self>, most: usize) -> Vec<(Uuid, Slot)> {
        loop {
            let picked = self.take(most);
            if !picked.is_empty() {
                self.space.notify_waiters();
                return picked;
            }
            self.work.notified().await;
            // One settle frees many slots, one after the other: let them all fall free before the first is given away.
            tokio::task::yield_now().await;
        }
    }

    fn take(self: &Arc<Self>, most: usize) -> Vec<(Uuid, Slot)> {
        let mut picked = Vec::new();
        let mut state = self.lock();
        while picked.len() < most {
            let Some(lane) = state.next_lane(self.slots) else { break };
            let Some(id) = state.waiting[lane.lane()].pop_front() else { break };
            state.present.remove(&id);
            state.busy += 1;
            state.turns += 1;
            if lane != Priority::High {
                state.busy_below += 1;
            }
            picked.push((id, Slot { room: self.clone(), lane }));
        }
        drop(state);
        picked
    }

    /// The lanes that gave something and could take more: theirs is the feeder's next bell.
    pub fn thirsty(&self, picked: &[(Uuid, Slot)]) -> Vec<Priority> {
        let state = self.lock();
        let gave = |lane: &Priority| picked.iter().any(|(_, slot)| slot.lane == *lane);
        Priority::ALL.into_iter().filter(|l| state.waiting[l.lane()].len() < self.slots && gave(l)).collect()
    }

    /// Slots in use.
    pub fn busy(&self) -> usize {
        self.lock().busy
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Which lane a free slot goes to.
    fn next_lane(&self, slots: usize) -> Option<Priority> {
        if self.busy >= slots {
            return None;
        }
        let reserved = usize::from(slots >= 2);
        let below_may = self.busy_below < slots - reserved;
        let may = |lane: &Priority| !self.waiting[lane.lane()].is_empty() && (*lane == Priority::High || below_may);
        if self.turns % 8 == 7 {
            Priority::ALL.into_iter().rev().find(may)
        } else {
            Priority::ALL.into_iter().find(may)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    async fn offer(room: &Room, lane: Priority, ids: std::ops::Range<u128>) {
        room.offer(lane, ids.map(id).collect(), Duration::ZERO).await;
    }

    #[tokio::test]
    async fn the_highest_lane_goes_first_and_every_eighth_turn_the_lowest() {
        let room = Room::new(8);
        offer(&room, Priority::Low, 0..16).await;
        offer(&room, Priority::Normal, 100..116).await;
        offer(&room, Priority::High, 200..216).await;
        let picked: Vec<u128> = room.pick(100).await.iter().map(|(id, _)| id.as_u128()).collect();
        assert_eq!(picked, [200, 201, 202, 203, 204, 205, 206, 0]);
    }

    #[tokio::test]
    async fn of_two_slots_one_is_kept_for_the_high_lane() {
        let room = Room::new(2);
        offer(&room, Priority::Low, 0..4).await;
        let low = room.pick(100).await;
        assert_eq!(low.len(), 1);
        offer(&room, Priority::High, 100..101).await;
        let high = room.pick(100).await;
        assert_eq!(high.first().map(|(id, _)| id.as_u128()), Some(100));
    }

    #[tokio::test]
    async fn a_single_slot_serves_every_lane() {
        let room = Room::new(1);
        offer(&room, Priority::Low, 0..1).await;
        assert_eq!(room.pick(100).await.len(), 1);
    }

    #[tokio::test]
    async fn an_email_offered_twice_waits_once() {
        let room = Room::new(5);
        offer(&room, Priority::Normal, 0..3).await;
        offer(&room, Priority::Normal, 0..3).await;
        assert_eq!(room.pick(100).await.len(), 3);
    }

    #[tokio::test]
    async fn what_finds_no_room_in_time_is_turned_away() {
        let room = Room::new(2);
        assert_eq!(room.offer(Priority::Normal, (0..10).map(id).collect(), Duration::from_millis(5)).await, 6);
    }

    #[tokio::test]
    async fn an_offer_waits_for_room() {
        let room = Room::new(2);
        offer(&room, Priority::High, 0..4).await;
        let (waiting, more) = (room.clone(), (10..12).map(id).collect());
        let offered = tokio::spawn(async move { waiting.offer(Priority::High, more, Duration::from_secs(60)).await });
        let first = room.pick(100).await;
        assert_eq!(offered.await.ok(), Some(0));
        drop(first);
        assert_eq!(room.pick(100).await.len(), 2);
    }

    #[tokio::test]
    async fn a_dropped_slot_is_free_again() {
        let room = Room::new(1);
        offer(&room, Priority::High, 0..2).await;
        drop(room.pick(100).await);
        assert_eq!(room.busy(), 0);
        assert_eq!(room.pick(100).await.len(), 1);
    }
}

//! Watches over Redis: whether it is away, whether it lost its memory, whether a lane stands still, and whether it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use entity::Priority;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

use super::deliver::Task;
use super::redis::{Look, Remote};
use super::worker::Desk;
use super::{Inner, LaneError};

/// What the watch needs of the workers of one lane.
pub(super) struct Watched {
    pub(super) desk: Desk,
    pub(super) rebuild: Arc<Notify>,
    pub(super) life: Arc<AtomicU64>,
}

/// Looks at Redis every `look`, until the lanes stop.
pub(super) struct Watch {
    lanes: Arc<Inner>,
    remote: Arc<Remote>,
    /// By lane; nothing in a process without workers.
    watched: Option<[Watched; 3]>,
    memory: Option<String>,
    standing: [Standing; 3],
    /// The probe tasks under way, by lane.
    probes: [Option<String>; 3],
    swept: Instant,
    buried: Instant,
}

impl Watch {
    pub(super) fn new(lanes: Arc<Inner>, remote: Arc<Remote>, watched: Option<[Watched; 3]>) -> Self {
        Self {
            lanes,
            remote,
            watched,
            memory: None,
            standing: Default::default(),
            probes: Default::default(),
            swept: Instant::now(),
            buried: Instant::now(),
        }
    }

    pub(super) async fn keep(mut self) {
        let stop = self.lanes.stop.clone();
        let mut time = tokio::time::interval(self.lanes.timing.look);
        time.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let watch = async {
            loop {
                time.tick().await;
                self.round().await;
            }
        };
        tokio::select! {
            () = watch => {}
            () = stop.cancelled() => {}
        }
    }

    async fn round(&mut self) {
        let lives = self.watched.as_ref().map(|watched| watched.each_ref().map(|one| one.life.load(Ordering::Relaxed)));
        let look = match self.remote.look(lives).await {
            Ok(look) => look,
            Err(error) => {
                // Nobody could say that they live: when it is back, they have a heartbeat's time for that.
                self.buried = Instant::now();
                return self.lanes.away(&error);
            }
        };
        self.lanes.seen(look.processes);
        if self.memory.replace(look.memory.clone()).is_some_and(|before| before != look.memory) {
            tracing::warn!("Redis lost its memory; what it held is fed again");
            self.probes = Default::default();
            self.lanes.renew();
        }
        if self.watched.is_none() {
            // Without workers there is nothing to wait for: reachable is back.
            return self.lanes.back();
        }
        if self.lanes.in_redis() {
            self.stalls(&look);
            self.bury().await;
            self.sweep().await;
        } else {
            self.standing = Default::default();
            if let Err(error) = self.probe().await {
                tracing::debug!(%error, "Redis answers, but does not take a probe");
            }
        }
    }

    /// Away, too, is a Redis in which a lane stands still while this process could take from it.
    fn stalls(&mut self, look: &Look) {
        let (Some(watched), now) = (&self.watched, Instant::now()) else { return };
        for lane in Priority::ALL {
            let Watched { desk, rebuild, .. } = &watched[lane.lane()];
            let head = look.heads[lane.lane()].as_deref().filter(|_| desk.has_room());
            if self.standing[lane.lane()].stands(head, now) >= self.lanes.timing.stall {
                rebuild.notify_one();
                self.lanes.away(&LaneError::Stalled(lane));
            }
        }
    }

    /// Puts a task of our own into each lane. Once all were consumed, by whatever process, Redis is back.
    ///
    /// Each process waits for its own three ids, so several that come back at once don't confuse each other; one that is
    /// under way is waited for, so that an outage leaves three behind at most.
    async fn probe(&mut self) -> Result<(), LaneError> {
        for lane in Priority::ALL {
            if self.probes[lane.lane()].is_none() {
                self.probes[lane.lane()] = self.remote.push(lane, &[Task::probe()]).await?.pop();
            }
        }
        let until = Instant::now() + self.lanes.timing.look;
        while Instant::now() < until {
            let asked: Vec<(Priority, String)> =
                Priority::ALL.into_iter().filter_map(|lane| Some((lane, self.probes[lane.lane()].clone()?))).collect();
            let states = self.remote.states(&asked).await?;
            if states.len() == Priority::ALL.len() && states.iter().all(|state| state.as_deref() == Some("Done")) {
                self.probes = Default::default();
                self.lanes.back();
                return Ok(());
            }
            for ((lane, _), _) in asked.iter().zip(&states).filter(|(_, state)| state.is_none()) {
                // Swept or wiped: nobody will ever know. The next round sends another.
                self.probes[lane.lane()] = None;
            }
            if self.probes.iter().any(Option::is_none) {
                return Ok(());
            }
            tokio::time::sleep(self.lanes.timing.look / 40).await;
        }
        Ok(())
    }

    async fn bury(&mut self) {
        if self.buried.elapsed() < self.lanes.timing.heartbeat {
            return;
        }
        self.buried = Instant::now();
        if let Err(error) = self.remote.bury().await {
            tracing::warn!(%error, "What silent workers hold in Redis could not be given back");
        }
    }

    async fn sweep(&mut self) {
        if self.swept.elapsed() < self.lanes.timing.sweep {
            return;
        }
        self.swept = Instant::now();
        match self.remote.sweep().await {
            Ok(swept) => tracing::debug!(swept, "swept finished tasks out of Redis"),
            Err(error) => tracing::warn!(%error, "Redis could not be swept"),
        }
    }
}

/// Since when a lane's head has been the same.
#[derive(Default)]
struct Standing(Option<(String, Instant)>);

impl Standing {
    /// How long this head has been there. An id is pushed once and returns, if ever, to the end, so the same head again
    /// means that no task left the lane, whoever else pushes and takes.
    fn stands(&mut self, head: Option<&str>, now: Instant) -> Duration {
        match (head, &self.0) {
            (None, _) => self.0 = None,
            (Some(head), Some((before, since))) if head == before => return now.duration_since(*since),
            (Some(head), _) => self.0 = Some((head.to_owned(), now)),
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_stands_still_while_its_head_stays() {
        let (mut standing, start) = (Standing::default(), Instant::now());
        let at = |s: u64| start + Duration::from_secs(s);
        let cases = [
            (None, 0, 0),
            (Some("a"), 1, 0),
            (Some("a"), 4, 3),
            (Some("b"), 5, 0),
            (Some("b"), 15, 10),
            (None, 16, 0),
            (Some("b"), 17, 0),
            (Some("b"), 18, 1),
        ];
        for (head, second, stood) in cases {
            assert_eq!(standing.stands(head, at(second)), Duration::from_secs(stood), "{head:?} at {second}");
        }
    }
}

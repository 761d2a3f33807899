//! Three lanes, HIGH, NORMAL and LOW, carry doorbells from the feeder to the senders: over Redis where there is one, in
//! process where there is none or it is away. The only room that knows apalis.
//!
//! A lane may lose a task or repeat it; it never fails one, never delays one for another lane, and is never silently dead.

mod deliver;
mod in_process;
#[cfg(test)]
mod tests;
mod timing;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use entity::{Clock, Priority};
use futures::future::BoxFuture;
use secrecy::SecretString;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub use deliver::{Deliver, NotADoorbell};
pub use timing::LaneTiming;

use in_process::InProc;
use worker::{Desk, Post, Source};

/// Offers the emails of one task to the process's sender; returns within about three seconds.
pub type Handler = Arc<dyn Fn(Priority, Vec<Uuid>) -> BoxFuture<'static, ()> + Send + Sync>;

/// How many tasks of a lane one process handles at the same time, at most; with fewer slots, as many as there are slots.
const SEATS: usize = 4;

/// Where doorbells go now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Into this process's own lanes, seen by nobody else.
    InProcess,
    /// Into Redis, where any process with workers may take them.
    Redis,
}

/// Why a lane did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// This process has no workers: it rings, but carries nothing.
    #[error("this process has no workers and carries nothing")]
    NoWorkers,
}

/// The three lanes as this process sees them. Clones are the same lanes.
#[derive(Clone)]
pub struct Lanes(Arc<Inner>);

struct Inner {
    local: [InProc; 3],
    nudges: [Notify; 3],
    stop: CancellationToken,
    abandon: CancellationToken,
    /// Who keeps the lanes going.
    crew: TaskTracker,
    /// The handlers at work.
    bodies: TaskTracker,
}

impl Lanes {
    /// Starts the workers of all three lanes; `slots` is how many emails this process hands over at the same time.
    pub async fn start(
        slots: usize,
        clock: Clock,
        handler: Handler,
        shutdown: CancellationToken,
    ) -> Result<Lanes, LaneError> {
        let timing = LaneTiming::default();
        let process = clock.id();
        let lanes = Lanes(Arc::new(Inner {
            local: Priority::ALL.map(|_| InProc::new(clock.clone())),
            nudges: Default::default(),
            stop: shutdown.child_token(),
            abandon: CancellationToken::new(),
            crew: TaskTracker::new(),
            bodies: TaskTracker::new(),
        }));
        for lane in Priority::ALL {
            let desk = Desk::new(lane, handler.clone(), slots.clamp(1, SEATS), timing.patience, lanes.0.bodies.clone());
            let post = Post {
                source: Source::InProcess(lanes.0.local[lane.lane()].clone()),
                desk,
                process,
                timing,
                stop: lanes.0.stop.clone(),
                abandon: lanes.0.abandon.clone(),
                rebuild: Arc::default(),
            };
            lanes.0.crew.spawn(post.keep());
        }
        Ok(lanes)
    }

    /// Puts doorbells at the end of a lane of the current carrier.
    pub async fn push(&self, lane: Priority, tasks: Vec<Deliver>) -> Result<(), LaneError> {
        self.0.local[lane.lane()].push(tasks.iter().map(Deliver::wire));
        Ok(())
    }

    /// How many doorbells wait in a lane of the current carrier.
    pub async fn depth(&self, lane: Priority) -> Result<u64, LaneError> {
        Ok(self.0.local[lane.lane()].depth())
    }

    /// Wakes the lane's feeder.
    pub fn nudge(&self, lane: Priority) {
        self.0.nudges[lane.lane()].notify_one();
    }

    /// Waits for a nudge. One that came while nobody waited is not lost; several are one.
    pub async fn nudged(&self, lane: Priority) {
        self.0.nudges[lane.lane()].notified().await;
    }

    /// Consumes no more, and waits for the handlers at work, both for `deadline` at most.
    pub async fn stop(&self, deadline: Duration) {
        let until = Instant::now() + deadline;
        self.0.stop.cancel();
        self.0.crew.close();
        if timeout_at(until, self.0.crew.wait()).await.is_err() {
            tracing::warn!("the lanes' workers did not end in time and are abandoned");
            self.0.abandon.cancel();
        }
        self.0.bodies.close();
        if timeout_at(until, self.0.bodies.wait()).await.is_err() {
            tracing::warn!(open = self.0.bodies.len(), "handlers of tasks did not end in time");
        }
    }
}

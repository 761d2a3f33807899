//! Three lanes, HIGH, NORMAL and LOW, carry doorbells from the feeder to the senders: over Redis where there is one, in
//! process where there is none or it is away. The only room that knows apalis.
//!
//! A lane may lose a task or repeat it; it never fails one, never delays one for another lane, and is never silently dead.

pub(crate) mod connection;
mod deliver;
mod hear;
mod in_process;
mod redis;
mod ringing;
mod script;
mod start;
#[cfg(test)]
mod tests;
mod timing;
mod watch;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use entity::Priority;
use futures::future::BoxFuture;
use tokio::sync::{Notify, watch as news};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub use connection::{Connection, RedisSettings};
pub use deliver::{Deliver, NotADoorbell};
pub use timing::LaneTiming;

use in_process::InProc;
use redis::Remote;

/// Offers the emails of one task to the process's sender; returns within about three seconds.
pub type Handler = Arc<dyn Fn(Priority, Vec<Uuid>) -> BoxFuture<'static, ()> + Send + Sync>;

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
    /// Redis can't be reached, or refused.
    #[error("Redis: {0}")]
    Redis(#[from] ::redis::RedisError),
    /// Redis gave no answer in the time that a call has.
    #[error("Redis did not answer in time")]
    TimedOut,
    /// Redis answers, but nobody consumes.
    #[error("no task left the {0} lane, though this process could have taken one")]
    Stalled(Priority),
}

/// The three lanes as this process sees them. Clones are the same lanes.
#[derive(Clone)]
pub struct Lanes(Arc<Inner>);

struct Inner {
    timing: LaneTiming,
    process: Uuid,
    /// This process consumes.
    works: bool,
    local: [InProc; 3],
    remote: Option<Arc<Remote>>,
    carrier: news::Sender<Carrier>,
    generation: AtomicU64,
    /// How many processes consumed at the last look.
    processes: AtomicU64,
    nudges: [Notify; 3],
    /// The lanes whose nudges other processes have yet to hear, and the bell of who calls them.
    to_call: [AtomicBool; 3],
    call_out: Notify,
    stop: CancellationToken,
    abandon: CancellationToken,
    /// Who keeps the lanes going.
    crew: TaskTracker,
    /// The handlers at work.
    bodies: TaskTracker,
}

impl Lanes {
    /// Where doorbells go now; in a process without workers, whether Redis can be reached.
    pub fn carrier(&self) -> Carrier {
        *self.0.carrier.borrow()
    }

    /// A number that grows whenever what was pushed before may be lost to this process: the carrier changed, or Redis lost
    /// its memory. The feeder then feeds everything again.
    pub fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Puts doorbells at the end of a lane of the current carrier. When that is Redis and it fails, the carrier is the
    /// process itself from now on.
    pub async fn push(&self, lane: Priority, tasks: Vec<Deliver>) -> Result<(), LaneError> {
        let wires = tasks.iter().map(Deliver::wire);
        match self.0.current()? {
            None => self.0.local[lane.lane()].push(wires),
            Some(_) if tasks.is_empty() => {}
            Some(remote) => {
                self.0.noting(remote.push(lane, &wires.collect::<Vec<_>>()).await)?;
            }
        }
        Ok(())
    }

    /// How many doorbells wait in a lane of the current carrier; those being handled do not count. Fails like
    /// [`Lanes::push`].
    pub async fn depth(&self, lane: Priority) -> Result<u64, LaneError> {
        match self.0.current()? {
            None => Ok(self.0.local[lane.lane()].depth()),
            Some(remote) => self.0.noting(remote.depth(lane).await),
        }
    }

    /// How many live processes consume from the current carrier, as of the last look (every second), never 0.
    pub async fn live_workers(&self) -> u64 {
        match self.carrier() {
            Carrier::InProcess => 1,
            Carrier::Redis => self.0.processes.load(Ordering::Relaxed).max(1),
        }
    }

    /// Wakes the lane's feeder, in this process and, over Redis, in all others.
    pub fn nudge(&self, lane: Priority) {
        self.0.nudges[lane.lane()].notify_one();
        if self.0.remote.is_some() {
            self.0.to_call[lane.lane()].store(true, Ordering::Release);
            self.0.call_out.notify_one();
        }
    }

    /// Waits for a nudge. One that came while nobody waited is not lost; several are one.
    pub async fn nudged(&self, lane: Priority) {
        self.0.nudges[lane.lane()].notified().await;
    }

    /// Whether Redis is configured and in use (without workers: can be reached), for readiness and metrics.
    pub fn redis_available(&self) -> bool {
        self.0.in_redis()
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

impl Inner {
    fn in_redis(&self) -> bool {
        *self.carrier.borrow() == Carrier::Redis
    }

    /// Redis, where it carries.
    fn current(&self) -> Result<Option<&Remote>, LaneError> {
        if !self.works {
            return Err(LaneError::NoWorkers);
        }
        Ok(self.remote.as_deref().filter(|_| self.in_redis()))
    }

    /// Passes on a call's answer; after a failed one Redis is away.
    fn noting<T>(&self, answer: Result<T, LaneError>) -> Result<T, LaneError> {
        answer.inspect_err(|error| self.away(error))
    }

    fn away(&self, why: &LaneError) {
        if self.carry(Carrier::InProcess) {
            tracing::warn!(%why, "Redis is away; this process carries its own doorbells");
        }
    }

    fn back(&self) {
        if self.carry(Carrier::Redis) {
            tracing::info!("Redis carries the doorbells");
        }
    }

    /// Answers whether that is a change.
    fn carry(&self, carrier: Carrier) -> bool {
        let changed = self.carrier.send_if_modified(|now| std::mem::replace(now, carrier) != carrier);
        if changed {
            self.renew();
        }
        changed
    }

    /// Has everything fed again.
    fn renew(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.nudges.iter().for_each(Notify::notify_one);
    }

    fn seen(&self, processes: u64) {
        self.processes.store(processes, Ordering::Relaxed);
    }
}

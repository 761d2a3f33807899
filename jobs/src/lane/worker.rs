//! The workers of a lane, and who watches over them: a worker that ends before it was told to is built anew, after a
//! back-off, so that no lane is ever silently dead.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use apalis::prelude::{BoxDynError, Data, WorkerBuilder, WorkerBuilderExt};
use apalis_core::error::WorkerError;
use apalis_core::worker::context::WorkerContext;
use apalis_redis::RedisStorage;
use entity::Priority;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::deliver::Task;
use super::in_process::InProc;
use super::redis::Remote;
use super::ringing::{Line, Ringing};
use super::{Handler, LaneError, LaneTiming};

/// What the handling of a task needs.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) lane: Priority,
    pub(super) handler: Handler,
    /// How many tasks this lane handles at the same time.
    pub(super) seats: usize,
    pub(super) patience: Duration,
    /// The handlers at work. They outlive the worker that called them: apalis cancels what a dying worker has open.
    pub(super) bodies: TaskTracker,
    taken: Arc<AtomicUsize>,
}

impl Desk {
    pub(super) fn new(lane: Priority, handler: Handler, seats: usize, patience: Duration, bodies: TaskTracker) -> Self {
        Self { lane, handler, seats, patience, bodies, taken: Arc::default() }
    }

    /// Whether another task could be handled now.
    pub(super) fn has_room(&self) -> bool {
        self.taken.load(Ordering::Relaxed) < self.seats
    }

    /// Handles one task in its wire form. Never fails and never takes longer than `patience`: apalis must neither repeat
    /// a task nor miss a heartbeat over one.
    async fn handle(&self, wire: &str) {
        let deliver = match Task::read(wire) {
            Ok(Task::Deliver(deliver)) => deliver,
            Ok(Task::Probe) => return,
            Err(why) => {
                tracing::warn!(lane = %self.lane, %why, "dropped a task");
                return;
            }
        };
        let _seat = Seat::take(&self.taken);
        let body = self.bodies.spawn((self.handler)(self.lane, deliver.into_ids()));
        match timeout(self.patience, body).await {
            Ok(Ok(())) => {}
            Ok(Err(end)) => {
                tracing::error!(lane = %self.lane, panicked = end.is_panic(), "a task's handler ended early")
            }
            Err(_) => tracing::warn!(lane = %self.lane, "a task's handler is slow; the lane goes on without it"),
        }
    }
}

/// One of the tasks that are handled now.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(taken: &Arc<AtomicUsize>) -> Self {
        taken.fetch_add(1, Ordering::Relaxed);
        Self(taken.clone())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn handle(wire: String, desk: Data<Desk>) -> Result<(), BoxDynError> {
    desk.handle(&wire).await;
    Ok(())
}

/// Where a worker takes its tasks from.
pub(super) enum Source {
    InProcess(InProc),
    Redis(Arc<Remote>),
}

impl Source {
    fn name(&self) -> &'static str {
        match self {
            Source::InProcess(_) => "in process",
            Source::Redis(_) => "Redis",
        }
    }

    /// One life of a worker.
    async fn work(&self, worker: WorkerContext, desk: Desk, timing: &LaneTiming) -> Result<Work, LaneError> {
        let seats = desk.seats;
        Ok(match self {
            Source::InProcess(lane) => {
                let backend = lane.backend();
                WorkerBuilder::new(worker).backend(backend).concurrency(seats).data(desk).build(handle).run().boxed()
            }
            Source::Redis(remote) => {
                remote.enlist(desk.lane, worker.name()).await?;
                let line = Line::new(remote.connection.fresh()?, timing.call);
                let storage = RedisStorage::new(line.clone()).with_config(remote.queue(desk.lane).clone());
                let bell = remote.bells[desk.lane.lane()].clone();
                let backend = Ringing::new(storage, &line, bell, timing.poll);
                WorkerBuilder::new(worker).backend(backend).concurrency(seats).data(desk).build(handle).run().boxed()
            }
        })
    }

    /// Cleans up after a worker that ended; `whole` is one that had nothing open. What can't be done now, because Redis is
    /// away, is done by whoever finds it silent.
    async fn retire(&self, lane: Priority, name: &str, whole: bool) {
        let Source::Redis(remote) = self else { return };
        let retired = async {
            remote.retire(lane, name).await?;
            if whole { remote.forget(lane, name).await } else { Ok(()) }
        };
        if let Err(error) = retired.await {
            tracing::debug!(%lane, %error, "a dead worker stays on Redis' books until it is found silent");
        }
    }
}

type Work = BoxFuture<'static, Result<(), WorkerError>>;

/// A worker's place in a lane, filled from `keep` until `stop`.
pub(super) struct Post {
    pub(super) source: Source,
    pub(super) desk: Desk,
    pub(super) process: Uuid,
    pub(super) timing: LaneTiming,
    /// Consume no more, finish what is open.
    pub(super) stop: CancellationToken,
    /// Do not even finish what is open.
    pub(super) abandon: CancellationToken,
    /// The worker lives but does nothing: build it anew.
    pub(super) rebuild: Arc<Notify>,
    /// In which life the worker is, counted from 1.
    pub(super) life: Arc<AtomicU64>,
}

/// How a worker's life ended.
enum End {
    Stopped,
    Died(String),
}

impl Post {
    /// Keeps a worker at work until told to stop.
    pub(super) async fn keep(self) {
        let mut deaths = 0u32;
        for life in 1u64.. {
            let name = Remote::name(self.process, self.desk.lane, life);
            self.life.store(life, Ordering::Relaxed);
            let born = Instant::now();
            let end = self.live(&name).await;
            tokio::select! {
                () = self.source.retire(self.desk.lane, &name, matches!(end, End::Stopped)) => {}
                () = self.abandon.cancelled() => return,
            }
            let why = match end {
                End::Stopped => return,
                End::Died(why) => why,
            };
            deaths = if born.elapsed() > self.timing.rebuild_most * 4 { 0 } else { deaths.saturating_add(1) };
            self.report(deaths, &why);
            tokio::select! {
                () = tokio::time::sleep(self.pause(deaths)) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    async fn live(&self, name: &str) -> End {
        let worker = WorkerContext::new(name);
        let work = tokio::select! {
            work = self.source.work(worker.clone(), self.desk.clone(), &self.timing) => work,
            () = self.stop.cancelled() => return End::Stopped,
        };
        let work = match work {
            Ok(work) => work,
            Err(why) => return End::Died(why.to_string()),
        };
        let mut work = pin!(AssertUnwindSafe(work).catch_unwind());
        tokio::select! {
            end = &mut work => End::Died(match end {
                Ok(Ok(())) => "it ended".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it panicked".to_owned(),
            }),
            () = self.rebuild.notified() => End::Died("no task left its lane".to_owned()),
            () = self.stop.cancelled() => {
                // A worker that had not begun can't be stopped, and has nothing open.
                if worker.stop().is_ok() {
                    tokio::select! {
                        _ = &mut work => {}
                        () = self.abandon.cancelled() => {}
                    }
                }
                End::Stopped
            }
        }
    }

    fn pause(&self, deaths: u32) -> Duration {
        (self.timing.rebuild_first * 2u32.saturating_pow(deaths.saturating_sub(1).min(16)))
            .min(self.timing.rebuild_most)
    }

    /// The first death of a row is news, the others only say that the cause persists.
    fn report(&self, deaths: u32, why: &str) {
        let (lane, source) = (self.desk.lane, self.source.name());
        if deaths <= 1 {
            tracing::warn!(%lane, source, why, "a lane's worker died; it is built anew");
        } else {
            tracing::debug!(%lane, source, why, deaths, "a lane's worker died again");
        }
    }
}

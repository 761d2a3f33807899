//! apalis-redis' storage behind a doorbell that is never lost: a ring during a fetch leads to another fetch.
//!
//! The storage itself looks for tasks only when something happens to wake its worker. [`Ringing`] asks at once when the
//! [`Bell`] rang and every `poll` otherwise, and needs to know for that when a fetch is under way, which [`Line`], the
//! worker's own connection, tells.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use apalis_core::backend::{Backend, BackendConfig, WireFormatBackend};
use apalis_core::worker::context::WorkerContext;
use apalis_redis::RedisStorage;
use futures::FutureExt;
use futures::task::AtomicWaker;
use redis::aio::{ConnectionLike, ConnectionManager};
use redis::{Cmd, Pipeline, RedisFuture, RedisResult, Value};
use tokio::time::{Interval, MissedTickBehavior};

/// A lane's doorbell, sticky: it rings until somebody answers.
#[derive(Default)]
pub(super) struct Bell {
    rung: AtomicBool,
    worker: AtomicWaker,
}

impl Bell {
    pub(super) fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        self.worker.wake();
    }

    fn listen(&self, waker: &Waker) {
        self.worker.register(waker);
    }

    /// Whether it rang since it was last answered.
    fn answer(&self) -> bool {
        self.rung.swap(false, Ordering::AcqRel)
    }
}

/// One worker's connection: each command has its time, and whether one is under way can be asked.
#[derive(Clone)]
pub(super) struct Line {
    conn: ConnectionManager,
    limit: Duration,
    busy: Arc<AtomicBool>,
}

impl Line {
    pub(super) fn new(conn: ConnectionManager, limit: Duration) -> Self {
        Self { conn, limit, busy: Arc::default() }
    }
}

/// Set while it lives, also when the command's future is dropped.
struct Busy(Arc<AtomicBool>);

impl Busy {
    fn set(busy: &Arc<AtomicBool>) -> Self {
        busy.store(true, Ordering::Release);
        Self(busy.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

async fn in_time<T>(limit: Duration, answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}

impl ConnectionLike for Line {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        let busy = Busy::set(&self.busy);
        let answer = in_time(self.limit, self.conn.req_packed_command(cmd));
        async move {
            let _busy = busy;
            answer.await
        }
        .boxed()
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        let busy = Busy::set(&self.busy);
        let answer = in_time(self.limit, self.conn.req_packed_commands(pipeline, offset, count));
        async move {
            let _busy = busy;
            answer.await
        }
        .boxed()
    }

    fn get_db(&self) -> i64 {
        self.conn.get_db()
    }
}

type Storage = RedisStorage<String, Line>;

/// A storage that asks Redis when the bell rings, when its time has come, and while there is more.
pub(super) struct Ringing {
    storage: Storage,
    bell: Arc<Bell>,
    time: Interval,
    busy: Arc<AtomicBool>,
    /// A fetch is under way.
    asking: bool,
    /// The last fetch found something, so there may be more.
    more: bool,
}

impl Ringing {
    pub(super) fn new(storage: Storage, line: &Line, bell: Arc<Bell>, poll: Duration) -> Self {
        let mut time = tokio::time::interval(poll);
        time.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { storage, bell, time, busy: line.busy.clone(), asking: false, more: false }
    }
}

impl Backend for Ringing {
    type Task = <Storage as Backend>::Task;
    type Error = <Storage as Backend>::Error;

    fn poll_ready(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> Poll<Result<(), Self::Error>> {
        self.storage.poll_ready(cx, worker)
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Self::Error>>> {
        self.bell.listen(cx.waker());
        loop {
            if !self.asking && !self.more {
                // Both are asked in any case, so that each knows whom to wake and no ring outlives its fetch.
                let due = self.time.poll_tick(cx).is_ready();
                let rung = self.bell.answer();
                if !due && !rung {
                    return Poll::Pending;
                }
            }
            match self.storage.poll_next(cx, worker) {
                Poll::Pending if self.busy.load(Ordering::Acquire) => {
                    self.asking = true;
                    return Poll::Pending;
                }
                // The fetch came back empty. Round again: the bell may have rung meanwhile.
                Poll::Pending => {
                    self.asking = false;
                    self.more = false;
                }
                found => {
                    self.asking = false;
                    self.more = true;
                    return found;
                }
            }
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, worker: &WorkerContext) -> Poll<Result<(), Self::Error>> {
        self.storage.poll_close(cx, worker)
    }
}

impl BackendConfig for Ringing {
    type Args = <Storage as BackendConfig>::Args;
    type Id = <Storage as BackendConfig>::Id;
    type Kind = <Storage as BackendConfig>::Kind;
    type Config = <Storage as BackendConfig>::Config;
    type Layer = <Storage as BackendConfig>::Layer;

    fn config(&self) -> &Self::Config {
        self.storage.config()
    }

    fn middleware(&mut self, worker: &mut WorkerContext) -> Self::Layer {
        self.storage.middleware(worker)
    }
}

impl WireFormatBackend for Ringing {
    type Codec = <Storage as WireFormatBackend>::Codec;
    type Compact = <Storage as WireFormatBackend>::Compact;

    fn codec(&self) -> &Self::Codec {
        self.storage.codec()
    }
}

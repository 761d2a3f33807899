//! How a process's lanes begin: with workers, in process and on Redis, or as bells alone.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use entity::{Clock, Priority};
use tokio::sync::{Notify, watch as news};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::in_process::InProc;
use super::redis::Remote;
use super::watch::{Watch, Watched};
use super::worker::{Desk, Post, Source};
use super::{Carrier, Handler, Inner, LaneError, LaneTiming, Lanes, RedisSettings, hear};

/// How many tasks of a lane one process handles at the same time, at most; with fewer slots, as many as there are slots.
const SEATS: usize = 4;

impl Lanes {
    /// Starts the workers of all three lanes, in process and, with `redis`, on Redis too, which need not be up: the process
    /// begins in process then. `slots` is how many emails it hands over at the same time. Cancelling `shutdown` ends the
    /// consuming; [`Lanes::stop`] also waits for its end.
    ///
    /// Fails only when the settings make no sense.
    pub async fn start(
        redis: Option<RedisSettings>,
        slots: usize,
        clock: Clock,
        handler: Handler,
        shutdown: CancellationToken,
    ) -> Result<Lanes, LaneError> {
        Self::start_with(LaneTiming::default(), redis, slots, clock, handler, shutdown).await
    }

    /// [`Lanes::start`] at another pace.
    pub async fn start_with(
        timing: LaneTiming,
        redis: Option<RedisSettings>,
        slots: usize,
        clock: Clock,
        handler: Handler,
        shutdown: CancellationToken,
    ) -> Result<Lanes, LaneError> {
        let seats = slots.clamp(1, SEATS);
        let lanes = Self::idle(timing, redis, seats, true, &clock, &shutdown)?;
        let inner = &lanes.0;
        for lane in Priority::ALL {
            let desk = Desk::new(lane, handler.clone(), seats, timing.patience, inner.bodies.clone());
            inner.crew.spawn(inner.post(Source::InProcess(inner.local[lane.lane()].clone()), desk).keep());
        }
        if let Some(remote) = &inner.remote {
            let watched = Priority::ALL.map(|lane| {
                let desk = Desk::new(lane, handler.clone(), seats, timing.patience, inner.bodies.clone());
                let post = inner.post(Source::Redis(remote.clone()), desk.clone());
                let (rebuild, life) = (post.rebuild.clone(), post.life.clone());
                inner.crew.spawn(post.keep());
                Watched { desk, rebuild, life }
            });
            inner.crew.spawn(hear::listen(inner.clone(), remote.clone()));
            inner.attend(remote, Some(watched));
            // A moment's patience spares a process whose Redis is up the detour through its own lanes.
            let mut carrier = inner.carrier.subscribe();
            let _ = timeout(timing.start, carrier.wait_for(|carrier| *carrier == Carrier::Redis)).await;
        }
        Ok(lanes)
    }

    /// The lanes of a process without workers: it nudges feeders elsewhere, but neither pushes nor consumes.
    pub async fn bells_only(
        redis: Option<RedisSettings>,
        clock: Clock,
        shutdown: CancellationToken,
    ) -> Result<Lanes, LaneError> {
        Self::bells_only_with(LaneTiming::default(), redis, clock, shutdown).await
    }

    /// [`Lanes::bells_only`] at another pace.
    pub async fn bells_only_with(
        timing: LaneTiming,
        redis: Option<RedisSettings>,
        clock: Clock,
        shutdown: CancellationToken,
    ) -> Result<Lanes, LaneError> {
        let lanes = Self::idle(timing, redis, SEATS, false, &clock, &shutdown)?;
        if let Some(remote) = &lanes.0.remote {
            lanes.0.attend(remote, None);
        }
        Ok(lanes)
    }

    fn idle(
        timing: LaneTiming,
        redis: Option<RedisSettings>,
        seats: usize,
        works: bool,
        clock: &Clock,
        shutdown: &CancellationToken,
    ) -> Result<Lanes, LaneError> {
        let process = clock.id();
        let remote = match redis {
            Some(settings) => Some(Arc::new(Remote::new(&settings, seats, timing, process, clock.clone())?)),
            None => None,
        };
        Ok(Lanes(Arc::new(Inner {
            timing,
            process,
            works,
            local: Priority::ALL.map(|_| InProc::new(clock.clone())),
            remote,
            carrier: news::Sender::new(Carrier::InProcess),
            generation: AtomicU64::new(0),
            processes: AtomicU64::new(1),
            nudges: Default::default(),
            to_call: Default::default(),
            call_out: Notify::new(),
            stop: shutdown.child_token(),
            abandon: CancellationToken::new(),
            crew: TaskTracker::new(),
            bodies: TaskTracker::new(),
        })))
    }
}

impl Inner {
    fn post(&self, source: Source, desk: Desk) -> Post {
        Post {
            source,
            desk,
            process: self.process,
            timing: self.timing,
            stop: self.stop.clone(),
            abandon: self.abandon.clone(),
            rebuild: Arc::default(),
            life: Arc::default(),
        }
    }

    /// Starts what every process with a Redis needs, whether it has workers or not.
    fn attend(self: &Arc<Self>, remote: &Arc<Remote>, watched: Option<[Watched; 3]>) {
        self.crew.spawn(hear::call_out(self.clone(), remote.clone()));
        self.crew.spawn(Watch::new(self.clone(), remote.clone(), watched).keep());
    }
}

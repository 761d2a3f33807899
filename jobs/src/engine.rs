//! Everything that runs in a process, started and stopped in the right order.

use std::sync::Arc;

use entity::Priority;
use futures::future::FutureExt;
use tokio_util::task::TaskTracker;

use crate::accept::Accept;
use crate::campaign::expand;
use crate::context::Context;
use crate::feed::Feeder;
use crate::lane::{Carrier, Handler, LaneError, Lanes, RedisSettings};
use crate::live::news::{News, Way};
use crate::log::{Desk, Log};
use crate::mailer::Mailer;
use crate::record::Recorder;
use crate::send::Sender;
use crate::sync::provider::Provider;
use crate::sync::{self, Direction};
use crate::{alert, bulk, cron, dispatch, reconcile, resolve, watch};

/// A running process.
pub struct Engine {
    pub ctx: Arc<Context>,
    pub accept: Accept,
    pub recorder: Recorder,
    /// How far the events have come, here and elsewhere.
    pub news: News,
    lanes: Lanes,
    sender: Option<Sender>,
    tasks: TaskTracker,
    redis: bool,
}

/// How the process's own parts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Where doorbells go.
    pub carrier: Carrier,
    /// How this process hears of events that others record.
    pub news: Way,
    /// Redis is configured and away: email goes all the same.
    pub degraded: bool,
    /// Hand-overs under way; `None` in a process without workers.
    pub busy: Option<usize>,
}

impl Engine {
    /// Starts taking in and recording, and, with `workers`, sending, feeding, looking after, asking the log, keeping Mailgun's
    /// lists and ours alike, bulk work, campaigns, telling endpoints and schedules.
    ///
    /// # Errors
    /// When Redis' settings make no sense. That it is away is no error.
    pub async fn start(
        ctx: Arc<Context>,
        mailer: Arc<dyn Mailer>,
        log: Arc<dyn Log>,
        lists: Arc<dyn Provider>,
        redis: Option<RedisSettings>,
        workers: bool,
    ) -> Result<Self, LaneError> {
        watch::align(&ctx).await;
        // A database that is away is asked again by whoever needs it.
        if let Err(error) = ctx.marks.make(&ctx).await {
            tracing::warn!(cause = %error, "The key of erased recipients could not be read yet");
        }
        let (configured, told) = (redis.is_some(), redis.clone());
        let tasks = TaskTracker::new();
        let (lanes, sender) = if workers {
            let sender = Sender::start(ctx.clone(), mailer);
            let offered = sender.clone();
            let handler: Handler = Arc::new(move |lane, ids| {
                let sender = offered.clone();
                async move { sender.offer(lane, ids).await }.boxed()
            });
            let stop = ctx.stop.child_token();
            let lanes = Lanes::start(redis, ctx.settings.slots, ctx.clock.clone(), handler, stop).await?;
            (lanes, Some(sender))
        } else {
            (Lanes::bells_only(redis, ctx.clock.clone(), ctx.stop.child_token()).await?, None)
        };
        let bell = lanes.clone();
        ctx.hang_bell(Arc::new(move |lane| bell.nudge(lane)));
        if workers {
            for lane in Priority::ALL {
                tasks.spawn(Feeder::new(ctx.clone(), lanes.clone(), lane).run());
            }
            tasks.spawn(watch::run(ctx.clone()));
            tasks.spawn(carry_on(ctx.clone()));
            tasks.spawn(expand::run(ctx.clone()));
            cron::start(ctx.clone(), &tasks);
        }
        let (accept, recorder) = (Accept::start(ctx.clone()), Recorder::start(ctx.clone()));
        if workers {
            let desk = Desk { ctx: ctx.clone(), recorder: recorder.clone(), log };
            tasks.spawn(resolve::run(desk.clone()));
            tasks.spawn(reconcile::run(desk));
            keep_alike(sync::Desk { ctx: ctx.clone(), provider: lists }, &tasks);
        }
        let news = News::start(&ctx, told, recorder.recorded(), &tasks)?;
        // In processes without workers too: that nobody sends is for somebody to say.
        let seen = lanes.clone();
        tasks.spawn(alert::watch(ctx.clone(), move || configured && !seen.redis_available()));
        call_out(&ctx, &tasks);
        if workers {
            tasks.spawn(dispatch::run(ctx.clone(), news.clone(), tasks.clone()));
        }
        Ok(Self { ctx, accept, recorder, news, lanes, sender, tasks, redis: configured })
    }

    /// How it is.
    pub fn health(&self) -> Health {
        Health {
            carrier: self.lanes.carrier(),
            news: self.news.way(),
            degraded: self.redis && !self.lanes.redis_available(),
            busy: self.sender.as_ref().map(|sender| sender.room.busy()),
        }
    }

    /// Takes nothing new, finishes what is open, gives the rest back. What is not done in time is found by its lease.
    pub async fn stop(self) {
        self.ctx.stop.cancel();
        self.tasks.close();
        let limit = self.ctx.timing.shutdown;
        let finish = async {
            if let Some(sender) = &self.sender {
                sender.ended().await;
            }
            self.tasks.wait().await;
        };
        let (finished, ()) = tokio::join!(tokio::time::timeout(limit, finish), self.lanes.stop(limit));
        if finished.is_err() {
            tracing::warn!("Not everything ended in time; leases will tell");
        }
        self.ctx.abandon.cancel();
    }
}

/// Tells whoever listens of alerts, where the settings name somebody.
fn call_out(ctx: &Arc<Context>, tasks: &TaskTracker) {
    let Some(url) = &ctx.settings.alerts.url else { return };
    match alert::Receiver::new(url, ctx.timing.post) {
        Ok(receiver) => drop(tasks.spawn(alert::tell(ctx.clone(), receiver))),
        Err(why) => tracing::error!(cause = %why, "Nobody will be told of alerts"),
    }
}

/// Keeps Mailgun's suppressions and ours alike, as far as the settings say.
fn keep_alike(desk: sync::Desk, tasks: &TaskTracker) {
    let direction = desk.ctx.settings.suppression_sync;
    if direction != Direction::Off {
        tasks.spawn(sync::pull::run(desk.clone()));
    }
    if direction == Direction::Both {
        tasks.spawn(sync::push::run(desk));
    }
}

/// Takes up bulk work that nobody works on, until the process is to stop.
async fn carry_on(ctx: Arc<Context>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(ctx.timing.watch) => {}
            () = ctx.stop.cancelled() => return,
        }
        if let Err(error) = bulk::carry_on(&ctx).await {
            tracing::warn!(cause = %error, "Bulk work could not be carried on");
        }
    }
}

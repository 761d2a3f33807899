//! How a process hears that there are new events: from its own recorder, and from other processes through Redis. News says only
//! "up to number N"; the events themselves are read from the table. News that is lost is made good by the next, and while nobody
//! can hear Redis, by looking.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use redis::RedisResult;
use redis::aio::PubSub;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Context;
use crate::lane::connection::{Ask, Connection};
use crate::lane::{LaneError, RedisSettings};

/// How long a call to Redis may take.
const CALL: Duration = Duration::from_secs(5);
/// Each process says its news again this often, also when there is none: silence then means that nobody can be heard.
const BEAT: Duration = Duration::from_secs(1);
/// A subscription that was silent for longer is deaf.
const DEAF: Duration = Duration::from_secs(3);
/// Between two attempts to subscribe.
const AGAIN: Duration = Duration::from_millis(250);

/// By what way a process hears of events that others record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// No Redis is configured, or none was tried yet: it asks the database, for there may be others on it.
    Alone,
    /// Through Redis.
    Redis,
    /// Redis is away: it asks the database.
    Asking,
}

/// What is new. Clones are the same.
#[derive(Clone)]
pub struct News {
    recorded: watch::Receiver<i64>,
    heard: watch::Receiver<i64>,
    way: watch::Receiver<Way>,
}

impl News {
    /// Starts calling out what this process records, and listening to others, until it is to stop.
    ///
    /// # Errors
    /// When Redis' settings make no sense.
    pub fn start(
        ctx: &Arc<Context>,
        redis: Option<RedisSettings>,
        recorded: watch::Receiver<i64>,
        tasks: &TaskTracker,
    ) -> Result<Self, LaneError> {
        let (heard, hears) = watch::channel(0);
        let Some(settings) = redis else {
            return Ok(Self { recorded, heard: hears, way: watch::channel(Way::Alone).1 });
        };
        let (told, way) = watch::channel(Way::Alone);
        let connection = Connection::new(&settings, CALL)?;
        let channel = format!("{}:events", settings.prefix);
        let wire = Arc::new(Wire { connection, channel, heard, way: told });
        tasks.spawn(wire.clone().call_out(recorded.clone(), ctx.stop.clone()));
        tasks.spawn(wire.listen(ctx.stop.clone()));
        Ok(Self { recorded, heard: hears, way })
    }

    /// By what way others' news comes at the moment.
    pub fn way(&self) -> Way {
        *self.way.borrow()
    }

    /// Waits until there is something new, of whatever process; at once for what came since it was last asked.
    pub async fn more(&mut self) {
        tokio::select! {
            Ok(()) = self.recorded.changed() => {}
            Ok(()) = self.heard.changed() => {}
            // What was called by the old way may not have been heard.
            Ok(()) = self.way.changed() => {}
            // The process stops.
            else => std::future::pending().await,
        }
    }
}

/// The channel in Redis, for who calls and who listens.
struct Wire {
    connection: Connection,
    channel: String,
    heard: watch::Sender<i64>,
    way: watch::Sender<Way>,
}

impl Wire {
    /// Says how far this process has recorded: at once when there is more, and every [`BEAT`].
    async fn call_out(self: Arc<Self>, mut recorded: watch::Receiver<i64>, stop: CancellationToken) {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = beat.tick() => {}
                Ok(()) = recorded.changed() => {}
                () = stop.cancelled() => return,
            }
            let seq = *recorded.borrow_and_update();
            let mut publish = redis::cmd("PUBLISH");
            publish.arg(&self.channel).arg(seq);
            if let Err(error) = self.connection.call::<()>(Ask::One(&publish)).await {
                tracing::debug!(%error, "news of events reached no other process; they look by themselves");
            }
        }
    }

    /// Hears what others have recorded, subscribing anew whenever the subscription ended or fell silent.
    async fn listen(self: Arc<Self>, stop: CancellationToken) {
        let listens = async {
            loop {
                if let Ok(Ok(subscription)) = timeout(CALL, self.subscribe()).await {
                    self.hear(subscription).await;
                }
                self.goes(Way::Asking);
                sleep(AGAIN).await;
            }
        };
        tokio::select! {
            () = listens => {}
            () = stop.cancelled() => {}
        }
    }

    async fn subscribe(&self) -> RedisResult<PubSub> {
        let mut subscription = self.connection.pubsub().await?;
        subscription.subscribe(&self.channel).await?;
        Ok(subscription)
    }

    /// Passes on what it hears until the subscription ends, or is silent for longer than our own beat would be.
    async fn hear(&self, subscription: PubSub) {
        let mut calls = subscription.into_on_message();
        while let Ok(Some(call)) = timeout(DEAF, calls.next()).await {
            self.goes(Way::Redis);
            if let Ok(seq) = call.get_payload::<i64>() {
                self.heard.send_if_modified(|known| std::mem::replace(known, seq.max(*known)) < seq);
            }
        }
    }

    fn goes(&self, way: Way) {
        if !self.way.send_if_modified(|now| std::mem::replace(now, way) != way) {
            return;
        }
        match way {
            Way::Redis => tracing::info!("Redis carries the news of events"),
            Way::Asking => tracing::warn!("Redis carries no news of events; the database is asked twice a second"),
            Way::Alone => {}
        }
    }
}

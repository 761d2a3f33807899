//! The lanes on Redis, as calls: push, depth, a look at how things are, probes, and the sweeping of what is done.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use apalis_redis::Config;
use entity::{Clock, Priority};
use uuid::Uuid;

use super::connection::{Ask, Connection};
use super::ringing::Bell;
use super::script::{PUSH, RETIRE, SWEEP};
use super::{LaneError, LaneTiming, RedisSettings};

/// How many finished tasks are swept in one step, short enough to keep nobody waiting.
const SWEPT_AT_ONCE: usize = 500;
/// How many workers that are no more are looked after at once in a lane.
const RETIRED_AT_ONCE: usize = 100;
/// After how many heartbeats that did not come apalis strikes a worker off: never, as far as anybody lives to see. It compares
/// the wall clocks of machines, so that one that is a minute ahead would strike off everybody else's workers, again and again.
/// [`Remote::bury`] does it by the database's time.
const MISSED_FOR_APALIS: usize = 10_000_000;

/// Redis as the lanes use it. All calls may be repeated, and have `call` to succeed.
pub(super) struct Remote {
    pub(super) connection: Connection,
    queues: [Config; 3],
    prefix: String,
    pub(super) bells: [Arc<Bell>; 3],
    timing: LaneTiming,
    process: Uuid,
    clock: Clock,
}

/// How things are in Redis.
#[derive(Debug)]
pub(super) struct Look {
    /// Changes when Redis may have lost what it held: it is another process, or was wiped.
    pub(super) memory: String,
    /// The task that waits longest, by lane.
    pub(super) heads: [Option<String>; 3],
    /// How many processes consume.
    pub(super) processes: u64,
}

impl Remote {
    /// Makes the connection's settings; connects to nothing yet.
    pub(super) fn new(
        settings: &RedisSettings,
        seats: usize,
        timing: LaneTiming,
        process: Uuid,
        clock: Clock,
    ) -> Result<Self, LaneError> {
        let connection = Connection::new(settings, timing.call)?;
        let queues = Priority::ALL.map(|lane| {
            Config::default()
                .queue(format!("{}:{lane}", settings.prefix))
                // Both cost a scan or a message per task, and serve features that rows serve here.
                .lock_tasks(false)
                .emit_events(false)
                // Without results, apalis acknowledges nothing.
                .persist_results(true)
                // More than there are seats would wait in the worker, which sends no heartbeat meanwhile.
                .batch_size(seats)
                .heartbeat_interval(timing.heartbeat)
                .missed_heartbeats(MISSED_FOR_APALIS)
        });
        let bells = Default::default();
        Ok(Self { connection, queues, prefix: settings.prefix.clone(), bells, timing, process, clock })
    }

    pub(super) fn queue(&self, lane: Priority) -> &Config {
        &self.queues[lane.lane()]
    }

    /// On which workers hear that a lane holds something; the message is the lane's number.
    pub(super) fn bell_channel(&self) -> String {
        format!("{}:bell", self.prefix)
    }

    /// On which feeders hear that something is due; the message is the caller's process and the lane's number.
    pub(super) fn nudge_channel(&self) -> String {
        format!("{}:nudge", self.prefix)
    }

    /// On which this process calls itself, to hear whether it hears.
    pub(super) fn echo_channel(&self) -> String {
        format!("{}:echo:{}", self.prefix, self.process.simple())
    }

    /// When each of the lane's workers was last heard of, by name, in the database's time. A book of our own: apalis keeps one
    /// by each machine's wall clock, where a worker that was killed under a clock that is ahead lives on.
    fn seen(&self, lane: Priority) -> String {
        format!("{}:{lane}:seen", self.prefix)
    }

    /// The name of a worker. Unique per life: under a name used before, a worker is refused, and its orphans are not found.
    pub(super) fn name(process: Uuid, lane: Priority, life: u64) -> String {
        format!("{}.{lane}.{life}", process.simple())
    }

    /// Puts tasks, in their wire form, at the end of a lane and rings its bell. Answers their ids.
    pub(super) async fn push(&self, lane: Priority, tasks: &[String]) -> Result<Vec<String>, LaneError> {
        let ids: Vec<String> = tasks.iter().map(|_| self.clock.id().to_string()).collect();
        let queue = self.queue(lane);
        let mut push = PUSH.prepare_invoke();
        push.key(queue.job_data_hash()).key(queue.job_meta_hash()).key(queue.active_jobs_list());
        push.arg(self.bell_channel()).arg(lane.lane());
        for (id, task) in ids.iter().zip(tasks) {
            push.arg(id).arg(serde_json::Value::from(task.as_str()).to_string());
        }
        self.connection.call::<u64>(Ask::Script(&push)).await?;
        Ok(ids)
    }

    /// How many tasks wait in a lane.
    pub(super) async fn depth(&self, lane: Priority) -> Result<u64, LaneError> {
        let queue = self.queue(lane);
        let mut ask = redis::pipe();
        ask.llen(queue.active_jobs_list()).zcard(queue.scheduled_jobs_set());
        let (active, scheduled): (u64, u64) = self.connection.call(Ask::Several(&ask)).await?;
        Ok(active + scheduled)
    }

    /// Looks at all lanes, calls out on our own channel, and says that this process's workers live, each in the life given.
    pub(super) async fn look(&self, lives: Option<[u64; 3]>) -> Result<Look, LaneError> {
        let now = self.clock.now().timestamp();
        let memory = format!("{}:memory", self.prefix);
        let mut ask = redis::pipe();
        ask.atomic().cmd("SET").arg(&memory).arg(self.clock.id().to_string()).arg("NX").ignore();
        ask.get(&memory).cmd("INFO").arg("server");
        ask.publish(self.echo_channel(), "").ignore();
        for (lane, life) in Priority::ALL.into_iter().zip(lives.into_iter().flatten()) {
            // Only who is on the book: whoever was taken off it is dying, and its next life enlists itself.
            ask.cmd("ZADD").arg(self.seen(lane)).arg("XX").arg(now).arg(Self::name(self.process, lane, life)).ignore();
        }
        for queue in &self.queues {
            ask.lindex(queue.active_jobs_list(), 0);
        }
        ask.zrange_withscores(self.seen(Priority::High), 0, -1);
        type Answer = (String, String, Option<String>, Option<String>, Option<String>, Vec<(String, i64)>);
        let (mark, info, high, normal, low, workers): Answer = self.connection.call(Ask::Several(&ask)).await?;
        let run = info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default();
        Ok(Look {
            memory: format!("{run} {mark}"),
            heads: [high, normal, low],
            processes: processes(&workers, now, self.timing.orphaned()),
        })
    }

    /// How far each of these tasks is: apalis' word for its state, nothing for one that is gone.
    pub(super) async fn states(&self, tasks: &[(Priority, String)]) -> Result<Vec<Option<String>>, LaneError> {
        let mut ask = redis::pipe();
        for (lane, id) in tasks {
            ask.hget(format!("{}:{id}", self.queue(*lane).job_meta_hash()), "status");
        }
        self.connection.call(Ask::Several(&ask)).await
    }

    /// Says to all other processes that something is due in a lane.
    pub(super) async fn publish_nudge(&self, lane: Priority) -> Result<(), LaneError> {
        let mut ask = redis::cmd("PUBLISH");
        ask.arg(self.nudge_channel()).arg(format!("{}:{}", self.process.simple(), lane.lane()));
        self.connection.call(Ask::One(&ask)).await
    }

    /// Notes a worker before it begins, so that its traces can be swept whatever becomes of it.
    pub(super) async fn enlist(&self, lane: Priority, name: &str) -> Result<(), LaneError> {
        let mut ask = redis::cmd("ZADD");
        ask.arg(self.seen(lane)).arg(self.clock.now().timestamp()).arg(name);
        self.connection.call(Ask::One(&ask)).await
    }

    /// Takes a worker that ended off apalis' books and gives back what it held. It stays on ours until [`Remote::forget`] or
    /// [`Remote::bury`]: what it had asked of a Redis that stood still may be done yet, and take tasks in its name.
    pub(super) async fn retire(&self, lane: Priority, name: &str) -> Result<u64, LaneError> {
        let queue = self.queue(lane);
        let mut retire = RETIRE.prepare_invoke();
        retire
            .key(queue.active_jobs_list())
            .key(format!("{}:{name}", queue.inflight_jobs_set()))
            .key(queue.workers_set())
            .key(queue.job_data_hash())
            .key(queue.job_meta_hash())
            .key(format!("{}:metadata:{name}", queue.workers_set()))
            .arg(name)
            .arg(self.bell_channel())
            .arg(lane.lane());
        self.connection.call(Ask::Script(&retire)).await
    }

    /// Takes a worker off our book, of which nothing can come any more.
    pub(super) async fn forget(&self, lane: Priority, name: &str) -> Result<(), LaneError> {
        let mut ask = redis::cmd("ZREM");
        ask.arg(self.seen(lane)).arg(name);
        self.connection.call(Ask::One(&ask)).await
    }

    /// Gives back what workers hold that were not heard of for [`LaneTiming::orphaned`], and forgets them after twice as long.
    pub(super) async fn bury(&self) -> Result<(), LaneError> {
        let (now, orphaned) = (self.clock.now().timestamp(), self.timing.orphaned().as_secs() as i64);
        for lane in Priority::ALL {
            let mut ask = redis::cmd("ZRANGEBYSCORE");
            ask.arg(self.seen(lane)).arg("-inf").arg(now - orphaned).arg("WITHSCORES");
            ask.arg("LIMIT").arg(0).arg(RETIRED_AT_ONCE);
            let silent: Vec<(String, i64)> = self.connection.call(Ask::One(&ask)).await?;
            for (name, heard) in silent {
                self.retire(lane, &name).await?;
                if now - heard >= 2 * orphaned {
                    self.forget(lane, &name).await?;
                }
            }
        }
        Ok(())
    }

    /// Forgets finished tasks. Answers how many went.
    pub(super) async fn sweep(&self) -> Result<u64, LaneError> {
        let mut swept = 0;
        for lane in Priority::ALL {
            swept += self.sweep_lane(lane).await?;
        }
        Ok(swept)
    }

    async fn sweep_lane(&self, lane: Priority) -> Result<u64, LaneError> {
        let queue = self.queue(lane);
        let mut sweep = SWEEP.prepare_invoke();
        sweep.key(queue.job_data_hash()).key(queue.job_meta_hash());
        sweep.key(queue.done_jobs_set()).key(queue.dead_jobs_set()).arg(SWEPT_AT_ONCE);
        let mut swept = 0;
        loop {
            let some: u64 = self.connection.call(Ask::Script(&sweep)).await?;
            swept += some;
            if some < SWEPT_AT_ONCE as u64 {
                return Ok(swept);
            }
        }
    }
}

/// How many processes have a worker that was heard of within `orphaned`, by the second.
fn processes(workers: &[(String, i64)], now: i64, orphaned: Duration) -> u64 {
    let alive = workers.iter().filter(|(_, heard)| now - heard < orphaned.as_secs() as i64);
    alive.filter_map(|(name, _)| name.split('.').next()).collect::<HashSet<_>>().len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_counted_once_and_only_while_they_are_heard_of() {
        let worker = |name: &str, heard: i64| (name.to_owned(), heard);
        let cases = [
            (vec![], 0),
            (vec![worker("a.high.1", 100)], 1),
            (vec![worker("a.high.1", 100), worker("a.high.2", 101)], 1),
            (vec![worker("a.high.1", 86), worker("b.high.1", 100)], 2),
            (vec![worker("a.high.1", 85), worker("b.high.1", 100)], 1),
        ];
        for (workers, count) in cases {
            assert_eq!(processes(&workers, 100, Duration::from_secs(15)), count, "{workers:?}");
        }
    }
}

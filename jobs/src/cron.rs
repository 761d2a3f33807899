//! What runs by the clock, in one table. Every process has an apalis-cron worker for each schedule; of all of them the one that
//! inserts the tick into `cron_runs` runs it, and its row says what it did.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use apalis_core::error::BoxDynError;
use apalis_core::task::data::Data;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_cron::{CronScheduler, Tick};
use chrono::{DateTime, Utc};
use futures::future::{BoxFuture, FutureExt};
use sea_orm::Value;
use tokio_util::task::TaskTracker;

use crate::control::repeat;
use crate::error::Result;
use crate::store::execute;
use crate::{Context, clean, retention};

/// Something that runs by the clock.
pub struct Schedule {
    pub name: &'static str,
    /// Second, minute, hour, day of the month, month, day of the week; UTC.
    pub cron: &'static str,
    /// What runs; its sentence goes into `cron_runs.result`.
    run: fn(Arc<Context>) -> BoxFuture<'static, Result<String>>,
}

/// All schedules.
pub const SCHEDULES: &[Schedule] = &[
    Schedule { name: "retention", cron: "0 0 * * * *", run: |ctx| async move { retention::run(&ctx).await }.boxed() },
    Schedule {
        name: "clean-suppressions",
        cron: "0 0 */6 * * *",
        run: |ctx| async move { clean::suppressions(&ctx).await }.boxed(),
    },
];

/// Waits before a worker that ended is started again; doubled each time up to the longest.
const RESTART: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Starts the schedules' workers; they end when the context stops. Runs under way are the tracker's to wait for.
pub fn start(ctx: Arc<Context>, tracker: &TaskTracker) {
    for schedule in SCHEDULES {
        tracker.spawn(supervise(Doorman { ctx: ctx.clone(), tracker: tracker.clone(), schedule }));
    }
}

/// What a worker needs at a tick.
#[derive(Clone)]
struct Doorman {
    ctx: Arc<Context>,
    tracker: TaskTracker,
    schedule: &'static Schedule,
}

/// Keeps a schedule's worker alive: apalis-cron's ends with an error when a tick passed while it could not be polled.
async fn supervise(doorman: Doorman) {
    let name = doorman.schedule.name;
    let stop = doorman.ctx.stop.clone();
    let mut wait = RESTART.0;
    loop {
        let started = tokio::time::Instant::now();
        let ended = tokio::select! {
            () = stop.cancelled() => return,
            ended = work(doorman.clone()) => ended,
        };
        let cause = ended.err().map(|error| error.to_string());
        tracing::warn!(schedule = name, cause, "A schedule's worker ended and is started again");
        if started.elapsed() > RESTART.1 {
            wait = RESTART.0;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => wait = (wait * 2).min(RESTART.1),
        }
    }
}

async fn work(doorman: Doorman) -> Result<(), BoxDynError> {
    let schedule = doorman.schedule;
    let times = cron::Schedule::from_str(schedule.cron)?;
    let worker = WorkerBuilder::new(schedule.name).backend(CronScheduler::new(times)).data(doorman).build(on_tick);
    Ok(worker.run().await?)
}

/// Returns at once: a worker that is busy at its next tick dies of it.
async fn on_tick(tick: Tick, doorman: Data<Doorman>) -> Result<(), BoxDynError> {
    let Doorman { ctx, tracker, schedule } = (*doorman).clone();
    let at = DateTime::from_timestamp(tick.get_timestamp() as i64, 0).unwrap_or_default();
    tracker.spawn(async move {
        if let Err(error) = run(&ctx, schedule, at).await {
            tracing::error!(schedule = schedule.name, cause = %error, "A scheduled run failed");
        }
    });
    Ok(())
}

/// Runs a schedule's tick, unless some process already did or there is no such schedule. Answers what it did.
///
/// # Errors
/// What the run failed of; its row says so too.
pub async fn run_tick(ctx: &Arc<Context>, name: &str, tick: DateTime<Utc>) -> Result<Option<String>> {
    match SCHEDULES.iter().find(|s| s.name == name) {
        Some(schedule) => run(ctx, schedule, tick).await,
        None => Ok(None),
    }
}

async fn run(ctx: &Arc<Context>, schedule: &Schedule, tick: DateTime<Utc>) -> Result<Option<String>> {
    let name = schedule.name;
    if !claim(ctx, name, tick).await? {
        return Ok(None);
    }
    let done = (schedule.run)(ctx.clone()).await;
    let result = match &done {
        Ok(result) => result.clone(),
        Err(error) => format!("failed: {error}"),
    };
    let text = "UPDATE cron_runs SET finished_at = $1, result = $2 WHERE name = $3 AND tick = $4";
    let note = || async {
        let values = [Value::from(ctx.clock.now()), Value::from(result.clone()), Value::from(name), Value::from(tick)];
        Ok(execute(ctx.store.write(), ctx.store.sql(text, values)).await?)
    };
    repeat(note).await?;
    tracing::info!(schedule = name, result, "A scheduled run ended");
    done.map(Some)
}

/// Whoever inserts the tick runs it. An answer lost on its way leaves the tick without a run: the next one does its work.
async fn claim(ctx: &Context, name: &str, tick: DateTime<Utc>) -> Result<bool> {
    let text = "INSERT INTO cron_runs (name, tick, started_at) VALUES ($1, $2, $3) ON CONFLICT (name, tick) DO NOTHING";
    let insert = || async {
        let values = [Value::from(name), Value::from(tick), Value::from(ctx.clock.now())];
        Ok(execute(ctx.store.write(), ctx.store.sql(text, values)).await?.rows_affected())
    };
    Ok(repeat(insert).await? == 1)
}

#[cfg(test)]
mod tests;

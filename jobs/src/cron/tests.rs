//! Schedules tick when their words say, and once in all processes.

#![expect(clippy::unwrap_used, reason = "tests may")]

use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use entity::{Clock, cron_run};
use sea_orm::EntityTrait;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{Settings, Store, Timing};

#[test]
fn schedules_tick_when_their_words_say() {
    let start = DateTime::parse_from_rfc3339("2026-11-24T05:10:00Z").unwrap().to_utc();
    let next = |name: &str| {
        let schedule = SCHEDULES.iter().find(|s| s.name == name).unwrap();
        let times = ::cron::Schedule::from_str(schedule.cron).unwrap();
        times.after(&start).take(2).map(|at| at - start).collect::<Vec<_>>()
    };
    assert_eq!(next("retention"), [TimeDelta::minutes(50), TimeDelta::minutes(110)]);
    assert_eq!(next("clean-suppressions"), [TimeDelta::minutes(50), TimeDelta::minutes(410)]);
}

static RUNS: AtomicUsize = AtomicUsize::new(0);

/// A run outlasts the next tick: a worker that waited for it would die.
static SLOW: Schedule = Schedule {
    name: "slow",
    cron: "* * * * * *",
    run: |_| {
        async {
            RUNS.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            Ok("ran".to_owned())
        }
        .boxed()
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_runs_once_in_all_processes_and_outlasts_the_next_one() {
    let dir = std::env::temp_dir().join(format!("mailmind-cron-{}", Clock::system().id()));
    std::fs::create_dir(&dir).unwrap();
    let url = format!("sqlite://{}?mode=rwc", dir.join("cron.db").display());
    migration::up(Store::connect(&url).await.unwrap().write()).await.unwrap();
    let stop = CancellationToken::new();
    let tracker = TaskTracker::new();
    let mut processes = Vec::new();
    for _ in 0..2 {
        let store = Store::connect(&url).await.unwrap();
        let keyring = entity::sealed::Keyring::generate();
        let ctx =
            Context::new(store, Clock::system(), Timing::default(), Settings::default(), keyring, 0.0, stop.clone());
        tracker.spawn(supervise(Doorman { ctx: ctx.clone(), tracker: tracker.clone(), schedule: &SLOW }));
        processes.push(ctx);
    }
    let runs = async || cron_run::Entity::find().all(processes[0].store.read()).await.unwrap();
    let end = tokio::time::Instant::now() + Duration::from_secs(20);
    while runs().await.iter().filter(|run| run.finished_at.is_some()).count() < 3 {
        assert!(tokio::time::Instant::now() < end, "waited 20 s for three runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    tracker.close();
    tracker.wait().await;
    let rows = runs().await;
    assert_eq!(rows.len(), RUNS.load(Ordering::SeqCst), "{rows:?}");
    assert!(rows.iter().all(|run| run.result.as_deref() == Some("ran")), "{rows:?}");
    std::fs::remove_dir_all(dir).unwrap();
}

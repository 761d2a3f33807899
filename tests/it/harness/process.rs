//! Processes under signals, and that none is left behind.

use std::time::Duration;
use tests::child::Scratch;
use tests::database::Postgres;
use tests::patience::{SOON, until_true};
use tests::process::{Launch, Process};
use tests::redis::Redis;

const TICKING: &str =
    "trap 'echo asked to end; exit 7' TERM; echo started >&2; while :; do echo tick; sleep 0.02; done";

fn ticking() -> Process {
    Process::start("/bin/sh", &["-c", TICKING], &[])
}

fn ticks(process: &Process) -> usize {
    process.output().iter().filter(|line| *line == "tick").count()
}

#[tokio::test]
async fn a_process_is_heard_and_ends_as_asked() {
    let process = ticking();
    process.await_line("started", SOON).await;
    process.await_line("tick", SOON).await;
    let status = process.terminate(SOON).await;
    assert_eq!(status.code(), Some(7));
    assert_eq!(process.output().last().map(String::as_str), Some("asked to end"));
}

#[tokio::test]
async fn a_stopped_process_stands_still_until_it_is_continued() {
    let process = ticking();
    process.await_line("tick", SOON).await;
    process.stop();
    // What it printed before it stopped may still be on its way.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = ticks(&process);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(ticks(&process), before);
    process.cont();
    until_true("another tick", SOON, async || ticks(&process) > before).await;
    process.stop();
    assert!(!process.kill9().await.success());
}

#[tokio::test]
async fn a_dropped_process_is_gone() {
    let process = ticking();
    process.await_line("tick", SOON).await;
    let pid = process.pid();
    drop(process);
    assert!(!alive(pid));
}

fn alive(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn a_process_sees_nothing_of_the_developers_environment() {
    let process = Launch::of("/usr/bin/env").env("ADMIN_API_KEY", "k").start();
    process.ended(SOON).await;
    let names: Vec<String> =
        process.output().iter().filter_map(|line| Some(line.split_once('=')?.0.to_owned())).collect();
    assert!(names.iter().all(|name| ["PATH", "HOME", "ADMIN_API_KEY"].contains(&name.as_str())), "{names:?}");
    assert!(names.contains(&"ADMIN_API_KEY".to_owned()));
}

#[tokio::test]
async fn a_process_can_live_in_another_time() {
    let process = Launch::of("/bin/date").args(["+%s"]).faketime("+2h").start();
    assert!(process.ended(SOON).await.success());
    let there: i64 = process.output()[0].parse().unwrap();
    let ahead = there - entity::Clock::system().now().timestamp();
    assert!((7_100..=7_300).contains(&ahead), "{ahead} s ahead");
}

#[tokio::test]
async fn our_own_program_is_built_with_the_tests() {
    let process = Process::start(env!("CARGO_BIN_EXE_mailmind-tested"), &["--help"], &[]);
    assert!(process.ended(SOON).await.success());
}

/// Runs in a second process of this very binary, which is then killed: nothing of it may stay.
#[tokio::test]
async fn nothing_outlives_a_killed_test_process() {
    const ROLE: &str = "MAILMIND_TESTS_VICTIM";
    if std::env::var_os(ROLE).is_some() {
        let (postgres, redis, scratch) = (Postgres::start().await, Redis::start().await, Scratch::new("victim"));
        redis.stall();
        let [postgres, redis] = [postgres.pid(), redis.pid()].map(Option::unwrap);
        println!("\nvictim {postgres} {redis} {}", scratch.path().display());
        return std::future::pending().await;
    }
    let name = "harness::process::nothing_outlives_a_killed_test_process";
    let victim =
        Launch::of(std::env::current_exe().unwrap()).args([name, "--exact", "--nocapture"]).env(ROLE, "1").start();
    let line = victim.await_line("victim ", SOON).await;
    let words: Vec<&str> = line.split(' ').collect();
    let pids: Vec<u32> = words[1..3].iter().map(|word| word.parse().unwrap()).collect();
    assert!(pids.iter().all(|pid| alive(*pid)) && std::path::Path::new(words[3]).exists());
    victim.kill9().await;
    until_true("its servers to end", SOON, async || !pids.iter().any(|pid| running(*pid))).await;
    until_true("its files to go", SOON, async || !std::path::Path::new(words[3]).exists()).await;
}

/// Alive and no zombie: who adopts orphans may be slow to bury them.
fn running(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

//! Everything hostile at once: whoever behaves is served, and the process stays small.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tests::client::letter;
use tests::database::Backend;
use tests::hostile::{Kind, Siege};
use tests::patience::until_true;
use tests::process::{Launch, Process};

use super::made;
use crate::api::Served;

on_both! {
    amid_hostile_clients_of_every_kind_others_are_served_and_memory_is_bounded
}

const EACH: usize = 1;
const LONG: Duration = Duration::from_secs(60);

async fn amid_hostile_clients_of_every_kind_others_are_served_and_memory_is_bounded(backend: Backend) {
    let more = |launch: Launch| {
        let launch = launch.env("TIMING_CONNECTION_DIVISOR", "5").env("LIMIT_ADDRESS_REQUESTS", "200/h");
        launch.env("LIMIT_WEBHOOKS", "16")
    };
    let served = Served::with(backend, more).await;
    let to: SocketAddr = served.url.trim_start_matches("http://").parse().unwrap();
    let key = made(&served).await;
    let siege = Siege::lay(to, &key, &Kind::ALL, EACH);
    // What each kind comes to: the guesser is let go on with no more than so many, what unfolds is refused in words, and so on.
    let expected = [
        (Kind::Guesser, 401),
        (Kind::Guesser, 429),
        (Kind::Unfolder, 200),
        (Kind::Forger, 401),
        (Kind::Bomber, 415),
        (Kind::DeafSocket, 101),
    ];
    let mut last = Vec::new();
    until_true("all of them to be at it", LONG, async || {
        let answers = siege.answers();
        let missing: Vec<_> = expected.iter().filter(|expected| !answers.contains_key(expected)).collect();
        if last != missing {
            println!("not yet: {missing:?}");
        }
        last = missing;
        last.is_empty()
    })
    .await;
    let before = siege.thrown_out();
    for n in 0..20 {
        let id = served.client.send_email(letter(&format!("reader{n}@example.org"))).await;
        served.client.query("query($id: ID!) { email(id: $id) { status } }", json!({ "id": id })).await;
    }
    until_true("some to be thrown out", LONG, async || siege.thrown_out() > before + 2).await;
    let answers = siege.answers();
    for (expected, why) in [((Kind::Unfolder, 500), "nothing breaks"), ((Kind::Forger, 200), "nothing is believed")] {
        assert!(!answers.contains_key(&expected), "{why}: {answers:?}");
    }
    let peak = megabytes(&served.process, "VmHWM");
    println!("{backend:?}: {peak} MB at most, {} thrown out, {answers:?}", siege.thrown_out());
    assert!(peak < 300, "{peak} MB");
}

/// A figure from the system's books about a process.
pub fn megabytes(process: &Process, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

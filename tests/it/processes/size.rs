//! What waits costs no memory, and a process is soon ready.

use std::time::Duration;

use serde_json::json;
use tests::client::letter;
use tests::database::Backend;
use tests::process::Process;
use tokio::time::Instant;

use super::World;

on_both! {
    a_hundred_thousand_waiting_emails_cost_less_than_150_megabytes
}

async fn a_hundred_thousand_waiting_emails_cost_less_than_150_megabytes(backend: Backend) {
    let world = World::of(backend).await;
    let begun = Instant::now();
    let served = world.serve("only").await;
    println!("{backend:?}: ready after {:?}", begun.elapsed());
    let at_rest = megabytes(&served.process, "VmRSS");
    served.client.query("mutation { pause { userErrors { code } } }", json!({})).await;
    let begun = Instant::now();
    let letters: Vec<_> = (0..1_000).map(|i| letter(&format!("reader{i}@example.org"))).collect();
    for _ in 0..100 {
        served.client.send_emails(letters.clone()).await;
    }
    println!("{backend:?}: taken in after {:?}", begun.elapsed());
    // A few rounds of everything that looks regularly.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(served.client.queue_stats().await["waiting"], 100_000);
    let (now, peak) = (megabytes(&served.process, "VmRSS"), megabytes(&served.process, "VmHWM"));
    println!("{backend:?}: {at_rest} MB at rest, {now} MB with 100,000 emails, {peak} MB at most");
    assert!(peak < 150, "{peak} MB");
    assert_eq!(world.mailgun.accepted(), 0);
}

/// A figure from the system's books about a process.
fn megabytes(process: &Process, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

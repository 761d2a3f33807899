//! What waits costs no memory, and a process is soon ready.

use futures::future::join;
use serde_json::{Value, json};
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
    let inputs: Vec<_> = (0..1_000).map(|i| letter(&format!("reader{i}@example.org"))).collect();
    let inputs = json!({ "inputs": inputs });
    let send = "mutation($inputs: [SendEmailInput!]!) { sendEmails(inputs: $inputs) { userErrors { code } } }";
    for _ in 0..50 {
        let call = || served.client.query(send, inputs.clone());
        let payloads: [Value; 2] = join(call(), call()).await.into();
        assert!(payloads.iter().all(|payload| payload["sendEmails"]["userErrors"] == json!([])), "{payloads:?}");
    }
    println!("{backend:?}: taken in after {:?}", begun.elapsed());
    // What is asked all the time.
    for _ in 0..20 {
        assert_eq!(served.client.queue_stats().await["waiting"], 100_000);
        let (_, metrics) = served.client.get("/metrics").await.unwrap();
        assert!(metrics.contains(r#"mailmind_emails{lane="normal",status="queued"} 100000"#), "{metrics}");
    }
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

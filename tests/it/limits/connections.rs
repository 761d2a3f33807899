//! Connections: how many there are, and how long one may take over anything.

use futures::future::join_all;
use serde_json::json;
use tests::database::Backend;
use tests::patience::{SOON, until_true};
use tests::process::Launch;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::{Wire, made};
use crate::api::ws::Socket;
use crate::api::{KEY, Served};

on_both! {
    beyond_the_most_connections_one_is_told_to_come_back_and_the_others_go_on
    strangers_have_so_many_connections_from_an_address_until_they_show_a_key
    a_head_that_never_ends_is_cut_off_and_an_idle_connection_is_kept_meanwhile
    who_reads_no_answers_is_cut_off_and_the_service_keeps_its_memory
    a_socket_outlives_the_time_of_a_head
    a_process_ends_though_connections_are_open
}

/// Heads, answers and the next request have their time divided by this.
fn hurried(launch: Launch) -> Launch {
    launch.env("TIMING_CONNECTION_DIVISOR", "10")
}

async fn beyond_the_most_connections_one_is_told_to_come_back_and_the_others_go_on(backend: Backend) {
    let served = Served::with(backend, |launch| launch.env("LIMIT_CONNECTIONS", "6")).await;
    let mut open = Vec::new();
    let refused = loop {
        let mut wire = Wire::to(&served).await;
        match wire.live().await {
            200 => open.push(wire),
            503 => break wire.hear_to_the_end().await,
            other => panic!("{other}"),
        }
        assert!(open.len() <= 6, "no more than there may be");
    };
    assert_eq!(refused, "", "and no more is said");
    assert!(open.len() >= 3, "the test's client has some of them, which it keeps for its next request");
    for wire in &mut open {
        assert_eq!(wire.live().await, 200);
    }
    assert_eq!(served.client.get("/health/live").await.unwrap().0, 200);
    open.clear();
    until_true("a place to be free", SOON, async || Wire::to(&served).await.live().await == 200).await;
}

async fn strangers_have_so_many_connections_from_an_address_until_they_show_a_key(backend: Backend) {
    let served = Served::with(backend, |launch| launch.env("LIMIT_ADDRESS_CONNECTIONS", "3")).await;
    let from = async || Wire::from("127.0.0.2", &served).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut wire = from().await;
        assert_eq!(wire.live().await, 200);
        open.push(wire);
    }
    assert_eq!(from().await.live().await, 503);
    assert_eq!(Wire::from("127.0.0.3", &served).await.live().await, 200, "another address");
    let first = &mut open[0];
    first.say("GET /metrics HTTP/1.1\r\nhost: m\r\nauthorization: Bearer nobody's\r\n\r\n").await;
    assert_eq!(first.status().await, 401);
    assert_eq!(from().await.live().await, 503);
    first.say(&format!("GET /metrics HTTP/1.1\r\nhost: m\r\nauthorization: Bearer {KEY}\r\n\r\n")).await;
    assert_eq!(first.status().await, 200);
    let mut fourth = from().await;
    assert_eq!(fourth.live().await, 200, "who showed a key is no stranger");
    assert_eq!(from().await.live().await, 503);
    open.remove(1);
    until_true("the place to be free", SOON, async || from().await.live().await == 200).await;
}

async fn a_head_that_never_ends_is_cut_off_and_an_idle_connection_is_kept_meanwhile(backend: Backend) {
    let served = Served::with(backend, hurried).await;
    let mut idle = Wire::to(&served).await;
    assert_eq!(idle.live().await, 200);
    let mut slow = Wire::to(&served).await;
    let (mut reads, mut writes) = slow.0.split();
    let trickle = async {
        writes.write_all(b"GET /health/live HTTP/1.1\r\n").await.ok();
        while writes.write_all(b"x: y\r\n").await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let cut = async {
        let mut heard = Vec::new();
        reads.read_to_end(&mut heard).await.ok();
        heard
    };
    let heard = timeout(SOON, async {
        tokio::select! {
            heard = cut => heard,
            () = trickle => Vec::new(),
        }
    });
    assert_eq!(heard.await.expect("it is cut off"), b"", "nothing is answered to what is no request");
    assert_eq!(idle.live().await, 200, "the pause between two requests is longer");
    assert_eq!(idle.hear_to_the_end().await, "", "and is not without end either");
}

async fn who_reads_no_answers_is_cut_off_and_the_service_keeps_its_memory(backend: Backend) {
    let served = Served::with(backend, hurried).await;
    let one = made(&served).await;
    // Much to say, and little work.
    let body = json!({ "query": "{ __schema { types { description fields { description } } } }" });
    let body = body.to_string();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: m\r\nauthorization: Bearer {one}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    // Each asks on and reads nothing, until it is thrown out.
    let deaf = (0..3).map(async |_| {
        let mut wire = Wire::narrow("127.0.0.1", &served, Some(4_096)).await;
        let mut asked = 0;
        while wire.0.write_all(request.as_bytes()).await.is_ok() {
            asked += 1;
        }
        asked
    });
    let asked = timeout(2 * SOON, join_all(deaf)).await.expect("they are thrown out");
    assert!(asked.iter().all(|asked| *asked > 10), "as long as answers are on their way it is answered: {asked:?}");
    let peak = super::hostile::megabytes(&served.process, "VmHWM");
    assert!(peak < 200, "{peak} MB");
    served.client.send_email(tests::client::letter("ann@example.org")).await;
}

async fn a_socket_outlives_the_time_of_a_head(backend: Backend) {
    let served = Served::with(backend, |launch| launch.env("TIMING_CONNECTION_DIVISOR", "100")).await;
    let mut socket = Socket::begun(&served, KEY).await;
    socket.ask("1", "{ viewer { version } }").await;
    assert_eq!(socket.hear().await["type"], "next");
    // An idle connection beside it comes to its end seven times later than a head would.
    let mut idle = Wire::to(&served).await;
    assert_eq!(idle.live().await, 200);
    idle.hear_to_the_end().await;
    assert_eq!(socket.hear().await["type"], "complete");
    socket.ask("2", "{ viewer { version } }").await;
    assert_eq!(socket.hear().await["type"], "next");
}

async fn a_process_ends_though_connections_are_open(backend: Backend) {
    let served = Served::on(backend).await;
    let mut idle = Wire::to(&served).await;
    assert_eq!(idle.live().await, 200);
    let mut begun = Wire::to(&served).await;
    begun.say("GET /health/live HTTP/1.1\r\nx: ").await;
    let _socket = Socket::begun(&served, KEY).await;
    let ended = served.process.terminate(SOON).await;
    assert!(ended.success(), "{ended}\n{}", served.process.output().join("\n"));
    assert_eq!(idle.hear_to_the_end().await, "");
}

//! Workers of which nothing is heard any more: what they held is given back, by no machine's own clock.

use super::*;

#[tokio::test]
async fn what_a_killed_process_held_is_taken_by_another_whatever_its_clock_said() {
    let (clock, offered, server) = (Clock::system(), Offered::default(), Server::up().await);
    let lanes = fast(&server, &clock, offered.handler()).await;
    let long_ago = clock.now().timestamp() - 100;
    // apalis went by the clock of the machine that it was on: that was right, an hour ahead, an hour behind.
    for by_apalis in [long_ago, long_ago + 3_600, long_ago - 3_600] {
        let email = ids(&clock, 1);
        held_by_the_dead(&server, &email, by_apalis, long_ago).await;
        offered.all(&email).await;
        until_async("its traces are gone", async || of_the_dead(&server).await.is_empty()).await;
    }
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn whoever_is_silent_gives_back_what_it_held_before_it_is_forgotten() {
    let (clock, offered, server) = (Clock::system(), Offered::default(), Server::up().await);
    // Nobody but this test looks for the silent.
    let timing = LaneTiming { heartbeat: Duration::from_secs(60), ..LaneTiming::divided(10) };
    let lanes = with(timing, &server, &clock, offered.handler()).await;
    let remote = lanes.0.remote.clone().unwrap();
    let (email, now) = (ids(&clock, 1), clock.now().timestamp());
    held_by_the_dead(&server, &email, now, now - 170).await;
    remote.bury().await.unwrap();
    assert!(offered.in_lane(Priority::Low).is_empty(), "it may live");
    server.ask::<()>(&["ZADD", "test:low:seen", &(now - 190).to_string(), "dead.low.1"]).await;
    remote.bury().await.unwrap();
    offered.all(&email).await;
    assert_eq!(of_the_dead(&server).await, ["test:low:seen"], "what it had asked for may come yet");
    server.ask::<()>(&["ZADD", "test:low:seen", &(now - 370).to_string(), "dead.low.1"]).await;
    remote.bury().await.unwrap();
    assert_eq!(of_the_dead(&server).await, Vec::<String>::new());
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_machine_whose_clock_is_ahead_lets_the_others_work() {
    let (clock, offered, server) = (Clock::system(), Offered::default(), Server::up().await);
    // apalis writes its own times once, at the start.
    let timing = LaneTiming { heartbeat: Duration::from_secs(60), ..LaneTiming::divided(10) };
    let behind = with(timing, &server, &clock, offered.handler()).await;
    let ahead = fast(&server, &clock, offered.handler()).await;
    let worker = |lanes: &Lanes, lane: Priority| format!("{}.{lane}.1", lanes.0.process.simple());
    let score = async |lanes: &Lanes, lane: Priority| {
        server.ask::<Option<f64>>(&["ZSCORE", &format!("test:{lane}:workers"), &worker(lanes, lane)]).await
    };
    let hour_ago = clock.now().timestamp() - 3_600;
    for lane in Priority::ALL {
        until_async("both are at work", async || {
            score(&behind, lane).await.is_some() && score(&ahead, lane).await.is_some()
        })
        .await;
        let name = worker(&behind, lane);
        server.ask::<()>(&["ZADD", &format!("test:{lane}:workers"), "XX", &hour_ago.to_string(), &name]).await;
    }
    for lane in Priority::ALL {
        let begun = score(&ahead, lane).await.unwrap();
        until_async("the one ahead looked around twice", async || {
            score(&ahead, lane).await.is_some_and(|now| now >= begun + 2.0)
        })
        .await;
        assert_eq!(score(&behind, lane).await, Some(hour_ago as f64), "it is in its first life");
    }
    behind.stop(Duration::from_secs(5)).await;
    ahead.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn what_a_redis_that_stood_still_gives_a_worker_after_its_death_is_given_back() {
    let (clock, offered, server) = (Clock::system(), Offered::default(), Server::up().await);
    let lanes = fast(&server, &clock, offered.handler()).await;
    let remote = lanes.0.remote.clone().unwrap();
    let (email, now) = (ids(&clock, 1), clock.now().timestamp());
    remote.enlist(Priority::Low, "dead.low.1").await.unwrap();
    assert_eq!(remote.retire(Priority::Low, "dead.low.1").await.unwrap(), 0, "it died with nothing in its hands");
    // Its registration and its fetch were under way when it gave up on them.
    held_by_the_dead(&server, &email, now + 3_600, now - 100).await;
    offered.all(&email).await;
    until_async("its traces are gone", async || of_the_dead(&server).await.is_empty()).await;
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn processes_are_counted_whatever_their_clocks_say() {
    let (clock, server) = (Clock::system(), Server::up().await);
    // apalis writes its own times once, at the start.
    let timing = LaneTiming { heartbeat: Duration::from_secs(60), ..LaneTiming::divided(10) };
    let first = with(timing, &server, &clock, Offered::default().handler()).await;
    let second = with(timing, &server, &clock, Offered::default().handler()).await;
    let ahead = (clock.now().timestamp() + 3_600).to_string();
    for lane in Priority::ALL {
        let name = format!("{}.{lane}.1", first.0.process.simple());
        server.ask::<()>(&["ZADD", &format!("test:{lane}:workers"), "XX", &ahead, &name]).await;
    }
    for lanes in [&first, &second] {
        until("each sees both", || lanes.live_workers().now_or_never() == Some(2)).await;
    }
    first.stop(Duration::from_secs(5)).await;
    second.stop(Duration::from_secs(5)).await;
}

/// As a process leaves its traces that is no more and had this email in its hands: heard of by apalis, and by us, at these
/// times.
async fn held_by_the_dead(server: &Server, email: &[Uuid], by_apalis: i64, by_us: i64) {
    let (task, meta) = ("elsewhere", "test:low:meta:elsewhere");
    let wire = serde_json::Value::from(one_each(email)[0].wire()).to_string();
    server.ask::<()>(&["HSET", "test:low:data", task, &wire]).await;
    server.ask::<()>(&["HSET", meta, "attempts", "0", "max_attempts", "1", "status", "Pending"]).await;
    server.ask::<()>(&["SADD", "test:low:inflight:dead.low.1", task]).await;
    server.ask::<()>(&["HSET", "test:low:workers:metadata:dead.low.1", "service", "x"]).await;
    server.ask::<()>(&["ZADD", "test:low:seen", &by_us.to_string(), "dead.low.1"]).await;
    server.ask::<()>(&["ZADD", "test:low:workers", &by_apalis.to_string(), "dead.low.1"]).await;
}

/// What is left of it.
async fn of_the_dead(server: &Server) -> Vec<String> {
    let mut left: Vec<String> = server.keys().await.into_iter().filter(|key| key.contains("dead.low.1")).collect();
    for book in ["test:low:seen", "test:low:workers"] {
        if server.ask::<Option<f64>>(&["ZSCORE", book, "dead.low.1"]).await.is_some() {
            left.push(book.to_owned());
        }
    }
    left
}

//! Lanes on a Redis that is well.

use tokio::time::Instant;

use super::server::Server;
use super::*;
use crate::lane::Carrier;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_arrive_in_their_lane_and_in_order() {
    let (clock, offered, server) = (Clock::system(), Offered::default(), Server::up().await);
    let lanes = fast(&server, &clock, offered.handler()).await;
    assert_eq!(lanes.carrier(), Carrier::Redis, "a Redis that is up is used from the start");
    for lane in Priority::ALL {
        let ids = ids(&clock, 300);
        lanes.push(lane, Deliver::each(&ids, 7)).await.unwrap();
        offered.all(&ids).await;
        assert_eq!(offered.in_lane(lane), ids);
        assert_eq!(lanes.depth(lane).await.unwrap(), 0);
    }
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_burst_in_one_lane_does_not_delay_another() {
    let (clock, offered, server) = (Clock::system(), Offered::default(), Server::up().await);
    let handler: Handler = {
        let record = offered.handler();
        Arc::new(move |lane, ids| {
            let recorded = record(lane, ids);
            async move {
                recorded.await;
                if lane == Priority::Low {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            .boxed()
        })
    };
    let lanes = fast(&server, &clock, handler).await;
    let (low, high) = (ids(&clock, 500), ids(&clock, 20));
    lanes.push(Priority::Low, one_each(&low)).await.unwrap();
    lanes.push(Priority::High, one_each(&high)).await.unwrap();
    offered.all(&high).await;
    let before = offered.in_lane(Priority::Low).len();
    assert!(before < 100, "{before} LOW tasks went first");
    offered.all(&low).await;
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_doorbell_is_answered_at_once_whenever_it_rings() {
    let (clock, offered, server) = (Clock::system(), Offered::default(), Server::up().await);
    // So rarely asked that only the bell can explain an answer.
    let timing = LaneTiming { poll: Duration::from_secs(60), ..LaneTiming::default() };
    let lanes = with(timing, &server, &clock, offered.handler()).await;
    assert_eq!(lanes.carrier(), Carrier::Redis);
    let start = Instant::now();
    for n in 0..200 {
        let ids = ids(&clock, 2);
        lanes.push(Priority::High, one_each(&ids[..1])).await.unwrap();
        // The second ring falls somewhere into the answering of the first.
        tokio::time::sleep(Duration::from_micros(n * 10)).await;
        lanes.push(Priority::High, one_each(&ids[1..])).await.unwrap();
        offered.all(&ids).await;
    }
    assert!(start.elapsed() < Duration::from_secs(10), "it took {:?}", start.elapsed());
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ring_during_a_fetch_leads_to_another_fetch() {
    let (clock, server) = (Clock::system(), Server::up().await);
    let never = Duration::from_secs(60);
    let timing = LaneTiming { poll: never, heartbeat: never, ..LaneTiming::default() };
    let lanes = with(timing, &server, &clock, Offered::default().handler()).await;
    let bell = &lanes.0.remote.as_ref().unwrap().bells[0];
    settle(&lanes).await;
    let before = fetches(&server).await;
    server.freeze();
    bell.ring();
    tokio::time::sleep(Duration::from_millis(100)).await;
    // That one is under way and can't come back.
    bell.ring();
    server.thaw();
    until_async("it asked twice", async || fetches(&server).await == before + 2).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(fetches(&server).await, before + 2, "and not more often");
    lanes.stop(Duration::from_secs(5)).await;
}

/// How often a worker asked: of scripts, an idle one calls this alone.
async fn fetches(server: &Server) -> u64 {
    let stats: String = server.ask(&["INFO", "commandstats"]).await;
    let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")).unwrap();
    calls.split(',').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn what_is_done_is_swept_and_leaves_a_handful_of_keys() {
    let (clock, offered, server) = (Clock::system(), Offered::default(), Server::up().await);
    let lanes = fast(&server, &clock, offered.handler()).await;
    for lane in Priority::ALL {
        let ids = ids(&clock, 1_200);
        lanes.push(lane, one_each(&ids)).await.unwrap();
        offered.all(&ids).await;
    }
    // Three probes were among them.
    until_async("apalis acknowledged all", async || done(&server).await >= 3_603).await;
    let remote = lanes.0.remote.clone().unwrap();
    assert_eq!(remote.sweep().await.unwrap(), 3_603);
    assert_eq!(remote.sweep().await.unwrap(), 0);
    let process = lanes.0.process.simple();
    let mut expected = vec!["core:apalis:queues:list".to_owned(), "test:memory".to_owned()];
    for lane in Priority::ALL {
        expected.push(format!("test:{lane}:seen"));
        expected.push(format!("test:{lane}:workers"));
        expected.push(format!("test:{lane}:workers:metadata:{process}.{lane}.1"));
    }
    expected.sort();
    assert_eq!(server.keys().await, expected);
    lanes.stop(Duration::from_secs(5)).await;
    assert_eq!(server.keys().await, ["core:apalis:queues:list", "test:memory"], "a stopped process leaves nothing");
}

async fn done(server: &Server) -> u64 {
    let mut done = 0;
    for lane in Priority::ALL {
        done += server.ask::<u64>(&["SCARD", &format!("test:{lane}:done")]).await;
    }
    done
}

#[tokio::test]
async fn processes_share_their_lanes_and_each_task_goes_to_one_of_them() {
    let (clock, one, two, server) = (Clock::system(), Offered::default(), Offered::default(), Server::up().await);
    let first = fast(&server, &clock, one.handler()).await;
    let second = fast(&server, &clock, two.handler()).await;
    until("the first sees both", || first.live_workers().now_or_never() == Some(2)).await;
    until("the second sees both", || second.live_workers().now_or_never() == Some(2)).await;
    let ids = ids(&clock, 400);
    for some in ids.chunks(20) {
        first.push(Priority::Normal, one_each(some)).await.unwrap();
    }
    until("all were offered", || one.in_lane(Priority::Normal).len() + two.in_lane(Priority::Normal).len() >= 400)
        .await;
    let mut offered = [one.in_lane(Priority::Normal), two.in_lane(Priority::Normal)].concat();
    offered.sort();
    assert_eq!(offered, ids);
    assert!(!two.in_lane(Priority::Normal).is_empty(), "the second took its share");
    second.stop(Duration::from_secs(5)).await;
    until("the first is alone", || first.live_workers().now_or_never() == Some(1)).await;
    first.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_nudge_from_a_process_without_workers_wakes_the_feeders_of_the_others() {
    let (clock, server) = (Clock::system(), Server::up().await);
    let lanes = fast(&server, &clock, Offered::default().handler()).await;
    let bells = Lanes::bells_only_with(
        LaneTiming::divided(10),
        Some(server.settings()),
        clock.clone(),
        CancellationToken::new(),
    )
    .await
    .unwrap();
    until("Redis was seen", || bells.redis_available()).await;
    // The nudges of the start: back from being away, and the subscription's own.
    settle(&lanes).await;
    bells.nudge(Priority::Low);
    tokio::time::timeout(Duration::from_secs(5), lanes.nudged(Priority::Low)).await.unwrap();
    assert!(lanes.nudged(Priority::High).now_or_never().is_none(), "each lane has its own");
    assert!(matches!(bells.push(Priority::Low, vec![]).await, Err(LaneError::NoWorkers)));
    assert!(matches!(bells.depth(Priority::Low).await, Err(LaneError::NoWorkers)));
    bells.stop(Duration::from_secs(5)).await;
    lanes.stop(Duration::from_secs(5)).await;
}

/// Waits until the subscription stands and all nudges before it were heard.
async fn settle(lanes: &Lanes) {
    let remote = lanes.0.remote.clone().unwrap();
    until_async("it listens", async || {
        let mut conn = remote.connection.fresh().unwrap();
        let mut ask = ::redis::cmd("PUBSUB");
        ask.arg("NUMSUB").arg(remote.nudge_channel());
        let (_, subscribers): (String, u64) = ask.query_async(&mut conn).await.unwrap();
        subscribers == 1
    })
    .await;
    // What the subscription itself set off comes to rest.
    tokio::time::sleep(Duration::from_millis(200)).await;
    for lane in Priority::ALL {
        let _ = lanes.nudged(lane).now_or_never();
    }
}

#[tokio::test]
async fn a_task_of_an_unknown_version_is_dropped_and_the_next_one_taken() {
    let (clock, offered, server) = (Clock::system(), Offered::default(), Server::up().await);
    let lanes = fast(&server, &clock, offered.handler()).await;
    let remote = lanes.0.remote.clone().unwrap();
    remote.push(Priority::High, &["deliver-9:what may it mean".to_owned()]).await.unwrap();
    let ids = ids(&clock, 1);
    lanes.push(Priority::High, one_each(&ids)).await.unwrap();
    offered.all(&ids).await;
    assert!(server.keys().await.contains(&format!("test:high:workers:metadata:{}.high.1", lanes.0.process.simple())));
    assert_eq!(lanes.generation(), 1, "only the start changed anything");
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_task_that_apalis_cannot_read_does_not_block_its_lane() {
    let (clock, offered, server) = (Clock::system(), Offered::default(), Server::up().await);
    let lanes = fast(&server, &clock, offered.handler()).await;
    server.ask::<()>(&["HSET", "test:high:data", "no-json", "{"]).await;
    server
        .ask::<()>(&["HSET", "test:high:meta:no-json", "attempts", "0", "max_attempts", "1", "status", "Pending"])
        .await;
    server.ask::<()>(&["RPUSH", "test:high:active", "no-data", "no-json", "no-data-either"]).await;
    let ids = ids(&clock, 20);
    lanes.push(Priority::High, one_each(&ids)).await.unwrap();
    offered.all(&ids).await;
    until_async("nothing waits", async || lanes.depth(Priority::High).await.unwrap() == 0).await;
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn stopping_gives_back_what_was_not_begun() {
    let (clock, offered, server) = (Clock::system(), Offered::default(), Server::up().await);
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let handler: Handler = {
        let (gate, record) = (gate.clone(), offered.handler());
        Arc::new(move |lane, ids| {
            let (gate, recorded) = (gate.clone(), record(lane, ids));
            async move {
                recorded.await;
                let _ = gate.acquire().await;
            }
            .boxed()
        })
    };
    let timing = LaneTiming { patience: Duration::from_secs(20), ..LaneTiming::divided(10) };
    let lanes = with(timing, &server, &clock, handler).await;
    let ids = ids(&clock, 30);
    lanes.push(Priority::High, one_each(&ids)).await.unwrap();
    until("four handlers are at work", || offered.in_lane(Priority::High).len() == 4).await;
    let stopping = tokio::spawn({
        let lanes = lanes.clone();
        async move { lanes.stop(Duration::from_secs(10)).await }
    });
    until("it is stopping", || lanes.0.stop.is_cancelled()).await;
    gate.add_permits(30);
    stopping.await.unwrap();
    assert_eq!(offered.in_lane(Priority::High), ids[..4]);
    assert_eq!(server.ask::<u64>(&["LLEN", "test:high:active"]).await, 26);
}

//! Lanes on a Redis that is stopped, wiped, restarted, stalled, or stands still.

use super::server::Server;
use super::*;
use crate::lane::{Carrier, hear};

/// Pushes new tasks as a feeder does, again where a push failed, and expects them in time.
async fn newly_pushed_tasks_arrive(lanes: &Lanes, clock: &Clock, offered: &Offered) {
    let end = tokio::time::Instant::now() + Duration::from_secs(10);
    for lane in Priority::ALL {
        let ids = ids(clock, 20);
        while lanes.push(lane, one_each(&ids)).await.is_err() {
            assert!(tokio::time::Instant::now() < end, "no carrier takes them");
        }
        offered.all(&ids).await;
    }
    assert!(tokio::time::Instant::now() < end, "not in time");
}

/// Traffic in all lanes, until aborted; lost tasks are nobody's concern here, the rows would bring them again.
fn traffic(lanes: &Lanes, clock: &Clock) -> tokio_util::task::AbortOnDropHandle<()> {
    let (lanes, clock) = (lanes.clone(), clock.clone());
    tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
        loop {
            for lane in Priority::ALL {
                let _ = lanes.push(lane, one_each(&ids(&clock, 3))).await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }))
}

async fn carried_by(lanes: &Lanes, carrier: Carrier) {
    until(&format!("the carrier is {carrier:?}"), || lanes.carrier() == carrier).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn started_while_redis_is_down_they_work_in_process_and_move_to_redis_when_it_comes() {
    let (clock, offered, mut server) = (Clock::system(), Offered::default(), Server::down());
    let lanes = fast(&server, &clock, offered.handler()).await;
    assert_eq!((lanes.carrier(), lanes.redis_available()), (Carrier::InProcess, false));
    newly_pushed_tasks_arrive(&lanes, &clock, &offered).await;
    let before = lanes.generation();
    server.begin().await;
    carried_by(&lanes, Carrier::Redis).await;
    assert!(lanes.redis_available() && lanes.generation() > before);
    newly_pushed_tasks_arrive(&lanes, &clock, &offered).await;
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_stopped_amid_traffic_and_started_again() {
    let (clock, offered, mut server) = (Clock::system(), Offered::default(), Server::up().await);
    let lanes = fast(&server, &clock, offered.handler()).await;
    let _traffic = traffic(&lanes, &clock);
    newly_pushed_tasks_arrive(&lanes, &clock, &offered).await;
    server.end();
    carried_by(&lanes, Carrier::InProcess).await;
    newly_pushed_tasks_arrive(&lanes, &clock, &offered).await;
    let before = lanes.generation();
    server.begin().await;
    carried_by(&lanes, Carrier::Redis).await;
    assert!(lanes.generation() > before);
    newly_pushed_tasks_arrive(&lanes, &clock, &offered).await;
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_wiped_amid_traffic() {
    let (clock, offered, server) = (Clock::system(), Offered::default(), Server::up().await);
    let lanes = fast(&server, &clock, offered.handler()).await;
    let _traffic = traffic(&lanes, &clock);
    for _ in 0..3 {
        newly_pushed_tasks_arrive(&lanes, &clock, &offered).await;
        let before = lanes.generation();
        server.ask::<()>(&["FLUSHALL"]).await;
        until("the loss was noticed", || lanes.generation() > before).await;
    }
    newly_pushed_tasks_arrive(&lanes, &clock, &offered).await;
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_restarted_amid_traffic_between_two_looks() {
    let (clock, offered, mut server) = (Clock::system(), Offered::default(), Server::up().await);
    let lanes = fast(&server, &clock, offered.handler()).await;
    let _traffic = traffic(&lanes, &clock);
    newly_pushed_tasks_arrive(&lanes, &clock, &offered).await;
    let before = lanes.generation();
    server.end();
    server.begin().await;
    until("the loss was noticed", || lanes.generation() > before).await;
    newly_pushed_tasks_arrive(&lanes, &clock, &offered).await;
    carried_by(&lanes, Carrier::Redis).await;
    newly_pushed_tasks_arrive(&lanes, &clock, &offered).await;
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_answers_nothing_is_away_until_it_does() {
    let (clock, offered, server) = (Clock::system(), Offered::default(), Server::up().await);
    let lanes = fast(&server, &clock, offered.handler()).await;
    let _traffic = traffic(&lanes, &clock);
    newly_pushed_tasks_arrive(&lanes, &clock, &offered).await;
    server.freeze();
    carried_by(&lanes, Carrier::InProcess).await;
    newly_pushed_tasks_arrive(&lanes, &clock, &offered).await;
    server.thaw();
    carried_by(&lanes, Carrier::Redis).await;
    newly_pushed_tasks_arrive(&lanes, &clock, &offered).await;
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_stands_still_is_carried_in_process_until_a_probe_comes_through() {
    let (clock, offered, server) = (Clock::system(), Offered::default(), Server::up().await);
    let lanes = fast(&server, &clock, offered.handler()).await;
    assert_eq!(lanes.carrier(), Carrier::Redis);
    // No worker can register in the LOW lane now, while pushes and looks go on well.
    server.ask::<()>(&["SET", "test:low:workers", "no set"]).await;
    lanes.push(Priority::Low, one_each(&ids(&clock, 3))).await.unwrap();
    carried_by(&lanes, Carrier::InProcess).await;
    newly_pushed_tasks_arrive(&lanes, &clock, &offered).await;
    tokio::time::sleep(lanes.0.timing.look * 10).await;
    assert_eq!(lanes.carrier(), Carrier::InProcess);
    let waiting: u64 = server.ask(&["LLEN", "test:low:active"]).await;
    assert!(waiting <= 4, "one probe waits, not one per look: {waiting}");
    server.ask::<()>(&["DEL", "test:low:workers"]).await;
    carried_by(&lanes, Carrier::Redis).await;
    newly_pushed_tasks_arrive(&lanes, &clock, &offered).await;
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_whose_tasks_nobody_has_room_for_is_not_taken_for_a_stall() {
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
    let ids = ids(&clock, 10);
    lanes.push(Priority::Low, one_each(&ids)).await.unwrap();
    tokio::time::sleep(timing.stall * 2).await;
    assert_eq!((lanes.carrier(), lanes.generation()), (Carrier::Redis, 1));
    gate.add_permits(10);
    offered.all(&ids).await;
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_find_their_way_back_at_once() {
    let (clock, mut server) = (Clock::system(), Server::up().await);
    let offered = [Offered::default(), Offered::default(), Offered::default()];
    let mut all = Vec::new();
    for offered in &offered {
        all.push(fast(&server, &clock, offered.handler()).await);
    }
    for _ in 0..2 {
        server.end();
        for lanes in &all {
            carried_by(lanes, Carrier::InProcess).await;
        }
        server.begin().await;
        for lanes in &all {
            carried_by(lanes, Carrier::Redis).await;
        }
    }
    for lanes in &all {
        lanes.stop(Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_while_redis_is_away_keeps_to_its_deadline() {
    let (clock, server) = (Clock::system(), Server::up().await);
    let timing = LaneTiming { call: Duration::from_secs(60), ..LaneTiming::divided(10) };
    let lanes = with(timing, &server, &clock, Offered::default().handler()).await;
    server.freeze();
    let start = tokio::time::Instant::now();
    tokio::time::sleep(Duration::from_millis(100)).await;
    lanes.stop(Duration::from_secs(1)).await;
    assert!(start.elapsed() < Duration::from_secs(5));
    until("nobody is left", || lanes.0.crew.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_connection_is_no_outage() {
    let (clock, offered, server) = (Clock::system(), Offered::default(), Server::up().await);
    let lanes = fast(&server, &clock, offered.handler()).await;
    for _ in 0..3 {
        server.ask::<u64>(&["CLIENT", "KILL", "TYPE", "normal"]).await;
        server.ask::<u64>(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        newly_pushed_tasks_arrive(&lanes, &clock, &offered).await;
    }
    assert_eq!((lanes.carrier(), lanes.generation()), (Carrier::Redis, 1));
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_restarted_from_its_file_may_have_lost_the_last_seconds() {
    let (clock, offered, mut server) = (Clock::system(), Offered::default(), Server::up().await);
    let lanes = fast(&server, &clock, offered.handler()).await;
    let mark: String = server.ask(&["GET", "test:memory"]).await;
    server.ask::<()>(&["SAVE"]).await;
    server.end();
    carried_by(&lanes, Carrier::InProcess).await;
    server.begin().await;
    carried_by(&lanes, Carrier::Redis).await;
    assert_eq!(server.ask::<String>(&["GET", "test:memory"]).await, mark, "the file was read");
    // 1 at the start, 2 away; the loss of memory and the way back are two more.
    assert_eq!(lanes.generation(), 4);
    newly_pushed_tasks_arrive(&lanes, &clock, &offered).await;
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_hears_not_even_its_own_echo_is_given_up() {
    let (clock, server) = (Clock::system(), Server::up().await);
    let lanes = fast(&server, &clock, Offered::default().handler()).await;
    let remote = lanes.0.remote.clone().unwrap();
    let deaf = lanes.0.timing.deaf;
    let hears = hear::subscribe(&remote).await.unwrap();
    let hearing = hear::hear(&lanes.0, &remote, hears, deaf);
    assert!(tokio::time::timeout(deaf * 3, hearing).await.is_err(), "the echo keeps it");
    let hears_nothing = remote.connection.pubsub().await.unwrap();
    let hearing = hear::hear(&lanes.0, &remote, hears_nothing, deaf);
    assert!(tokio::time::timeout(deaf * 3, hearing).await.is_ok(), "silence ends it");
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_push_or_a_depth_that_fails_says_that_redis_is_away() {
    let (clock, offered) = (Clock::system(), Offered::default());
    // Nobody else looks meanwhile.
    let timing = LaneTiming { look: Duration::from_secs(40), ..LaneTiming::divided(10) };
    for asks_depth in [false, true] {
        let mut server = Server::up().await;
        let lanes = with(timing, &server, &clock, offered.handler()).await;
        carried_by(&lanes, Carrier::Redis).await;
        let before = lanes.generation();
        server.end();
        if asks_depth {
            lanes.depth(Priority::Normal).await.unwrap_err();
        } else {
            lanes.push(Priority::Normal, one_each(&ids(&clock, 1))).await.unwrap_err();
        }
        assert_eq!((lanes.carrier(), lanes.generation()), (Carrier::InProcess, before + 1));
        lanes.nudged(Priority::Normal).await;
        newly_pushed_tasks_arrive(&lanes, &clock, &offered).await;
        lanes.stop(Duration::from_secs(5)).await;
    }
}

//! Lanes without Redis.

use tokio::sync::Semaphore;

use super::*;

async fn start(slots: usize, clock: &Clock, handler: Handler) -> Result<Lanes, LaneError> {
    Lanes::start(None, slots, clock.clone(), handler, CancellationToken::new()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_arrive_in_their_lane_and_in_order() {
    let (clock, offered) = (Clock::system(), Offered::default());
    let lanes = start(5, &clock, offered.handler()).await.unwrap();
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
    let (clock, offered) = (Clock::system(), Offered::default());
    // Nothing of the LOW lane gets through before the gate opens.
    let gate = Arc::new(Semaphore::new(0));
    let handler: Handler = {
        let (gate, record) = (gate.clone(), offered.handler());
        Arc::new(move |lane, ids| {
            let (gate, recorded) = (gate.clone(), record(lane, ids));
            async move {
                recorded.await;
                if lane == Priority::Low {
                    let _ = gate.acquire().await;
                }
            }
            .boxed()
        })
    };
    let lanes = start(5, &clock, handler).await.unwrap();
    let (low, high) = (ids(&clock, 500), ids(&clock, 1));
    lanes.push(Priority::Low, one_each(&low)).await.unwrap();
    until("the LOW lane is full", || offered.in_lane(Priority::Low).len() == 4).await;
    lanes.push(Priority::High, one_each(&high)).await.unwrap();
    offered.all(&high).await;
    assert_eq!(offered.in_lane(Priority::Low).len(), 4, "no more of them at once than there are seats");
    assert_eq!(lanes.depth(Priority::Low).await.unwrap(), 496);
    gate.add_permits(500);
    offered.all(&low).await;
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_handler_that_panics_costs_its_own_task_alone() {
    let (clock, offered) = (Clock::system(), Offered::default());
    let bad = clock.id();
    let handler: Handler = {
        let record = offered.handler();
        Arc::new(move |lane, ids| {
            if ids == [bad] {
                return async { panic!("on purpose") }.boxed();
            }
            record(lane, ids)
        })
    };
    let lanes = start(1, &clock, handler).await.unwrap();
    let after = ids(&clock, 3);
    lanes.push(Priority::High, one_each(&[bad])).await.unwrap();
    lanes.push(Priority::High, one_each(&after)).await.unwrap();
    offered.all(&after).await;
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_worker_that_dies_is_built_anew() {
    let (clock, offered) = (Clock::system(), Offered::default());
    let bad = clock.id();
    let handler: Handler = {
        let record = offered.handler();
        Arc::new(move |lane, ids| {
            // Not in the handler's future but in the call, which is the worker's own.
            assert!(ids != [bad], "on purpose");
            record(lane, ids)
        })
    };
    let lanes = start(1, &clock, handler).await.unwrap();
    let after = ids(&clock, 3);
    for _ in 0..3 {
        lanes.push(Priority::Normal, one_each(&[bad])).await.unwrap();
    }
    lanes.push(Priority::Normal, one_each(&after)).await.unwrap();
    offered.all(&after).await;
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_nudge_is_kept_until_somebody_waits_for_it_and_only_in_its_lane() {
    let clock = Clock::system();
    let lanes = start(1, &clock, Offered::default().handler()).await.unwrap();
    lanes.nudge(Priority::Low);
    lanes.nudge(Priority::Low);
    lanes.nudged(Priority::Low).await;
    assert!(lanes.nudged(Priority::Low).now_or_never().is_none(), "two nudges are one");
    assert!(lanes.nudged(Priority::High).now_or_never().is_none(), "each lane has its own");
    lanes.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn stopping_takes_no_more_tasks_and_waits_for_the_handlers_at_work() {
    let (clock, offered) = (Clock::system(), Offered::default());
    let gate = Arc::new(Semaphore::new(0));
    let finished = Arc::new(Mutex::new(0));
    let handler: Handler = {
        let (gate, finished, record) = (gate.clone(), finished.clone(), offered.handler());
        Arc::new(move |lane, ids| {
            let (gate, finished, recorded) = (gate.clone(), finished.clone(), record(lane, ids));
            async move {
                recorded.await;
                let _ = gate.acquire().await;
                *finished.lock().unwrap() += 1;
            }
            .boxed()
        })
    };
    let lanes = start(2, &clock, handler).await.unwrap();
    let ids = ids(&clock, 10);
    lanes.push(Priority::High, one_each(&ids)).await.unwrap();
    until("two handlers are at work", || offered.in_lane(Priority::High).len() == 2).await;
    let stopping = tokio::spawn({
        let lanes = lanes.clone();
        async move { lanes.stop(Duration::from_secs(10)).await }
    });
    until("it is stopping", || lanes.0.stop.is_cancelled()).await;
    tokio::task::yield_now().await;
    assert!(!stopping.is_finished(), "it waits for the handlers");
    gate.add_permits(10);
    stopping.await.unwrap();
    assert_eq!(*finished.lock().unwrap(), 2);
    assert_eq!(offered.in_lane(Priority::High), ids[..2]);
}

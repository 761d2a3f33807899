//! Several processes on one queue.

use super::{SLOTS, World, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_share_the_work_and_send_nothing_twice() {
    let world = World::shared().await;
    world.mailgun.answer(|_| soon());
    let front = world.front().await;
    let _workers = [world.work("one").await, world.work("two").await];
    let ids = front.take(1_000).await;
    world.assert_each_sent_once(&front.client, &ids, 0).await;
    let shares = [world.accepted_from("one"), world.accepted_from("two")];
    assert_eq!(shares.iter().sum::<usize>(), 1_000);
    assert!(shares.iter().all(|share| *share > 2 * SLOTS), "{shares:?}");
}

//! SIGKILL: no word, no chance to give anything back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tests::mailgun::Reply;

use super::{LONG, SLOTS, World, is_from, soon};

/// The worst moment: Mailgun has taken some of what the worker hands over and not taken some, and the worker knows of neither.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_worker_loses_and_doubles_nothing_and_leaves_its_slots_in_doubt() {
    let world = World::shared().await.hurry(10);
    let posts = Arc::new(AtomicUsize::new(0));
    let counted = posts.clone();
    world.mailgun.answer(move |post| match is_from("victim", post).then(|| counted.fetch_add(1, Ordering::Relaxed)) {
        None | Some(..100) => soon(),
        Some(n) if n % 2 == 0 => Reply::AcceptThenHang,
        Some(_) => Reply::Hang,
    });
    let front = world.front().await;
    let (victim, _other) = (world.work("victim").await, world.work("other").await);
    let ids = front.take(1_000).await;
    world.mailgun.until("two hand-overs to hang", LONG, |_| posts.load(Ordering::Relaxed) >= 102).await;
    victim.kill9().await;
    let doubt = world.assert_each_sent_once(&front.client, &ids, SLOTS).await;
    let with_mailgun = doubt.iter().filter(|id| world.mailgun.accepted_for(&id.to_string()) == 1).count();
    assert!(0 < with_mailgun && with_mailgun < doubt.len(), "{with_mailgun} of {} in doubt arrived", doubt.len());
    assert!(world.accepted_from("other") > 500);
}

/// On SQLite one process does everything; it is killed again and again in the middle of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_service_goes_on_where_it_was_when_it_is_started_again() {
    let world = World::embedded().hurry(10);
    world.mailgun.answer(|_| soon());
    let mut served = world.serve("first").await;
    let ids = served.take(1_000).await;
    for accepted in [200, 400, 600] {
        world.amid(accepted).await;
        served.process.kill9().await;
        served = world.serve("next").await;
    }
    world.assert_each_sent_once(&served.client, &ids, 3 * SLOTS).await;
}

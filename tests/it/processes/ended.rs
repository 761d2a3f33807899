//! SIGTERM: what is open is finished, the rest is given back.

use std::collections::BTreeMap;
use std::time::Duration;

use entity::Status;
use futures::future::join;
use tests::database::Backend;
use tests::mailgun::Reply;

use super::{LONG, World, stand};

on_both! {
    a_process_that_is_asked_to_end_finishes_what_is_open_and_gives_the_rest_back
}

async fn a_process_that_is_asked_to_end_finishes_what_is_open_and_gives_the_rest_back(backend: Backend) {
    let world = World::of(backend).await;
    // Longer than anything else that a process waits for at its end.
    world.mailgun.answer(|_| Reply::Ok.after(Duration::from_secs(5)));
    let served = world.serve("first").await;
    let ids = served.take(100).await;
    world.mailgun.until("hand-overs under way", LONG, |state| state.posts() >= state.accepted() + 3).await;
    let ended = served.process.terminate(LONG).await;
    assert_eq!(ended.code(), Some(0), "{}", served.process.output().join("\n"));
    let accepted = world.mailgun.accepted() as usize;
    let mut counts = BTreeMap::<Status, usize>::new();
    for status in stand(&*world.context().await).await.into_values() {
        *counts.entry(status).or_default() += 1;
    }
    assert_eq!(counts, BTreeMap::from([(Status::Queued, 100 - accepted), (Status::Sent, accepted)]));
    world.mailgun.answer(|_| Reply::Ok);
    let served = world.serve("second").await;
    world.assert_each_sent_once(&served.client, &ids, 0).await;
}

/// Emails come in and go out all the while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_is_noticed_by_no_email() {
    let world = World::shared().await;
    world.mailgun.answer(|_| Reply::Ok.after(Duration::from_millis(40)));
    let [mut leaving, mut staying] = [world.serve("one").await, world.serve("two").await];
    let mut ids = leaving.take(200).await;
    for name in ["three", "four", "five", "six"] {
        ids.extend(staying.take(100).await);
        world.mailgun.until("it to be busy", LONG, |state| state.posts() > state.accepted()).await;
        let (ended, taken) = join(leaving.process.terminate(LONG), staying.take(100)).await;
        assert_eq!(ended.code(), Some(0), "{}", leaving.process.output().join("\n"));
        ids.extend(taken);
        leaving = std::mem::replace(&mut staying, world.serve(name).await);
    }
    world.assert_each_sent_once(&staying.client, &ids, 0).await;
}

//! SIGSTOP: a worker that stood still past its leases and knows nothing of it.

use std::collections::BTreeMap;

use entity::{Outcome, Status, attempt};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use tests::client::letter;
use tests::patience::{SOON, until, until_true};
use uuid::Uuid;

use super::{LONG, World, bare, soon, stand};

/// Large enough that a worker is busy for a while between its claim and the last of its POSTs.
const LARGE: usize = 2 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_stopped_past_its_lease_posts_nothing_it_no_longer_holds() {
    let world = World::shared().await.hurry(20);
    world.mailgun.answer(|_| soon());
    let front = world.front().await;
    let sleeper = world.launch("sleeper", &["work"]).env("MAILGUN_BULK_CONCURRENCY", "20").start();
    sleeper.await_line("Working", SOON).await;
    let ctx = world.context().await;
    let mut large = letter("large@example.org");
    large["content"]["inline"]["text"] = "x".repeat(LARGE).into();
    let mut ids: Vec<Uuid> = front.client.send_emails(vec![large; 10]).await.iter().map(|id| bare(id)).collect();
    let claimed = async || stand(&ctx).await.values().filter(|status| **status == Status::Sending).count() >= 3;
    until_true("a claim", LONG, claimed).await;
    sleeper.stop();

    // Others go on, and find what it left when its leases are over.
    let other = world.work("other").await;
    ids.extend(front.take(200).await);
    let stand = world.at_rest().await;
    let unposted = |id: &&Uuid| world.mailgun.look(|state| state.posts_for(&id.to_string())) == 0;
    let doubt = stand.iter().filter(|(_, status)| **status == Status::Unconfirmed).map(|(id, _)| id);
    let unposted: Vec<Uuid> = doubt.filter(unposted).copied().collect();
    assert!(unposted.len() >= 2, "it was stopped between claim and POST: {stand:?}");

    sleeper.cont();
    for id in &unposted {
        let handed = [(1, Outcome::NotHandedOver), (2, Outcome::Sent)];
        let told = async || Some(outcomes(&ctx, *id).await).filter(|told| told.len() >= 2);
        assert_eq!(until("the email to be given back and sent", LONG, told).await, BTreeMap::from(handed), "{id}");
    }
    world.assert_each_sent_once(&front.client, &ids, 20).await;
    // It is a worker like any other again.
    assert!(other.terminate(SOON).await.success());
    let before = world.accepted_from("sleeper");
    ids.extend(front.take(20).await);
    world.assert_each_sent_once(&front.client, &ids, 20).await;
    assert_eq!(world.accepted_from("sleeper"), before + 20);
}

/// How each claim of an email ended.
async fn outcomes(ctx: &jobs::Context, id: Uuid) -> BTreeMap<i32, Outcome> {
    let asked = attempt::Entity::find().filter(attempt::Column::EmailId.eq(id)).order_by_asc(attempt::Column::Fence);
    let attempts = asked.all(ctx.store.read()).await.unwrap();
    attempts.into_iter().map(|attempt| (attempt.fence, attempt.outcome)).collect()
}

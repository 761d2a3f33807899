//! SIGSTOP: a worker that stood still past its leases and knows nothing of it.

use entity::{Outcome, Status, attempt};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use tests::client::letter;
use tests::patience::{SOON, until_true};
use uuid::Uuid;

use super::{LONG, World, bare, soon, stand};

/// Emails so large that a worker which claimed them is busy for a while before it comes to the small ones after them.
const LARGE: usize = 3 << 19;
/// As many as one worker claims at a time here: a slot is kept for the high lane.
const CLAIM: usize = 19;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_stopped_past_its_lease_posts_nothing_it_no_longer_holds() {
    let world = World::shared().await.hurry(10);
    world.mailgun.answer(|_| soon());
    let front = world.front().await;
    let sleeper = world.launch("sleeper", &["work"]).env("MAILGUN_BULK_CONCURRENCY", (CLAIM + 1).to_string()).start();
    sleeper.await_line("Working", SOON).await;
    let ctx = world.context().await;
    let mut letters = vec![letter("reader@example.org"); CLAIM];
    letters[..CLAIM / 2].iter_mut().for_each(|one| one["content"]["inline"]["text"] = "x".repeat(LARGE).into());
    let mut ids: Vec<Uuid> = front.client.send_emails(letters).await.iter().map(|id| bare(id)).collect();
    let claimed = async || stand(&ctx).await.values().filter(|status| **status == Status::Sending).count() >= 3;
    until_true("a claim", LONG, claimed).await;
    sleeper.stop();

    // Others go on, and find what it left when its leases are over.
    let other = world.work("other").await;
    ids.extend(front.take(200).await);
    let stand = world.at_rest().await;
    let in_doubt = |id: &&Uuid| stand[*id] == Status::Unconfirmed;
    let unposted = |id: &&Uuid| world.mailgun.look(|state| state.posts_for(&id.to_string())) == 0;
    let small = ids[CLAIM / 2..].iter().filter(in_doubt).filter(unposted).copied().collect::<Vec<_>>();
    assert!(small.len() >= 2, "it was stopped between claim and POST: {stand:?}");

    sleeper.cont();
    for id in &small {
        front.client.await_status(&format!("email:{id}"), "SENT", LONG).await;
        let handed = [(1, Outcome::NotHandedOver), (2, Outcome::Sent)];
        assert_eq!(outcomes(&ctx, *id).await, handed, "{id}");
    }
    world.assert_each_sent_once(&front.client, &ids, CLAIM).await;
    // It is a worker like any other again.
    assert!(other.terminate(SOON).await.success());
    let before = world.accepted_from("sleeper");
    ids.extend(front.take(20).await);
    world.assert_each_sent_once(&front.client, &ids, CLAIM).await;
    assert_eq!(world.accepted_from("sleeper"), before + 20);
}

/// How each claim of an email ended.
async fn outcomes(ctx: &jobs::Context, id: Uuid) -> Vec<(i32, Outcome)> {
    let asked = attempt::Entity::find().filter(attempt::Column::EmailId.eq(id)).order_by_asc(attempt::Column::Fence);
    let attempts = asked.all(ctx.store.read()).await.unwrap();
    attempts.into_iter().map(|attempt| (attempt.fence, attempt.outcome)).collect()
}

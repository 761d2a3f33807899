//! Pause and cancel stop a campaign at once, wherever it is.

use std::sync::Arc;

use entity::Status::{Cancelled, Failed, Queued};
use entity::campaign::Status;
use entity::hold::Cause as HoldCause;
use entity::sealed::Keyring;
use entity::{Clock, email};
use jobs::accept::Draft;
use jobs::campaign::{Refusal, cancel, launch};
use jobs::hold::{Cover, lift, place};
use jobs::ledger::{self, Handed};
use jobs::send::claim::{Claims, claim};
use jobs::{Context, Settings, Store, Timing, control};
use sea_orm::{ConnectionTrait, EntityTrait};
use tests::database::Backend;
use tests::patience::{SOON, until_true};
use uuid::Uuid;

use super::ledger::Witness;
use super::{assert_each_has_one, emails, executing, expanded, filled, stands};
use crate::control::world::{self, World};

on_both! {
    a_pause_in_mid_expansion_stops_it_at_once_and_its_end_goes_on
    a_pause_of_its_lane_its_domain_or_the_queue_keeps_it_too
    a_cancel_in_mid_expansion_stops_it_at_once
    no_email_of_a_cancelled_campaign_is_handed_over
    what_leaves_unsent_of_a_cancelled_campaign_is_cancelled
    cancelling_twice_is_cancelling_once_and_what_is_completed_is_not_cancelled
}

/// A process that works on one batch at a time, so that a test finds it in the middle.
fn slow(ctx: &Context) -> Arc<Context> {
    let (store, stop): (Store, _) = (ctx.store.clone(), tokio_util::sync::CancellationToken::new());
    let settings = Settings { batches: 1, ..Settings::default() };
    Context::new(store, Clock::system(), Timing::default(), settings, Keyring::generate(), 0.2, stop)
}

/// Waits for the batches under way and answers how many have no email by then.
async fn settled(ctx: &Context, campaign: Uuid) -> i64 {
    let tx = ctx.store.begin().await.unwrap();
    let lock = format!("SELECT id FROM campaigns WHERE id = $1 {}", ctx.store.for_update());
    tx.execute_raw(ctx.store.sql(lock, [campaign.into()])).await.unwrap();
    tx.commit().await.unwrap();
    stands(ctx, campaign).await.ledger.pending
}

/// Lets the executor show that it looks for work and does it.
async fn show_of_life(ctx: &Context, executor: &Context) {
    let other = filled(ctx, 2).await;
    launch(ctx, other, None).await.unwrap().unwrap();
    executor.executor.notify_one();
    expanded(ctx, other).await;
}

async fn a_pause_in_mid_expansion_stops_it_at_once_and_its_end_goes_on(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let campaign = filled(ctx, 10_000).await;
    let witness = Witness::of(ctx, campaign, 10_000);
    launch(ctx, campaign, None).await.unwrap().unwrap();
    let other = slow(ctx);
    let _executor = executing(&other);
    until_true("it to be in the middle", SOON, async || stands(ctx, campaign).await.ledger.pending < 10_000).await;
    let cover = Cover::Campaign(campaign);
    place(ctx, &cover, HoldCause::Pause, None, None).await.unwrap();
    let left = settled(ctx, campaign).await;
    assert!(left > 0, "it was through before it was paused");
    show_of_life(ctx, &other).await;
    let paused = stands(ctx, campaign).await;
    assert_eq!((paused.status, paused.ledger.pending, paused.estimated_finish), (Status::Paused, left, None));
    // The pause ends in the very process.
    lift(&other, Some(&cover)).await.unwrap();
    assert_eq!(expanded(ctx, campaign).await.status, Status::Running);
    witness.saw().await;
    assert_each_has_one(&world, campaign, 10_000).await;
}

async fn a_pause_of_its_lane_its_domain_or_the_queue_keeps_it_too(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let campaign = filled(ctx, 3).await;
    let domain = Settings::default().domains.remove(0);
    launch(ctx, campaign, None).await.unwrap().unwrap();
    for cover in [Cover::Queue, Cover::Priority(entity::Priority::Normal), Cover::Domain(domain)] {
        place(ctx, &cover, HoldCause::Pause, None, None).await.unwrap();
        assert_eq!(stands(ctx, campaign).await.status, Status::Paused, "{cover:?}");
        lift(ctx, Some(&cover)).await.unwrap();
    }
    // Mailgun's wait keeps emails and not the making of them.
    place(ctx, &Cover::Queue, HoldCause::RateLimit, None, world::later(ctx)).await.unwrap();
    let _executor = executing(ctx);
    assert_eq!(expanded(ctx, campaign).await.status, Status::Running);
}

async fn a_cancel_in_mid_expansion_stops_it_at_once(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let campaign = filled(ctx, 10_000).await;
    let witness = Witness::of(ctx, campaign, 10_000);
    launch(ctx, campaign, None).await.unwrap().unwrap();
    let other = slow(ctx);
    let _executor = executing(&other);
    until_true("it to be in the middle", SOON, async || stands(ctx, campaign).await.ledger.pending < 10_000).await;
    let (cancelled, progress) = cancel(ctx, campaign).await.unwrap().unwrap();
    let left = cancelled.ledger.pending;
    assert!(left > 0, "it was through before it was cancelled");
    assert_eq!(
        (cancelled.status, cancelled.ledger.of(Cancelled), progress.operation),
        (Status::Cancelled, 10_000 - left, None)
    );
    assert_eq!(progress.done, (10_000 - left) as u64);
    show_of_life(ctx, &other).await;
    let after = stands(ctx, campaign).await;
    assert_eq!((after.ledger.pending, after.ledger.of(Cancelled)), (left, 10_000 - left));
    witness.saw().await;
    assert_each_has_one(&world, campaign, 10_000).await;
}

/// How many sessions of this database wait for a lock.
async fn waiting(ctx: &Context) -> i64 {
    let text =
        "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    jobs::store::rows(ctx.store.read(), ctx.store.sql(text, [])).await.unwrap()[0].try_get("", "n").unwrap()
}

/// A batch has asked whether it may go on, and has not committed: what it makes is not overlooked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_waits_for_the_batch_under_way_and_ends_what_it_makes() {
    let world = World::new(Backend::Postgres).await;
    let ctx = &world.ctx;
    let campaign = filled(ctx, 300).await;
    let content = launch(ctx, campaign, None).await.unwrap().unwrap().row.content_id;
    let tx = ctx.store.begin().await.unwrap();
    let lock = "SELECT id FROM email_contents WHERE id = $1 FOR UPDATE";
    tx.execute_raw(ctx.store.sql(lock, [content.into()])).await.unwrap();
    let _executor = executing(ctx);
    until_true("the batch to wait", SOON, async || waiting(ctx).await == 1).await;
    let asked = tokio::spawn({
        let ctx = ctx.clone();
        async move { cancel(&ctx, campaign).await.unwrap().unwrap() }
    });
    until_true("the cancel to wait", SOON, async || asked.is_finished() || waiting(ctx).await == 2).await;
    assert!(!asked.is_finished(), "it did not wait for the batch");
    tx.rollback().await.unwrap();
    let (cancelled, progress) = asked.await.unwrap();
    assert_eq!((cancelled.ledger.of(Cancelled), cancelled.ledger.pending, progress.done), (300, 0, 300));
    assert_each_has_one(&world, campaign, 300).await;
}

/// Only the campaign's row says that it is cancelled.
async fn mark_cancelled(ctx: &Context, campaign: Uuid) {
    let text = "UPDATE campaigns SET cancelled_at = $1, expand_at = NULL WHERE id = $2";
    ctx.store.write().execute_raw(ctx.store.sql(text, [ctx.clock.now().into(), campaign.into()])).await.unwrap();
}

async fn ready(world: &World, n: usize) -> (Uuid, Vec<Uuid>) {
    let ctx = &world.ctx;
    let campaign = filled(ctx, n).await;
    launch(ctx, campaign, None).await.unwrap().unwrap();
    let _executor = executing(ctx);
    expanded(ctx, campaign).await;
    (campaign, emails(ctx, campaign).await.iter().map(|email| email.id).collect())
}

async fn claimed(ctx: &Context, ids: &[Uuid]) -> Vec<Uuid> {
    let Claims::Stored(claimed) = claim(ctx, ids).await.unwrap() else { panic!("the database answers") };
    claimed.iter().map(|claimed| claimed.row.id).collect()
}

async fn no_email_of_a_cancelled_campaign_is_handed_over(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let (campaign, ids) = ready(&world, 4).await;
    let (other, others) = ready(&world, 2).await;
    let single = world.accept(1, world::draft()).await;
    mark_cancelled(ctx, campaign).await;
    // An email that came by another way is of the campaign all the same.
    let late = world.accept(1, Draft { campaign: Some(campaign), ..world::draft() }).await;
    let all = [ids.clone(), late.clone(), others.clone(), single.clone()].concat();
    let mut taken = claimed(ctx, &all).await;
    taken.sort_unstable();
    assert_eq!(taken, [others, single].concat());
    for id in [ids, late].concat() {
        let email: email::Model = world.email(id).await;
        assert_eq!((email.status, email.last_error.as_deref()), (Cancelled, Some("its campaign is cancelled")));
    }
    assert_eq!(stands(ctx, campaign).await.ledger.of(Cancelled), 5);
    assert_eq!(stands(ctx, other).await.status, Status::Running);
    world.counts().await;
}

async fn what_leaves_unsent_of_a_cancelled_campaign_is_cancelled(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let (campaign, ids) = ready(&world, 5).await;
    world.fail(&ids[..1], "no such user").await;
    world.lose(&ids[1..2]).await;
    mark_cancelled(ctx, campaign).await;
    let refused = control::retry(ctx, ids[0]).await.unwrap().unwrap_err();
    assert_eq!(refused, ledger::Refusal::CampaignCancelled);
    assert_eq!(control::resolve(ctx, ids[1], false).await.unwrap().unwrap().status, Cancelled);
    let retry = Handed::Retry { why: "no route".into(), due_at: ctx.clock.now() };
    for (id, handed) in ids[2..].iter().zip([retry, Handed::NotHandedOver, Handed::Held { why: "429".into() }]) {
        world.hand(&[*id], handed).await;
        let email = world.email(*id).await;
        assert_eq!((email.status, email.last_error.as_deref()), (Cancelled, Some("its campaign is cancelled")));
    }
    assert_eq!(world.counts().await, [(Failed, 1), (Cancelled, 4)]);
}

async fn cancelling_twice_is_cancelling_once_and_what_is_completed_is_not_cancelled(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    assert_eq!(cancel(ctx, ctx.clock.id()).await.unwrap().unwrap_err(), Refusal::NotFound);
    let (campaign, ids) = ready(&world, 3).await;
    world.claim(&ids[..1]).await;
    let (first, progress) = cancel(ctx, campaign).await.unwrap().unwrap();
    assert_eq!((progress.done, progress.asked), (2, 1));
    assert!(world.email(ids[0]).await.cancel_requested);
    let (again, _) = cancel(ctx, campaign).await.unwrap().unwrap();
    assert_eq!(again.row.cancelled_at, first.row.cancelled_at);
    let (done, ids) = ready(&world, 2).await;
    world.send(&ids).await;
    assert_eq!(cancel(ctx, done).await.unwrap().unwrap_err(), Refusal::Completed);
    let queued = email::Entity::find().all(ctx.store.write()).await.unwrap();
    assert!(queued.iter().all(|email| email.status != Queued));
    world.counts().await;
}

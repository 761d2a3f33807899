//! Many emails: cancelled, retried and cleaned in groups, through a crash between two of them.

use std::task::Poll;
use std::time::Duration;

use chrono::TimeDelta;
use entity::{Priority, Status, bulk_operation};
use jobs::accept::Draft;
use jobs::bulk::{self, Filter, Progress};
use sea_orm::{ConnectionTrait, EntityTrait};
use tests::database::Backend;
use tests::patience::{until, until_true};

use super::world::{World, draft, later};

async fn operations(world: &World) -> Vec<bulk_operation::Model> {
    bulk_operation::Entity::find().all(world.ctx.store.write()).await.unwrap()
}

/// What `answered` is once its operation has come to its end: on a busy machine a request leaves the rest to others.
async fn finished(world: &World, answered: jobs::Result<Progress>) -> Progress {
    let answered = answered.unwrap();
    let Some(operation) = answered.operation else { return answered };
    let look = async || {
        bulk::carry_on(&world.ctx).await.unwrap();
        let progress = bulk::progress(&world.ctx, operation).await.unwrap().unwrap();
        progress.operation.is_none().then_some(progress)
    };
    until("the operation to be finished", Duration::from_secs(120), look).await
}

/// Lets `request` begin and drops it between or within its groups, as a killed process would.
async fn interrupted(world: &World, request: impl Future<Output = jobs::Result<Progress>>) -> bulk_operation::Model {
    let mut request = Box::pin(request);
    // It gets no further than to its next question between two looks, however slow they are: six groups ask many.
    loop {
        if let Poll::Ready(done) = futures::poll!(&mut request) {
            panic!("it should not have come to its end: {done:?}");
        }
        let begun = bulk_operation::Entity::find().one(world.ctx.store.read()).await.unwrap();
        if begun.is_some_and(|operation| operation.done > 0) {
            break;
        }
    }
    drop(request);
    // Its last transaction is rolled back in its own time: until then nobody else can take the operation.
    let tx = world.ctx.store.begin().await.unwrap();
    let lock = format!("SELECT id FROM bulk_operations {}", world.ctx.store.for_update());
    tx.execute_raw(world.ctx.store.sql(lock, [])).await.unwrap();
    tx.commit().await.unwrap();
    let operation = operations(world).await.remove(0);
    assert!(operation.finished_at.is_none() && operation.done < 2_750, "{operation:?}");
    operation
}

#[tokio::test]
async fn cancelling_many_ends_the_waiting_and_counts_those_under_way_apart() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let ctx = &world.ctx;
        let campaign = Some(ctx.clock.id());
        let ids = world.accept(1_100, Draft { campaign, ..draft() }).await;
        world.accept(3, Draft { campaign, send_at: later(ctx), ..draft() }).await;
        world.accept(7, draft()).await;
        world.send(&ids[..2]).await;
        world.claim(&ids[2..4]).await;
        world.lose(&ids[4..5]).await;

        let filter = Filter { campaign, ..Filter::default() };
        let would = bulk::cancel_many(ctx, &filter, true).await.unwrap();
        assert_eq!(would, Progress { remaining: 1_101, ..Progress::default() }, "{backend:?}");
        assert!(operations(&world).await.is_empty(), "a dry run leaves nothing");

        let done = finished(&world, bulk::cancel_many(ctx, &filter, false).await).await;
        assert_eq!(done, Progress { done: 1_098, asked: 3, ..Progress::default() }, "{backend:?}");
        let expected = [
            (Status::Queued, 7),
            (Status::Sending, 2),
            (Status::Unconfirmed, 1),
            (Status::Sent, 2),
            (Status::Cancelled, 1_098),
        ];
        assert_eq!(world.counts().await, expected);
        let none = Filter { statuses: vec![Status::Sent], ..filter };
        assert_eq!(bulk::cancel_many(ctx, &none, false).await.unwrap(), Progress::default());
    }
}

#[tokio::test]
async fn a_cancel_that_died_between_groups_is_finished_by_another_process_and_nothing_twice() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let ctx = &world.ctx;
        world.accept(3_000, draft()).await;
        let operation = interrupted(&world, bulk::cancel_many(ctx, &Filter::default(), false)).await;
        world.counts().await;
        let newer = world.one(draft()).await;

        assert_eq!(bulk::carry_on(ctx).await.unwrap(), 0, "its lease still holds");
        world.pass(TimeDelta::seconds(61));
        let (one, two) = futures::join!(bulk::carry_on(ctx), bulk::carry_on(ctx));
        assert_eq!(one.unwrap() + two.unwrap(), 1);
        let progress = bulk::progress(ctx, operation.id).await.unwrap().unwrap();
        assert_eq!(progress, Progress { done: 3_000, ..Progress::default() }, "{backend:?}");
        assert_eq!(world.status(newer).await, Status::Queued, "it came after the request");
        assert_eq!(world.counts().await, [(Status::Queued, 1), (Status::Cancelled, 3_000)]);
        assert_eq!(bulk::carry_on(ctx).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_retry_that_died_between_groups_is_finished_and_nothing_twice() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let ctx = &world.ctx;
        let ids = world.accept(3_000, draft()).await;
        world.fail(&ids, "no").await;
        let operation = interrupted(&world, bulk::retry_failed(ctx, None, 2_750, false)).await;
        world.pass(TimeDelta::seconds(61));
        until_true("somebody to finish it", Duration::from_secs(120), async || bulk::carry_on(ctx).await.unwrap() == 1)
            .await;
        let progress = bulk::progress(ctx, operation.id).await.unwrap().unwrap();
        assert_eq!(progress, Progress { done: 2_750, remaining: 250, ..Progress::default() }, "{backend:?}");
        assert_eq!(world.counts().await, [(Status::Queued, 2_750), (Status::Failed, 250)]);
    }
}

#[tokio::test]
async fn retrying_takes_the_oldest_up_to_the_limit_and_says_what_remains() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let ctx = &world.ctx;
        let ids = world.accept(5, draft()).await;
        world.fail(&ids, "no").await;
        let other = world.one(Draft { campaign: Some(ctx.clock.id()), ..draft() }).await;
        world.fail(&[other], "no").await;
        let overdue = Draft { deliver_by: Some(ctx.clock.now() + TimeDelta::seconds(90)), ..draft() };
        let overdue = world.one(overdue).await;
        world.fail(&[overdue], "no").await;
        world.pass(TimeDelta::seconds(100));

        let would = bulk::retry_failed(ctx, None, 2, true).await.unwrap();
        assert_eq!(would, Progress { remaining: 7, ..Progress::default() });
        let done = finished(&world, bulk::retry_failed(ctx, None, 2, false).await).await;
        assert_eq!(done, Progress { done: 2, remaining: 5, ..Progress::default() }, "{backend:?}");
        assert_eq!((world.status(ids[1]).await, world.status(ids[2]).await), (Status::Queued, Status::Failed));
        let filter = Filter { campaign: world.email(other).await.campaign_id, ..Filter::default() };
        let done = finished(&world, bulk::retry_failed(ctx, Some(&filter), 100, false).await).await;
        assert_eq!(done, Progress { done: 1, ..Progress::default() });
        let done = finished(&world, bulk::retry_failed(ctx, None, 100, false).await).await;
        assert_eq!(done, Progress { done: 3, remaining: 1, ..Progress::default() }, "one is past its deliverBy");
        assert_eq!(world.status(overdue).await, Status::Failed);
        assert_eq!(world.counts().await, [(Status::Queued, 6), (Status::Failed, 1)]);
    }
}

#[tokio::test]
async fn the_few_that_are_meant_are_found_among_many() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        // More than one group looks at lie before, between and after them.
        let high = Draft { priority: Some(Priority::High), ..draft() };
        for _ in 0..2 {
            world.accept(6_000, draft()).await;
            world.one(high.clone()).await;
        }
        let filter = Filter { priority: Some(Priority::High), ..Filter::default() };
        let done = finished(&world, bulk::cancel_many(&world.ctx, &filter, false).await).await;
        assert_eq!(done, Progress { done: 2, ..Progress::default() }, "{backend:?}");
        assert_eq!(world.counts().await, [(Status::Queued, 12_000), (Status::Cancelled, 2)]);
    }
}

#[tokio::test]
async fn a_stopping_process_leaves_the_rest_to_the_next_at_once() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        world.accept(1_200, draft()).await;
        world.ctx.stop.cancel();
        let left = bulk::cancel_many(&world.ctx, &Filter::default(), false).await.unwrap();
        assert_eq!((left.done, left.remaining, left.operation.is_some()), (500, 700, true), "{backend:?}");
        let next = world.restarted().await;
        let finished = async || bulk::carry_on(&next).await.unwrap() == 1;
        // Much less than a lease.
        until_true("the next to finish it", Duration::from_secs(30), finished).await;
        assert_eq!(world.counts().await, [(Status::Cancelled, 1_200)]);
    }
}

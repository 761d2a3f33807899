//! One email: cancel, retry, reschedule, resolve.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use entity::{Priority, Status};
use jobs::accept::Draft;
use jobs::control;
use jobs::ledger::Name;
use jobs::ledger::Refusal;
use tests::database::Backend;
use uuid::Uuid;

use super::world::{World, draft, later};

#[tokio::test]
async fn cancelling_ends_what_waits_and_asks_what_is_under_way() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let ctx = &world.ctx;
        let queued = world.one(draft()).await;
        let scheduled = world.one(Draft { send_at: later(ctx), ..draft() }).await;
        let sending = world.one(draft()).await;
        world.claim(&[sending]).await;
        let lost = world.one(draft()).await;
        world.lose(&[lost]).await;
        let sent = world.one(draft()).await;
        world.send(&[sent]).await;

        for id in [queued, scheduled, queued] {
            let email = control::cancel(ctx, id).await.unwrap().unwrap();
            assert_eq!((email.status, email.due_at, email.finished_at.is_some()), (Status::Cancelled, None, true));
        }
        for (id, status) in [(sending, Status::Sending), (lost, Status::Unconfirmed)] {
            let email = control::cancel(ctx, id).await.unwrap().unwrap();
            assert_eq!((email.status, email.cancel_requested), (status, true));
        }
        assert_eq!(control::cancel(ctx, sent).await.unwrap(), Err(Refusal::NotCancellable(Name(Status::Sent))));
        assert_eq!(control::cancel(ctx, Uuid::max()).await.unwrap(), Err(Refusal::NotFound));
        let expected = [(Status::Sending, 1), (Status::Unconfirmed, 1), (Status::Sent, 1), (Status::Cancelled, 2)];
        assert_eq!(world.counts().await, expected, "{backend:?}");
    }
}

#[tokio::test]
async fn a_retried_email_is_queued_with_all_its_tries_and_its_lane_is_rung() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let rung = Arc::new(AtomicUsize::new(0));
        let rings = rung.clone();
        let (failed, lost) = (world.one(draft()).await, world.one(draft()).await);
        world.fail(&[failed], "no such mailbox").await;
        world.lose(&[lost]).await;
        world.ctx.hang_bell(Arc::new(move |lane| {
            assert_eq!(lane, Priority::Normal);
            rings.fetch_add(1, Ordering::SeqCst);
        }));

        let email = control::retry(&world.ctx, failed).await.unwrap().unwrap();
        assert_eq!((email.status, email.attempts, email.fence), (Status::Queued, 0, 1));
        assert_eq!(rung.load(Ordering::SeqCst), 1);
        let again = control::retry(&world.ctx, failed).await.unwrap();
        assert_eq!(again, Err(Refusal::NotRetryable(Name(Status::Queued))));
        assert_eq!(control::retry(&world.ctx, lost).await.unwrap(), Err(Refusal::Unconfirmed));
        assert_eq!(world.counts().await, [(Status::Queued, 1), (Status::Unconfirmed, 1)], "{backend:?}");
    }
}

#[tokio::test]
async fn rescheduling_moves_what_waits_and_a_past_time_means_now() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let ctx = &world.ctx;
        let id = world.one(draft()).await;
        let then = ctx.clock.now() + TimeDelta::hours(1);
        let email = control::reschedule(ctx, id, then).await.unwrap().unwrap();
        assert_eq!((email.status, email.due_at, email.send_at), (Status::Scheduled, Some(then), then));
        let before = ctx.clock.now();
        let email = control::reschedule(ctx, id, before - TimeDelta::minutes(4)).await.unwrap().unwrap();
        assert_eq!(email.status, Status::Queued);
        assert!(email.send_at >= before && email.due_at == Some(email.send_at));
        world.claim(&[id]).await;
        let refused = control::reschedule(ctx, id, then).await.unwrap();
        assert_eq!(refused, Err(Refusal::NotReschedulable(Name(Status::Sending))));
        assert_eq!(world.counts().await, [(Status::Sending, 1)], "{backend:?}");
    }
}

#[tokio::test]
async fn a_person_resolves_what_is_unconfirmed_and_nothing_else() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let ctx = &world.ctx;
        let ids = world.accept(3, draft()).await;
        world.lose(&ids[..2]).await;
        let sent = control::resolve(ctx, ids[0], true).await.unwrap().unwrap();
        assert_eq!((sent.status, sent.acceptances), (Status::Sent, 1));
        let again = control::resolve(ctx, ids[1], false).await.unwrap().unwrap();
        assert_eq!(again.status, Status::Queued);
        let refused = control::resolve(ctx, ids[2], true).await.unwrap();
        assert_eq!(refused, Err(Refusal::NotUnconfirmed(Name(Status::Queued))));
        assert_eq!(world.counts().await, [(Status::Queued, 2), (Status::Sent, 1)], "{backend:?}");
    }
}

#[tokio::test]
async fn of_a_claim_and_a_cancel_at_once_one_comes_first() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let ids = world.accept(20, draft()).await;
        let until = world.ctx.clock.now() + TimeDelta::seconds(60);
        let claims = ids.iter().map(|id| {
            let ctx = world.ctx.clone();
            async move {
                use jobs::ledger::{Cause, Move, Shard, apply};
                let tx = ctx.store.begin().await.unwrap();
                let claim = [Move { email: *id, cause: Cause::Claim { until, omitted: None } }];
                let claimed = apply(&tx, &ctx, Shard::Claim, &claim).await.unwrap()[0].is_ok();
                tx.commit().await.unwrap();
                claimed
            }
        });
        let cancels = ids.iter().map(|id| control::cancel(&world.ctx, *id));
        let (claimed, cancelled) =
            futures::join!(futures::future::join_all(claims), futures::future::join_all(cancels));
        for ((id, claimed), cancelled) in ids.iter().zip(claimed).zip(cancelled) {
            let email = cancelled.unwrap().unwrap();
            let expected = if claimed { Status::Sending } else { Status::Cancelled };
            assert_eq!((world.status(*id).await, email.cancel_requested), (expected, claimed), "{backend:?}");
        }
        world.counts().await;
    }
}

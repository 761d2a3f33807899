//! What is cleaned, what is kept, and what the schedules leave behind.

use chrono::TimeDelta;
use entity::{Status, attempt, content, cron_run, idempotency_key, suppression};
use jobs::accept::{Answer, Draft};
use jobs::bulk::{self, Progress};
use jobs::{Context, clean, cron, find, retention, stats};
use sea_orm::{ActiveModelTrait, EntityTrait, PaginatorTrait};
use tests::database::Backend;
use uuid::Uuid;

use super::world::{World, draft};

async fn contents(ctx: &Context) -> Vec<i32> {
    content::Entity::find().all(ctx.store.write()).await.unwrap().iter().map(|c| c.emails).collect()
}

#[tokio::test]
async fn cleaning_moves_counts_to_cleaned_and_the_last_email_takes_its_content_along() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let ctx = &world.ctx;
        let ids: Vec<Uuid> = {
            // One call, one content.
            let drafts = (0..900).map(|i| Draft { to: format!("reader{i}@example.com"), ..draft() }).collect();
            let answers = world.accept.take(Uuid::nil(), drafts).await.unwrap();
            answers.into_iter().map(|a| if let Answer::Accepted(e) = a { e.id } else { panic!("{a:?}") }).collect()
        };
        assert_eq!(contents(ctx).await, [900], "{backend:?}");
        world.send(&ids[..700]).await;
        world.fail(&ids[700..710], "no").await;
        world.pass(TimeDelta::hours(1));
        let then = ctx.clock.now();
        world.send(&ids[710..712]).await;

        let done = bulk::clean(ctx, then).await.unwrap();
        assert_eq!(done, Progress { done: 710, ..Progress::default() }, "{backend:?}");
        assert_eq!(world.counts().await, [(Status::Queued, 188), (Status::Sent, 2)]);
        let ledger = stats::ledger(ctx, None).await.unwrap();
        assert_eq!((ledger.cleaned, ledger.total()), (710, 900));
        assert_eq!(contents(ctx).await, [190]);
        assert_eq!(attempt::Entity::find().count(ctx.store.write()).await.unwrap(), 2);
        assert_eq!(bulk::clean(ctx, then).await.unwrap(), Progress::default(), "there is nothing left to clean");

        world.send(&ids[712..]).await;
        world.pass(TimeDelta::seconds(1));
        bulk::clean(ctx, ctx.clock.now()).await.unwrap();
        assert_eq!(contents(ctx).await, Vec::<i32>::new());
        assert_eq!(world.counts().await, []);
        assert_eq!(stats::ledger(ctx, None).await.unwrap().total(), 900);
    }
}

#[tokio::test]
async fn a_key_outlives_its_email_and_is_forgotten_after_seven_days() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let ctx = &world.ctx;
        let keyed = || vec![Draft { idempotency_key: Some("order 17".into()), ..draft() }];
        let Answer::Accepted(first) = world.accept.take(Uuid::nil(), keyed()).await.unwrap().remove(0) else {
            panic!("a first email")
        };
        world.send(&[first.id]).await;
        world.pass(TimeDelta::days(6));
        bulk::clean(ctx, ctx.clock.now()).await.unwrap();
        assert!(find::email(ctx, first.id).await.unwrap().is_none());
        retention::run(ctx).await.unwrap();
        let again = world.accept.take(Uuid::nil(), keyed()).await.unwrap().remove(0);
        assert!(matches!(again, Answer::Known(id) if id == first.id), "{backend:?}: {again:?}");

        world.pass(TimeDelta::days(1) + TimeDelta::seconds(1));
        let told = retention::run(ctx).await.unwrap();
        assert!(told.contains("1 idempotency keys"), "{told}");
        assert_eq!(idempotency_key::Entity::find().count(ctx.store.write()).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn the_hourly_run_cleans_past_retention_once_across_replicas_and_leaves_a_row() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let ctx = &world.ctx;
        let old = world.accept(2, draft()).await;
        world.send(&old).await;
        world.pass(TimeDelta::days(399));
        let young = world.one(draft()).await;
        world.send(&[young]).await;
        world.pass(TimeDelta::days(2));

        let tick = ctx.clock.now();
        let (one, two) = futures::join!(cron::run_tick(ctx, "retention", tick), cron::run_tick(ctx, "retention", tick));
        let told: Vec<String> = [one, two].into_iter().filter_map(|run| run.unwrap()).collect();
        assert_eq!(told.len(), 1, "{backend:?}: {told:?}");
        assert!(told[0].contains("2 emails"), "{told:?}");
        let runs = cron_run::Entity::find().all(ctx.store.write()).await.unwrap();
        assert_eq!(runs.len(), 1);
        assert_eq!((runs[0].result.as_ref(), runs[0].finished_at.is_some()), (Some(&told[0]), true));
        assert_eq!(world.counts().await, [(Status::Sent, 1)]);

        world.pass(TimeDelta::days(91));
        cron::run_tick(ctx, "retention", ctx.clock.now()).await.unwrap();
        assert_eq!(cron_run::Entity::find().count(ctx.store.write()).await.unwrap(), 1, "the old run is forgotten");
        assert_eq!(cron::run_tick(ctx, "no such thing", tick).await.unwrap(), None);
    }
}

#[tokio::test]
async fn suppressions_that_expired_are_archived_and_no_others() {
    for backend in Backend::ALL {
        let world = World::new(backend).await;
        let ctx = &world.ctx;
        let now = ctx.clock.now();
        for i in 0..1_202 {
            let entry = suppression::Model {
                id: ctx.clock.id(),
                target: format!("reader{i}@example.com"),
                reason: suppression::Reason::Bounce,
                sandbox: true,
                note: None,
                bounce_type: None,
                source: suppression::Source::Manual,
                event_id: None,
                occurred_at: now,
                created_at: now,
                updated_at: now,
                expires_at: match i {
                    0 => None,
                    1 => Some(now + TimeDelta::days(1)),
                    _ => Some(now - TimeDelta::seconds(i)),
                },
                lifted_at: None,
                archived_at: None,
            };
            suppression::ActiveModel::from(entry).reset_all().insert(ctx.store.write()).await.unwrap();
        }
        let told = cron::run_tick(ctx, "clean-suppressions", now).await.unwrap();
        assert_eq!(told.as_deref(), Some("archived 1200 expired suppressions"), "{backend:?}");
        let all = suppression::Entity::find().all(ctx.store.write()).await.unwrap();
        let kept: Vec<_> = all.iter().filter(|s| s.archived_at.is_none()).map(|s| s.target.as_str()).collect();
        assert_eq!(kept.len(), 2, "{kept:?}");
        assert_eq!(clean::suppressions(ctx).await.unwrap(), "archived 0 expired suppressions");
    }
}

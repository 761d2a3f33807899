//! The numbers of events become visible in their order: whoever has read up to one has missed none before it, also when one
//! of two recording processes is held up right before its commit.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jobs::record::{Recorded, Recorder};
use jobs::store::rows;
use sea_orm::{ConnectionTrait, TransactionTrait};
use tests::app::{App, Plan};
use tests::database::{Backend, Postgres};
use tests::patience::{SOON, until_true};
use tests::proxy::Proxy;
use tests::webhook::Told;
use uuid::Uuid;

use super::Post;
use crate::control::world::draft;

on_both! {
    whoever_follows_the_numbers_misses_nothing
}

/// Looks at all numbers until told to stop; panics at a gap.
async fn follow(store: jobs::Store, stop: Arc<AtomicBool>) -> (usize, usize) {
    let (mut looks, mut seen) = (0, BTreeSet::<i64>::new());
    loop {
        let last_look = stop.load(Ordering::SeqCst);
        let after = seen.last().copied().unwrap_or_default();
        let text = "SELECT e.seq FROM email_delivery_events e WHERE e.seq > $1 ORDER BY e.seq";
        for row in rows(store.read(), store.sql(text, [after.into()])).await.unwrap() {
            let seq: i64 = row.try_get("", "seq").unwrap();
            assert_eq!(seq, seen.last().copied().unwrap_or_default() + 1, "a number came after one above it");
            seen.insert(seq);
        }
        looks += 1;
        if last_look {
            return (looks, seen.len());
        }
    }
}

async fn whoever_follows_the_numbers_misses_nothing(backend: Backend) {
    let post = Post::new(backend).await;
    let emails = post.world.accept(20, draft()).await;
    let other = Recorder::start(post.world.restarted().await);
    let stop = Arc::new(AtomicBool::new(false));
    let follower = tokio::spawn(follow(post.world.ctx.store.clone(), stop.clone()));
    let now = post.now();
    let tell = async |recorder: &Recorder| {
        for _ in 0..15 {
            let told = emails.iter().map(|email| Told::new("opened", *email, super::READER, now).webhook());
            for answer in futures::future::join_all(told.map(|webhook| recorder.take(webhook))).await {
                assert!(matches!(answer, Ok(Recorded::Taken { .. })), "{answer:?}");
            }
        }
    };
    tokio::join!(tell(&post.recorder), tell(&other));
    stop.store(true, Ordering::SeqCst);
    let (looks, seen) = follower.await.unwrap();
    assert_eq!(seen, 600);
    assert!(looks > 5, "it looked only {looks} times");
    let last = (*post.recorder.recorded().borrow()).max(*other.recorded().borrow());
    assert_eq!(last, 600, "one of them has told of the last");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_held_up_before_its_commit_holds_back_the_numbers_above_its_own() {
    let post = Post::new(Backend::Postgres).await;
    let other = Recorder::start(post.world.restarted().await);
    // What is about this address stands between its number and its commit until the lock is free.
    let write = post.world.ctx.store.write();
    let body = "BEGIN PERFORM pg_advisory_xact_lock(77); RETURN NEW; END";
    write
        .execute_unprepared(&format!("CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$"))
        .await
        .unwrap();
    let when = "FOR EACH ROW WHEN (NEW.recipient_key = 'slow@example.org') EXECUTE FUNCTION wait()";
    write
        .execute_unprepared(&format!("CREATE TRIGGER wait AFTER INSERT ON email_delivery_events {when}"))
        .await
        .unwrap();
    let gate = write.begin().await.unwrap();
    gate.execute_unprepared("SELECT pg_advisory_xact_lock(77)").await.unwrap();

    let now = post.now();
    let slow = Told::new("delivered", Uuid::nil(), "slow@example.org", now).webhook();
    let recorder = post.recorder.clone();
    let held = tokio::spawn(async move { recorder.take(slow).await });
    let waits = async |what: &str| {
        let text = format!(
            "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = '{what}'"
        );
        let found = rows(write, post.world.ctx.store.sql(text, [])).await.unwrap();
        found[0].try_get::<i64>("", "n").unwrap() > 0
    };
    until_true("the first to hold the clock", SOON, async || waits("advisory").await).await;
    let fast = Told::new("delivered", Uuid::nil(), "fast@example.org", now).webhook();
    let behind = tokio::spawn(async move { other.take(fast).await });
    // For the clock's row, not for a number that is taken twice.
    let queued = async || {
        let text =
            "SELECT count(*) AS n FROM pg_locks l WHERE l.locktype = 'tuple' AND l.relation = 'event_clock'::regclass";
        let found = rows(write, post.world.ctx.store.sql(text, [])).await.unwrap();
        found[0].try_get::<i64>("", "n").unwrap() > 0
    };
    until_true("the second to wait for the clock", SOON, async || waits("transactionid").await && queued().await).await;
    assert!(!held.is_finished() && !behind.is_finished());
    assert!(post.events().await.is_empty(), "nothing is visible above a number that is not");
    gate.commit().await.unwrap();
    let seq = |recorded: jobs::Result<Recorded>| match recorded.unwrap() {
        Recorded::Taken { seq, .. } => seq,
        other => panic!("{other:?}"),
    };
    assert_eq!((seq(held.await.unwrap()), seq(behind.await.unwrap())), (1, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_whose_commit_was_not_heard_of_are_recorded_once() {
    let (proxy, database) = Proxy::before(Backend::Postgres.database().await).await;
    let app = App::start_over(Plan::on(Backend::Postgres).without_workers(), database).await;
    let ids = app.send(50, entity::Priority::Normal).await;
    let recorder = Recorder::start(app.ctx.clone());
    let now = app.ctx.clock.now();
    for _ in 0..3 {
        proxy.lose_commits(1, "UPDATE event_clock");
        let told = ids.iter().enumerate().map(|(i, id)| Told::new("opened", *id, &format!("u{i}@example.org"), now));
        let webhooks: Vec<_> = told.map(|told| told.webhook()).collect();
        let answers = webhooks.into_iter().map(|webhook| recorder.take(webhook));
        for answer in futures::future::join_all(answers).await {
            assert!(matches!(answer, Ok(Recorded::Taken { .. } | Recorded::Repeated)), "{answer:?}");
        }
        assert_eq!(proxy.lost(), 1, "an answer was lost");
    }
    let found = rows(
        app.ctx.store.write(),
        app.ctx.store.sql("SELECT count(*) AS n, max(seq) AS last FROM email_delivery_events", []),
    )
    .await
    .unwrap();
    assert_eq!((found[0].try_get::<i64>("", "n").unwrap(), found[0].try_get::<i64>("", "last").unwrap()), (150, 150));
    let opens =
        rows(app.ctx.store.write(), app.ctx.store.sql("SELECT sum(opens) AS n FROM email_facts", [])).await.unwrap();
    assert_eq!(opens[0].try_get::<i64>("", "n").unwrap(), 150);
    app.assert_ledger_equals_rows().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_a_webhook_is_to_come_again() {
    let server = Postgres::start().await;
    let app = App::start_over(Plan::on(Backend::Postgres).without_workers(), server.database().await).await;
    let recorder = Recorder::start(app.ctx.clone());
    let told = Told::new("delivered", Uuid::nil(), "eve@example.net", app.ctx.clock.now());
    let now = app.ctx.clock.now();
    server.stop().await;
    let away = recorder.take(told.signed(now, "a")).await.unwrap_err();
    assert!(away.is_away(), "{away}");
    server.start_again().await;
    until_true("the webhook to be taken", SOON, async || {
        matches!(recorder.take(told.signed(now, "a")).await, Ok(Recorded::Taken { seq: 1, .. } | Recorded::Repeated))
    })
    .await;
}

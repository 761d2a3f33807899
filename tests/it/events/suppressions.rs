//! Which addresses may be mailed after what Mailgun reported, whatever it reported first.

use chrono::TimeDelta;
use entity::Status;
use entity::suppression::{BounceType, Reason, Source};
use entity::suppression_fact::Model as Fact;
use jobs::accept::{Answer, Draft};
use jobs::suppress::facts;
use tests::database::Backend;
use tests::webhook::Told;
use uuid::Uuid;

use super::{Post, READER};
use crate::control::world::draft;

on_both! {
    what_comes_back_suppresses_as_the_table_says
    a_suppressed_address_is_not_mailed
    an_event_older_than_a_lift_never_suppresses_again
    two_processes_see_each_others_facts
}

fn lift(post: &Post, target: &str, reason: Reason, ago: TimeDelta) -> Fact {
    Fact {
        id: post.world.ctx.clock.id(),
        target: target.into(),
        reason,
        sandbox: true,
        lift: true,
        occurred_at: post.now() - ago,
        recorded_at: post.now(),
        expires_at: None,
        bounce_type: None,
        source: Source::Manual,
        note: None,
        event_id: None,
    }
}

async fn enter(post: &Post, fact: Fact) {
    let tx = post.world.ctx.store.begin().await.unwrap();
    facts::record(&tx, &post.world.ctx, &[fact]).await.unwrap();
    tx.commit().await.unwrap();
}

async fn what_comes_back_suppresses_as_the_table_says(backend: Backend) {
    let post = Post::new(backend).await;
    let emails = post.world.accept(8, draft()).await;
    let at = post.now();
    let reader = |i: usize| format!("reader{i}@example.com");
    let bounce = |i: usize, reason: &str, enhanced: &str| Told::bounced(emails[i], &reader(i), at, reason, enhanced);
    let week = Some(at + TimeDelta::days(7));
    let cases = [
        (bounce(0, "bounce", "5.1.1"), Some((Reason::Bounce, Some(BounceType::Hard), Source::Event, None))),
        (bounce(1, "old", "4.4.2"), Some((Reason::Bounce, Some(BounceType::Soft), Source::Event, week))),
        (bounce(2, "espblock", "5.1.1"), None),
        (bounce(3, "bounce", "5.7.1"), None),
        (bounce(4, "suppress-unsubscribe", ""), Some((Reason::Unsubscribe, None, Source::Provider, None))),
        (Told::new("complained", emails[5], &reader(5), at), Some((Reason::Complaint, None, Source::Event, None))),
        (Told::new("unsubscribed", emails[6], &reader(6), at), Some((Reason::Unsubscribe, None, Source::Event, None))),
        (bounce(7, "bounce", "5.1.1").with("severity", "temporary"), None),
    ];
    for (i, (told, expected)) in cases.into_iter().enumerate() {
        let id = post.take(&told).await;
        let list = post.list(&reader(i)).await;
        let found = list.first().map(|entry| (entry.reason, entry.bounce_type, entry.source, entry.expires_at));
        assert_eq!((found, list.len()), (expected, usize::from(expected.is_some())), "case {i}");
        for entry in list {
            assert_eq!((entry.event_id, entry.occurred_at, entry.lifted_at), (Some(id), at, None));
            assert!(entry.sandbox, "what the sandbox reports binds the sandbox alone");
        }
    }
    assert_eq!(post.metrics().await[&entity::campaign_metrics::Metric::Blocked], 2);
    post.assert_the_numbers_add_up().await;
}

async fn a_suppressed_address_is_not_mailed(backend: Backend) {
    let post = Post::new(backend).await;
    let email = post.world.one(draft()).await;
    post.take(&post.told("unsubscribed", email)).await;
    let to_reader = |transactional| Draft { to: "Reader0@example.com".into(), transactional, ..draft() };
    let drafts = vec![to_reader(false), to_reader(true)];
    let stands: Vec<Status> =
        post.world.accept.take(Uuid::nil(), drafts).await.unwrap().into_iter().map(status).collect();
    assert_eq!(stands, [Status::Suppressed, Status::Queued], "a transactional email passes this one alone");
    post.take(&post.told("complained", email)).await;
    let drafts = vec![to_reader(true)];
    let stands: Vec<Status> =
        post.world.accept.take(Uuid::nil(), drafts).await.unwrap().into_iter().map(status).collect();
    assert_eq!(stands, [Status::Suppressed]);
}

fn status(answer: Answer) -> Status {
    match answer {
        Answer::Accepted(email) => email.status,
        other => panic!("{other:?}"),
    }
}

async fn an_event_older_than_a_lift_never_suppresses_again(backend: Backend) {
    let post = Post::new(backend).await;
    let email = post.world.one(draft()).await;
    let hours = TimeDelta::hours;
    let bounced = |ago| Told::bounced(email, READER, post.now() - ago, "bounce", "5.1.1");
    let blocked = async || post.list(READER).await.iter().any(|entry| entry.active_at(post.now()));

    post.take(&bounced(hours(5))).await;
    assert!(blocked().await);
    enter(&post, lift(&post, READER, Reason::Bounce, hours(4))).await;
    assert!(!blocked().await);
    post.take(&bounced(hours(6))).await;
    assert!(!blocked().await, "it happened before the lift");
    enter(&post, lift(&post, READER, Reason::Complaint, hours(0))).await;
    post.take(&bounced(hours(3))).await;
    assert!(blocked().await, "it happened after the lift of its reason");
    let list = post.list(READER).await;
    assert_eq!(list.len(), 1, "a lift of nothing leaves no entry: {list:?}");

    // A lift that is told before what it lifts.
    let other = "eve@example.net";
    enter(&post, lift(&post, other, Reason::Complaint, hours(1))).await;
    assert!(post.list(other).await.is_empty());
    post.take(&Told::new("complained", Uuid::nil(), other, post.now() - hours(2))).await;
    let list = post.list(other).await;
    assert!(list.len() == 1 && list[0].lifted_at.is_some(), "it stands as history: {list:?}");
}

async fn two_processes_see_each_others_facts(backend: Backend) {
    let post = Post::new(backend).await;
    let other = jobs::record::Recorder::start(post.world.restarted().await);
    let now = post.now();
    for round in 0..10 {
        let target = format!("eve{round}@example.net");
        let soft = Told::bounced(Uuid::nil(), &target, now - TimeDelta::minutes(1), "old", "");
        let hard = Told::bounced(Uuid::nil(), &target, now - TimeDelta::minutes(2), "bounce", "5.1.1");
        let (one, two) = tokio::join!(post.recorder.take(soft.webhook()), other.take(hard.webhook()));
        assert!(one.is_ok() && two.is_ok());
        let list = post.list(&target).await;
        assert_eq!((list.len(), list[0].bounce_type, list[0].expires_at), (1, Some(BounceType::Hard), None));
    }
}

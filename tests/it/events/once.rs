//! Each event has its effect once, however often and whatever way it comes, and a token stands for one event.

use chrono::TimeDelta;
use entity::campaign_metrics::Metric;
use entity::{Status, quarantined_event, webhook_token};
use jobs::event::Quarantine;
use jobs::record::{Recorded, Recorder};
use sea_orm::{EntityTrait, PaginatorTrait};
use tests::database::Backend;
use tests::webhook::Told;

use super::{Post, READER};
use crate::control::world::draft;

on_both! {
    a_webhook_that_comes_again_has_no_further_effect
    a_token_stands_for_one_event
    an_event_is_one_by_whatever_way_it_comes
    an_id_is_another_events_after_a_day
    two_processes_record_an_event_once
    what_is_too_old_or_too_new_is_kept_without_effect_until_the_log_confirms_it
    an_event_that_nobody_can_read_is_kept_as_it_came
}

async fn a_webhook_that_comes_again_has_no_further_effect(backend: Backend) {
    let post = Post::new(backend).await;
    let email = post.world.one(draft()).await;
    let told = post.told("opened", email);
    let now = post.now();
    let first = post.recorder.take(told.signed(now, "a")).await.unwrap();
    assert!(matches!(first, Recorded::Taken { seq: 1, .. }), "{first:?}");
    let again = futures::future::join_all((0..20).map(|_| post.recorder.take(told.signed(now, "a")))).await;
    assert!(again.iter().all(|answer| matches!(answer, Ok(Recorded::Repeated))), "{again:?}");
    // A retry need not be the same to the byte.
    let reworded = Told(told.0.clone()).with("new-field", 1);
    assert_eq!(post.recorder.take(reworded.signed(now, "a")).await.unwrap(), Recorded::Repeated);
    assert_eq!(post.facts(email).await.unwrap().opens, 1);
    assert_eq!(post.events().await.len(), 1);
    post.assert_the_numbers_add_up().await;
}

async fn a_token_stands_for_one_event(backend: Backend) {
    let post = Post::new(backend).await;
    let email = post.world.one(draft()).await;
    let now = post.now();
    let (delivered, complained) = (post.told("delivered", email), post.told("complained", email));
    post.recorder.take(delivered.signed(now, "a")).await.unwrap();
    assert_eq!(post.recorder.take(complained.signed(now, "a")).await.unwrap(), Recorded::TokenReused);
    let other = Told::new("delivered", email, "eve@example.net", now);
    assert_eq!(post.recorder.take(other.signed(now, "a")).await.unwrap(), Recorded::TokenReused);
    assert_eq!(post.world.status(email).await, Status::Delivered);
    assert!(post.list(READER).await.is_empty());
    assert_eq!(post.events().await.len(), 1);
    assert!(matches!(post.recorder.take(complained.signed(now, "b")).await.unwrap(), Recorded::Taken { .. }));

    // Within one group the first binds it.
    let opened: Vec<Told> = (0..30).map(|_| post.told("opened", email)).collect();
    let answers = futures::future::join_all(opened.iter().map(|told| post.recorder.take(told.signed(now, "c")))).await;
    let taken = |answer: &&jobs::Result<Recorded>| matches!(answer, Ok(Recorded::Taken { .. }));
    assert_eq!(answers.iter().filter(taken).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|a| matches!(a, Ok(Recorded::TokenReused))).count(), 29);
    assert_eq!(post.facts(email).await.unwrap().opens, 1);
    post.assert_the_numbers_add_up().await;
}

async fn an_event_is_one_by_whatever_way_it_comes(backend: Backend) {
    let post = Post::new(backend).await;
    let email = post.world.one(draft()).await;
    let by_webhook = post.told("opened", email);
    post.take(&by_webhook).await;
    // The log rounds times, writes addresses as they were given, and another webhook has another token.
    let rounded = by_webhook.0["timestamp"].as_f64().unwrap().round();
    let other = Told(by_webhook.0.clone()).with("timestamp", rounded).with("recipient", "Reader0@EXAMPLE.com");
    assert_eq!(post.recorder.take_log(vec![other.logged()]).await.unwrap(), [Recorded::Repeated]);
    assert_eq!(post.recorder.take(by_webhook.webhook()).await.unwrap(), Recorded::Repeated);

    let by_log = post.told("clicked", email);
    let answers = post.recorder.take_log(vec![by_log.logged(), by_log.logged()]).await.unwrap();
    assert!(matches!(answers[..], [Recorded::Taken { .. }, Recorded::Repeated]), "{answers:?}");
    assert_eq!(post.recorder.take(by_log.webhook()).await.unwrap(), Recorded::Repeated);
    let sources: Vec<_> = post.events().await.into_iter().map(|event| event.source).collect();
    assert_eq!(sources, [entity::delivery_event::Source::Webhook, entity::delivery_event::Source::Reconciled]);
    let facts = post.facts(email).await.unwrap();
    assert_eq!((facts.opens, facts.clicks), (1, 1));
    post.assert_the_numbers_add_up().await;
}

async fn an_id_is_another_events_after_a_day(backend: Backend) {
    let post = Post::new(backend).await;
    let email = post.world.one(draft()).await;
    let at = |hours: i64| {
        let at = post.now() - TimeDelta::hours(hours);
        Told::new("opened", email, READER, at).with("id", "the same")
    };
    // In any order; the last two come in one group.
    for (hours, new) in
        [(30, true), (53, false), (60, true), (90, true), (31, false), (7, false), (5, true), (6, false)]
    {
        let answer = post.recorder.take_log(vec![at(hours).logged()]).await.unwrap()[0];
        assert_eq!(matches!(answer, Recorded::Taken { .. }), new, "{hours} hours ago: {answer:?}");
    }
    let both = post.recorder.take_log(vec![at(120).logged(), at(160).logged(), at(121).logged()]).await.unwrap();
    assert!(matches!(both[..], [Recorded::Taken { .. }, Recorded::Taken { .. }, Recorded::Repeated]), "{both:?}");
    assert_eq!(post.facts(email).await.unwrap().opens, 6);
}

async fn two_processes_record_an_event_once(backend: Backend) {
    let post = Post::new(backend).await;
    let emails = post.world.accept(8, draft()).await;
    let other = Recorder::start(post.world.restarted().await);
    let (now, rounds) = (post.now(), 12);
    let tell = |event: &str| -> Vec<Told> {
        let each = emails.iter().enumerate();
        each.map(|(i, email)| Told::new(event, *email, &format!("reader{i}@example.com"), now)).collect()
    };
    let all = async |recorder: &Recorder, told: &[&Told]| {
        futures::future::join_all(told.iter().map(|told| recorder.take(told.webhook()))).await
    };
    for round in 0..rounds {
        // Both hear of the same emails at the same time: an open each that the other never hears of, and the same ones.
        let (mine, yours) = (tell("opened"), tell("opened"));
        let same: Vec<Told> = ["delivered", "clicked", "complained"].into_iter().flat_map(tell).collect();
        let one: Vec<&Told> = mine.iter().chain(&same).collect();
        let two: Vec<&Told> = yours.iter().chain(&same).collect();
        let (one, two) = tokio::join!(all(&post.recorder, &one), all(&other, &two));
        let taken = |answer: &jobs::Result<Recorded>| matches!(answer, Ok(Recorded::Taken { .. }));
        let (mine, same) = one.split_at(emails.len());
        let (yours, also) = two.split_at(emails.len());
        assert!(mine.iter().chain(yours).all(taken), "round {round}: {mine:?} {yours:?}");
        for (one, two) in same.iter().zip(also) {
            assert!(taken(one) != taken(two), "round {round}: {one:?} {two:?}");
            assert!([one, two].iter().all(|answer| answer.is_ok()), "round {round}: {one:?} {two:?}");
        }
    }
    let seqs: Vec<i64> = post.events().await.iter().map(|event| event.seq).collect();
    let (each, emails) = (i64::from(rounds) * 8, emails.len() as i64);
    assert_eq!(seqs, (1..=each * 5).collect::<Vec<_>>());
    assert_eq!(post.world.counts().await, [(Status::Complained, emails)]);
    let metrics = post.metrics().await;
    assert_eq!((metrics[&Metric::Opened], metrics[&Metric::Clicked]), (each * 2, each));
    assert_eq!((metrics[&Metric::Delivered], metrics[&Metric::UniqueOpened]), (emails, emails));
    post.assert_the_numbers_add_up().await;
}

async fn what_is_too_old_or_too_new_is_kept_without_effect_until_the_log_confirms_it(backend: Backend) {
    let post = Post::new(backend).await;
    let email = post.world.one(draft()).await;
    let now = post.now();
    let kept = async || quarantined_event::Entity::find().count(post.world.ctx.store.write()).await.unwrap();
    let old = Told::new("complained", email, READER, now - TimeDelta::hours(13));
    let late = old.signed(now - TimeDelta::hours(13), "old");
    assert_eq!(post.recorder.take(late.clone()).await.unwrap(), Recorded::Quarantined(Quarantine::TooOld));
    assert_eq!(post.recorder.take(late).await.unwrap(), Recorded::Repeated);
    let new = Told::new("delivered", email, READER, now + TimeDelta::minutes(6));
    let ahead = new.signed(now, "new");
    assert_eq!(post.recorder.take(ahead).await.unwrap(), Recorded::Quarantined(Quarantine::InTheFuture));
    assert_eq!(kept().await, 2);
    assert_eq!(webhook_token::Entity::find().count(post.world.ctx.store.write()).await.unwrap(), 2);
    assert_eq!(post.world.status(email).await, Status::Queued);
    assert!(post.events().await.is_empty() && post.list(READER).await.is_empty());

    let confirmed = post.recorder.take_log(vec![old.logged()]).await.unwrap();
    assert!(matches!(confirmed[..], [Recorded::Taken { seq: 1, .. }]), "{confirmed:?}");
    assert_eq!((post.world.status(email).await, kept().await), (Status::Complained, 1));
    assert_eq!(post.list(READER).await.len(), 1);
    post.assert_the_numbers_add_up().await;
}

async fn an_event_that_nobody_can_read_is_kept_as_it_came(backend: Backend) {
    let post = Post::new(backend).await;
    for (i, odd) in [serde_json::json!([1, 2]), serde_json::json!("words"), serde_json::json!({ "event": "a\u{0}b" })]
        .into_iter()
        .enumerate()
    {
        let odd = Told(odd);
        let now = post.now();
        let answer = post.recorder.take(odd.signed(now, &format!("token {i}"))).await.unwrap();
        assert!(matches!(answer, Recorded::Taken { .. }), "{answer:?}");
        assert_eq!(post.recorder.take(odd.signed(now, &format!("token {i}"))).await.unwrap(), Recorded::Repeated);
    }
    let events = post.events().await;
    assert!(events.iter().all(|event| event.kind == entity::delivery_event::Kind::Unknown && event.email_id.is_none()));
    assert_eq!(events[2].name.as_deref(), Some("a\u{fffd}b"));
}

//! What an event does to its email: proof from every state, copies that prove and change nothing else, and the row that is
//! kept of it.

use chrono::TimeDelta;
use entity::campaign_metrics::Metric;
use entity::delivery_event::{Kind, Source};
use entity::suppression::BounceType;
use entity::{Status, event_seal};
use jobs::accept::Draft;
use jobs::ledger::{Cause, Handed};
use jobs::record::Recorded;
use sea_orm::EntityTrait;
use serde_json::json;
use tests::database::Backend;
use tests::webhook::Told;
use uuid::Uuid;

use super::{Post, READER};
use crate::control::world::{draft, later};

on_both! {
    an_event_proves_acceptance_from_every_state
    a_rejection_ends_what_waits_and_proves_nothing
    an_event_that_overtakes_the_settle_is_the_same_acceptance
    a_copys_events_prove_acceptance_and_change_nothing_else
    people_and_machines_are_counted_apart
    a_row_tells_what_happened_and_its_payload_is_sealed
    events_of_emails_that_are_not_ours_are_kept
    what_is_cleaned_takes_its_facts_along_and_leaves_its_events
}

/// One email in each state that is not accepted.
async fn of_every_state(post: &Post) -> Vec<(Status, Uuid)> {
    let world = &post.world;
    let scheduled = world.one(Draft { send_at: later(&world.ctx), ..draft() }).await;
    let queued = world.one(draft()).await;
    let sending = world.one(draft()).await;
    world.claim(&[sending]).await;
    let lost = world.one(draft()).await;
    world.lose(&[lost]).await;
    let failed = world.one(draft()).await;
    world.fail(&[failed], "no such mailbox").await;
    let mut all = vec![
        (Status::Scheduled, scheduled),
        (Status::Queued, queued),
        (Status::Sending, sending),
        (Status::Unconfirmed, lost),
        (Status::Failed, failed),
    ];
    for (status, cause) in [
        (Status::Cancelled, Cause::Cancel),
        (Status::Suppressed, Cause::Suppress { why: "its address is suppressed".into() }),
        (Status::Expired, Cause::DeadlineOver),
    ] {
        let email = world.one(draft()).await;
        world.apply(&[email], cause).await;
        all.push((status, email));
    }
    for (status, email) in &all {
        assert_eq!(world.status(*email).await, *status);
    }
    all
}

async fn an_event_proves_acceptance_from_every_state(backend: Backend) {
    let post = Post::new(backend).await;
    let all = of_every_state(&post).await;
    for (status, email) in &all {
        post.take(&post.told("accepted", *email)).await;
        let sent = post.world.email(*email).await;
        assert_eq!((sent.status, sent.acceptances, sent.due_at), (Status::Sent, 1, None), "from {}", status.name());
        assert!(sent.sent_at.is_some() && sent.last_error.is_none() && sent.finished_at.is_some());
        post.take(&post.told("delivered", *email)).await;
        assert_eq!(post.world.email(*email).await.acceptances, 1, "an event is no second acceptance");
    }
    assert_eq!(post.world.counts().await, [(Status::Delivered, 8)]);
    assert_eq!(post.metrics().await[&Metric::Sent], 8);
    assert!(jobs::stats::queue(&post.world.ctx).await.unwrap().sent_per_minute > 7.0);
    post.assert_the_numbers_add_up().await;
}

async fn a_rejection_ends_what_waits_and_proves_nothing(backend: Backend) {
    let post = Post::new(backend).await;
    let all = of_every_state(&post).await;
    for (status, email) in &all {
        let rejected = post.told("rejected", *email).with("recipient", json!(null));
        post.take(&rejected.with("reject", json!({ "reason": "not authorized" }))).await;
        let ended = post.world.email(*email).await;
        let expected = match status {
            Status::Cancelled | Status::Suppressed | Status::Expired => *status,
            _ => Status::Failed,
        };
        assert_eq!((ended.status, ended.acceptances, ended.due_at), (expected, 0, None), "from {}", status.name());
        if expected == Status::Failed {
            assert_eq!(ended.last_error.as_deref(), Some("not authorized"));
            let refused = jobs::control::retry(&post.world.ctx, *email).await.unwrap();
            assert_eq!(refused, Err(jobs::ledger::Refusal::Rejected));
        }
    }
    assert!(post.events().await.iter().all(|event| event.recipient_key.as_deref() == Some(READER)));
    assert!(post.list(READER).await.is_empty());
    post.assert_the_numbers_add_up().await;
}

async fn an_event_that_overtakes_the_settle_is_the_same_acceptance(backend: Backend) {
    let post = Post::new(backend).await;
    let email = post.world.one(draft()).await;
    post.world.claim(&[email]).await;
    post.take(&post.told("delivered", email)).await;
    assert_eq!(post.world.status(email).await, Status::Delivered);
    let now = post.now();
    let report = jobs::ledger::Settlement {
        fence: 1,
        doubtful_lease: None,
        handed: Handed::Sent { provider_id: "id@mailgun".into() },
        http_status: Some(200),
        started_at: now,
        finished_at: now,
    };
    for _ in 0..2 {
        post.world.apply(&[email], Cause::Settle(report.clone())).await;
        let settled = post.world.email(email).await;
        assert_eq!((settled.status, settled.acceptances, settled.heard), (Status::Delivered, 1, false));
        assert_eq!(settled.provider_id.as_deref(), Some("id@mailgun"));
    }
    assert_eq!(post.metrics().await[&Metric::Sent], 1);
    post.assert_the_numbers_add_up().await;
}

async fn a_copys_events_prove_acceptance_and_change_nothing_else(backend: Backend) {
    let post = Post::new(backend).await;
    let copy = "copy@example.net";
    let email = post.world.one(Draft { cc: vec![copy.into()], ..draft() }).await;
    post.world.lose(&[email]).await;
    let at = post.now();
    post.take(&Told::bounced(email, copy, at, "bounce", "5.1.1")).await;
    let sent = post.world.email(email).await;
    assert_eq!((sent.status, sent.acceptances, sent.last_error), (Status::Sent, 1, None));
    for event in ["delivered", "opened", "clicked", "complained", "unsubscribed", "rejected"] {
        post.take(&Told::new(event, email, copy, at)).await;
    }
    assert_eq!(post.world.status(email).await, Status::Sent);
    assert_eq!(post.facts(email).await, None);
    assert_eq!(post.metrics().await, [(Metric::Sent, 1)].into());
    assert_eq!(post.list(copy).await.len(), 3, "bounce, complaint and unsubscribe are the copy's own");
    assert!(post.list(READER).await.is_empty());
    assert!(post.events().await.iter().all(|event| event.copy && event.email_id == Some(email)));
    post.assert_the_numbers_add_up().await;
}

async fn people_and_machines_are_counted_apart(backend: Backend) {
    let post = Post::new(backend).await;
    let campaign = Some(Uuid::from_u128(5));
    let email = post.world.one(Draft { campaign, ..draft() }).await;
    post.world.send(&[email]).await;
    let at = post.now();
    let bot = |bot: &str| json!({ "client-name": "Mail", "bot": bot });
    // The second is the first to have happened, in the hour before.
    for (minutes, who) in [(1, "apple"), (130, "apple"), (2, ""), (140, ""), (70, "")] {
        let told = Told::new("opened", email, READER, at - TimeDelta::minutes(minutes));
        post.take(&told.with("client-info", bot(who))).await;
    }
    post.take(&post.told("clicked", email).with("client-info", bot("generic"))).await;
    let facts = post.facts(email).await.unwrap();
    assert_eq!((facts.opens, facts.machine_opens, facts.clicks, facts.machine_clicks), (3, 2, 0, 1));
    assert_eq!(facts.opened_at, Some(at - TimeDelta::minutes(140)));
    assert_eq!(facts.machine_opened_at, Some(at - TimeDelta::minutes(130)));
    assert_eq!((facts.clicked_at, facts.delivered_at), (None, None));
    assert_eq!(post.world.status(email).await, Status::Delivered);
    let expected = [
        (Metric::Sent, 1),
        (Metric::Opened, 3),
        (Metric::UniqueOpened, 1),
        (Metric::MachineOpened, 2),
        (Metric::UniqueMachineOpened, 1),
        (Metric::MachineClicked, 1),
        (Metric::UniqueMachineClicked, 1),
    ];
    assert_eq!(post.metrics().await, expected.into());
    let all = entity::campaign_metrics::Entity::find().all(post.world.ctx.store.write()).await.unwrap();
    let unique: Vec<_> = all.iter().filter(|row| row.metric == Metric::UniqueOpened && row.n != 0).collect();
    assert_eq!(unique.len(), 1, "an email is counted in one hour: {unique:?}");
    assert_eq!(unique[0].hour, jobs::metric::hour(at - TimeDelta::minutes(140)));
    post.assert_the_numbers_add_up().await;
}

async fn a_row_tells_what_happened_and_its_payload_is_sealed(backend: Backend) {
    let post = Post::new(backend).await;
    let campaign = Some(Uuid::from_u128(5));
    let email = post.world.one(Draft { campaign, ..draft() }).await;
    let at = post.now() - TimeDelta::seconds(3);
    let told = Told::bounced(email, "Reader0@Example.COM", at, "bounce", "5.1.1").with("a-new-field", "kept");
    let body = told.body(at, "token");
    let id = match post.recorder.take(told.signed(at, "token")).await.unwrap() {
        Recorded::Taken { seq: 1, id } => id,
        other => panic!("{other:?}"),
    };
    let event = post.events().await.remove(0);
    assert_eq!((event.seq, event.id, event.kind, event.source), (1, id, Kind::Bounced, Source::Webhook));
    assert_eq!((event.email_id, event.campaign_id, event.copy), (Some(email), campaign, false));
    assert_eq!(event.recipient_key.as_deref(), Some(READER));
    assert_eq!(event.domain.as_deref(), Some(tests::webhook::DOMAIN));
    assert_eq!((event.occurred_at, event.bounce_type), (at, Some(BounceType::Hard)));
    assert_eq!((event.smtp_code, event.enhanced_code.as_deref()), (Some(550), Some("5.1.1")));
    assert_eq!((event.reason.as_deref(), event.message.as_deref()), (Some("bounce"), Some("the server's words")));
    assert!(!event.raw.windows(6).any(|bytes| bytes == b"reader"), "nobody reads it without the key");

    let ctx = &post.world.ctx;
    let seal = event_seal::Entity::find_by_id(event.seal_id).one(ctx.store.write()).await.unwrap().unwrap();
    let wrapped = entity::sealed::Wrapped { key_id: seal.key_id, wrapped: seal.wrapped_key };
    let key = ctx.keyring.unwrap(&wrapped, event_seal::TABLE, seal.id).unwrap();
    let raw = key.open(entity::delivery_event::TABLE, event.id, "raw", &event.raw).unwrap();
    assert_eq!(raw, body);
    assert_eq!(post.world.email(email).await.last_error.as_deref(), Some("bounce: 550 the server's words"));
}

async fn events_of_emails_that_are_not_ours_are_kept(backend: Backend) {
    let post = Post::new(backend).await;
    let foreign = Uuid::from_u128(99);
    post.take(&Told::new("delivered", foreign, "eve@example.net", post.now())).await;
    post.take(&Told::bounced(foreign, "eve@example.net", post.now(), "bounce", "5.1.1")).await;
    let events = post.events().await;
    assert!(events.iter().all(|event| event.email_id.is_none() && event.campaign_id.is_none() && !event.copy));
    assert_eq!(post.list("eve@example.net").await.len(), 1, "an address that is dead is dead for us as well");
    assert!(post.metrics().await.is_empty());
}

async fn what_is_cleaned_takes_its_facts_along_and_leaves_its_events(backend: Backend) {
    let post = Post::new(backend).await;
    let email = post.world.one(draft()).await;
    post.take(&post.told("opened", email)).await;
    post.recorder.take(post.told("opened", email).signed(post.now() - TimeDelta::hours(13), "old")).await.unwrap();
    post.world.pass(TimeDelta::days(31));
    let done = jobs::retention::run(&post.world.ctx).await.unwrap();
    assert!(done.contains("2 webhook tokens, 1 unconfirmed events"), "{done}");
    assert_eq!(jobs::bulk::clean(&post.world.ctx, post.now()).await.unwrap().done, 1);
    assert_eq!((post.facts(email).await, post.events().await.len()), (None, 1));
    assert_eq!(jobs::record::replay(&post.world.ctx, 0).await.unwrap().map(|replayed| replayed.changes.len()), Some(0));
    post.take(&post.told("clicked", email)).await;
    assert_eq!(post.events().await[1].email_id, None);
    tests::ledger::assert_ledger_equals_rows(&post.world.ctx).await;
}

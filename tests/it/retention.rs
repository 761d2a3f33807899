//! What goes when its time is over, what stays, and that nobody is kept waiting by it.

use std::time::Duration;

use chrono::TimeDelta;
use entity::{Priority, Status, content, event_key, event_seal, quarantined_event, recipient};
use jobs::accept::{Answer, Draft};
use jobs::campaign::launch;
use jobs::filter::Order;
use jobs::find::{self, Page, events};
use jobs::ledger::Refusal;
use jobs::retention::{self, Periods, RULES};
use jobs::store::{execute, rows};
use jobs::{Settings, control};
use sea_orm::{EntityTrait, PaginatorTrait};
use tests::app::{App, Plan};
use tests::database::Backend;
use tests::ledger::assert_ledger_equals_rows;
use tests::patience::SOON;
use uuid::Uuid;

use crate::campaigns::{emails, executing, expanded, filled, recipients_of};
use crate::control::world::{World, draft};
use crate::events::Post;

on_both! {
    a_body_goes_after_its_time_and_the_life_of_its_email_stays
    what_was_not_finished_in_time_keeps_its_body_until_it_is
    a_campaigns_content_stays_and_what_it_knew_of_each_recipient_goes
    payloads_go_before_their_events_and_their_keys_with_them
    the_first_events_go_and_whoever_stood_among_them_is_told
    no_event_goes_before_an_earlier_one
    what_is_set_is_what_is_kept
    the_queue_goes_on_meanwhile
}

async fn contents(world: &World) -> Vec<i32> {
    let all = content::Entity::find().all(world.ctx.store.write()).await.unwrap();
    all.iter().map(|content| content.emails).collect()
}

async fn a_body_goes_after_its_time_and_the_life_of_its_email_stays(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    // One call, one content.
    let drafts = (0..700).map(|i| Draft { to: format!("reader{i}@example.com"), ..draft() }).collect();
    let answers = world.accept.take(Uuid::nil(), drafts).await.unwrap();
    let ids: Vec<Uuid> =
        answers.into_iter().map(|a| if let Answer::Accepted(e) = a { e.id } else { panic!("{a:?}") }).collect();
    world.send(&ids[..600]).await;
    world.fail(&ids[600..601], "no").await;
    world.pass(TimeDelta::days(29));
    let told = retention::run(ctx).await.unwrap();
    assert!(!told.contains("bodies"), "{told}");
    assert_eq!(contents(&world).await, [700]);

    world.pass(TimeDelta::days(2));
    let told = retention::run(ctx).await.unwrap();
    assert!(told.contains("601 bodies"), "{told}");
    assert_eq!(contents(&world).await, [99], "those that wait have theirs");
    let sent = world.email(ids[0]).await;
    assert_eq!((sent.status, sent.content_id), (Status::Sent, Uuid::nil()));
    assert_eq!(sent.content_deleted_at.map(|at| at <= ctx.clock.now()), Some(true));
    assert_eq!(find::attempts(ctx, &ids[..1]).await.unwrap()[&ids[0]].len(), 1, "what became of it is still told");
    assert!(find::contents(ctx, &[sent.content_id]).await.unwrap().is_empty());
    assert_eq!(control::retry(ctx, ids[600]).await.unwrap(), Err(Refusal::ContentGone));
    assert_eq!(world.status(ids[600]).await, Status::Failed);

    // An email that goes later takes no content along a second time.
    world.pass(TimeDelta::days(370));
    retention::run(ctx).await.unwrap();
    assert_eq!(contents(&world).await, [99]);
    assert_eq!(world.counts().await, [(Status::Queued, 99)]);
    let standing = retention::standing(ctx).await.unwrap();
    let bodies = standing.iter().find(|standing| standing.rule.name == "bodies").unwrap();
    let run = bodies.run.as_ref().unwrap();
    assert_eq!((run.removed, run.total, run.ran_at), (0, 601, Some(run.ran_at.unwrap())));
    assert_eq!(standing.len(), RULES.len());
}

async fn what_was_not_finished_in_time_keeps_its_body_until_it_is(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let late = world.one(Draft { send_at: Some(ctx.clock.now() + TimeDelta::days(40)), ..draft() }).await;
    let waiting = world.one(draft()).await;
    world.pass(TimeDelta::days(35));
    retention::run(ctx).await.unwrap();
    world.send(&[waiting]).await;
    world.pass(TimeDelta::days(29));
    retention::run(ctx).await.unwrap();
    assert_eq!(contents(&world).await, [1, 1], "neither has been finished for long enough");
    world.pass(TimeDelta::days(2));
    retention::run(ctx).await.unwrap();
    assert!(world.email(waiting).await.content_deleted_at.is_some());
    assert!(world.email(late).await.content_deleted_at.is_none());
    let cancelled = control::cancel(ctx, late).await.unwrap().unwrap();
    assert_eq!(cancelled.status, Status::Cancelled);
    // It is looked at again when it may have been finished for long enough, and by then it goes.
    for _ in 0..3 {
        world.pass(TimeDelta::days(31));
        retention::run(ctx).await.unwrap();
    }
    assert!(world.email(late).await.content_deleted_at.is_some());
    assert_eq!(contents(&world).await, Vec::<i32>::new());
    let text = "SELECT l.email_id FROM retention_later l";
    assert!(rows(ctx.store.write(), ctx.store.sql(text, [])).await.unwrap().is_empty(), "nothing is left to look at");
    assert_ledger_equals_rows(ctx).await;
}

async fn a_campaigns_content_stays_and_what_it_knew_of_each_recipient_goes(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let campaign = filled(ctx, 5).await;
    launch(ctx, campaign, None).await.unwrap().unwrap();
    let executor = executing(ctx);
    expanded(ctx, campaign).await;
    drop(executor);
    let ids: Vec<Uuid> = emails(ctx, campaign).await.iter().map(|email| email.id).collect();
    world.send(&ids[..3]).await;
    world.pass(TimeDelta::days(31));
    retention::run(ctx).await.unwrap();
    let known = |all: Vec<recipient::Model>| all.iter().filter(|one| one.variables.is_some()).count();
    assert_eq!(known(recipients_of(ctx, campaign).await), 2, "those that wait are still to be written to");
    let text = "SELECT c.emails FROM email_contents c WHERE c.id = (SELECT k.content_id FROM campaigns k)";
    let found = rows(ctx.store.write(), ctx.store.sql(text, [])).await.unwrap();
    assert_eq!(found[0].try_get::<i32>("", "emails").unwrap(), 3, "two emails and the campaign");
    world.send(&ids[3..]).await;
    world.pass(TimeDelta::days(370));
    retention::run(ctx).await.unwrap();
    assert_eq!(known(recipients_of(ctx, campaign).await), 0);
    let found = rows(ctx.store.write(), ctx.store.sql(text, [])).await.unwrap();
    assert_eq!(found[0].try_get::<i32>("", "emails").unwrap(), 1, "the campaign itself");
    assert_ledger_equals_rows(ctx).await;
}

async fn payloads_go_before_their_events_and_their_keys_with_them(backend: Backend) {
    let post = Post::new(backend).await;
    let (world, ctx) = (&post.world, &post.world.ctx);
    let email = world.one(draft()).await;
    post.take(&post.told("delivered", email)).await;
    post.recorder.take(post.told("opened", email).signed(post.now() - TimeDelta::hours(13), "old")).await.unwrap();
    world.pass(TimeDelta::days(4));
    post.take(&post.told("opened", email)).await;
    world.pass(TimeDelta::days(4));
    let told = retention::run(ctx).await.unwrap();
    assert!(told.contains("2 webhooks"), "an event's and one in quarantine: {told}");
    let events = post.events().await;
    assert_eq!(events.iter().map(|event| event.raw.len() > 40).collect::<Vec<_>>(), [false, true]);
    let kept = quarantined_event::Entity::find().all(ctx.store.write()).await.unwrap();
    assert!(kept[0].raw.len() < 40);
    assert_eq!(event_seal::Entity::find().count(ctx.store.write()).await.unwrap(), 1, "the younger payload's key");
    // The one is read again, the other stays as it was read.
    let replayed = jobs::record::replay(ctx, 0).await.unwrap().unwrap();
    assert_eq!((replayed.read, replayed.changes, replayed.seq), (1, vec![], 2));
    world.pass(TimeDelta::days(4));
    retention::run(ctx).await.unwrap();
    assert_eq!(event_seal::Entity::find().count(ctx.store.write()).await.unwrap(), 0);
    assert_eq!((post.events().await.len(), world.email(email).await.status), (2, Status::Delivered));
    post.assert_the_numbers_add_up().await;
}

async fn the_first_events_go_and_whoever_stood_among_them_is_told(backend: Backend) {
    let post = Post::new(backend).await;
    let (world, ctx) = (&post.world, &post.world.ctx);
    let email = world.one(draft()).await;
    for _ in 0..3 {
        post.take(&post.told("opened", email)).await;
    }
    world.pass(TimeDelta::days(300));
    let young = world.one(draft()).await;
    post.take(&post.told("delivered", young)).await;
    world.pass(TimeDelta::days(101));
    let told = retention::run(ctx).await.unwrap();
    assert!(told.contains("3 events"), "{told}");
    assert_eq!(post.events().await.iter().map(|event| event.seq).collect::<Vec<_>>(), [4]);
    assert_eq!(event_key::Entity::find().count(ctx.store.write()).await.unwrap(), 1);
    for (seq, kept) in [(0, false), (2, false), (3, true), (4, true)] {
        assert_eq!(events::is_kept(ctx, seq).await.unwrap(), kept, "{seq}");
    }
    let page = Page::First { n: 10, after: None };
    let rest = events::page(ctx, &events::Filter::default(), page, Order::Descending).await.unwrap();
    assert_eq!(rest.items.len(), 1);
    assert_eq!(
        post.metrics().await.values().sum::<i64>(),
        3 + 1 + 1 + 2,
        "opens, one unique, deliveries: none is taken back"
    );
}

async fn no_event_goes_before_an_earlier_one(backend: Backend) {
    let post = Post::new(backend).await;
    let (world, ctx) = (&post.world, &post.world.ctx);
    let email = world.one(draft()).await;
    for _ in 0..3 {
        post.take(&post.told("opened", email)).await;
    }
    // Recordings that were under way together may stand in another order than their times.
    let text = "UPDATE email_delivery_events SET recorded_at = $1 WHERE seq = 2";
    let later = ctx.clock.now() + TimeDelta::days(2);
    execute(ctx.store.write(), ctx.store.sql(text, [later.into()])).await.unwrap();
    world.pass(TimeDelta::days(401));
    retention::run(ctx).await.unwrap();
    let payloads: Vec<_> = post.events().await.iter().map(|event| (event.seq, event.raw.len() > 40)).collect();
    assert_eq!(payloads, [(2, false), (3, false)], "numbers have no gaps");
    world.pass(TimeDelta::days(2));
    retention::run(ctx).await.unwrap();
    assert!(post.events().await.is_empty());
    assert!(events::is_kept(ctx, 3).await.unwrap() && !events::is_kept(ctx, 2).await.unwrap());
}

async fn what_is_set_is_what_is_kept(backend: Backend) {
    let periods = Periods { bodies: TimeDelta::hours(2), tokens: TimeDelta::hours(14), ..Periods::default() };
    let world = World::with(backend, Settings { retention: periods, ..Settings::default() }).await;
    let id = world.one(draft()).await;
    world.send(&[id]).await;
    world.pass(TimeDelta::hours(1));
    retention::run(&world.ctx).await.unwrap();
    assert!(world.email(id).await.content_deleted_at.is_none());
    world.pass(TimeDelta::hours(2));
    retention::run(&world.ctx).await.unwrap();
    assert!(world.email(id).await.content_deleted_at.is_some());
    let standing = retention::standing(&world.ctx).await.unwrap();
    let after = |name: &str| standing.iter().find(|standing| standing.rule.name == name).unwrap().after;
    assert_eq!((after("bodies"), after("webhook tokens")), (TimeDelta::hours(2), TimeDelta::hours(14)));
}

async fn the_queue_goes_on_meanwhile(backend: Backend) {
    // Whatever is finished has had its time.
    let periods = Periods { bodies: TimeDelta::zero(), webhooks: TimeDelta::zero(), ..Periods::default() };
    let app = App::start(Plan::on(backend).set(|settings| settings.retention = periods)).await;
    let old = app.send(1_200, Priority::Normal).await;
    app.await_all(&old, Status::Sent, SOON * 2).await;
    let (told, ()) = futures::join!(retention::run(&app.ctx), async {
        let new = app.send(200, Priority::High).await;
        app.await_all(&new, Status::Sent, SOON * 2).await;
    });
    assert!(told.as_ref().unwrap().contains("bodies"), "{told:?}");
    assert!(app.emails(&old).await.iter().all(|email| email.content_deleted_at.is_some()));
    assert_ledger_equals_rows(&app.ctx).await;
}

/// Whoever holds what is still to be sent, and the clock of events, keeps retention from nothing.
#[tokio::test]
async fn retention_asks_for_no_row_of_what_waits() {
    let post = Post::new(Backend::Postgres).await;
    let (world, ctx) = (&post.world, &post.world.ctx);
    let ids = world.accept(20, draft()).await;
    world.send(&ids[..10]).await;
    for id in &ids[..10] {
        post.take(&post.told("delivered", *id)).await;
    }
    world.pass(TimeDelta::days(401));
    let young = world.accept(10, draft()).await;
    let tx = ctx.store.begin().await.unwrap();
    for text in [
        "SELECT q.id FROM email_queue q WHERE q.finished_at IS NULL FOR UPDATE",
        "SELECT c.seq FROM event_clock c FOR UPDATE",
        "SELECT l.lane FROM email_lanes l FOR UPDATE",
    ] {
        execute(&tx, ctx.store.sql(text, [])).await.unwrap();
    }
    // Less than PostgreSQL's own limit for a lock, so that nobody can have waited for it.
    let told = tokio::time::timeout(Duration::from_secs(15), retention::run(ctx)).await.expect("it waits for nobody");
    let told = told.unwrap();
    assert!(told.contains("10 bodies") && told.contains("10 events") && told.contains("10 emails"), "{told}");
    tx.rollback().await.unwrap();
    world.send(&young).await;
    assert_eq!(world.counts().await, [(Status::Queued, 10), (Status::Sent, 10)]);
}

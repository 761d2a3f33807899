//! What becomes of emails to whom is entered: those that wait, those under way, and through the death of a process in between.

use std::time::Duration;

use entity::suppression::Reason;
use entity::{Status, bulk_operation, email};
use jobs::accept::{Answer, Draft};
use jobs::bulk;
use jobs::send::claim::{Claims, claim};
use jobs::store::Dialect;
use jobs::suppress::{enter, lift};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use tests::database::Backend;
use uuid::Uuid;

use super::entry;
use crate::control::world::{World, draft, later};

on_both! {
    what_waits_ends_and_what_is_under_way_is_named
    a_whole_domain_is_bound_and_its_subdomains_are_not
    what_a_recipient_asked_for_passes_an_unsubscribe
    a_claim_that_began_before_is_waited_for_and_named
    the_gate_holds_from_the_commit_on
    a_killed_process_leaves_the_rest_to_another
    a_dry_run_changes_nothing
    ten_thousand_are_entered_in_seconds
}

/// Emails to one address: so many like this.
async fn to(world: &World, address: &str, n: usize, like: Draft) -> Vec<Uuid> {
    let mut ids = Vec::with_capacity(n);
    for start in (0..n).step_by(500) {
        let drafts = (start..n.min(start + 500)).map(|_| Draft { to: address.into(), ..like.clone() }).collect();
        for answer in world.accept.take(Uuid::nil(), drafts).await.unwrap() {
            let Answer::Accepted(email) = answer else { panic!("{answer:?}") };
            ids.push(email.id);
        }
    }
    ids
}

fn ids(emails: &[email::Model]) -> Vec<Uuid> {
    emails.iter().map(|email| email.id).collect()
}

async fn what_waits_ends_and_what_is_under_way_is_named(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let emails = to(&world, "Ann@example.com", 1_203, draft()).await;
    let scheduled = to(&world, "ann@example.com", 1, Draft { send_at: later(ctx), ..draft() }).await[0];
    world.send(&emails[..1]).await;
    world.claim(&emails[1..2]).await;
    world.lose(&emails[2..3]).await;
    let other = world.one(draft()).await;

    let (stands, done) = enter::suppress(ctx, entry("ann@EXAMPLE.com", Reason::Manual)).await.unwrap();
    assert_eq!((stands.target.as_str(), stands.active_at(ctx.clock.now())), ("ann@example.com", true));
    assert_eq!((done.waiting.done, done.waiting.remaining, done.waiting.operation), (1_201, 0, None));
    assert_eq!(ids(&done.in_flight), emails[1..3]);
    assert_eq!(world.status(scheduled).await, Status::Suppressed);
    assert_eq!(world.email(scheduled).await.last_error.as_deref(), Some("its address is suppressed by hand"));
    assert_eq!(world.status(other).await, Status::Queued);
    let again = enter::suppress(ctx, entry("ann@example.com", Reason::Manual)).await.unwrap().1;
    assert_eq!((again.waiting.done, ids(&again.in_flight)), (0, emails[1..3].to_vec()), "told again when asked again");
    world.counts().await;
}

async fn a_whole_domain_is_bound_and_its_subdomains_are_not(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    world.accept(700, draft()).await;
    let sub = to(&world, "ann@sub.example.com", 1, draft()).await[0];
    let ending = to(&world, "ann@myexample.com", 1, draft()).await[0];
    let claimed = to(&world, "zoe@example.com", 1, draft()).await;
    world.claim(&claimed).await;
    let done = enter::suppress(ctx, entry("Example.com", Reason::Manual)).await.unwrap().1;
    assert_eq!((done.waiting.done, ids(&done.in_flight)), (700, claimed));
    assert_eq!((world.status(sub).await, world.status(ending).await), (Status::Queued, Status::Queued));
    let new = to(&world, "new@example.com", 1, draft()).await[0];
    assert_eq!(world.email(new).await.last_error.as_deref(), Some("its domain is suppressed by hand"));
    let state = jobs::suppress::state::state(ctx, "new@example.com").await.unwrap();
    assert_eq!((state.by.len(), state.by[0].target.as_str(), state.history.len()), (1, "example.com", 1));
}

async fn what_a_recipient_asked_for_passes_an_unsubscribe(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let receipts = to(&world, "ann@example.com", 2, Draft { transactional: true, ..draft() }).await;
    let news = to(&world, "ann@example.com", 1, draft()).await[0];
    world.claim(&receipts[..1]).await;
    let done = enter::suppress(ctx, entry("ann@example.com", Reason::Unsubscribe)).await.unwrap().1;
    assert_eq!((done.waiting.done, done.waiting.remaining, done.in_flight.len()), (1, 0, 0));
    assert_eq!((world.status(news).await, world.status(receipts[1]).await), (Status::Suppressed, Status::Queued));
    let done = enter::suppress(ctx, entry("ann@example.com", Reason::Complaint)).await.unwrap().1;
    assert_eq!((done.waiting.done, ids(&done.in_flight)), (1, receipts[..1].to_vec()));
}

/// A claim's transaction has the row and has not committed: it was before the entry, and is waited for.
async fn a_claim_that_began_before_is_waited_for_and_named(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = world.ctx.clone();
    let email = to(&world, "ann@example.com", 1, draft()).await[0];
    let tx = ctx.store.begin().await.unwrap();
    let claimed = "UPDATE email_queue SET status = 2, fence = 1, lease_until = $1 WHERE id = $2";
    let until = ctx.clock.now() + chrono::TimeDelta::minutes(1);
    tx.execute_raw(ctx.store.sql(claimed, [until.into(), email.into()])).await.unwrap();
    let asked = tokio::spawn({
        let ctx = ctx.clone();
        async move { enter::suppress(&ctx, entry("ann@example.com", Reason::Manual)).await.unwrap().1 }
    });
    if ctx.store.dialect() == Dialect::Postgres {
        // It has committed the entry and waits for the row.
        let stands = async || {
            let found = entity::suppression::Entity::find().count(ctx.store.read()).await.unwrap();
            (found == 1).then_some(())
        };
        tests::patience::until("the entry to be stored", tests::patience::SOON, stands).await;
    }
    assert!(!asked.is_finished());
    tx.commit().await.unwrap();
    let done = tokio::time::timeout(Duration::from_secs(20), asked).await.unwrap().unwrap();
    assert_eq!((done.waiting.done, ids(&done.in_flight)), (0, vec![email]));
}

async fn the_gate_holds_from_the_commit_on(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let email = to(&world, "ann@example.com", 1, draft()).await[0];
    let free = to(&world, "bob@example.com", 1, draft()).await[0];
    // Nobody has moved the email: the entry alone stands.
    let tx = ctx.store.begin().await.unwrap();
    let fact = entity::suppression_fact::Model {
        id: ctx.clock.id(),
        target: "ann@example.com".into(),
        reason: Reason::Manual,
        sandbox: true,
        lift: false,
        occurred_at: ctx.clock.now(),
        recorded_at: ctx.clock.now(),
        expires_at: None,
        bounce_type: None,
        source: entity::suppression::Source::Manual,
        note: None,
        event_id: None,
    };
    jobs::suppress::facts::record(&tx, ctx, &[fact]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(world.status(email).await, Status::Queued);
    let Claims::Stored(claimed) = claim(ctx, &[email, free]).await.unwrap() else { panic!("the database answers") };
    assert_eq!(claimed.iter().map(|claimed| claimed.row.id).collect::<Vec<_>>(), [free]);
    assert_eq!(world.status(email).await, Status::Suppressed);
}

async fn a_killed_process_leaves_the_rest_to_another(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let emails = to(&world, "ann@example.com", 3_000, draft()).await;
    // Where a row can be locked, the second group waits for one of its own.
    let held = match ctx.store.dialect() {
        Dialect::Postgres => {
            let tx = ctx.store.begin().await.unwrap();
            let lock = "SELECT id FROM email_queue WHERE id = $1 FOR UPDATE";
            tx.execute_raw(ctx.store.sql(lock, [emails[700].into()])).await.unwrap();
            Some(tx)
        }
        Dialect::Sqlite => None,
    };
    let begun = async {
        let seen = async || bulk_operation::Entity::find().one(ctx.store.read()).await.unwrap();
        while seen().await.is_none_or(|operation| operation.done == 0) {}
    };
    tokio::select! {
        done = enter::suppress(ctx, entry("ann@example.com", Reason::Manual)) => panic!("it came to its end: {done:?}"),
        () = begun => {}
    }
    if let Some(held) = held {
        held.rollback().await.unwrap();
    }
    // Its last transaction is rolled back in its own time.
    let tx = ctx.store.begin().await.unwrap();
    let lock = format!("SELECT id FROM bulk_operations {}", ctx.store.for_update());
    tx.execute_raw(ctx.store.sql(lock, [])).await.unwrap();
    tx.commit().await.unwrap();
    let waiting = email::Entity::find().filter(email::Column::Status.eq(Status::Queued));
    let left: Vec<Uuid> = ids(&waiting.order_by_asc(email::Column::Id).all(ctx.store.write()).await.unwrap());
    assert!(left.len() > 500 && left.len() < 3_000, "{} are left", left.len());
    let Claims::Stored(claimed) = claim(ctx, &left[left.len() - 5..]).await.unwrap() else { panic!("it answers") };
    assert!(claimed.is_empty(), "none of them is handed over meanwhile");

    let next = world.restarted().await;
    next.clock.align(next.clock.now() + chrono::TimeDelta::seconds(61));
    assert_eq!(bulk::carry_on(&next).await.unwrap(), 1);
    assert_eq!(world.counts().await, [(Status::Suppressed, 3_000)]);
}

async fn a_dry_run_changes_nothing(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    world.accept(600, draft()).await;
    world.claim(&to(&world, "reader0@example.com", 1, draft()).await).await;
    let entries = [
        entry("reader0@example.com", Reason::Manual),
        entry("READER0@example.com", Reason::Manual),
        entry("reader1@example.com", Reason::Bounce),
        entry("nobody@example.org", Reason::Manual),
    ];
    let would = enter::would_suppress(ctx, &entries).await.unwrap();
    assert_eq!((would.entered, would.waiting.remaining, would.in_flight.len()), (3, 2, 1));
    let would = enter::would_suppress(ctx, &[entry("example.com", Reason::Manual)]).await.unwrap();
    assert_eq!((would.entered, would.waiting.remaining, would.in_flight.len()), (1, 600, 1));
    assert_eq!(entity::suppression::Entity::find().count(ctx.store.write()).await.unwrap(), 0);
    assert_eq!(bulk_operation::Entity::find().count(ctx.store.write()).await.unwrap(), 0);
    assert_eq!(world.counts().await, [(Status::Queued, 600), (Status::Sending, 1)]);
}

async fn ten_thousand_are_entered_in_seconds(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    world.accept(1_000, draft()).await;
    let entries = (0..10_000).map(|i| entry(&format!("reader{i}@example.com"), Reason::Manual)).collect();
    let start = tokio::time::Instant::now();
    let done = enter::suppress_many(ctx, entries).await.unwrap();
    let took = start.elapsed();
    assert_eq!((done.entered, done.waiting.done, done.waiting.remaining), (10_000, 1_000, 0));
    assert!(took < Duration::from_secs(20), "{backend:?} took {took:?}");
    println!("10,000 entries on {backend:?}: {took:?}");
    let stats = jobs::suppress::tallies::stats(ctx).await.unwrap();
    assert_eq!((stats.total, stats.manual), (10_000, 10_000));
    let lifted = lift::unsuppress(ctx, "reader7@example.com", &Reason::ALL).await.unwrap();
    assert_eq!((lifted.lifted.len(), lifted.still_blocked_by.len()), (1, 0));
}

//! Adding recipients: collapsed, counted, complained of, and all that in calls of ten thousand.

use std::time::Duration;

use entity::campaign::Status;
use entity::suppression::Reason;
use jobs::campaign::recipients::{NewRecipient, add};
use jobs::campaign::{Refusal, cancel};
use jobs::suppress::enter;
use tests::database::Backend;
use tests::proxy::Proxy;

use super::{added, filled, made, people, person, recipients_of, stands};
use crate::control::world::{World, context};
use crate::suppressions::entry;

on_both! {
    recipients_collapse_and_each_mistake_is_told
    a_dry_run_counts_the_same_and_adds_nobody
    two_calls_at_once_add_each_address_once
    a_call_of_ten_thousand_takes_seconds
    a_campaign_that_takes_none_says_so
}

async fn recipients_collapse_and_each_mistake_is_told(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let campaign = made(ctx).await;
    enter::suppress(ctx, entry("bob@example.com", Reason::Complaint)).await.unwrap();
    let named = NewRecipient { name: Some("Ann, B".into()), ..person("Ann@Example.com") };
    let nobody = NewRecipient { variables: Some(1.into()), ..person("nobody") };
    let call = vec![named, nobody, person("ann@example.com"), person("bob@example.com"), person("zoe@")];
    let first = added(ctx, campaign, call.clone()).await;
    assert_eq!((first.added, first.known, first.suppressed), (2, 1, 1));
    let refused: Vec<_> = first.refused.iter().map(|r| (r.index, r.complaints.len())).collect();
    assert_eq!(refused, [(1, 2), (4, 1)]);
    let again = added(ctx, campaign, call).await;
    assert_eq!((again.added, again.known, again.suppressed, again.refused), (0, 3, 0, first.refused));
    let rows = recipients_of(ctx, campaign).await;
    assert_eq!(
        rows.iter().map(|r| r.recipient.as_str()).collect::<Vec<_>>(),
        ["\"Ann, B\" <Ann@example.com>", "bob@example.com"]
    );
    assert!(rows.iter().all(|r| r.variables.as_ref().is_some_and(|sealed| !sealed.windows(3).any(|w| w == b"Ann"))));
    let standing = stands(ctx, campaign).await;
    assert_eq!((standing.ledger.pending, standing.ledger.total(), standing.progress), (2, 2, 0.0));
    assert_eq!(standing.status, Status::Draft);
    world.counts().await;
}

async fn a_dry_run_counts_the_same_and_adds_nobody(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let campaign = filled(ctx, 5).await;
    enter::suppress(ctx, entry("reader7@example.com", Reason::Manual)).await.unwrap();
    let call = || [people(3..9), vec![person("nobody"), person("READER8@example.com")]].concat();
    let would = add(ctx, campaign, call(), true).await.unwrap().unwrap();
    assert_eq!(stands(ctx, campaign).await.ledger.pending, 5);
    assert_eq!(would, added(ctx, campaign, call()).await);
    assert_eq!((would.added, would.known, would.suppressed, would.refused.len()), (4, 3, 1, 1));
    world.counts().await;
}

async fn two_calls_at_once_add_each_address_once(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let campaign = made(ctx).await;
    let mut backwards = people(0..3_000);
    backwards.reverse();
    let (a, b) = tokio::join!(added(ctx, campaign, people(1_000..4_000)), added(ctx, campaign, backwards));
    assert_eq!((a.added + b.added, a.known + b.known), (4_000, 2_000));
    assert_eq!(stands(ctx, campaign).await.ledger.pending, 4_000);
    world.counts().await;
}

async fn a_call_of_ten_thousand_takes_seconds(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let campaign = made(ctx).await;
    let call = people(0..10_000);
    let start = tokio::time::Instant::now();
    let done = added(ctx, campaign, call).await;
    let took = start.elapsed();
    println!("10,000 recipients on {backend:?}: {took:?}");
    assert_eq!(done.added, 10_000);
    assert!(took < Duration::from_secs(20), "{backend:?} took {took:?}");
    world.counts().await;
}

async fn a_campaign_that_takes_none_says_so(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let campaign = filled(ctx, 2).await;
    assert_eq!(add(ctx, ctx.clock.id(), people(0..1), false).await.unwrap(), Err(Refusal::NotFound));
    assert_eq!(add(ctx, campaign, people(0..10_001), true).await.unwrap(), Err(Refusal::TooMany));
    cancel(ctx, campaign).await.unwrap().unwrap();
    assert_eq!(add(ctx, campaign, people(2..3), false).await.unwrap(), Err(Refusal::Cancelled));
    world.counts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_commits_answer_is_lost_adds_each_once_and_says_so() {
    let (proxy, database) = Proxy::before(Backend::Postgres.database().await).await;
    let ctx = context(&database).await;
    migration::up(ctx.store.write()).await.unwrap();
    let campaign = filled(&ctx, 10).await;
    proxy.lose_commits(1, "INSERT INTO campaign_recipients");
    let done = added(&ctx, campaign, people(5..1_500)).await;
    assert_eq!((done.added, done.known, proxy.lost()), (1_490, 5, 1));
    assert_eq!(stands(&ctx, campaign).await.ledger.pending, 1_500);
    tests::ledger::assert_ledger_equals_rows(&ctx).await;
}

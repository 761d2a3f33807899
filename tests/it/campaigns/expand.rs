//! Recipients become emails: each exactly one, whoever works on it and whatever dies meanwhile.

use std::collections::BTreeMap;

use entity::campaign::Status;
use entity::suppression::Reason;
use jobs::accept::Draft;
use jobs::campaign::launch;
use jobs::campaign::recipients::NewRecipient;
use jobs::suppress::enter;
use sea_orm::EntityTrait;
use tests::database::Backend;
use tests::patience::{SOON, until_true};
use tests::proxy::Proxy;
use uuid::Uuid;

use super::ledger::Witness;
use super::{
    added, assert_each_has_one, emails, executing, expanded, filled, made, people, person, recipients_of, stands,
};
use crate::control::world::{self, World, context};
use crate::suppressions::entry;

on_both! {
    a_launch_makes_each_recipient_an_email_also_with_two_executors
    executors_that_die_leave_the_rest_to_others
    who_is_added_to_a_launched_campaign_gets_an_email_too
    a_suppressed_recipient_ends_suppressed
    leads_are_met_or_made
}

async fn a_launch_makes_each_recipient_an_email_also_with_two_executors(backend: Backend) {
    let world = World::new(backend).await;
    let (ctx, other) = (&world.ctx, world.restarted().await);
    let campaign = filled(ctx, 5_200).await;
    let witness = Witness::of(&other, campaign, 5_200);
    launch(ctx, campaign, None).await.unwrap().unwrap();
    let (_one, _two) = (executing(ctx), executing(&other));
    let standing = expanded(ctx, campaign).await;
    assert_eq!((standing.status, standing.progress, standing.ledger.waiting()), (Status::Running, 0.0, 5_200));
    assert!(witness.saw().await > 3);
    assert_each_has_one(&world, campaign, 5_200).await;
    let closed = async || stands(ctx, campaign).await.row.expand_at.is_none();
    until_true("the campaign to be looked through", SOON, closed).await;
}

async fn executors_that_die_leave_the_rest_to_others(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let campaign = filled(ctx, 6_100).await;
    let witness = Witness::of(ctx, campaign, 6_100);
    launch(ctx, campaign, None).await.unwrap().unwrap();
    let mut left = 6_100;
    for _ in 0..3 {
        let doomed = executing(&world.restarted().await);
        until_true("it to be in mid-flight", SOON, async || stands(ctx, campaign).await.ledger.pending < left).await;
        drop(doomed);
        left = stands(ctx, campaign).await.ledger.pending;
    }
    let _last = executing(&world.restarted().await);
    expanded(ctx, campaign).await;
    witness.saw().await;
    assert_each_has_one(&world, campaign, 6_100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_whose_commits_answer_is_lost_is_not_done_again() {
    let (proxy, database) = Proxy::before(Backend::Postgres.database().await).await;
    let ctx = context(&database).await;
    migration::up(ctx.store.write()).await.unwrap();
    let campaign = filled(&ctx, 4_000).await;
    proxy.lose_commits(3, "SET email_id = v.email_id");
    launch(&ctx, campaign, None).await.unwrap().unwrap();
    let _executor = executing(&ctx);
    expanded(&ctx, campaign).await;
    assert_eq!(proxy.lost(), 3);
    let (recipients, emails) = (recipients_of(&ctx, campaign).await, emails(&ctx, campaign).await);
    let mut became: Vec<_> = recipients.iter().filter_map(|r| r.email_id).collect();
    became.sort_unstable();
    assert_eq!(became, emails.iter().map(|email| email.id).collect::<Vec<_>>());
    assert_eq!(emails.len(), 4_000);
    tests::ledger::assert_ledger_equals_rows(&ctx).await;
}

async fn who_is_added_to_a_launched_campaign_gets_an_email_too(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let campaign = made(ctx).await;
    let _executor = executing(ctx);
    let launched = launch(ctx, campaign, None).await.unwrap().unwrap();
    assert_eq!((launched.status, launched.progress), (Status::Completed, 1.0), "it has nobody yet");
    for few in [0..3, 2..700, 700..701] {
        added(ctx, campaign, people(few)).await;
        assert_eq!(expanded(ctx, campaign).await.status, Status::Running);
    }
    // Some while others are made emails of.
    let more = async |few| added(ctx, campaign, people(few)).await;
    tokio::join!(more(701..2_000), more(2_000..2_600), more(1_500..2_300));
    expanded(ctx, campaign).await;
    assert_each_has_one(&world, campaign, 2_600).await;
}

async fn a_suppressed_recipient_ends_suppressed(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let campaign = filled(ctx, 4).await;
    enter::suppress(ctx, entry("reader1@example.com", Reason::Unsubscribe)).await.unwrap();
    launch(ctx, campaign, None).await.unwrap().unwrap();
    let _executor = executing(ctx);
    let standing = expanded(ctx, campaign).await;
    assert_eq!((standing.ledger.waiting(), standing.ledger.of(entity::Status::Suppressed)), (3, 1));
    assert_eq!(standing.progress, 0.25);
    let email = emails(ctx, campaign).await.remove(1);
    assert_eq!((email.recipient_key.as_str(), email.due_at), ("reader1@example.com", None));
    assert_eq!(email.last_error.as_deref(), Some("its address is suppressed: its owner unsubscribed"));
    assert_each_has_one(&world, campaign, 4).await;
}

async fn leads_are_met_or_made(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let (known, later, own) = (ctx.clock.id(), ctx.clock.id(), ctx.clock.id());
    for lead in [later, known] {
        world.one(Draft { lead: Some(lead), ..world::draft() }).await;
    }
    let (first, second) = (made(ctx).await, made(ctx).await);
    let named = NewRecipient { lead: Some(own), ..person("own@example.com") };
    for campaign in [first, second] {
        added(ctx, campaign, vec![person("reader0@example.com"), named.clone(), person("new@example.com")]).await;
        launch(ctx, campaign, None).await.unwrap().unwrap();
    }
    let _executor = executing(ctx);
    let mut of: Vec<BTreeMap<String, Uuid>> = Vec::new();
    for campaign in [first, second] {
        expanded(ctx, campaign).await;
        let emails = emails(ctx, campaign).await;
        of.push(emails.into_iter().map(|email| (email.recipient_key, email.lead_id.unwrap())).collect());
    }
    assert_eq!(of[0], of[1], "the second campaign meets those of the first");
    assert_eq!((of[0]["reader0@example.com"], of[0]["own@example.com"]), (known, own), "the first of two is met");
    let leads = entity::lead::Entity::find().all(ctx.store.write()).await.unwrap();
    let made: Vec<_> = leads.iter().filter(|lead| ![known, later, own].contains(&lead.id)).collect();
    assert_eq!(made.len(), 1);
    assert_eq!((made[0].address_key.as_str(), made[0].id), ("new@example.com", of[0]["new@example.com"]));
    assert_eq!(made[0].id.get_version_num(), 8);
}

//! A campaign's launch in processes that are killed: whoever comes next goes on with those that have no email.

use entity::Status;
use entity::hold::Cause;
use jobs::campaign::launch;
use jobs::hold::{Cover, place};
use tests::database::Backend;
use tests::ledger::assert_ledger_equals_rows;
use tests::patience::until_true;

use super::{LONG, Served, World};
use crate::campaigns::{emails, filled, recipients_of, stands};
use crate::control::world::later;

on_both! {
    a_launch_that_is_killed_three_times_makes_each_recipient_one_email
}

const RECIPIENTS: usize = 10_000;

async fn one_batch_at_a_time(world: &World) -> Served {
    Served::start(world.launch("executor", &["serve"]).env("EXECUTION_BATCH_CONCURRENCY", "1")).await
}

async fn a_launch_that_is_killed_three_times_makes_each_recipient_one_email(backend: Backend) {
    let world = World::of(backend).await.hurry(10);
    let mut served = one_batch_at_a_time(&world).await;
    let ctx = world.context().await;
    let campaign = filled(&ctx, RECIPIENTS).await;
    // What Mailgun asks to wait for is the sending: here it is about the making alone.
    place(&ctx, &Cover::Queue, Cause::RateLimit, None, later(&ctx)).await.unwrap();
    launch(&ctx, campaign, None).await.unwrap().unwrap();
    let mut left = RECIPIENTS as i64;
    for _ in 0..3 {
        let goes_on = async || stands(&ctx, campaign).await.ledger.pending < left;
        until_true("emails to be made", LONG, goes_on).await;
        served.process.kill9().await;
        left = stands(&ctx, campaign).await.ledger.pending;
        assert!(left > 0, "it was through before it was killed");
        served = one_batch_at_a_time(&world).await;
    }
    until_true("everybody to have an email", LONG, async || stands(&ctx, campaign).await.ledger.pending == 0).await;
    let ledger = stands(&ctx, campaign).await.ledger;
    assert_eq!((ledger.of(Status::Queued), ledger.total()), (RECIPIENTS as i64, RECIPIENTS as i64));
    let recipients = recipients_of(&ctx, campaign).await;
    let mut became: Vec<_> = recipients.iter().filter_map(|r| Some((r.email_id?, r.address_key.clone()))).collect();
    became.sort_unstable();
    let made: Vec<_> = emails(&ctx, campaign).await.into_iter().map(|email| (email.id, email.recipient_key)).collect();
    assert_eq!(became, made);
    assert_ledger_equals_rows(&ctx).await;
    served.process.kill9().await;
}

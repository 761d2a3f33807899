//! Cleaning takes the recipient along with its email, but for a mark, so that nobody is mailed twice; and the ledger still adds up.

use chrono::TimeDelta;
use entity::campaign::Status;
use jobs::bulk;
use jobs::campaign::launch;
use jobs::campaign::recipients::{Added, add};
use tests::database::Backend;
use uuid::Uuid;

use super::{emails, executing, expanded, filled, people, recipients_of, stands};
use crate::control::world::World;

on_both! {
    a_cleaned_email_takes_its_recipient_along
    who_was_mailed_once_is_not_added_again_though_the_email_was_cleaned
}

async fn a_cleaned_email_takes_its_recipient_along(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let (campaign, other) = (filled(ctx, 5).await, filled(ctx, 5).await);
    launch(ctx, campaign, None).await.unwrap().unwrap();
    let executor = executing(ctx);
    expanded(ctx, campaign).await;
    drop(executor);
    let ids: Vec<Uuid> = emails(ctx, campaign).await.iter().map(|email| email.id).collect();
    world.send(&ids[..3]).await;
    assert_eq!(bulk::clean(ctx, ctx.clock.now() + TimeDelta::minutes(1)).await.unwrap().done, 3);
    let (left, marks): (Vec<_>, Vec<_>) =
        recipients_of(ctx, campaign).await.into_iter().partition(|recipient| recipient.address_key.contains('@'));
    assert_eq!(left.iter().map(|recipient| recipient.email_id.unwrap()).collect::<Vec<_>>(), ids[3..]);
    assert_eq!(marks.len(), 3);
    for mark in marks {
        assert_eq!((mark.recipient.as_str(), mark.variables, mark.lead_id), ("", None, None));
    }
    let others = recipients_of(ctx, other).await;
    assert!(others.len() == 5 && others.iter().all(|r| r.variables.is_some()), "another campaign keeps its own");
    let standing = stands(ctx, campaign).await;
    assert_eq!((standing.ledger.cleaned, standing.ledger.total(), standing.progress), (3, 5, 0.6));
    assert_eq!(standing.status, Status::Running);
    world.send(&ids[3..]).await;
    assert_eq!(bulk::clean(ctx, ctx.clock.now() + TimeDelta::minutes(1)).await.unwrap().done, 2);
    assert_eq!(stands(ctx, campaign).await.status, Status::Completed);
    world.counts().await;
}

async fn who_was_mailed_once_is_not_added_again_though_the_email_was_cleaned(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let campaign = filled(ctx, 3).await;
    launch(ctx, campaign, None).await.unwrap().unwrap();
    let executor = executing(ctx);
    expanded(ctx, campaign).await;
    let ids: Vec<Uuid> = emails(ctx, campaign).await.iter().map(|email| email.id).collect();
    world.send(&ids[..2]).await;
    assert_eq!(bulk::clean(ctx, ctx.clock.now() + TimeDelta::minutes(1)).await.unwrap().done, 2);
    for dry_run in [true, false, false] {
        let added = add(ctx, campaign, people(0..3), dry_run).await.unwrap().unwrap();
        assert_eq!(added, Added { known: 3, ..Added::default() }, "dry run: {dry_run}");
    }
    let added = add(ctx, campaign, people(0..5), false).await.unwrap().unwrap();
    assert_eq!((added.added, added.known), (2, 3), "a new one is added beside them");
    let standing = expanded(ctx, campaign).await;
    assert_eq!((standing.ledger.cleaned, standing.ledger.total()), (2, 5));
    let mut left: Vec<String> = emails(ctx, campaign).await.into_iter().map(|email| email.recipient_key).collect();
    left.sort_unstable();
    assert_eq!(left, ["reader2@example.com", "reader3@example.com", "reader4@example.com"]);
    drop(executor);
    // To another campaign they are as new as anybody.
    let other = filled(ctx, 0).await;
    assert_eq!(add(ctx, other, people(0..3), false).await.unwrap().unwrap().added, 3);
    world.counts().await;
}

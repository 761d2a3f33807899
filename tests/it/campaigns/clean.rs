//! Cleaning takes the recipient along with its email, and the ledger still adds up.

use chrono::TimeDelta;
use entity::campaign::Status;
use jobs::bulk;
use jobs::campaign::launch;
use tests::database::Backend;
use uuid::Uuid;

use super::{emails, executing, expanded, filled, recipients_of, stands};
use crate::control::world::World;

on_both! {
    a_cleaned_email_takes_its_recipient_along
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
    let left: Vec<_> = recipients_of(ctx, campaign).await.iter().map(|recipient| recipient.email_id.unwrap()).collect();
    assert_eq!(left, ids[3..]);
    assert_eq!(recipients_of(ctx, other).await.len(), 5, "another campaign keeps its own");
    let standing = stands(ctx, campaign).await;
    assert_eq!((standing.ledger.cleaned, standing.ledger.total(), standing.progress), (3, 5, 0.6));
    assert_eq!(standing.status, Status::Running);
    world.send(&ids[3..]).await;
    assert_eq!(bulk::clean(ctx, ctx.clock.now() + TimeDelta::minutes(1)).await.unwrap().done, 2);
    assert_eq!(stands(ctx, campaign).await.status, Status::Completed);
    world.counts().await;
}

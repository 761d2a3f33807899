//! What events are signed with: shown once, sealed, replaced without a gap, and ended at once where it leaked.

use entity::endpoint_secret;
use jobs::dispatch::endpoint::Refusal;
use jobs::retention;
use secrecy::ExposeSecret;

use super::*;

on_both! {
    while_a_secret_is_replaced_both_sign
    a_secret_that_leaked_ends_at_once
    a_secret_is_stored_sealed
}

async fn while_a_secret_is_replaced_both_sign(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (ctx, id) = (stage.ctx(), stage.endpoint.id);
    let (_, new) = endpoint::rotate(ctx, id, TimeDelta::hours(24)).await.unwrap().unwrap();
    stage.record(1, "delivered").await;
    stage.tell().await;
    stage.post.world.pass(TimeDelta::hours(25));
    stage.record(1, "opened").await;
    stage.tell().await;
    let heard = stage.listener.heard();
    assert!(heard[0].is_signed_with(&stage.secret) && heard[0].is_signed_with(&new));
    assert!(!heard[1].is_signed_with(&stage.secret) && heard[1].is_signed_with(&new));
    assert_eq!((heard[0].signatures(), heard[1].signatures()), (2, 1));
    let told = retention::run(ctx).await.unwrap();
    assert!(!told.contains("secrets"), "{told}");
    stage.post.world.pass(TimeDelta::days(1));
    let told = retention::run(ctx).await.unwrap();
    assert!(told.contains("1 endpoint secrets"), "{told}");
    assert_eq!(endpoint::secrets(ctx, id).await.unwrap().len(), 1);
}

async fn a_secret_that_leaked_ends_at_once(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (ctx, id) = (stage.ctx(), stage.endpoint.id);
    for _ in 0..3 {
        endpoint::rotate(ctx, id, TimeDelta::hours(24)).await.unwrap().unwrap();
    }
    assert_eq!(endpoint::rotate(ctx, id, TimeDelta::hours(24)).await.unwrap().err(), Some(Refusal::TooManySecrets));
    let signing = endpoint::secrets(ctx, id).await.unwrap();
    assert_eq!((signing.len(), signing[0].expires_at), (4, None));
    assert!(signing[1..].iter().all(|secret| secret.expires_at > Some(ctx.clock.now())));
    let (_, new) = endpoint::rotate(ctx, id, TimeDelta::zero()).await.unwrap().unwrap();
    stage.record(1, "delivered").await;
    stage.tell().await;
    let heard = stage.listener.heard();
    assert!(heard[0].signatures() == 1 && heard[0].is_signed_with(&new));
    assert_eq!(endpoint::rotate(ctx, Uuid::nil(), TimeDelta::zero()).await.unwrap().err(), Some(Refusal::NotFound));
}

async fn a_secret_is_stored_sealed(backend: Backend) {
    let stage = Stage::new(backend).await;
    let row = endpoint_secret::Entity::find().one(stage.ctx().store.write()).await.unwrap().unwrap();
    let bytes = stage.secret.bytes();
    assert!(!row.secret.windows(bytes.len()).any(|window| window == bytes));
    let dump = tests::dump::Dump::of(&stage.ctx().store).await;
    assert!(dump.with(stage.secret.text().expose_secret().strip_prefix("whsec_").unwrap()).is_empty());
    assert!(dump.with(&hex::encode(bytes)).is_empty());
}

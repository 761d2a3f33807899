//! A mended parser runs again over what is stored, and everything is as if it had read it so at first.

use entity::Status;
use entity::campaign_metrics::Metric;
use entity::delivery_event::Kind;
use jobs::record::{Replayed, replay};
use sea_orm::ConnectionTrait;
use serde_json::json;
use tests::database::Backend;
use tests::webhook::Told;

use super::{Post, READER};
use crate::control::world::draft;

on_both! {
    what_reads_otherwise_now_has_its_effect_and_no_other_twice
}

/// Replays everything. Answers how many were read and how many changed.
async fn again(post: &Post) -> (u64, u64) {
    let (mut from, mut sum) = (0, (0, 0));
    while let Some(Replayed { read, changes, seq }) = replay(&post.world.ctx, from).await.unwrap() {
        (from, sum) = (seq, (sum.0 + read, sum.1 + changes.len() as u64));
    }
    sum
}

async fn what_reads_otherwise_now_has_its_effect_and_no_other_twice(backend: Backend) {
    let post = Post::new(backend).await;
    let emails = post.world.accept(2, draft()).await;
    post.world.send(&emails).await;
    let at = post.now();
    let bot = json!({ "bot": "apple" });
    post.take(&post.told("opened", emails[0])).await;
    post.take(&post.told("opened", emails[0]).with("client-info", bot)).await;
    post.take(&Told::bounced(emails[1], "reader1@example.com", at, "bounce", "5.1.1")).await;
    post.take(&Told::bounced(emails[1], "reader1@example.com", at, "espblock", "")).await;
    post.recorder.take_log(vec![post.told("delivered", emails[0]).logged()]).await.unwrap();
    post.take(&Told::new("complained", emails[1], "eve@example.net", at)).await;
    let before = (
        post.events().await,
        post.facts(emails[0]).await,
        post.metrics().await,
        post.list("reader1@example.com").await,
    );
    assert_eq!(again(&post).await, (6, 0), "what reads as it did changes nothing");

    // As if the parser had known neither opens nor bounces, nor who is meant by the copy's event.
    let unknown = Kind::Unknown as i16;
    let text = format!(
        "UPDATE email_delivery_events SET kind = {unknown}, bounce_type = NULL, reason = NULL, message = NULL, bot = NULL, \
         smtp_code = NULL, enhanced_code = NULL, name = 'mystery' WHERE kind IN (3, 4)"
    );
    let facts = "UPDATE email_facts SET opens = 0, opened_at = NULL, machine_opens = 0, machine_opened_at = NULL, bounced_at = NULL, \
                 hard_bounced_at = NULL";
    let metrics = "DELETE FROM campaign_delivery_metrics WHERE metric IN (3, 4, 5, 8, 9, 12, 13, 17)";
    let copy = "UPDATE email_delivery_events SET email_id = NULL, copy = false WHERE recipient_key = 'eve@example.net'";
    let list = "DELETE FROM email_suppression_list WHERE reason = 0";
    let kept = "DELETE FROM email_suppression_facts WHERE reason = 0";
    for statement in [text.as_str(), facts, metrics, copy, list, kept] {
        post.world.ctx.store.write().execute_unprepared(statement).await.unwrap();
    }
    assert_eq!(post.metrics().await, [(Metric::Sent, 2), (Metric::Delivered, 1)].into());

    assert_eq!(again(&post).await, (6, 5));
    assert_eq!(post.events().await, before.0);
    assert_eq!(post.facts(emails[0]).await, before.1);
    assert_eq!(post.metrics().await, before.2);
    let entry = post.list("reader1@example.com").await.remove(0);
    let was = &before.3[0];
    assert_eq!(
        (entry.event_id, entry.bounce_type, entry.occurred_at),
        (was.event_id, was.bounce_type, was.occurred_at)
    );
    assert_eq!(post.world.status(emails[1]).await, Status::Bounced);
    assert!(post.list(READER).await.is_empty());
    post.assert_the_numbers_add_up().await;
    assert_eq!(again(&post).await, (6, 0));
}

//! News of events from process to process: through Redis, and without it when it is away.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jobs::Context;
use jobs::find::events::Filter;
use jobs::lane::RedisSettings;
use jobs::live::events::Events;
use jobs::live::news::{News, Way};
use jobs::record::Recorder;
use tests::database::Backend;
use tests::patience::{SOON, until_true};
use tests::redis::Redis;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use super::Post;
use super::live::{follow, next, record};
use crate::control::world::draft;

on_both! {
    what_another_process_records_is_heard_through_redis_and_without_it
}

fn news(ctx: &Arc<Context>, redis: &Redis, recorder: &Recorder) -> News {
    let settings =
        RedisSettings { host: "127.0.0.1".into(), port: redis.port(), password: None, db: 0, prefix: "test".into() };
    News::start(ctx, Some(settings), recorder.recorded(), &TaskTracker::new()).unwrap()
}

async fn goes(news: &News, way: Way) {
    until_true(&format!("news to go by {way:?}"), SOON, async || news.way() == way).await;
}

async fn what_another_process_records_is_heard_through_redis_and_without_it(backend: Backend) {
    let redis = Redis::start().await;
    let post = Post::new(backend).await;
    let email = post.world.one(draft()).await;
    let elsewhere = post.world.restarted().await;
    let other = Recorder::start(elsewhere.clone());
    let (here, there) = (news(&post.world.ctx, &redis, &post.recorder), news(&elsewhere, &redis, &other));
    let hub = Events::start(&post.world.ctx, here.clone());
    goes(&here, Way::Redis).await;
    goes(&there, Way::Redis).await;
    let mut heard = follow(&hub, Filter::default(), None).await;
    // Past the look that its coming makes: what comes next comes by news, or by asking after 5 s.
    assert!(timeout(Duration::from_millis(100), heard.next()).await.is_err());
    let begun = Instant::now();
    record(&other, email, 40).await;
    assert_eq!(next(&mut heard, 40).await, (1..=40).collect::<Vec<_>>());
    assert!(begun.elapsed() < Duration::from_secs(4), "it came by asking, after {:?}", begun.elapsed());

    // It drops out amid recording: nothing is lost, and it is said.
    let ((), more) = tokio::join!(
        async {
            record(&other, email, 40).await;
            redis.stop();
            record(&other, email, 40).await;
        },
        next(&mut heard, 80)
    );
    assert_eq!(more, (41..=120).collect::<Vec<_>>());
    goes(&here, Way::Asking).await;
    record(&other, email, 20).await;
    assert_eq!(next(&mut heard, 20).await, (121..=140).collect::<Vec<_>>());

    redis.start_again().await;
    goes(&here, Way::Redis).await;
    record(&other, email, 20).await;
    assert_eq!(next(&mut heard, 20).await, (141..=160).collect::<Vec<_>>());

    // One that only stands still is noticed, too.
    redis.stall();
    goes(&here, Way::Asking).await;
    record(&other, email, 20).await;
    assert_eq!(next(&mut heard, 20).await, (161..=180).collect::<Vec<_>>());
    redis.resume();
    goes(&here, Way::Redis).await;
}

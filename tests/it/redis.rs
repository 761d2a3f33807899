//! Redis carries work and no truth: stopped, wiped, restarted or stalled amid sending, it costs no email and doubles none.

use std::time::Duration;

use entity::{Priority, Status};
use jobs::lane::Carrier;
use tests::app::{App, Plan};
use tests::database::Backend;
use tests::mailgun::Reply;
use tests::patience::{SOON, until_true};
use tests::redis::Redis;

const EMAILS: usize = 1_000;

/// A thousand emails under way, over Redis.
async fn amid_sending(redis: &Redis) -> (App, Vec<uuid::Uuid>) {
    let app = App::start(Plan::on(Backend::Postgres).through(redis)).await;
    assert_eq!(app.engine.health().carrier, Carrier::Redis);
    app.mailgun.answer(|_| Reply::Ok.after(Duration::from_millis(3)));
    let ids = app.send(EMAILS, Priority::Normal).await;
    app.mailgun.until("the first hundred", SOON, |s| s.accepted() >= 100).await;
    assert!(app.mailgun.accepted() < EMAILS as u64 / 2, "too far to show anything");
    (app, ids)
}

/// All were sent, each once, and the numbers add up.
async fn assert_all_sent_once(app: &App, ids: &[uuid::Uuid]) {
    app.await_all(ids, Status::Sent, 2 * SOON).await;
    assert_eq!((app.mailgun.accepted(), app.mailgun.doubles()), (ids.len() as u64, vec![]));
    app.assert_ledger_equals_rows().await;
}

async fn returns_to_redis(app: &App) {
    until_true("Redis to carry again", 2 * SOON, async || app.engine.health().carrier == Carrier::Redis).await;
    assert!(!app.engine.health().degraded);
    let more = app.send(20, Priority::Normal).await;
    app.await_all(&more, Status::Sent, SOON).await;
    assert_eq!(app.mailgun.doubles(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_stops_amid_sending_costs_nothing_and_is_taken_back() {
    let redis = Redis::start().await;
    let (app, ids) = amid_sending(&redis).await;
    redis.stop();
    assert_all_sent_once(&app, &ids).await;
    assert!(app.engine.health().degraded);
    redis.start_again().await;
    returns_to_redis(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_restarts_amid_sending_costs_nothing() {
    let redis = Redis::start().await;
    let (app, ids) = amid_sending(&redis).await;
    redis.stop();
    redis.start_again().await;
    assert_all_sent_once(&app, &ids).await;
    returns_to_redis(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_wiped_amid_sending_costs_nothing() {
    let redis = Redis::start().await;
    let (app, ids) = amid_sending(&redis).await;
    for n in 2..=5 {
        redis.wipe().await;
        app.mailgun.until("the next hundred", SOON, |s| s.accepted() >= n * 100).await;
    }
    assert_all_sent_once(&app, &ids).await;
    returns_to_redis(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_stalls_amid_sending_costs_nothing() {
    let redis = Redis::start().await;
    let (app, ids) = amid_sending(&redis).await;
    redis.stall();
    assert_all_sent_once(&app, &ids).await;
    redis.resume();
    returns_to_redis(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_refuses_writes_amid_sending_costs_nothing() {
    let redis = Redis::start().await;
    let (app, ids) = amid_sending(&redis).await;
    redis.refuse_writes(true).await;
    assert_all_sent_once(&app, &ids).await;
    redis.refuse_writes(false).await;
    returns_to_redis(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_starts_and_sends_without_its_redis() {
    let redis = Redis::start().await;
    redis.stop();
    let app = App::start(Plan::on(Backend::Postgres).through(&redis)).await;
    let ids = app.send(50, Priority::Normal).await;
    assert_all_sent_once(&app, &ids).await;
    redis.start_again().await;
    returns_to_redis(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_the_work_and_send_no_email_twice() {
    let redis = Redis::start().await;
    let app = App::start(Plan::on(Backend::Postgres).through(&redis)).await;
    let second = app.another(true).await;
    app.mailgun.answer(|_| Reply::Ok.after(Duration::from_millis(5)));
    let ids = app.send(EMAILS, Priority::Normal).await;
    let busy = |app: &App| app.engine.health().busy.unwrap_or_default() > 0;
    until_true("both to be at work", SOON, async || busy(&app) && busy(&second)).await;
    assert_all_sent_once(&app, &ids).await;
    assert_eq!(second.engine.health().carrier, Carrier::Redis);
    second.engine.stop().await;
}

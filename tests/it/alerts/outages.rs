//! Redis and the database away: the one is told of through the database, the other by each process for itself.

use jobs::alert::Name;
use tests::app::{App, Plan};
use tests::database::{Backend, Postgres};
use tests::patience::{SOON, until_true};
use tests::redis::Redis;

use super::{over, raised, rounds, start, well};
use crate::alerts::told::texts;
use crate::sandbox::receiver::Receiver;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_away_is_alerted_once_for_all_processes() {
    let redis = Redis::start().await;
    let plan = Plan::on(Backend::Postgres).hurry_alerts(600).through(&redis);
    let app = start(plan).await;
    let other = app.another(false).await;
    rounds(&app, 2).await;
    redis.stop();
    let away = raised(&app, Name::RedisAway, None).await;
    assert_eq!(away.words(), "A process does not reach Redis. Email goes, by a detour.");
    redis.start_again().await;
    over(&app, Name::RedisAway, None).await;
    other.engine.stop().await;
}

/// Each process that sees it tells it; the end is told once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_is_told_by_each_process_and_its_end_by_one() {
    let (postgres, receiver) = (Postgres::start().await, Receiver::start().await);
    let plan = Plan::on(Backend::Postgres).hurry_alerts(600);
    let plan = plan.set(|set| set.alerts.url = Some(receiver.url().into()));
    let app = App::start_over(plan, postgres.database().await).await;
    well(&app).await;
    let other = app.another(false).await;
    // What is known before is told of meanwhile.
    app.mailgun.refuse();
    app.send(6, entity::Priority::Normal).await;
    raised(&app, Name::BreakerOpen, None).await;
    until_true("both to know it", SOON, async || texts(&receiver).len() == 1).await;
    postgres.stop().await;
    let told = async || texts(&receiver).iter().filter(|text| text.starts_with("Alert: database_away (page).")).count();
    until_true("both processes to tell it", 2 * SOON, async || told().await == 2).await;
    let away = raised(&app, Name::DatabaseAway, None).await;
    assert_eq!(away.words(), "A process does not reach the database. Nothing is accepted or sent.");
    raised(&app, Name::BreakerOpen, None).await;
    let keys = |receiver: &Receiver| {
        let all = receiver
            .told()
            .into_iter()
            .filter(|body| body["text"].as_str().is_some_and(|text| text.contains("database_away")));
        all.map(|body| body["groupKey"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(keys(&receiver), ["mailmind/database_away", "mailmind/database_away"], "by its key it is one");

    postgres.start_again().await;
    let ended = over(&app, Name::DatabaseAway, None).await;
    assert!(ended.resolved_at.is_some_and(|end| end > ended.fired_at && ended.fired_at > ended.since), "{ended:?}");
    let ends = || texts(&receiver).iter().filter(|text| text.starts_with("Over: database_away")).count();
    until_true("the end to be told", SOON, async || ends() == 1).await;
    rounds(&app, 8).await;
    assert_eq!((ends(), told().await), (1, 2), "{:#?}", texts(&receiver));
    over(&other, Name::DatabaseAway, None).await;
    other.engine.stop().await;
}

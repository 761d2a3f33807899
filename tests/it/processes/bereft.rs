//! What our processes stand on goes away under them and comes back.

use std::time::Duration;

use futures::future::join;
use serde_json::{Value, json};
use tests::client::letter;
use tests::database::Postgres;
use tests::mailgun::Reply;
use tests::patience::{SOON, until_true};
use tests::redis::Redis;

use super::{Served, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_be_lost_and_wiped_amid_the_sending() {
    let world = World::shared().await;
    let redis = world.redis.as_ref().unwrap();
    world.mailgun.answer(|_| Reply::Ok.after(Duration::from_millis(20)));
    let front = world.front().await;
    let workers = [world.work("one").await, world.work("two").await];
    let ids = front.take(1_000).await;
    world.amid(200).await;
    redis.stop();
    world.amid(500).await;
    redis.start_again().await;
    world.amid(700).await;
    redis.wipe().await;
    world.assert_each_sent_once(&front.client, &ids, 0).await;
    for worker in &workers {
        let returned = |lines: Vec<String>| lines.iter().filter(|line| line.contains("Redis carries")).count() >= 2;
        until_true("the worker to return to Redis", SOON, async || returned(worker.output())).await;
    }
}

/// It crashes, stays away for a while, and is restarted in order later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_may_be_restarted_amid_the_sending() {
    let postgres = Postgres::start().await;
    let world = World::on(postgres.database().await, Some(Redis::start().await));
    world.mailgun.answer(|_| Reply::Ok.after(Duration::from_millis(20)));
    let served = [world.serve("one").await, world.serve("two").await];
    let ids = served[0].take(1_000).await;
    world.amid(200).await;
    postgres.kill().await;
    join(assert_says_that_it_can_not(&served[0]), assert_says_that_it_can_not(&served[1])).await;
    postgres.start_again().await;
    for each in &served {
        each.client.await_ready(SOON).await;
    }
    world.amid(600).await;
    postgres.restart().await;
    world.assert_each_sent_once(&served[1].client, &ids, 0).await;
}

/// Neither ready nor able to answer, and it says so in its own words.
async fn assert_says_that_it_can_not(served: &Served) {
    let not_ready = async || served.client.get("/health/ready").await.is_ok_and(|(status, _)| status == 503);
    until_true("the process not to be ready", SOON, not_ready).await;
    let send = "mutation($input: SendEmailInput!) { sendEmail(input: $input) { email { id } } }";
    let stats = served.client.try_query("{ queueStats { waiting } }", json!({}));
    let sent = served.client.try_query(send, json!({ "input": letter("bob@example.org") }));
    for answer in <[_; 2]>::from(join(stats, sent).await) {
        let answer = answer.unwrap();
        let errors = answer["errors"].as_array().unwrap().iter();
        let codes: Vec<&Value> = errors.map(|error| &error["extensions"]["code"]).collect();
        assert_eq!(codes, ["UNAVAILABLE"], "{answer}");
    }
    assert_eq!(served.client.get("/health/live").await.unwrap().0, 200);
}

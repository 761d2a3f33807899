//! The databases and Redis.

use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbErr};
use tests::child::free_port;
use tests::database::{Backend, Postgres};
use tests::patience::{SOON, until_true};
use tests::redis::Redis;

async fn connect(url: &str) -> Result<DatabaseConnection, DbErr> {
    // The pool goes on trying for as long as it may, even where it is refused.
    let mut options = ConnectOptions::new(url);
    options.acquire_timeout(Duration::from_secs(2));
    sea_orm::Database::connect(options).await
}

#[tokio::test]
async fn both_back_ends_give_each_test_an_empty_database_of_its_own() {
    for backend in Backend::ALL {
        let (first, second) = (backend.database().await, backend.database().await);
        let (one, two) = (connect(&first.url).await.unwrap(), connect(&second.url).await.unwrap());
        one.execute_unprepared("CREATE TABLE t (id BIGINT); INSERT INTO t SELECT 1").await.unwrap();
        two.execute_unprepared("INSERT INTO t SELECT 1").await.unwrap_err();
    }
}

#[tokio::test]
async fn a_dropped_database_is_gone() {
    let database = Backend::Postgres.database().await;
    let url = database.url.clone();
    let connected = connect(&url).await.unwrap();
    drop(database);
    connected.execute_unprepared("SELECT 1").await.unwrap_err();
    connect(&url).await.unwrap_err();
}

#[tokio::test]
async fn a_commit_survives_a_crash_and_a_restart_of_postgresql() {
    let postgres = Postgres::start().await;
    let database = postgres.database().await;
    let connected = connect(&database.url).await.unwrap();
    connected.execute_unprepared("CREATE TABLE t (id BIGINT UNIQUE); INSERT INTO t SELECT 1").await.unwrap();
    postgres.kill().await;
    connect(&database.url).await.unwrap_err();
    postgres.start_again().await;
    postgres.restart().await;
    let taken = connect(&database.url).await.unwrap().execute_unprepared("INSERT INTO t SELECT 1").await;
    assert!(taken.unwrap_err().to_string().contains("duplicate key"));
}

#[tokio::test]
async fn redis_forgets_when_wiped_and_when_stopped() {
    let redis = Redis::start().await;
    let client = redis.client();
    for forget in ["wipe", "stop"] {
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        redis::cmd("SET").arg("key").arg("value").exec_async(&mut connection).await.unwrap();
        if forget == "wipe" {
            redis.wipe().await;
        } else {
            redis.stop();
            redis::cmd("PING").exec_async(&mut connection).await.unwrap_err();
            client.get_multiplexed_async_connection().await.unwrap_err();
            redis.start_again().await;
        }
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let value: Option<String> = redis::cmd("GET").arg("key").query_async(&mut connection).await.unwrap();
        assert_eq!(value, None, "{forget}");
    }
}

#[tokio::test]
async fn a_stalled_redis_answers_once_resumed() {
    let redis = Redis::start().await;
    let connection = redis.client().get_multiplexed_async_connection().await.unwrap();
    redis.stall();
    let mut asking = connection.clone();
    let asked = tokio::spawn(async move { redis::cmd("PING").exec_async(&mut asking).await.is_ok() });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!asked.is_finished());
    redis.resume();
    until_true("an answer", SOON, async || redis::cmd("PING").exec_async(&mut connection.clone()).await.is_ok()).await;
}

#[test]
fn a_port_is_handed_out_once() {
    let mut ports: Vec<u16> = (0..200).map(|_| free_port()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 200);
}

//! What Redis may hold when everything has come to rest: the books of the lanes, and nothing that waits or grows.

use std::time::Duration;

use tokio::time::Instant;

use crate::redis::Redis;

/// Finished tasks are swept once a minute; more than this is more than a seed makes.
const MOST_TASKS: i64 = 5_000;

/// By then what a worker held that was killed is taken from it, whatever its clock said: the lanes keep their own pace.
const TAKEN_BACK: Duration = Duration::from_secs(100);

/// What is wrong with it once there was time to put it right; nothing where all is well.
pub async fn garbage(redis: &Redis, prefix: &str) -> Vec<String> {
    let end = Instant::now() + TAKEN_BACK;
    loop {
        let found = look(redis, prefix).await;
        if found.is_empty() || Instant::now() > end {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn look(redis: &Redis, prefix: &str) -> Vec<String> {
    let Ok(mut connection) = redis.client().get_multiplexed_async_connection().await else {
        return vec!["Redis does not answer at the end".into()];
    };
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap_or_default();
    let mut found = Vec::new();
    for key in &keys {
        // The list of its queues is apalis' own.
        if !key.starts_with(prefix) && key != "core:apalis:queues:list" {
            found.push(format!("Redis holds {key}, which is none of ours"));
        }
        let kind: String = redis::cmd("TYPE").arg(key).query_async(&mut connection).await.unwrap_or_default();
        let size = match kind.as_str() {
            "list" => "LLEN",
            "set" => "SCARD",
            "zset" => "ZCARD",
            "hash" => "HLEN",
            _ => continue,
        };
        let n: i64 = redis::cmd(size).arg(key).query_async(&mut connection).await.unwrap_or_default();
        let waits = key.ends_with(":active") || key.ends_with(":scheduled") || key.contains(":inflight");
        if waits && n > 0 {
            found.push(format!("in Redis {n} tasks still wait in {key}{}", heard(&mut connection, key).await));
        }
        if n > MOST_TASKS {
            found.push(format!("in Redis {key} has grown to {n}"));
        }
    }
    if keys.len() as i64 > 3 * MOST_TASKS {
        found.push(format!("Redis holds {} keys", keys.len()));
    }
    found
}

/// When the worker was last heard of whose tasks these are, by the book of workers.
async fn heard(connection: &mut redis::aio::MultiplexedConnection, key: &str) -> String {
    let Some((queue, worker)) = key.split_once(":inflight:") else { return String::new() };
    let heard: Option<i64> =
        redis::cmd("ZSCORE").arg(format!("{queue}:seen")).arg(worker).query_async(connection).await.unwrap_or_default();
    match heard {
        Some(at) => format!(", of a worker last heard of {} s ago", entity::Clock::system().now().timestamp() - at),
        None => ", of a worker that is on no book".to_owned(),
    }
}

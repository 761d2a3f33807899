//! Limits that processes share: one rule, here and in Redis, and each process for itself while Redis is away.

use std::time::Duration;

use api::limit::gcra::{self, Ask, Rate};
use api::limit::{Asked, Shared, What};
use jobs::lane::RedisSettings;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use tests::child::Scratch;
use tests::client::Client;
use tests::database::Backend;
use tests::patience::{SOON, until_true};
use tests::process::{Launch, Process};
use tests::redis::Redis;
use uuid::Uuid;

use super::made;
use crate::api::{KEY, Served, address, mailmind};

/// What contents are sealed with in both processes; of no value.
const KEYRING: &str = "k:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const VERSION: &str = "{ viewer { version } }";

/// What is asked for, in a sequence: after so many microseconds, so much of each limit.
type Steps = Vec<(u64, [u64; 2])>;

fn rates() -> impl Strategy<Value = [(u64, u64); 2]> {
    // Quotas and windows in seconds, whose emission intervals are seldom whole.
    [(1_u64..40, 1_u64..50), (1_u64..2_000_000, 1_u64..7_200)].prop_filter("a million a second at most", |rates| {
        rates.iter().all(|(quota, window)| quota / window < 1_000_000)
    })
}

fn steps() -> impl Strategy<Value = Steps> {
    let passed = prop_oneof![Just(0), 1_u64..2_000_000, 1_u64..60_000_000];
    let costs = (0_u64..4, prop_oneof![0_u64..50, 1_u64..3_000_000]).prop_map(|(few, many)| [few, many]);
    prop::collection::vec((passed, costs), 1..30)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_and_this_process_come_to_the_same() {
    let redis = Redis::start().await;
    let settings =
        RedisSettings { host: "127.0.0.1".into(), port: redis.port(), password: None, db: 0, prefix: "test".into() };
    let shared = Shared::new(&settings).unwrap();
    let handle = tokio::runtime::Handle::current();
    let (mut refused, mut taken) = (0, 0);
    let compared = tokio::task::block_in_place(|| {
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(200) });
        let counts = std::cell::RefCell::new((&mut refused, &mut taken));
        runner.run(&(rates(), steps()), |(rates, steps)| {
            let rates = rates.map(|(quota, window)| Rate::new(quota, Duration::from_secs(window)).unwrap());
            let key = Uuid::from_u128(u128::from_ne_bytes(entity::clock::random_bytes()));
            let (mut now, mut tats) = (1_800_000_000_000_000, [0_u64; 2]);
            for (passed, costs) in steps {
                now += passed;
                let asks: Vec<Ask> = (0..2).map(|i| Ask { rate: rates[i], cost: costs[i], tat: tats[i] }).collect();
                let here = gcra::judge(now, &asks);
                let what = [What::Requests, What::Emails];
                let asked = [0, 1].map(|i| Asked { what: what[i], rate: rates[i], cost: costs[i] });
                let there = handle.block_on(shared.ask(key, &asked, Some(now))).unwrap();
                prop_assert_eq!(&here, &there, "at {} with {:?}", now, asks);
                let mut counts = counts.borrow_mut();
                match here {
                    Ok(debts) => {
                        *counts.1 += 1;
                        tats = [now + debts[0], now + debts[1]];
                    }
                    Err(_) => *counts.0 += 1,
                }
            }
            Ok(())
        })
    });
    compared.unwrap();
    assert!(refused > 500 && taken > 500, "{refused} were refused and {taken} taken: both have to be tried");
}

/// How many of so many requests are let through, one after the other.
async fn through(client: &Client, n: usize) -> usize {
    let mut through = 0;
    for _ in 0..n {
        let answer = client.try_query(VERSION, json!({})).await.unwrap();
        through += usize::from(answer["data"]["viewer"]["version"].is_string());
    }
    through
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_count_together_through_redis_and_each_for_itself_while_it_is_away() {
    let redis = Redis::start().await;
    let (one, other) = pair(&redis).await;
    let key = made(&one).await;
    let (here, there) = (Client::new(&one.url, &key), Client::new(&other.url, &key));
    assert_eq!((through(&here, 6).await, through(&there, 6).await), (6, 4), "ten in an hour for both together");
    assert_eq!((through(&here, 2).await, through(&there, 2).await), (0, 0));
    no_addresses_in(&redis).await;
    redis.stop();
    let fresh = made(&one).await;
    let (here, there) = (Client::new(&one.url, &fresh), Client::new(&other.url, &fresh));
    assert_eq!((through(&here, 12).await, through(&there, 12).await), (10, 10), "each for itself");
    redis.start_again().await;
    until_true("Redis to count again", SOON, async || {
        // A key that has something left in this process, or Redis would not be asked.
        let another = made(&one).await;
        through(&Client::new(&one.url, &another), 1).await;
        limits_in(&redis).await.iter().any(|name| name.contains(":limit:requests:"))
    })
    .await;
    // What this process gave out, it remembers, though Redis has forgotten it.
    assert_eq!(through(&Client::new(&one.url, &fresh), 2).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_stands_still_holds_nobody_up() {
    let redis = Redis::start().await;
    let (one, other) = pair(&redis).await;
    let key = made(&one).await;
    assert_eq!(through(&Client::new(&one.url, &key), 1).await, 1);
    redis.stall();
    assert_eq!(through(&Client::new(&one.url, &key), 12).await, 9, "ten in all, counted here");
    assert_eq!(through(&Client::new(&other.url, &key), 12).await, 10);
    redis.resume();
}

/// Another process on the same database and Redis.
struct Other {
    url: String,
    // Before its directory, so that it ends first.
    _process: Process,
    _data: Scratch,
}

async fn pair(redis: &Redis) -> (Served, Other) {
    let port = redis.port().to_string();
    let more = |launch: Launch| {
        let launch = launch.env("REDIS_HOST", "127.0.0.1").env("REDIS_PORT", &port).env("CONTENT_KEYRING", KEYRING);
        launch.env("LIMIT_REQUESTS", "10/h")
    };
    let one = Served::with(Backend::Postgres, more).await;
    let data = Scratch::new("data");
    let process = more(mailmind(&["serve"], &data, &one.database)).start();
    let url = address(&process).await;
    Client::new(&url, KEY).await_ready(SOON).await;
    (one, Other { url, _process: process, _data: data })
}

async fn limits_in(redis: &Redis) -> Vec<String> {
    let mut connection = redis.client().get_multiplexed_async_connection().await.unwrap();
    redis::cmd("KEYS").arg("*:limit:*").query_async(&mut connection).await.unwrap()
}

/// Of whoever asked, Redis knows the key's id and nothing else, and that not for ever.
async fn no_addresses_in(redis: &Redis) {
    let names = limits_in(redis).await;
    assert!(!names.is_empty());
    let mut connection = redis.client().get_multiplexed_async_connection().await.unwrap();
    for name in names {
        let who = name.rsplit(':').next().unwrap();
        assert!(Uuid::parse_str(who).is_ok(), "{name}");
        let left: i64 = redis::cmd("PTTL").arg(&name).query_async(&mut connection).await.unwrap();
        assert!((1..=3_600_002).contains(&left), "{name} stays for {left} ms");
    }
}

//! The same events and the same hand-overs, in another order, in other groups and told twice, end the same in the database.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use entity::campaign_metrics::Metric;
use entity::suppression::Reason;
use entity::{Status, email_facts};
use jobs::ledger::{self, Cause, Handed, Move, Settlement, Shard};
use jobs::record::Recorder;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tests::database::Backend;
use tests::webhook::Told;
use uuid::Uuid;

use super::Post;
use crate::control::world::{World, draft};

on_both! {
    any_order_ends_the_same
}

const EMAILS: usize = 12;

/// What Mailgun says of email number `i`, by minutes from the beginning; each email has a story of its own.
fn story(i: usize, email: Uuid, start: DateTime<Utc>) -> Vec<Told> {
    let (own, copy) = (format!("reader{i}@example.com"), format!("copy{i}@example.net"));
    let at = |minutes: i64| start + TimeDelta::minutes(minutes) + TimeDelta::seconds(i as i64);
    let said = |event: &str, minutes: i64| Told::new(event, email, &own, at(minutes));
    let words = |told: Told, words: &str| told.with("delivery-status", json!({ "code": 451, "message": words }));
    let deferred = |minutes: i64| {
        let told = said("failed", minutes).with("severity", "temporary").with("reason", "generic");
        words(told, &format!("later {minutes}"))
    };
    let bounced = |minutes: i64, reason: &str| {
        words(said("failed", minutes).with("severity", "permanent").with("reason", reason), reason)
    };
    let bot = |told: Told| told.with("client-info", json!({ "bot": "apple" }));
    let mut all = vec![said("accepted", 0)];
    all.extend(match i % 12 {
        0 => vec![deferred(1), deferred(20), said("delivered", 70)],
        1 => vec![said("delivered", 1), said("opened", 100), said("opened", 2), bot(said("opened", 1))],
        2 => vec![said("delivered", 1), bounced(90, "bounce"), bounced(50, "old")],
        3 => vec![deferred(1), bounced(200, "old"), deferred(10)],
        4 => vec![said("delivered", 1), said("clicked", 65), said("complained", 70)],
        5 => vec![said("rejected", 1)],
        6 => vec![said("rejected", 1), deferred(2)],
        7 => vec![said("delivered", 3), said("unsubscribed", 61)],
        8 => vec![Told::new("complained", email, &copy, at(4)), said("delivered", 2)],
        9 => vec![bounced(3, "espblock"), said("opened", 62)],
        10 => vec![said("teleported", 1)],
        _ => vec![said("complained", 5), said("rejected", 6), bounced(7, "suppress-bounce")],
    });
    all
}

/// How it ended, without ids and times of ours.
#[derive(Debug, PartialEq)]
struct End {
    emails: Vec<(Status, i32, Option<String>, bool)>,
    facts: Vec<Option<email_facts::Model>>,
    metrics: BTreeMap<(i32, DateTime<Utc>, Metric), i64>,
    list: Vec<Entry>,
    events: usize,
}

/// Whom it binds, why, what it follows from and until when it holds.
type Entry = (String, Reason, DateTime<Utc>, Option<DateTime<Utc>>);

enum Step {
    Tell(Told),
    Settle(usize),
}

async fn settle(world: &World, email: Uuid) {
    let now = world.ctx.clock.now();
    let handed = Handed::Sent { provider_id: "id@mailgun".into() };
    let report =
        Settlement { fence: 1, doubtful_lease: None, handed, http_status: None, started_at: now, finished_at: now };
    let tx = world.ctx.store.begin().await.unwrap();
    let moves = [Move { email, cause: Cause::Settle(report) }];
    ledger::apply(&tx, &world.ctx, Shard::Settle, &moves).await.unwrap().remove(0).unwrap();
    tx.commit().await.unwrap();
}

async fn run(backend: Backend, seed: u64, start: DateTime<Utc>) -> End {
    let mut random = StdRng::seed_from_u64(seed);
    let post = Post::new(backend).await;
    let other = Recorder::start(post.world.restarted().await);
    let emails = post.world.accept(EMAILS, draft()).await;
    post.world.claim(&emails).await;
    let mut steps: Vec<Step> = (0..EMAILS).map(Step::Settle).collect();
    let mut told = 0;
    for (i, email) in emails.iter().enumerate() {
        let story = story(i, *email, start);
        told += story.len();
        steps.extend(story.iter().filter(|_| seed > 0).cloned().map(Step::Tell));
        steps.extend(story.into_iter().map(Step::Tell));
    }
    if seed > 0 {
        steps.shuffle(&mut random);
    }
    while !steps.is_empty() {
        let group: Vec<Step> = steps.drain(..random.random_range(1..=20).min(steps.len())).collect();
        futures::future::join_all(group.into_iter().enumerate().map(async |(i, step)| match step {
            Step::Settle(email) => settle(&post.world, emails[email]).await,
            Step::Tell(told) => {
                let recorder = if i % 2 == 0 { &post.recorder } else { &other };
                recorder.take(told.webhook()).await.unwrap();
            }
        }))
        .await;
    }
    post.assert_the_numbers_add_up().await;
    let events = post.events().await.len();
    assert_eq!(events, told);
    end(&post, &emails, events).await
}

async fn end(post: &Post, emails: &[Uuid], events: usize) -> End {
    let ctx = &post.world.ctx;
    let mut end = End { emails: Vec::new(), facts: Vec::new(), metrics: BTreeMap::new(), list: Vec::new(), events };
    for email in emails {
        let row = post.world.email(*email).await;
        end.emails.push((row.status, row.acceptances, row.last_error, row.rejected));
        let facts = post.facts(*email).await;
        end.facts.push(facts.map(|facts| email_facts::Model { email_id: Uuid::nil(), ..facts }));
    }
    use sea_orm::EntityTrait;
    for row in entity::campaign_metrics::Entity::find().all(ctx.store.write()).await.unwrap() {
        // When we learn that it was sent depends on who told it first.
        let hour = if row.metric == Metric::Sent { DateTime::UNIX_EPOCH } else { row.hour };
        *end.metrics.entry((row.scope, hour, row.metric)).or_default() += row.n;
    }
    end.metrics.retain(|_, n| *n != 0);
    for row in entity::suppression::Entity::find().all(ctx.store.write()).await.unwrap() {
        end.list.push((row.target, row.reason, row.occurred_at, row.expires_at));
    }
    end.list.sort();
    end
}

async fn any_order_ends_the_same(backend: Backend) {
    let start = entity::Clock::system().now() - TimeDelta::hours(5);
    let told_in_order = run(backend, 0, start).await;
    let statuses: Vec<Status> = told_in_order.emails.iter().map(|email| email.0).collect();
    use Status::{Bounced, Complained, Delivered, Failed, Sent};
    let expected = [
        Delivered, Delivered, Bounced, Bounced, Complained, Failed, Failed, Delivered, Delivered, Bounced, Sent,
        Complained,
    ];
    assert_eq!(statuses, expected);
    assert!(told_in_order.emails.iter().all(|email| email.1 == 1));
    for seed in 1..=4 {
        assert_eq!(run(backend, seed, start).await, told_in_order, "seed {seed}");
    }
}

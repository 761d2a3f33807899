//! The faults of a seed, in its order: to processes, to what they stand on, and to Mailgun, all three beside each other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use entity::{Policy, Status, email};
use jobs::Context;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use super::dice::Dice;
use super::people::People;
use super::world::World;
use crate::lock;
use crate::patience::SOON;
use crate::process::Process;

const TO_PROCESSES: [&str; 6] = [
    "a worker killed",
    "a worker stopped past its lease",
    "a worker stopped for a moment",
    "a server killed",
    "a worker restarted in order",
    "a worker with a clock minutes off",
];

const TO_STORES: [&str; 8] = [
    "Redis wiped",
    "Redis restarted",
    "Redis stalled",
    "Redis refusing writes",
    "PostgreSQL crashed",
    "PostgreSQL restarted",
    "PostgreSQL connections cut",
    "commits without an answer",
];

const TO_CLAIMS: [&str; 2] =
    ["claims answered past their lease", "claims answered while others hand over what they held"];

/// What claims' transactions alone hold.
const CLAIM: &str = "FOR UPDATE OF q SKIP LOCKED";

const TO_MAILGUN: [&str; 1] = ["Mailgun not to be reached"];

/// Every kind of fault.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    TO_PROCESSES.into_iter().chain(TO_STORES).chain(TO_CLAIMS).chain(TO_MAILGUN)
}

/// Makes every kind of fault at least once, in about `time` or longer.
pub async fn make(world: &Arc<World>, people: &People, seed: u64, time: Duration) {
    let end = Instant::now() + time;
    tokio::join!(
        lane(world, people, seed, &TO_PROCESSES, end, time / 10),
        lane(world, people, seed, &TO_STORES, end, time / 10),
        lane(world, people, seed, &TO_CLAIMS, end, time / 12),
        lane(world, people, seed, &TO_MAILGUN, end, time / 3),
    );
}

async fn lane(world: &Arc<World>, people: &People, seed: u64, kinds: &[&'static str], end: Instant, pause: Duration) {
    let mut dice = Dice::of(seed, kinds);
    let pause = pause.as_millis() as u64;
    loop {
        let mut round = kinds.to_vec();
        dice.shuffle(&mut round);
        for what in round {
            tokio::time::sleep(dice.millis(pause / 2, pause * 3 / 2)).await;
            happen(world, people, &mut dice, what).await;
            world.coverage.count(what);
        }
        if Instant::now() >= end {
            return;
        }
    }
}

async fn happen(world: &Arc<World>, people: &People, dice: &mut Dice, what: &str) {
    let timing = world.pace.timing();
    let lease = timing.lease;
    // The one would hide the other.
    let way = what.starts_with("PostgreSQL") || what.starts_with("commits") || what.starts_with("claims");
    let _held = if way { Some(world.way.lock().await) } else { None };
    match what {
        "a worker killed" => {
            let worker = world.take_worker(dice.below(3));
            worker.kill9().await;
            world.bury(&worker);
            world.add_worker(world.work("work", None).await);
        }
        "a worker stopped past its lease" => {
            let over = dice.millis(100, lease.as_millis() as u64);
            stop(world, dice, lease + over).await;
        }
        "a worker stopped for a moment" => stop(world, dice, lease / 4).await,
        "a server killed" => {
            let door = dice.below(2);
            let front = lock(&world.fronts)[door].clone();
            front.kill9().await;
            world.bury(&front);
            let front = world.front(door).await;
            lock(&world.fronts)[door] = front;
        }
        "a worker restarted in order" => replace(world, dice, None).await,
        "a worker with a clock minutes off" => {
            let off = *dice.pick(&["+120s", "-120s"]);
            replace(world, dice, Some(off)).await;
        }
        "Redis wiped" => world.redis.wipe().await,
        "Redis restarted" => {
            world.redis.stop();
            tokio::time::sleep(dice.millis(0, 1_000)).await;
            world.redis.start_again().await;
        }
        "Redis stalled" => {
            world.redis.stall();
            tokio::time::sleep(dice.millis(300, 2_000)).await;
            world.redis.resume();
        }
        "Redis refusing writes" => {
            world.redis.refuse_writes(true).await;
            tokio::time::sleep(dice.millis(300, 1_500)).await;
            world.redis.refuse_writes(false).await;
        }
        "PostgreSQL crashed" => {
            world.postgres.kill().await;
            tokio::time::sleep(dice.millis(0, 1_000)).await;
            world.postgres.start_again().await;
        }
        "PostgreSQL restarted" => world.postgres.restart().await,
        "PostgreSQL connections cut" => world.proxy.cut(),
        "commits without an answer" => {
            world.proxy.lose_commits(
                1 + dice.below(3),
                dice.pick::<&str>(&["email_queue", "email_delivery_events", "INSERT"]),
            );
            tokio::time::sleep(dice.millis(300, 800)).await;
        }
        "claims answered past their lease" => {
            let late = lease * 3 / 2 + dice.millis(0, lease.as_millis() as u64 / 2);
            gather(world, Duration::from_millis(700)).await;
            world.proxy.hold_commits(2, CLAIM);
            release(world).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            people.suppress_under_way(dice, 8).await;
            tokio::time::sleep(late).await;
            world.proxy.let_go();
        }
        "claims answered while others hand over what they held" => {
            let held = hold_resendable(world, people).await;
            world.mailgun.be_slow_for(held.keys().copied());
            // They are others' after the wait of RESEND.
            let end = Instant::now() + 4 * lease + timing.watch + timing.resend;
            while Instant::now() < end && !held.is_empty() && !claimed_again(&people.beside, &held).await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            world.proxy.let_go();
            tokio::time::sleep(timing.post).await;
            world.mailgun.be_slow_for([]);
        }
        "Mailgun not to be reached" => {
            world.mailgun.fake.refuse();
            tokio::time::sleep(dice.millis(300, 1_500)).await;
            world.mailgun.fake.listen_again();
        }
        other => unreachable!("no fault of ours: {other}"),
    }
}

/// Holds the answer of a claim that holds emails of policy RESEND, and answers those with their fences. None after some tries.
async fn hold_resendable(world: &World, people: &People) -> HashMap<Uuid, i32> {
    for _ in 0..4 {
        gather(world, Duration::from_millis(400)).await;
        world.proxy.hold_commits(1, CLAIM);
        release(world).await;
        // What others claimed has come to Mailgun by then.
        tokio::time::sleep(world.pace.timing().lease / 10).await;
        let claimed = sending(&people.beside).await;
        let come: HashSet<Uuid> = lock(&world.mailgun.book).posts.iter().map(|post| post.email).collect();
        let held: HashMap<_, _> = claimed.into_iter().filter(|(id, _)| !come.contains(id)).collect();
        if !held.is_empty() {
            return held;
        }
        world.proxy.let_go();
    }
    HashMap::new()
}

/// Whether a later claim than these holds one of them.
async fn claimed_again(beside: &Context, held: &HashMap<Uuid, i32>) -> bool {
    sending(beside).await.into_iter().any(|(id, fence)| held.get(&id).is_some_and(|before| fence > *before))
}

/// Emails of policy RESEND that are claimed, each with its fence; none while the database is away.
async fn sending(beside: &Context) -> Vec<(Uuid, i32)> {
    let claimed = email::Entity::find().filter(email::Column::Status.eq(Status::Sending)).select_only();
    let claimed = claimed.filter(email::Column::OnUnconfirmed.eq(Policy::Resend));
    let claimed = claimed.columns([email::Column::Id, email::Column::Fence]).into_tuple();
    claimed.all(beside.store.read()).await.unwrap_or_default()
}

async fn stop(world: &World, dice: &mut Dice, time: Duration) {
    let workers: Vec<Arc<Process>> = lock(&world.workers).clone();
    let worker = dice.pick(&workers);
    worker.stop();
    tokio::time::sleep(time).await;
    worker.cont();
}

/// Another one comes before this one goes.
async fn replace(world: &World, dice: &mut Dice, off: Option<&str>) {
    let old = world.take_worker(dice.below(3));
    world.add_worker(world.work(if off.is_some() { "skewed" } else { "work" }, off).await);
    old.terminate(2 * SOON).await;
    world.bury(&old);
}

/// Lets emails gather, so that the next claims are large.
async fn gather(world: &World, time: Duration) {
    world.ask("mutation { pause { userErrors { code } } }", json!({})).await;
    tokio::time::sleep(time).await;
}

async fn release(world: &World) {
    world.ask("mutation { resume { ended } }", json!({})).await;
}

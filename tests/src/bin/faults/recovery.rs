//! How long it takes until things go on after a fault, with the protocol's own durations.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tests::client::letter;
use tests::faults::load::bare;
use tests::faults::logbook;
use tests::faults::world::{Pace, World};
use tests::mailgun::Reply;
use tests::patience::until_true;
use tests::webhook::Told;
use tokio::time::Instant;

/// Longer than anything here may take.
const LONG: Duration = Duration::from_secs(240);

/// Measures and prints.
pub async fn measure() {
    let world = World::start(0, Pace { hurry: 1, hurry_log: 1 }, None).await;
    let (book, base) = (world.mailgun.book.clone(), world.mailgun.fake.url());
    world.mailgun.fake.tell_log(move |asked| {
        logbook::answer(&book.lock().unwrap_or_else(std::sync::PoisonError::into_inner), asked, true, &base)
    });
    let living = tokio::spawn(world.mailgun.clone().live(|_| {}));
    world.mailgun.be_calm();
    tell("Redis wiped, the next email accepted by Mailgun", redis_wiped(&world).await);
    tell("a queue of 2,000 drained, from 200 on, nothing happening", drained(&world, false).await);
    tell("the same, Redis wiped at 200", drained(&world, true).await);
    tell("Mailgun back after 30 s, the first email accepted", mailgun_back(&world).await);
    tell("the only server killed and started again, a webhook answered 200", server_killed(&world).await);
    tell(
        "a worker killed amid 7 hand-overs that Mailgun took, all of them known to be sent",
        worker_killed(&world).await,
    );
    living.abort();
}

fn tell(what: &str, took: Duration) {
    println!("{:>7.2} s  {what}", took.as_secs_f64());
}

async fn send(world: &World, n: usize) -> Vec<uuid::Uuid> {
    let inputs: Vec<_> = (0..n).map(|i| letter(&format!("reader{i}@example.org"))).collect();
    let send = "mutation($inputs: [SendEmailInput!]!) { sendEmails(inputs: $inputs) { emails { id } } }";
    let answer = world.ask(send, json!({ "inputs": inputs })).await.expect("it is taken");
    let emails = answer["sendEmails"]["emails"].as_array().expect("a list");
    emails.iter().map(|email| bare(email["id"].as_str().expect("an id")).expect("an email's")).collect()
}

async fn redis_wiped(world: &World) -> Duration {
    send(world, 1_000).await;
    let fake = &world.mailgun.fake;
    fake.until("sending to begin", LONG, |state| state.accepted() >= 200).await;
    world.redis.wipe().await;
    // What was under way arrives all the same.
    let (start, known) = (Instant::now(), fake.accepted() + 3 * 8);
    fake.until("sending to go on", LONG, |state| state.accepted() > known).await;
    let took = start.elapsed();
    fake.until("the rest", LONG, |state| state.accepted() >= 1_000).await;
    took
}

/// How long the rest of a queue takes once a part of it was sent.
async fn drained(world: &World, wiped: bool) -> Duration {
    let fake = &world.mailgun.fake;
    let known = fake.accepted();
    world.ask("mutation { pause(reason: \"recovery\") { userErrors { message } } }", json!({})).await.expect("a pause");
    for _ in 0..2 {
        send(world, 1_000).await;
    }
    world.ask("mutation { resume { userErrors { message } } }", json!({})).await.expect("no pause");
    fake.until("sending to begin", LONG, |state| state.accepted() >= known + 200).await;
    let start = Instant::now();
    if wiped {
        world.redis.wipe().await;
    }
    fake.until("the queue to be empty", LONG, |state| state.accepted() >= known + 2_000).await;
    start.elapsed()
}

async fn mailgun_back(world: &World) -> Duration {
    let fake = &world.mailgun.fake;
    fake.refuse();
    send(world, 100).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let known = fake.accepted();
    fake.listen_again();
    let start = Instant::now();
    fake.until("the first", LONG, |state| state.accepted() > known).await;
    let took = start.elapsed();
    fake.until("the rest", LONG, |state| state.accepted() >= known + 100).await;
    took
}

async fn server_killed(world: &Arc<World>) -> Duration {
    let front = world.fronts.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[0].clone();
    front.kill9().await;
    let start = Instant::now();
    let front = world.front(0).await;
    let now = entity::Clock::system().now();
    let told = Told::new("opened", uuid::Uuid::from_u128(1), "reader@example.org", now);
    let http = tests::client::http();
    let url = format!("{}/webhooks/mailgun", world.door(0));
    until_true("a webhook to be taken", LONG, async || {
        let body = told.body(entity::Clock::system().now(), "recovery");
        http.post(&url).body(body).send().await.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    let took = start.elapsed();
    world.fronts.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[0] = front;
    took
}

async fn worker_killed(world: &Arc<World>) -> Duration {
    // One worker has them all.
    for _ in 0..2 {
        world.take_worker(0).terminate(LONG).await;
    }
    let fake = &world.mailgun.fake;
    fake.answer(|_| Reply::AcceptThenHang);
    let known = fake.accepted();
    let ids = send(world, 7).await;
    fake.until("them to be taken", LONG, |state| state.accepted() >= known + 7).await;
    world.take_worker(0).kill9().await;
    let start = Instant::now();
    world.add_worker(world.work("next", None).await);
    let status = "query($id: ID!) { email(id: $id) { status } }";
    until_true("them to be known", LONG, async || {
        for id in &ids {
            let answer = world.ask(status, json!({ "id": format!("email:{id}") })).await;
            if answer.is_none_or(|answer| {
                answer["email"]["status"] == "SENDING" || answer["email"]["status"] == "UNCONFIRMED"
            }) {
                return false;
            }
        }
        true
    })
    .await;
    start.elapsed()
}

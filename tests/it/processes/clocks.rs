//! Machines whose clocks are wrong: the database's time is everybody's.

use std::time::Duration;

use chrono::TimeDelta;
use entity::{Clock, attempt};
use sea_orm::EntityTrait;
use serde_json::json;
use tests::client::{http, letter};
use tests::mailgun::Reply;
use tests::patience::SOON;
use tokio::time::Instant;

use super::{LONG, Served, World, bare};

/// By how much a process's clock is off, as it shows in what it answers.
async fn off(served: &Served) -> TimeDelta {
    let answer = http().get(format!("{}/health/live", served.url)).send().await.unwrap();
    let date = answer.headers()["date"].to_str().unwrap().to_owned();
    chrono::DateTime::parse_from_rfc2822(&date).unwrap().to_utc() - Clock::system().now()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_whose_clocks_are_minutes_off_agree_on_what_is_due_and_whose_lease_is_over() {
    let world = World::shared().await;
    let early = Served::start(world.launch("early", &["serve"]).faketime("+120s")).await;
    let late = Served::start(world.launch("late", &["serve"]).faketime("-120s")).await;
    let (ahead, behind) = (off(&early).await, off(&late).await);
    assert!(ahead > TimeDelta::seconds(110) && behind < TimeDelta::seconds(-110), "off by {ahead} and {behind}");

    // For each of the two, the other's emails are long under way: a minute's lease would be over by the wrong clock.
    world.mailgun.answer(|_| Reply::Ok.after(Duration::from_secs(3)));
    let mut ids = early.take(8).await;
    ids.extend(late.take(8).await);
    let (now, clock) = (Instant::now(), Clock::system());
    for (served, seconds) in [(&early, 2), (&late, 3)] {
        let due = clock.now() + TimeDelta::seconds(seconds);
        let mut letter = letter("later@example.org");
        letter["sendAt"] = json!(due.to_rfc3339());
        letter["priority"] = json!("HIGH");
        let id = bare(&served.client.send_email(letter).await);
        ids.push(id);
        world.mailgun.until("what is due to go", SOON, |state| state.posts_for(&id.to_string()) > 0).await;
        let waited = TimeDelta::from_std(now.elapsed()).unwrap();
        assert!(clock.now() >= due - TimeDelta::milliseconds(100), "went after {waited}");
    }
    world.mailgun.until("all to be accepted", LONG, |state| state.accepted() == 18).await;
    world.assert_each_sent_once(&early.client, &ids, 0).await;
    assert!(world.accepted_from("early") > 0 && world.accepted_from("late") > 0);
    // Nobody took an email for lost while another had it: each was claimed once.
    let attempts = attempt::Entity::find().all(world.context().await.store.read()).await.unwrap();
    assert!(attempts.len() == 18 && attempts.iter().all(|attempt| attempt.fence == 1), "{attempts:?}");
}

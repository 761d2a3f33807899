//! A worker that stood still past its lease, between its claim and the POST.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::{Outcome, Priority, Status, attempt, email};
use jobs::accept::Draft;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::{Broken, hold};
use crate::app::{App, Plan};
use crate::database::Backend;
use crate::faults::world::{ROLE, SABOTAGE};
use crate::patience::{SOON, until, until_true};
use crate::process::Launch;

/// Emails so large that a worker which claimed them is busy for a while before it comes to the small ones after them.
const LARGE: usize = 3 << 19;
/// As many as one worker claims at a time: of its slots one is kept for the high lane.
const CLAIM: usize = 19;
const HURRY: u32 = 20;

/// It goes on and must hand over nothing.
pub async fn lease(sabotage: Option<&str>) -> Result<(), Broken> {
    let app = App::start(Plan::on(Backend::Sqlite).hurry(HURRY).hurry_posts(HURRY).without_workers()).await;
    for large in [true, false] {
        let n = if large { CLAIM / 2 } else { CLAIM - CLAIM / 2 };
        let text = "x".repeat(if large { LARGE } else { 10 });
        app.send_each(n, |draft: &mut Draft| {
            (draft.priority, draft.text) = (Some(Priority::Normal), Some(text.clone()));
        })
        .await;
    }
    let data = crate::child::Scratch::new("data");
    let mut launch = Launch::of(std::env::current_exe().expect("this very program"))
        .args(["serve"])
        .env(ROLE, "mailmind")
        .env("LISTEN", "127.0.0.1:0")
        .env("DATA_DIR", data.path())
        .env("DATABASE_URL", &app.database.url)
        .env("MAILGUN_API_BASE", app.mailgun.url())
        .env("MAILGUN_API_KEY", "sleeper")
        .env("MAILGUN_DOMAIN", "mg.example.com")
        .env("MAILGUN_BULK_CONCURRENCY", (CLAIM + 1).to_string())
        .env("CONTENT_KEYRING", app.keys().expose_secret())
        .env("TIMING_DIVISOR", HURRY.to_string());
    if let Some(guard) = sabotage {
        launch = launch.env(SABOTAGE, guard);
    }
    let sleeper = launch.start();
    let sending = async || {
        let claimed = email::Entity::find().filter(email::Column::Status.eq(Status::Sending));
        claimed.all(app.ctx.store.write()).await.unwrap_or_default()
    };
    until_true("a claim", SOON, async || sending().await.len() >= 3).await;
    sleeper.stop();
    // What was on its way to Mailgun arrives; the rest can be told by it.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let asleep: Vec<(Uuid, DateTime<Utc>)> = sending()
        .await
        .into_iter()
        .filter(|email| app.mailgun.look(|state| state.posts_for(&email.id.to_string())) == 0)
        .filter_map(|email| Some((email.id, email.lease_until?)))
        .collect();
    assert!(!asleep.is_empty(), "it was stopped between claim and POST");
    until_true("its leases to end", SOON, async || asleep.iter().all(|(_, until)| *until < app.ctx.clock.now())).await;
    sleeper.cont();
    for (id, lease) in asleep {
        // Whoever wakes first says that the lease ran out; the worker's own word comes after it.
        let told = until("its own word about it", SOON, async || {
            let own = |one: &attempt::Model| one.fence == 1 && one.outcome != Outcome::LeaseRanOut;
            app.attempts(id).await.into_iter().find(own)
        });
        let told = told.await;
        let late = told.outcome == Outcome::Sent && told.finished_at > lease;
        hold(!late, format!("{id} was handed over after its lease had ended"))?;
    }
    Ok(())
}

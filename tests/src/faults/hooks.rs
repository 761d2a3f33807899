//! Webhooks of the fault suite: signed, and late, twice, out of order or never; brought again until they are answered 200. And
//! a forger, who saw a signature and puts it before another event.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::Clock;

use super::Coverage;
use super::dice::Dice;
use super::logbook::Logged;
use super::world::Doors;
use crate::client::http;
use crate::lock;

/// How often Mailgun comes again before it gives up.
const TRIES: usize = 40;

/// A delivery that was tried.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub event: String,
    pub at: DateTime<Utc>,
    /// The answer's status; 0 where there was none.
    pub status: u16,
}

/// From this answer on an address may not be mailed.
#[derive(Clone, Debug)]
pub struct Taken {
    pub address: String,
    pub reason: &'static str,
    pub at: DateTime<Utc>,
}

/// What was tried so far.
#[derive(Default)]
pub struct Post {
    pub deliveries: Vec<Delivery>,
    pub taken: Vec<Taken>,
    /// Forged events that were believed.
    pub fooled: Vec<String>,
}

/// Brings webhooks.
#[derive(Clone)]
pub struct Hooks {
    pub post: Arc<Mutex<Post>>,
    seed: u64,
    doors: Doors,
    coverage: Coverage,
    http: reqwest::Client,
    /// Whether some never come: then the log has to be read.
    lossy: bool,
}

impl Hooks {
    /// To these doors.
    pub fn new(seed: u64, doors: Doors, coverage: Coverage, lossy: bool) -> Self {
        Self { post: Arc::default(), seed, doors, coverage, http: http(), lossy }
    }

    /// Brings an event as the seed says; returns at once.
    pub fn bring(&self, logged: Logged) {
        let mut dice = Dice::of(self.seed, ("hook", logged.n));
        let whims = [(70, "webhook on time"), (12, "webhook late"), (10, "webhook twice"), (8, "webhook never")];
        let how = dice.weighted(&whims);
        let how = if how == "webhook never" && !self.lossy { "webhook late" } else { how };
        self.coverage.count(how);
        let hooks = self.clone();
        tokio::spawn(async move {
            let wait = if how == "webhook late" { dice.millis(1_000, 5_000) } else { dice.millis(0, 150) };
            tokio::time::sleep(wait).await;
            match how {
                "webhook never" => {}
                "webhook twice" => {
                    let token = token(&mut dice);
                    // The very same one again, or the same event signed anew.
                    let other = if dice.percent(50) { token.clone() } else { self::token(&mut dice) };
                    tokio::join!(hooks.deliver(&logged, &token), hooks.deliver(&logged, &other));
                }
                _ => {
                    let token = token(&mut dice);
                    // A signature that was never taken is as good as the next: it says nothing about what it stands before.
                    if hooks.deliver(&logged, &token).await && dice.percent(2) {
                        hooks.forge(&logged, &token).await;
                    }
                }
            }
        });
    }

    /// Answers whether it was taken.
    async fn deliver(&self, logged: &Logged, token: &str) -> bool {
        for attempt in 0..TRIES {
            let status = self.try_deliver(logged.told.body(Clock::system().now(), token)).await;
            let at = Clock::system().now();
            self.note(logged, at, status);
            if status == 200 {
                return true;
            }
            if attempt == 0 {
                self.coverage.count("webhook had to be brought again");
            }
            again(attempt).await;
        }
        false
    }

    fn note(&self, logged: &Logged, at: DateTime<Utc>, status: u16) {
        let mut post = lock(&self.post);
        post.deliveries.push(Delivery { event: logged.id.clone(), at, status });
        if let (200, Some(reason)) = (status, logged.fate.suppresses()) {
            post.taken.push(Taken { address: logged.recipient.clone(), reason, at });
        }
    }

    async fn try_deliver(&self, body: bytes::Bytes) -> u16 {
        let Some(door) = self.doors.any() else { return 0 };
        let request = self.http.post(format!("{door}/webhooks/mailgun")).timeout(Duration::from_secs(8)).body(body);
        request.send().await.map_or(0, |answer| answer.status().as_u16())
    }

    /// A complaint that nobody made, under a signature that somebody saw.
    async fn forge(&self, logged: &Logged, token: &str) {
        self.coverage.count("webhook forged");
        let id = format!("forged-{}", logged.id);
        let mut forged = logged.told.clone().with("id", id.clone()).with("event", "complained");
        forged.0["recipient"] = logged.recipient.clone().into();
        for attempt in 0..TRIES {
            match self.try_deliver(forged.body(Clock::system().now(), token)).await {
                200 => return lock(&self.post).fooled.push(id),
                406 => return,
                _ => again(attempt).await,
            }
        }
    }
}

/// Mailgun waits ever longer, ten minutes at first, and so does not press whoever is slow.
async fn again(attempt: usize) {
    tokio::time::sleep(Duration::from_millis(300 << attempt.min(4))).await;
}

fn token(dice: &mut Dice) -> String {
    (0..3).map(|_| format!("{:016x}", dice.below(usize::MAX))).collect()
}

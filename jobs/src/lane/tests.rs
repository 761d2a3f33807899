//! The lanes in process and over a real Redis, which each test starts, stops, wipes and stalls as it likes.
#![expect(clippy::unwrap_used, reason = "tests may")]

mod in_process;
mod outage;
mod redis;
mod server;
mod silent;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use entity::{Clock, Priority};
use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Deliver, Handler, LaneError, LaneTiming, Lanes};
use server::Server;

/// The emails that a handler was offered, in the order of its calls.
#[derive(Clone, Default)]
struct Offered(Arc<Mutex<Vec<(Priority, Uuid)>>>);

impl Offered {
    fn handler(&self) -> Handler {
        let offered = self.clone();
        Arc::new(move |lane, ids| {
            offered.0.lock().unwrap().extend(ids.into_iter().map(|id| (lane, id)));
            async {}.boxed()
        })
    }

    fn in_lane(&self, lane: Priority) -> Vec<Uuid> {
        self.0.lock().unwrap().iter().filter(|(l, _)| *l == lane).map(|(_, id)| *id).collect()
    }

    /// Waits until all of `ids` were offered.
    async fn all(&self, ids: &[Uuid]) {
        until("the emails were offered", || {
            let offered = self.0.lock().unwrap();
            ids.iter().all(|id| offered.iter().any(|(_, o)| o == id))
        })
        .await;
    }
}

/// Waits until `true_now`, for 20 s at most.
async fn until(what: &str, true_now: impl Fn() -> bool) {
    until_async(what, async || true_now()).await;
}

async fn until_async(what: &str, true_now: impl AsyncFn() -> bool) {
    let end = tokio::time::Instant::now() + Duration::from_secs(20);
    while !true_now().await {
        assert!(tokio::time::Instant::now() < end, "in 20 s it did not become true that {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn ids(clock: &Clock, n: usize) -> Vec<Uuid> {
    (0..n).map(|_| clock.id()).collect()
}

/// One doorbell per email.
fn one_each(ids: &[Uuid]) -> Vec<Deliver> {
    Deliver::each(ids, 1)
}

/// Lanes on this Redis, at ten times the pace of production.
async fn fast(server: &Server, clock: &Clock, handler: Handler) -> Lanes {
    with(LaneTiming::divided(10), server, clock, handler).await
}

async fn with(timing: LaneTiming, server: &Server, clock: &Clock, handler: Handler) -> Lanes {
    Lanes::start_with(timing, Some(server.settings()), 5, clock.clone(), handler, CancellationToken::new())
        .await
        .unwrap()
}

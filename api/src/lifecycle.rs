//! How a process ends: the first SIGTERM or SIGINT asks it to finish what is open, the second to stop at once.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The two stages of an end.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    /// Take nothing new, finish what is open, give the rest back.
    pub soft: CancellationToken,
    /// Stop now.
    pub hard: CancellationToken,
}

impl Lifecycle {
    /// A life that signals end.
    ///
    /// # Errors
    /// When signals can't be heard.
    pub fn under_signals() -> std::io::Result<Self> {
        let life = Self::default();
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let told = life.clone();
        tokio::spawn(async move {
            either(&mut term, &mut int).await;
            tracing::info!("Stopping: finishing what is open; a second signal stops at once");
            told.soft.cancel();
            either(&mut term, &mut int).await;
            told.hard.cancel();
        });
        Ok(life)
    }

    /// Does `ending`, unless a second signal or `limit` ends it first. Answers whether it was done.
    pub async fn finish(&self, limit: Duration, ending: impl Future<Output = ()>) -> bool {
        tokio::select! {
            () = ending => true,
            () = self.hard.cancelled() => false,
            () = tokio::time::sleep(limit) => {
                tracing::warn!("Something did not finish in time; it is given back when its lease runs out");
                true
            }
        }
    }
}

async fn either(term: &mut Signal, int: &mut Signal) {
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}

//! Waiting for a condition, with a deadline and a sentence that says what was awaited: tests never sleep for luck.

use std::time::Duration;

use tokio::time::Instant;

/// How long a test waits for something that normally takes milliseconds, on a machine with other work.
pub const SOON: Duration = Duration::from_secs(20);

const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Looks every few milliseconds until `look` answers something, and answers that.
///
/// # Panics
/// When `deadline` has passed: "waited 20s for {what}".
pub async fn until<T>(what: &str, deadline: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Ok(Some(found)) = tokio::time::timeout_at(end, look()).await {
            return found;
        }
        assert!(Instant::now() < end, "waited {deadline:?} for {what}");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// Looks every few milliseconds until `look` answers true.
///
/// # Panics
/// As [`until`].
pub async fn until_true(what: &str, deadline: Duration, mut look: impl AsyncFnMut() -> bool) {
    until(what, deadline, async || look().await.then_some(())).await;
}

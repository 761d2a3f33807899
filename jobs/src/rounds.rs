//! Work that is looked for again and again, by every process that has workers. It may be broken off anywhere: whoever does it
//! claims it first, and what is left is found by others.

use std::future::Future;

use crate::Context;
use crate::error::Result;

/// Looks each time the watch comes round, until the process is to stop. `failed` is the sentence in the log for a round that
/// failed; the next one looks again.
pub(crate) async fn until_stopped<T, F>(ctx: &Context, failed: &'static str, mut look: impl FnMut() -> F)
where
    F: Future<Output = Result<T>>,
{
    let rounds = async {
        loop {
            if let Err(error) = look().await {
                tracing::warn!(cause = %error, "{failed}");
            }
            tokio::time::sleep(ctx.timing.watch).await;
        }
    };
    tokio::select! {
        () = rounds => {}
        () = ctx.stop.cancelled() => {}
    }
}

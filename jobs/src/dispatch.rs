//! Applications that are told of delivery events: endpoints, to which each event is posted as Standard Webhooks has it.
//!
//! Events are numbered in the order of their commits, so they are their own outbox: an endpoint's number says up to which it was
//! told, and nothing is stored for it beforehand. A round posts what comes next, then stores in one transaction how far it came
//! and what is left to do of each: whoever dies in between is followed by another who tells the same once more. Each event is
//! told at least once, always under the same id, and in no promised order, since what failed is told again later.
//!
//! One process tells an endpoint at a time: its claim is the row's `lease_until` (`claim`). Endpoints know nothing of each other,
//! and sending nothing of any. `round` tells, `rule` says what follows from an answer, `payload` what is told, `sign` and `post`
//! how, `address` where; `endpoint` keeps the endpoints, `dead` what they did not take, `replay` tells a span of time again.

pub mod address;
mod claim;
pub mod dead;
pub mod endpoint;
pub mod payload;
mod post;
pub mod replay;
mod round;
pub mod rule;
pub mod sign;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

pub use post::Poster;

use crate::Context;
use crate::error::Result;
use crate::live::news::News;
use claim::Claim;

/// Between two looks: what is recorded meanwhile is found by one.
const ROUND: Duration = Duration::from_millis(100);

/// Tells endpoints whenever there is something to tell, until the process is to stop. What it does then is the tracker's to
/// wait for.
pub async fn run(ctx: Arc<Context>, mut news: News, tasks: TaskTracker) {
    // Rings when somebody has come to the end of what there was to tell: more may have come since.
    let ended = Arc::new(Notify::new());
    loop {
        match claim::due(&ctx).await {
            Ok(claims) => {
                for claim in claims {
                    let (ctx, ended) = (ctx.clone(), ended.clone());
                    tasks.spawn(async move {
                        tell(&ctx, claim).await;
                        ended.notify_one();
                    });
                }
            }
            Err(error) => {
                tracing::warn!(cause = %error, "Endpoints could not be looked for; they are looked for again")
            }
        }
        let more = async {
            tokio::select! {
                () = news.more() => {}
                () = ended.notified() => {}
                () = sleep(ctx.timing.watch) => {}
            }
            sleep(ROUND).await;
        };
        tokio::select! {
            () = more => {}
            () = ctx.stop.cancelled() => return,
        }
    }
}

/// Tells every endpoint what there is to tell, and waits until that is done. Answers how many those were.
///
/// # Errors
/// The database's own, where endpoints are looked for.
pub async fn due(ctx: &Context) -> Result<usize> {
    let claims = claim::due(ctx).await?;
    Ok(join_all(claims.into_iter().map(|claim| tell(ctx, claim))).await.len())
}

/// Round after round, until there is nothing left to tell for now.
async fn tell(ctx: &Context, mut claim: Claim) {
    let id = claim.endpoint.id;
    loop {
        match round::run(ctx, &mut claim).await {
            Ok(round::Next::More) if !ctx.stop.is_cancelled() => {}
            Ok(round::Next::More | round::Next::Nothing) => break,
            // Somebody else tells it now, or nobody.
            Ok(round::Next::Lost) => return,
            Err(error) => {
                tracing::warn!(event_endpoint.id = %id, cause = %error, "An endpoint could not be told; it is tried again");
                break;
            }
        }
    }
    if let Err(error) = claim.give_back(ctx).await {
        tracing::debug!(cause = %error, "a claim ends by itself");
    }
}

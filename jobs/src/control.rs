//! What a person or the application asks of one email. Each request is one transaction through the ledger, so it meets a
//! running worker at the row's lock and one of the two comes first; the answer is the email as it stands afterwards.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::{Status, email};
use sea_orm::EntityTrait;
use uuid::Uuid;

use crate::Context;
use crate::error::Result;
use crate::ledger::{self, Cause, Move, Moved, Refusal, Shard};

/// How often a request's transaction is tried when something transient ended it.
const TRIES: u32 = 5;

/// Cancels an email that waits. One that is SENDING or UNCONFIRMED is asked to stop (`cancel_requested`): it ends CANCELLED
/// if it turns out not to have left. Cancelling twice is cancelling once.
///
/// # Errors
/// The database's own; a [`Refusal`] inside when its state has no way to CANCELLED.
pub async fn cancel(ctx: &Context, id: Uuid) -> Result<Result<email::Model, Refusal>> {
    one(ctx, id, Cause::Cancel).await
}

/// Queues a FAILED email anew with all its tries, or a SUPPRESSED one whose suppression was lifted.
///
/// # Errors
/// The database's own; a [`Refusal`] inside, for UNCONFIRMED one that names `resolveEmail`.
pub async fn retry(ctx: &Context, id: Uuid) -> Result<Result<email::Model, Refusal>> {
    one(ctx, id, Cause::Retry).await
}

/// Moves an email that waits to another time. A past `send_at` means now; how far in the past is nonsense is for the caller
/// to say.
///
/// # Errors
/// The database's own; a [`Refusal`] inside when it no longer waits.
pub async fn reschedule(ctx: &Context, id: Uuid, send_at: DateTime<Utc>) -> Result<Result<email::Model, Refusal>> {
    let send_at = send_at.max(ctx.clock.now());
    one(ctx, id, Cause::Reschedule { send_at }).await
}

/// Takes a person's word on an UNCONFIRMED email: Mailgun has it, or has it not and it goes again.
///
/// # Errors
/// The database's own; a [`Refusal`] inside when nobody has to decide about it.
pub async fn resolve(ctx: &Context, id: Uuid, sent: bool) -> Result<Result<email::Model, Refusal>> {
    one(ctx, id, Cause::Resolve { sent }).await
}

/// A cause's end: what the ledger said, and the email as it stands then.
struct Answer {
    moved: Result<Moved, Refusal>,
    email: Option<email::Model>,
}

async fn one(ctx: &Context, id: Uuid, cause: Cause) -> Result<Result<email::Model, Refusal>> {
    let moves = [Move { email: id, cause }];
    // Once a COMMIT's answer was lost, the change may hold already and its repetition be refused for that very reason.
    let doubtful = AtomicBool::new(false);
    let answer = repeat(|| attempt(ctx, &moves, &doubtful)).await?;
    let Some(email) = answer.email else { return Ok(Err(Refusal::NotFound)) };
    match answer.moved {
        Ok(moved) => {
            if moved.before.status != Status::Queued && moved.after.status == Status::Queued {
                ctx.nudge(moved.after.lane);
            }
            Ok(Ok(email))
        }
        Err(_) if doubtful.into_inner() => {
            ctx.nudge(email.lane);
            Ok(Ok(email))
        }
        Err(refusal) => Ok(Err(refusal)),
    }
}

async fn attempt(ctx: &Context, moves: &[Move; 1], doubtful: &AtomicBool) -> Result<Answer> {
    let tx = ctx.store.begin().await?;
    let mut answers = ledger::apply(&tx, ctx, Shard::Control, moves).await?;
    let moved = answers.pop().unwrap_or(Err(Refusal::NotFound));
    let email = email::Entity::find_by_id(moves[0].email).one(&tx).await?;
    if moved.is_err() {
        tx.rollback().await?;
        return Ok(Answer { moved, email });
    }
    tx.commit().await.inspect_err(|_| doubtful.store(true, Ordering::Relaxed))?;
    Ok(Answer { moved, email })
}

/// Does a transaction again, a few times, when a deadlock, a busy file or a lost connection ended it.
pub(crate) async fn repeat<T, F: Future<Output = Result<T>>>(mut transaction: impl FnMut() -> F) -> Result<T> {
    let mut tries = 1;
    loop {
        match transaction().await {
            Err(error) if error.is_transient() && tries < TRIES => {
                tracing::warn!(tries, cause = %error, "A transaction is repeated");
                tokio::time::sleep(Duration::from_millis(20 * 2u64.pow(tries))).await;
                tries += 1;
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn busy() -> Error {
        sea_orm::DbErr::Conn(sea_orm::RuntimeErr::Internal("gone".into())).into()
    }

    #[tokio::test]
    async fn something_transient_is_repeated_a_few_times_and_no_more() {
        for (failures, calls, ok) in [(0, 1, true), (2, 3, true), (TRIES - 1, TRIES, true), (TRIES, TRIES, false)] {
            let mut called = 0;
            let done = repeat(|| {
                called += 1;
                std::future::ready(if called <= failures { Err(busy()) } else { Ok(()) })
            });
            assert_eq!((done.await.is_ok(), called), (ok, calls), "{failures} failures");
        }
    }
}

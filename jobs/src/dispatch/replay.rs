//! Telling an endpoint once more what was recorded in a span of time, as when it lost what it had taken: the same events under
//! the same ids, those that it wants now.

use chrono::{DateTime, Utc};
use entity::event_replay::Model;
use sea_orm::{ConnectionTrait, Value};
use uuid::Uuid;

use crate::Context;
use crate::control::repeat;
use crate::error::Result;
use crate::find::events::recorded;
use crate::find::models;
use crate::store::{execute, rows};

/// Replays of an endpoint that may be under way.
pub const MOST: usize = 10;

/// Why nothing is told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such endpoint.
    NotFound,
    /// The span ends before it begins.
    Backwards,
    /// It has [`MOST`] replays under way.
    TooMany,
}

/// Has an endpoint be told again of what was recorded from `since` on and before `until`.
///
/// # Errors
/// The database's own.
pub async fn ask(
    ctx: &Context,
    endpoint: Uuid,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Result<Model, Refusal>> {
    if since >= until {
        return Ok(Err(Refusal::Backwards));
    }
    if super::endpoint::find(ctx, endpoint).await?.is_none() {
        return Ok(Err(Refusal::NotFound));
    }
    if open(ctx, endpoint).await?.len() >= MOST {
        return Ok(Err(Refusal::TooMany));
    }
    let (first, end) = recorded(ctx, since, until).await?;
    let row = Model {
        id: ctx.clock.id(),
        endpoint_id: endpoint,
        since,
        until,
        seq: first - 1,
        last: end - 1,
        told: 0,
        asked_at: ctx.clock.now(),
        finished_at: None,
    };
    let text = "INSERT INTO event_replays (id, endpoint_id, since, until, seq, last, told, asked_at) \
                VALUES ($1, $2, $3, $4, $5, $6, 0, $7) ON CONFLICT (id) DO NOTHING";
    repeat(|| async {
        let values = [
            Value::from(row.id),
            Value::from(row.endpoint_id),
            Value::from(row.since),
            Value::from(row.until),
            Value::from(row.seq),
            Value::from(row.last),
            Value::from(row.asked_at),
        ];
        Ok(execute(ctx.store.write(), ctx.store.sql(text, values)).await?)
    })
    .await?;
    Ok(Ok(row))
}

/// The latest replays of an endpoint, the newest first.
///
/// # Errors
/// The database's own.
pub async fn latest(ctx: &Context, endpoint: Uuid, most: i64) -> Result<Vec<Model>> {
    let text = "SELECT r.* FROM event_replays r WHERE r.endpoint_id = $1 ORDER BY r.id DESC LIMIT $2";
    let values = [Value::from(endpoint), Value::from(most)];
    models(&rows(ctx.store.read(), ctx.store.sql(text, values)).await?)
}

/// Those under way, the oldest first.
async fn open(ctx: &Context, endpoint: Uuid) -> Result<Vec<Model>> {
    let text = "SELECT r.* FROM event_replays r WHERE r.endpoint_id = $1 AND r.finished_at IS NULL ORDER BY r.id";
    models(&rows(ctx.store.by_key(), ctx.store.sql(text, [Value::from(endpoint)])).await?)
}

/// The one to go on with.
pub(super) async fn next(ctx: &Context, endpoint: Uuid) -> Result<Option<Model>> {
    Ok(open(ctx, endpoint).await?.into_iter().next())
}

/// How far it came.
pub(super) async fn store(db: &impl ConnectionTrait, ctx: &Context, replay: &Model) -> Result<()> {
    let text = "UPDATE event_replays SET seq = $1, told = $2, finished_at = $3 WHERE id = $4";
    let values =
        [Value::from(replay.seq), Value::from(replay.told), Value::from(replay.finished_at), Value::from(replay.id)];
    execute(db, ctx.store.sql(text, values)).await?;
    Ok(())
}

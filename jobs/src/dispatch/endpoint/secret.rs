//! What endpoints sign with: sealed, replaced with an overlap, and several at a time.

use chrono::{DateTime, TimeDelta, Utc};
use entity::endpoint_secret::{self, TABLE};
use entity::event_endpoint::Model;
use entity::sealed::{DataKey, Wrapped};
use sea_orm::{ConnectionTrait, DatabaseTransaction, FromQueryResult, Value};
use uuid::Uuid;

use super::Refusal;
use crate::Context;
use crate::control::repeat;
use crate::dispatch::sign::Secret;
use crate::error::Result;
use crate::find::models;
use crate::store::{execute, rows};

/// Secrets that may sign at the same time, the newest among them.
pub const MOST_SECRETS: usize = 4;

/// For how long a replaced secret may go on signing.
pub const LONGEST_OVERLAP: TimeDelta = TimeDelta::days(7);

/// What a secret is sealed for.
const COLUMN: &str = "secret";

/// Another secret for an endpoint. Those that sign until now go on for so long, so that it can be told the new one; where that is
/// nothing, they end at once.
///
/// # Errors
/// The database's own.
pub async fn rotate(ctx: &Context, id: Uuid, overlap: TimeDelta) -> Result<Result<(Model, Secret), Refusal>> {
    let now = ctx.clock.now();
    let until = now + overlap.clamp(TimeDelta::zero(), LONGEST_OVERLAP);
    let secret = Secret::generate();
    let sealed = seal(ctx, id, &secret, now);
    let done = repeat(|| async {
        let tx = ctx.store.begin().await?;
        let text = format!("SELECT e.* FROM event_endpoints e WHERE e.id = $1 {}", ctx.store.for_update());
        let Some(row) = models::<Model>(&rows(&tx, ctx.store.sql(text, [Value::from(id)])).await?)?.pop() else {
            return Ok(Err(Refusal::NotFound));
        };
        let signing = stored(&tx, ctx, id, now).await?.iter().filter(|row| row.id != sealed.id).count();
        if until > now && signing >= MOST_SECRETS {
            return Ok(Err(Refusal::TooManySecrets));
        }
        // None of them signs for longer than it would have.
        let text = "UPDATE event_endpoint_secrets SET expires_at = $1 WHERE endpoint_id = $2 AND id <> $3 \
                    AND (expires_at IS NULL OR expires_at > $1)";
        let values = [Value::from(until), Value::from(id), Value::from(sealed.id)];
        execute(&tx, ctx.store.sql(text, values)).await?;
        insert(&tx, ctx, &sealed).await?;
        tx.commit().await?;
        Ok(Ok(row))
    })
    .await?;
    Ok(done.map(|row| (row, secret)))
}

/// A secret as it is stored, for its endpoint alone.
pub(super) fn seal(ctx: &Context, endpoint: Uuid, secret: &Secret, now: DateTime<Utc>) -> endpoint_secret::Model {
    let id = ctx.clock.id();
    let (key, Wrapped { key_id, wrapped }) = DataKey::generate(&ctx.keyring, TABLE, id);
    let secret = key.seal(TABLE, id, COLUMN, secret.bytes());
    endpoint_secret::Model {
        id,
        endpoint_id: endpoint,
        key_id,
        wrapped_key: wrapped,
        secret,
        created_at: now,
        expires_at: None,
    }
}

/// Stores it, once.
pub(super) async fn insert(tx: &DatabaseTransaction, ctx: &Context, row: &endpoint_secret::Model) -> Result<()> {
    let text = "INSERT INTO event_endpoint_secrets (id, endpoint_id, key_id, wrapped_key, secret, created_at) \
                VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING";
    let values = [
        Value::from(row.id),
        Value::from(row.endpoint_id),
        Value::from(row.key_id.clone()),
        Value::from(row.wrapped_key.clone()),
        Value::from(row.secret.clone()),
        Value::from(row.created_at),
    ];
    execute(tx, ctx.store.sql(text, values)).await?;
    Ok(())
}

/// The rows of the secrets that sign for an endpoint at `now`, the newest first.
async fn stored(
    db: &impl ConnectionTrait,
    ctx: &Context,
    endpoint: Uuid,
    now: DateTime<Utc>,
) -> Result<Vec<endpoint_secret::Model>> {
    let text = "SELECT s.* FROM event_endpoint_secrets s WHERE s.endpoint_id = $1 AND (s.expires_at IS NULL OR s.expires_at > $2) \
                ORDER BY s.created_at DESC, s.id DESC";
    let values = [Value::from(endpoint), Value::from(now)];
    models(&rows(db, ctx.store.sql(text, values)).await?)
}

/// A secret that signs, without itself.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Signing {
    pub created_at: DateTime<Utc>,
    /// Until when; `None` for the newest.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Which secrets sign for an endpoint, the newest first.
///
/// # Errors
/// The database's own.
pub async fn secrets(ctx: &Context, endpoint: Uuid) -> Result<Vec<Signing>> {
    let found = stored(ctx.store.by_key(), ctx, endpoint, ctx.clock.now()).await?;
    Ok(found.into_iter().map(|row| Signing { created_at: row.created_at, expires_at: row.expires_at }).collect())
}

/// The secrets that sign for an endpoint, the newest first.
pub(in crate::dispatch) async fn signing(ctx: &Context, endpoint: Uuid) -> Result<Vec<Secret>> {
    let open = |row: endpoint_secret::Model| {
        let wrapped = Wrapped { key_id: row.key_id, wrapped: row.wrapped_key };
        let key = ctx.keyring.unwrap(&wrapped, TABLE, row.id)?;
        Ok(Secret::of(key.open(TABLE, row.id, COLUMN, &row.secret)?))
    };
    // By the writers' pool: a secret that was just made signs the very next event.
    stored(ctx.store.write(), ctx, endpoint, ctx.clock.now()).await?.into_iter().map(open).collect()
}

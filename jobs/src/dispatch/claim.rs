//! The right to tell an endpoint: a lease in its row, taken, stored under and given back by guarded statements.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::event_endpoint::Model as Endpoint;
use sea_orm::{ActiveEnum, ConnectionTrait, Value};
use tokio::time::Instant;
use uuid::Uuid;

use crate::Context;
use crate::error::Result;
use crate::find::models;
use crate::store::{execute, rows};
use crate::timing::delta;

/// A claim, and the endpoint as it is by this process's knowledge.
pub(super) struct Claim {
    pub(super) endpoint: Endpoint,
    until: DateTime<Utc>,
    since: Instant,
}

/// Takes every endpoint that there is something to tell, and that nobody is telling.
///
/// # Errors
/// The database's own.
pub(super) async fn due(ctx: &Context) -> Result<Vec<Claim>> {
    let text = "SELECT e.id FROM event_endpoints e WHERE e.disabled_at IS NULL AND (e.lease_until IS NULL OR e.lease_until <= $1) \
                AND ((e.held_until IS NULL OR e.held_until <= $1) AND (e.seq < (SELECT c.seq FROM event_clock c WHERE c.id = 1) \
                OR EXISTS (SELECT 1 FROM event_replays r WHERE r.endpoint_id = e.id AND r.finished_at IS NULL)) \
                OR EXISTS (SELECT 1 FROM event_dispatches d WHERE d.endpoint_id = e.id AND d.due_at <= $1)) ORDER BY e.id";
    let now = ctx.clock.now();
    let mut claims = Vec::new();
    for row in rows(ctx.store.by_key(), ctx.store.sql(text, [Value::from(now)])).await? {
        claims.extend(Claim::take(ctx, row.try_get("", "id")?).await?);
    }
    Ok(claims)
}

impl Claim {
    async fn take(ctx: &Context, id: Uuid) -> Result<Option<Self>> {
        let text = "UPDATE event_endpoints SET lease_until = $1 WHERE id = $2 AND disabled_at IS NULL \
                    AND (lease_until IS NULL OR lease_until <= $3) RETURNING *";
        let now = ctx.clock.now();
        let (until, since) = (now + delta(ctx.timing.lease), Instant::now());
        let values = [Value::from(until), Value::from(id), Value::from(now)];
        let taken = rows(ctx.store.write(), ctx.store.sql(text, values)).await?;
        Ok(models(&taken)?.pop().map(|endpoint| Self { endpoint, until, since }))
    }

    /// How long a try may still begin: each ends before the claim does.
    pub(super) fn left(&self, ctx: &Context) -> Duration {
        (ctx.timing.lease / 2).saturating_sub(self.since.elapsed())
    }

    /// Reads what somebody may have changed since, and holds it for longer; `false` where it was lost, or there is nobody to tell
    /// any more.
    pub(super) async fn renew(&mut self, ctx: &Context) -> Result<bool> {
        let text = "UPDATE event_endpoints SET lease_until = $1 WHERE id = $2 AND lease_until = $3 AND disabled_at IS NULL \
                    RETURNING *";
        let (until, since) = (ctx.clock.now() + delta(ctx.timing.lease), Instant::now());
        let values = [Value::from(until), Value::from(self.endpoint.id), Value::from(self.until)];
        let held = rows(ctx.store.write(), ctx.store.sql(text, values)).await?;
        let Some(endpoint) = models(&held)?.pop() else { return Ok(false) };
        *self = Self { endpoint, until, since };
        Ok(true)
    }

    /// Stores how far it was told and how that went; what else may have changed stays. `false` where the claim was lost: then
    /// whatever the transaction does must not hold.
    pub(super) async fn store(&self, db: &impl ConnectionTrait, ctx: &Context, new: &Endpoint) -> Result<bool> {
        // Whoever disabled it meanwhile had the last word.
        let text = "UPDATE event_endpoints SET seq = $1, failures = $2, failing_since = $3, held_until = $4, last_error = $5, \
                    taken = $6, taken_at = $7, disabled_at = coalesce(disabled_at, $8), \
                    disabled_by = coalesce(disabled_by, $9) WHERE id = $10 AND lease_until = $11";
        let values = [
            Value::from(new.seq),
            Value::from(new.failures),
            Value::from(new.failing_since),
            Value::from(new.held_until),
            Value::from(new.last_error.clone()),
            Value::from(new.taken),
            Value::from(new.taken_at),
            Value::from(new.disabled_at),
            Value::from(new.disabled_by.map(|by| by.to_value())),
            Value::from(new.id),
            Value::from(self.until),
        ];
        Ok(execute(db, ctx.store.sql(text, values)).await?.rows_affected() == 1)
    }

    /// Lets others tell it. A claim that was lost changes nothing.
    pub(super) async fn give_back(self, ctx: &Context) -> Result<()> {
        let text = "UPDATE event_endpoints SET lease_until = NULL WHERE id = $1 AND lease_until = $2";
        let values = [Value::from(self.endpoint.id), Value::from(self.until)];
        execute(ctx.store.write(), ctx.store.sql(text, values)).await?;
        Ok(())
    }
}

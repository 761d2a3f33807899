//! Where Mailgun does not answer, emails wait instead of failing. A breaker opens after consecutive failures, or at once when
//! Mailgun refuses the account, and then lets one email at a time go ahead to look; replicas share rows, so also the probe.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DatabaseTransaction, Value};
use uuid::Uuid;

use crate::Context;
use crate::error::Result;
use crate::store::{execute, rows};

/// Consecutive failures that open a breaker.
pub const FAILURES: i32 = 5;

/// Counts a failure of `email`; opens the breaker when it was one too many, or at once. The first probe is another email
/// wherever there is another. Answers whether it is open now.
///
/// # Errors
/// The database's own.
pub async fn failed(ctx: &Context, key: &str, reason: &str, at_once: bool, email: Uuid) -> Result<bool> {
    let now = ctx.clock.now();
    let first = now + ctx.timing.probe_first;
    let text = "INSERT INTO email_breakers (key, open, failures, probes, probe_at, probe_email, opened_at, reason, updated_at) \
         VALUES ($1, $2, 1, 0, CASE WHEN $2 THEN $3 END, $7, CASE WHEN $2 THEN $4 END, $5, $4) \
         ON CONFLICT (key) DO UPDATE SET failures = email_breakers.failures + 1, reason = excluded.reason, updated_at = $4, \
         probe_email = excluded.probe_email, \
         opened_at = CASE WHEN email_breakers.open THEN email_breakers.opened_at WHEN $2 OR email_breakers.failures + 1 >= $6 THEN $4 END, \
         probe_at = CASE WHEN email_breakers.open THEN email_breakers.probe_at WHEN $2 OR email_breakers.failures + 1 >= $6 THEN $3 END, \
         probes = CASE WHEN email_breakers.open THEN email_breakers.probes ELSE 0 END, \
         open = (email_breakers.open OR $2 OR email_breakers.failures + 1 >= $6) \
         RETURNING open, probes";
    let values = [
        Value::from(key),
        Value::from(at_once),
        Value::from(first),
        Value::from(now),
        Value::from(reason),
        Value::from(FAILURES),
        Value::from(email),
    ];
    let found = rows(ctx.store.write(), ctx.store.sql(cast(ctx, text), values)).await?;
    ctx.trouble.note();
    let open = found.first().map(|r| r.try_get("", "open")).transpose()?.unwrap_or(false);
    Ok(open)
}

/// PostgreSQL infers no type for a parameter that stands in CASE alone.
fn cast(ctx: &Context, text: &str) -> String {
    match ctx.store.dialect() {
        crate::store::Dialect::Postgres => text
            .replace("$2", "$2::bool")
            .replace("$3", "$3::timestamptz")
            .replace("$4", "$4::timestamptz")
            .replace("$6", "$6::int4"),
        crate::store::Dialect::Sqlite => text.to_owned(),
    }
}

/// Mailgun gave a readable answer: the count starts anew, and an open breaker closes. Costs nothing while there was no
/// trouble. Answers the keys of the breakers that closed.
///
/// # Errors
/// The database's own.
pub async fn answered(ctx: &Context, keys: &[&str]) -> Result<Vec<String>> {
    let mut closed = Vec::new();
    for key in keys {
        let text = "UPDATE email_breakers SET failures = 0, open = false, probes = 0, probe_at = NULL, probe_email = NULL, \
                    updated_at = $2 WHERE key = $1 AND (open OR failures > 0) RETURNING opened_at";
        let values = [Value::from(*key), Value::from(ctx.clock.now())];
        let found = rows(ctx.store.write(), ctx.store.sql(text, values)).await?;
        if found.first().map(|r| r.try_get::<Option<DateTime<Utc>>>("", "opened_at")).transpose()?.flatten().is_some() {
            let text = "UPDATE email_breakers SET opened_at = NULL WHERE key = $1 AND NOT open";
            execute(ctx.store.write(), ctx.store.sql(text, [Value::from(*key)])).await?;
            closed.push((*key).to_owned());
        }
    }
    Ok(closed)
}

/// Takes the probe of an open breaker for `email`, in the claim's transaction: of all replicas one gets it. Each further one
/// comes after twice the wait.
///
/// # Errors
/// The database's own.
pub async fn take_probe(tx: &DatabaseTransaction, ctx: &Context, key: &str, email: Uuid) -> Result<bool> {
    let now = ctx.clock.now();
    let text = format!(
        "SELECT probes FROM email_breakers WHERE key = $1 AND open AND probe_at <= $2 {}",
        ctx.store.for_update()
    );
    let found = rows(tx, ctx.store.sql(text, [Value::from(key), Value::from(now)])).await?;
    let Some(row) = found.first() else { return Ok(false) };
    let probes: i32 = row.try_get("", "probes")?;
    let wait = ctx.timing.probe_first.saturating_mul(2u32.saturating_pow(probes.clamp(0, 16) as u32 + 1));
    let next = now + wait.min(ctx.timing.probe_most);
    let text = "UPDATE email_breakers SET probes = probes + 1, probe_at = $2, probe_email = $3, updated_at = $4 WHERE key = $1";
    let values = [Value::from(key), Value::from(next), Value::from(email), Value::from(now)];
    execute(tx, ctx.store.sql(text, values)).await?;
    Ok(true)
}

/// Reads whether any breaker has failures or is open, for a process that starts.
///
/// # Errors
/// The database's own.
pub async fn any_trouble(db: &impl ConnectionTrait, ctx: &Context) -> Result<bool> {
    let text = "SELECT 1 AS one FROM email_breakers WHERE open OR failures > 0 LIMIT 1";
    Ok(!rows(db, ctx.store.sql(text, [])).await?.is_empty())
}

//! How all endpoints stand, for the figures of a process.

use chrono::{DateTime, TimeDelta, Utc};
use entity::event_dispatch::State;
use entity::event_endpoint::Disabled;
use sea_orm::{ActiveEnum, Value};

use crate::Context;
use crate::error::Result;
use crate::store::rows;

/// How all endpoints stand, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Standing {
    /// Those that are told and take what they are told.
    pub well: u64,
    /// Those that took nothing of late.
    pub failing: u64,
    /// Those that somebody disabled …
    pub disabled: u64,
    /// … and those that were for taking nothing.
    pub given_up: u64,
    /// For how long the oldest event has been recorded that one of them was not offered.
    pub lag: TimeDelta,
    /// Events that are tried again, and those that are not; as far as one counts.
    pub waiting: u64,
    pub dead: u64,
}

/// How all endpoints stand.
///
/// # Errors
/// The database's own.
pub async fn standing(ctx: &Context) -> Result<Standing> {
    let now = ctx.clock.now();
    let text = "SELECT e.failing_since, e.disabled_at, e.disabled_by, (SELECT v.recorded_at FROM email_delivery_events v WHERE v.seq > e.seq \
                ORDER BY v.seq LIMIT 1) AS oldest FROM event_endpoints e";
    let mut standing = Standing::default();
    for row in rows(ctx.store.read(), ctx.store.sql(text, [])).await? {
        let time = |column: &str| row.try_get::<Option<DateTime<Utc>>>("", column);
        if time("disabled_at")?.is_some() {
            let by_hand = row.try_get::<Option<Disabled>>("", "disabled_by")? == Some(Disabled::ByHand);
            *(if by_hand { &mut standing.disabled } else { &mut standing.given_up }) += 1;
            continue;
        }
        let state = if time("failing_since")?.is_some() { &mut standing.failing } else { &mut standing.well };
        *state += 1;
        standing.lag = standing.lag.max(time("oldest")?.map_or(TimeDelta::zero(), |oldest| now - oldest));
    }
    let text =
        "SELECT count(*) AS n FROM (SELECT 1 AS one FROM event_dispatches d WHERE d.state = $1 LIMIT 100000) AS few";
    for (state, n) in [(State::Waiting, &mut standing.waiting), (State::Dead, &mut standing.dead)] {
        let found = rows(ctx.store.read(), ctx.store.sql(text, [Value::from(state.to_value())])).await?;
        let counted: i64 = found.first().map(|row| row.try_get("", "n")).transpose()?.unwrap_or_default();
        *n = counted.unsigned_abs();
    }
    Ok(standing)
}

/// How many take nothing, or were disabled for it.
///
/// # Errors
/// The database's own.
pub async fn deaf(ctx: &Context) -> Result<u64> {
    let text = "SELECT count(*) AS n FROM event_endpoints e WHERE CASE WHEN e.disabled_at IS NULL THEN e.failing_since IS NOT NULL \
                ELSE e.disabled_by <> $1 END";
    let found = rows(ctx.store.read(), ctx.store.sql(text, [Value::from(Disabled::ByHand.to_value())])).await?;
    let n: i64 = found.first().map(|row| row.try_get("", "n")).transpose()?.unwrap_or_default();
    Ok(n.unsigned_abs())
}

//! What a process met and no other table tells: counted in memory, added to the minute's row four times a minute. A forger's
//! webhooks so cost no statement each, and whoever is killed takes a quarter of a minute's counts along.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use entity::alert_count::Count;
use sea_orm::Value;

use super::rule::{ONCE_WITHIN, within};
use crate::Context;
use crate::error::Result;
use crate::rows::Rows;
use crate::store::{execute, rows};
use crate::timing::Timing;

/// Since they were last stored.
#[derive(Debug, Default)]
pub struct Counts([AtomicI64; Count::ALL.len()]);

impl Counts {
    /// So many more.
    pub fn add(&self, count: Count, n: i64) {
        self.0[count as usize].fetch_add(n, Ordering::Relaxed);
    }

    fn take(&self) -> Vec<(Count, i64)> {
        let taken = Count::ALL.map(|count| (count, self.0[count as usize].swap(0, Ordering::Relaxed)));
        taken.into_iter().filter(|(_, n)| *n != 0).collect()
    }
}

/// Minutes since the epoch, as long as alerts have them.
fn minute(at: DateTime<Utc>, timing: &Timing) -> i64 {
    let length = i64::try_from(timing.minute.as_micros()).unwrap_or(i64::MAX).max(1);
    at.timestamp_micros().div_euclid(length)
}

/// Puts them back unless they were stored, also where nobody waited for the end.
struct Taken<'a> {
    counts: &'a Counts,
    taken: Vec<(Count, i64)>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.taken.drain(..).for_each(|(count, n)| self.counts.add(count, n));
    }
}

/// Adds what was counted to the minute. Where the answer is lost it may be added twice, which moves no alert.
///
/// # Errors
/// The database's own; then it is added with the next.
pub(super) async fn store(ctx: &Context) -> Result<()> {
    let counts = &ctx.alerts.counts;
    let mut taken = Taken { counts, taken: counts.take() };
    if taken.taken.is_empty() {
        return Ok(());
    }
    let text = "INSERT INTO alert_counts (kind, minute, n) SELECT v.kind, $1, v.n FROM {rows} AS v WHERE true ORDER BY v.kind \
                ON CONFLICT (kind, minute) DO UPDATE SET n = alert_counts.n + excluded.n";
    let met = Rows::new()
        .int("kind", taken.taken.iter().map(|(count, _)| *count as i16))
        .int("n", taken.taken.iter().map(|(_, n)| *n));
    let at = Value::from(minute(ctx.clock.now(), &ctx.timing));
    execute(ctx.store.write(), ctx.store.sql_rows(text, [at], met)).await?;
    taken.taken.clear();
    Ok(())
}

/// What all processes met, each within its own time.
pub(super) async fn read(ctx: &Context, now: DateTime<Utc>) -> Result<[i64; Count::ALL.len()]> {
    let current = minute(now, &ctx.timing);
    let text = "SELECT kind, minute, n FROM alert_counts WHERE minute > $1";
    let mut counts = [0; Count::ALL.len()];
    for row in rows(ctx.store.by_key(), ctx.store.sql(text, [Value::from(current - ONCE_WITHIN)])).await? {
        let (count, of, n): (Count, i64, i64) =
            (row.try_get("", "kind")?, row.try_get("", "minute")?, row.try_get("", "n")?);
        if of > current - within(count) {
            counts[count as usize] += n;
        }
    }
    Ok(counts)
}

/// Forgets what no alert asks for any more. Answers how many rows went.
///
/// # Errors
/// The database's own.
pub(crate) async fn forget(ctx: &Context) -> Result<u64> {
    let oldest = minute(ctx.clock.now(), &ctx.timing) - ONCE_WITHIN;
    let text = "DELETE FROM alert_counts WHERE minute <= $1";
    Ok(execute(ctx.store.write(), ctx.store.sql(text, [Value::from(oldest)])).await?.rows_affected())
}

//! Where in the order of numbers the events of a span of time can stand. Numbers follow the time of recording, so the place of a
//! time is found by halving, in as many looks by key as the number of events has bits.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{FromQueryResult, Value};

use super::{Filter, Seqs};
use crate::Context;
use crate::error::Result;
use crate::store::rows;

/// How far ahead of ours the clock may be by which an event occurred ([`crate::event::quarantine`]), and how far recordings that
/// were under way together may stand in another order than their times. Generous: it costs a few rows more.
const SLACK: TimeDelta = TimeDelta::minutes(10);

#[derive(FromQueryResult)]
struct Place {
    seq: i64,
    recorded_at: DateTime<Utc>,
}

/// The numbers that events of the filter's time can have: none was recorded before it occurred. Only where time is all there
/// is to go by; the runs of an email or an address are short.
pub(super) async fn of(ctx: &Context, filter: &Filter) -> Result<Seqs> {
    let Some(since) = filter.since.filter(|_| filter.email.is_none() && filter.address_key.is_none()) else {
        return Ok(Seqs::ALL);
    };
    let Some(ends) = ends(ctx).await? else { return Ok(Seqs::ALL) };
    Ok(Seqs { first: place(ctx, ends, since - SLACK).await?, ..Seqs::ALL })
}

/// The number of the first event that was recorded from `since` on, and the one behind the last that was recorded before
/// `until`: the same where there is none. Recordings that were under way together may stand in another order than their times,
/// by milliseconds.
///
/// # Errors
/// The database's own.
pub async fn recorded(ctx: &Context, since: DateTime<Utc>, until: DateTime<Utc>) -> Result<(i64, i64)> {
    let Some(ends) = ends(ctx).await? else { return Ok((1, 1)) };
    Ok((place(ctx, ends, since).await?, place(ctx, ends, until).await?))
}

/// The number below which, as far as numbers follow times, everything was recorded before a time.
async fn place(ctx: &Context, (oldest, newest): (i64, i64), time: DateTime<Utc>) -> Result<i64> {
    let (mut first, mut end) = (oldest, newest + 1);
    while first < end {
        let middle = first + (end - first) / 2;
        match at_or_after(ctx, middle).await?.filter(|place| place.seq < end) {
            Some(place) if place.recorded_at < time => first = place.seq + 1,
            Some(_) | None => end = middle,
        }
    }
    Ok(first)
}

async fn ends(ctx: &Context) -> Result<Option<(i64, i64)>> {
    let text = "SELECT (SELECT min(e.seq) FROM email_delivery_events e) AS oldest, \
         (SELECT max(e.seq) FROM email_delivery_events e) AS newest";
    let found = rows(ctx.store.read(), ctx.store.sql(text, [])).await?;
    let Some(row) = found.first() else { return Ok(None) };
    let (oldest, newest): (Option<i64>, Option<i64>) = (row.try_get("", "oldest")?, row.try_get("", "newest")?);
    Ok(oldest.zip(newest))
}

async fn at_or_after(ctx: &Context, seq: i64) -> Result<Option<Place>> {
    let text = "SELECT e.seq, e.recorded_at FROM email_delivery_events e WHERE e.seq >= $1 ORDER BY e.seq LIMIT 1";
    let found = rows(ctx.store.read(), ctx.store.sql(text, [Value::from(seq)])).await?;
    Ok(found.first().map(|row| Place::from_query_result(row, "")).transpose()?)
}

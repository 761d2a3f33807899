//! What became of the events that an endpoint was told of, for whoever asks, and trying again what it did not take.

use chrono::{DateTime, Utc};
use entity::event_dispatch::{Model, State};
use sea_orm::{ActiveEnum, Value};
use uuid::Uuid;

use crate::Context;
use crate::control::repeat;
use crate::error::Result;
use crate::find::{COUNTED, Page, PageOf, models};
use crate::store::{execute, rows};

/// Changed in one transaction.
const GROUP: i64 = 500;

/// Groups of one call.
const GROUPS: usize = 20;

/// The events that an endpoint was told of, or those of them that stand somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    pub endpoint: Uuid,
    pub state: Option<State>,
}

/// A page of them, the latest event first. `Page`'s places are events' numbers.
///
/// # Errors
/// The database's own.
pub async fn list(ctx: &Context, filter: &Filter, page: Page<i64>) -> Result<PageOf<Model>> {
    let (n, from, backwards) = match page {
        Page::First { n, after } => (n, after, false),
        Page::Last { n, before } => (n, before, true),
    };
    let (bound, other, word) = if backwards { (">", "<=", "ASC") } else { ("<", ">=", "DESC") };
    let start = from.unwrap_or(if backwards { i64::MIN } else { i64::MAX });
    let mut items = read(ctx, filter, bound, start, word, n + 1).await?;
    let more = items.len() as u64 > n;
    items.truncate(n as usize);
    let passed = from.is_some() && !read(ctx, filter, other, start, word, 1).await?.is_empty();
    if backwards {
        items.reverse();
        return Ok(PageOf { items, has_previous: more, has_next: passed });
    }
    Ok(PageOf { items, has_previous: passed, has_next: more })
}

async fn read(ctx: &Context, filter: &Filter, bound: &str, start: i64, word: &str, n: u64) -> Result<Vec<Model>> {
    let mut values = vec![Value::from(filter.endpoint), Value::from(start), Value::from(n as i64)];
    let stands = if filter.state.is_some() { "AND d.state = $4" } else { "" };
    values.extend(filter.state.map(|state| Value::from(state.to_value())));
    let text = format!(
        "SELECT d.* FROM event_dispatches d WHERE d.endpoint_id = $1 AND d.seq {bound} $2 {stands} ORDER BY d.seq {word} LIMIT $3"
    );
    models(&rows(ctx.store.read(), ctx.store.sql(text, values)).await?)
}

/// How many there are, and whether there are more: exact up to [`COUNTED`].
///
/// # Errors
/// The database's own.
pub async fn count(ctx: &Context, filter: &Filter) -> Result<(u64, bool)> {
    let mut values = vec![Value::from(filter.endpoint), Value::from(COUNTED as i64 + 1)];
    let stands = if filter.state.is_some() { "AND d.state = $3" } else { "" };
    values.extend(filter.state.map(|state| Value::from(state.to_value())));
    let text = format!(
        "SELECT count(*) AS n FROM (SELECT 1 AS one FROM event_dispatches d WHERE d.endpoint_id = $1 {stands} LIMIT $2) AS few"
    );
    let found = rows(ctx.store.read(), ctx.store.sql(text, values)).await?;
    let n: i64 = found.first().map(|row| row.try_get("", "n")).transpose()?.unwrap_or_default();
    let n = n.max(0) as u64;
    Ok((n.min(COUNTED), n > COUNTED))
}

/// Those with these ids.
///
/// # Errors
/// The database's own.
pub async fn with_ids(ctx: &Context, ids: &[Uuid]) -> Result<Vec<Model>> {
    let asked = ctx.store.sql_ids("SELECT d.* FROM event_dispatches d WHERE d.id {ids}", [], ids.iter().copied());
    models(&rows(ctx.store.read(), asked).await?)
}

/// Which of an endpoint's dead are tried anew: those that meet every part that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redrive {
    /// By their ids.
    pub ids: Option<Vec<Uuid>>,
    /// Last tried from then on ..
    pub since: Option<DateTime<Utc>>,
    /// .. and before then.
    pub until: Option<DateTime<Utc>>,
}

/// What a call came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    pub done: u64,
    /// There may be more: a call takes 10,000 at most.
    pub more: bool,
}

/// Has dead ones be tried anew, with all their tries. They are named by `redrive`, and those that were told last come first.
///
/// # Errors
/// The database's own; what was done by then stays done.
pub async fn redrive(ctx: &Context, endpoint: Uuid, redrive: &Redrive) -> Result<Redriven> {
    // An absent part means all: the text stays the same.
    let all = (redrive.since.unwrap_or(DateTime::UNIX_EPOCH), redrive.until.unwrap_or(DateTime::<Utc>::MAX_UTC));
    let text = |ids: &str, lock: &str| {
        format!(
            "UPDATE event_dispatches SET state = 0, tries = 0, due_at = $1 WHERE id IN (SELECT d.id FROM event_dispatches d \
             WHERE d.endpoint_id = $2 AND d.state = 2 AND d.tried_at >= $3 AND d.tried_at < $4 {ids} ORDER BY d.seq DESC \
             LIMIT $5 {lock})"
        )
    };
    let mut done = 0;
    for _ in 0..GROUPS {
        let met = repeat(|| async {
            let values = [
                Value::from(ctx.clock.now()),
                Value::from(endpoint),
                Value::from(all.0),
                Value::from(all.1.min(ctx.clock.now() + chrono::TimeDelta::days(1))),
                Value::from(GROUP),
            ];
            let asked = match &redrive.ids {
                None => ctx.store.sql(text("", ctx.store.for_update()), values),
                Some(ids) => {
                    let text = text("AND d.id {ids}", ctx.store.for_update());
                    ctx.store.sql_ids(&text, values, ids.iter().copied())
                }
            };
            Ok(execute(ctx.store.write(), asked).await?.rows_affected())
        })
        .await?;
        done += met;
        if met < GROUP.unsigned_abs() {
            return Ok(Redriven { done, more: false });
        }
    }
    Ok(Redriven { done, more: true })
}

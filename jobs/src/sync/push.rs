//! What was ordered, told to Mailgun's lists until they have followed. What was told twice, because nobody knew of the first
//! time, changes nothing there; and of two orders about an address the later one alone is there to be told.

use chrono::{DateTime, Utc};
use entity::provider_list::List;
use entity::provider_order::Model;
use sea_orm::{ActiveEnum, Value};
use tokio::time::Instant;
use uuid::Uuid;

use super::mark::{self, Telling};
use super::provider::{Entry, MOST_AT_ONCE, SyncError};
use super::{Desk, rule};
use crate::control::repeat;
use crate::error::Result;
use crate::find::models;
use crate::store::{execute, rows};
use crate::{Context, rounds};

/// Lifts that are told in one go: each is a call of its own.
const LIFTS: usize = 200;

/// Tells what is due until the process is to stop. What is being told then is told again by others.
pub async fn run(desk: Desk) {
    rounds::until_stopped(&desk.ctx, "Mailgun could not be told of our suppressions", || due(&desk)).await;
}

/// Tells each list what is due, as far as one goes in a turn. Answers how many lists were told something.
///
/// # Errors
/// The database's own.
pub async fn due(desk: &Desk) -> Result<usize> {
    let mut told = 0;
    for mark in mark::to_tell(&desk.ctx).await? {
        if let Some(telling) = Telling::take(&desk.ctx, mark).await? {
            turn(desk, telling).await?;
            told += 1;
        }
    }
    Ok(told)
}

/// Why a turn ends before its orders do, and until when the list is left alone.
struct Rest {
    until: DateTime<Utc>,
    why: String,
}

async fn turn(desk: &Desk, telling: Telling) -> Result<()> {
    let ctx = &desk.ctx;
    // No call begins that could outlast the claim: two at once might come in the wrong order.
    let end = Instant::now() + ctx.timing.lease.saturating_sub(ctx.timing.post);
    let rest = match tell_lifts(desk, &telling, end).await? {
        None => tell_entries(desk, &telling, end).await?,
        rest => rest,
    };
    let (until, why) = rest.map_or((None, None), |rest| (Some(rest.until), Some(rest.why)));
    telling.give_back(ctx, until, why).await
}

async fn tell_lifts(desk: &Desk, telling: &Telling, end: Instant) -> Result<Option<Rest>> {
    for order in orders(&desk.ctx, telling, true, LIFTS).await? {
        if Instant::now() >= end {
            return Ok(None);
        }
        let told = desk.provider.remove(telling.place(), &order.target).await;
        if let Some(rest) = settle(&desk.ctx, &[&order], told).await? {
            return Ok(Some(rest));
        }
    }
    Ok(None)
}

async fn tell_entries(desk: &Desk, telling: &Telling, end: Instant) -> Result<Option<Rest>> {
    let orders = orders(&desk.ctx, telling, false, MOST_AT_ONCE).await?;
    if orders.is_empty() || Instant::now() >= end {
        return Ok(None);
    }
    let all: Vec<&Model> = orders.iter().collect();
    let told = put(desk, telling, &all).await;
    if !matches!(told, Err(SyncError::Refused(_))) || all.len() == 1 {
        return settle(&desk.ctx, &all, told).await;
    }
    // One of them spoils the others: each by itself.
    for order in all {
        if Instant::now() >= end {
            return Ok(None);
        }
        let told = put(desk, telling, &[order]).await;
        if let Some(rest) = settle(&desk.ctx, &[order], told).await? {
            return Ok(Some(rest));
        }
    }
    Ok(None)
}

async fn put(desk: &Desk, telling: &Telling, orders: &[&Model]) -> Result<(), SyncError> {
    let entry =
        |order: &&Model| Entry { address: order.target.clone(), note: order.note.clone(), since: order.occurred_at };
    let entries: Vec<Entry> = orders.iter().map(entry).collect();
    desk.provider.put(telling.place(), &entries).await
}

/// The orders to a list that are due, the oldest first.
async fn orders(ctx: &Context, telling: &Telling, lift: bool, most: usize) -> Result<Vec<Model>> {
    let text = "SELECT o.* FROM email_provider_orders o WHERE o.domain = $1 AND o.list = $2 AND o.lift = $3 \
                AND o.done_at IS NULL AND o.due_at <= $4 AND o.sandbox = $5 ORDER BY o.due_at LIMIT $6";
    let values = [
        Value::from(telling.mark.domain.clone()),
        Value::from(telling.mark.list.to_value()),
        Value::from(lift),
        Value::from(ctx.clock.now()),
        Value::from(telling.mark.sandbox),
        Value::from(most as i64),
    ];
    models(&rows(ctx.store.write(), ctx.store.sql(text, values)).await?)
}

/// Stores what came of telling these. Answers whether the list is to be left alone.
async fn settle(ctx: &Context, orders: &[&Model], told: Result<(), SyncError>) -> Result<Option<Rest>> {
    let Some(first) = orders.first() else { return Ok(None) };
    let ids: Vec<Uuid> = orders.iter().map(|order| order.id).collect();
    let error = match told {
        Ok(()) => {
            count(first, "done", orders.len());
            repeat(|| done(ctx, first.lift, &ids)).await?;
            return Ok(None);
        }
        Err(SyncError::Limited { until, why }) => {
            count(first, "limited", orders.len());
            return Ok(Some(Rest { until, why }));
        }
        Err(error) => error,
    };
    count(first, "failed", orders.len());
    let tries = orders.iter().map(|order| order.tries).max().unwrap_or_default().saturating_add(1);
    let until = ctx.clock.now() + rule::wait(tries, &ctx.timing);
    let why = error.to_string();
    repeat(|| failed(ctx, &ids, until, &why)).await?;
    tell_of(first, tries, &error);
    Ok(match error {
        // It is about these alone.
        SyncError::Refused(_) | SyncError::Limited { .. } => None,
        SyncError::NotAllowed(why) | SyncError::Away(why) | SyncError::Unreadable(why) => Some(Rest { until, why }),
    })
}

/// A lift is kept as done; an entry stands in our list.
async fn done(ctx: &Context, lift: bool, ids: &[Uuid]) -> Result<()> {
    let statement = if lift {
        let text = "UPDATE email_provider_orders SET done_at = $1, last_error = NULL WHERE id {ids}";
        ctx.store.sql_ids(text, [Value::from(ctx.clock.now())], ids.iter().copied())
    } else {
        ctx.store.sql_ids("DELETE FROM email_provider_orders WHERE id {ids}", [], ids.iter().copied())
    };
    execute(ctx.store.write(), statement).await?;
    Ok(())
}

async fn failed(ctx: &Context, ids: &[Uuid], until: DateTime<Utc>, why: &str) -> Result<()> {
    let text = "UPDATE email_provider_orders SET tries = tries + 1, due_at = $1, last_error = $2 WHERE id {ids}";
    let values = [Value::from(until), Value::from(why)];
    execute(ctx.store.write(), ctx.store.sql_ids(text, values, ids.iter().copied())).await?;
    Ok(())
}

fn count(order: &Model, outcome: &'static str, n: usize) {
    let kind = if order.lift { "lift" } else { "entry" };
    let labels = [("list", order.list.name()), ("kind", kind), ("outcome", outcome)];
    metrics::counter!("mailmind_suppression_sync_told_total", &labels).increment(n as u64);
}

/// Alerts, once an order has failed often; until then a line.
fn tell_of(order: &Model, tries: i32, error: &SyncError) {
    let (domain, list, kind, lift) = (&order.domain, List::name(order.list), error.kind(), order.lift);
    if tries == rule::MANY {
        tracing::error!(
            domain,
            list,
            kind,
            lift,
            "A list of Mailgun's does not follow ours: look at `suppressionSync` for its words"
        );
    } else {
        tracing::warn!(domain, list, kind, lift, tries, "A list of Mailgun's could not be told of a change of ours");
    }
}

//! What a round tells: what is due again, the next stretch of what is new and, once nothing new is left, of a replay.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use entity::event_dispatch::Model as Dispatch;
use entity::event_endpoint::{Model as Endpoint, Wanted};
use entity::event_replay::Model as Replay;
use sea_orm::Value;

use crate::Context;
use crate::dispatch::payload::{self, News};
use crate::dispatch::replay;
use crate::dispatch::rule::{self, Offer};
use crate::error::Result;
use crate::find::{events, models};
use crate::store::rows;

/// What is tried again in one round.
const RETRIES: i64 = 50;

/// Events that are looked at in one round.
const GROUP: i64 = 200;

/// An event to tell.
pub(super) struct Item {
    pub(super) news: News,
    /// It was told in vain so often.
    pub(super) tries: i32,
    pub(super) source: Source,
}

/// Why an event is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Again,
    New,
    Replay,
}

/// A stretch of events that were looked at: those of them that are wanted are items.
pub(super) struct Stretch {
    pub(super) last: i64,
    /// There may be more behind it.
    pub(super) more: bool,
}

impl Stretch {
    /// How far it was told, where this was the first that was not.
    pub(super) fn told(&self, begins: i64, not_begun: Option<i64>) -> i64 {
        not_begun.map_or(self.last, |seq| seq - 1).max(begins)
    }
}

/// What is to be told in a round.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) items: Vec<Item>,
    /// Rows of events that are past retention.
    pub(super) lost: Vec<Dispatch>,
    pub(super) new: Option<Stretch>,
    pub(super) replay: Option<(Replay, Stretch)>,
    pub(super) more: bool,
}

/// What this endpoint is to be told of next.
///
/// # Errors
/// The database's own; a content that the keyring can't open.
pub(super) async fn plan(ctx: &Context, endpoint: &Endpoint) -> Result<Plan> {
    let (now, wanted) = (ctx.clock.now(), endpoint.wanted());
    let mut plan = Plan::default();
    let due = due(ctx, endpoint, now).await?;
    plan.more |= due.len() as i64 == RETRIES;
    let mut found = payload::of(ctx, &due.iter().map(|row| row.seq).collect::<Vec<_>>()).await?;
    let mut again = Vec::new();
    for row in due {
        match found.remove(&row.seq) {
            Some(news) => again.push(Item { news, tries: row.tries, source: Source::Again }),
            None => plan.lost.push(row),
        }
    }
    let offer = rule::offered(endpoint, now);
    let mut fresh = Vec::new();
    if offer != Offer::Nothing {
        let last = events::last(ctx).await?;
        let stretch = stretch(ctx, (endpoint.seq, last), &wanted, offer, Source::New, &mut fresh).await?;
        plan.more |= stretch.as_ref().is_some_and(|stretch| stretch.more);
        plan.new = stretch;
    }
    // What is told once more can wait until nothing new is left.
    if offer == Offer::All
        && plan.new.as_ref().is_none_or(|stretch| !stretch.more)
        && let Some(replay) = replay::next(ctx, endpoint.id).await?
    {
        let span = (replay.seq, replay.last);
        let stretch = stretch_of_replay(ctx, span, &wanted, &mut fresh).await?;
        plan.more = true;
        plan.replay = Some((replay, stretch));
    }
    // A replay may meet what is told anyway.
    let mut met: HashSet<i64> = again.iter().map(|item| item.news.event.seq).collect();
    fresh.retain(|item| met.insert(item.news.event.seq));
    plan.items = mixed(again, fresh);
    Ok(plan)
}

/// One of these and one of those in turn, each in its order.
fn mixed(these: Vec<Item>, those: Vec<Item>) -> Vec<Item> {
    let mut all = Vec::with_capacity(these.len() + those.len());
    let (mut these, mut those) = (these.into_iter(), those.into_iter());
    loop {
        let (one, other) = (these.next(), those.next());
        if one.is_none() && other.is_none() {
            return all;
        }
        all.extend(one.into_iter().chain(other));
    }
}

/// What is to be tried again by now, what has waited longest first.
async fn due(ctx: &Context, endpoint: &Endpoint, now: DateTime<Utc>) -> Result<Vec<Dispatch>> {
    let text =
        "SELECT d.* FROM event_dispatches d WHERE d.endpoint_id = $1 AND d.due_at <= $2 ORDER BY d.due_at LIMIT $3";
    let values = [Value::from(endpoint.id), Value::from(now), Value::from(RETRIES)];
    models(&rows(ctx.store.by_key(), ctx.store.sql(text, values)).await?)
}

/// The next events of a span, up to one that is wanted where only one is offered; `None` when there is none.
async fn stretch(
    ctx: &Context,
    (seq, last): (i64, i64),
    wanted: &Wanted,
    offer: Offer,
    source: Source,
    items: &mut Vec<Item>,
) -> Result<Option<Stretch>> {
    if seq >= last {
        return Ok(None);
    }
    let found = payload::after(ctx, seq, last, GROUP).await?;
    let full = found.len() as i64 == GROUP;
    // Where fewer are left than are asked for, no other can come between.
    let mut stretch = Stretch { last, more: full };
    if let (true, Some(end)) = (full, found.last()) {
        stretch.last = end.event.seq;
    }
    for news in found.into_iter().filter(|news| news.is_wanted(wanted)) {
        let seq = news.event.seq;
        items.push(Item { news, tries: 0, source });
        if offer == Offer::Probe {
            return Ok(Some(Stretch { last: seq, more: true }));
        }
    }
    Ok(Some(stretch))
}

/// The same of a replay, of which there may be nothing left.
async fn stretch_of_replay(ctx: &Context, span: (i64, i64), wanted: &Wanted, items: &mut Vec<Item>) -> Result<Stretch> {
    let found = stretch(ctx, span, wanted, Offer::All, Source::Replay, items).await?;
    Ok(found.unwrap_or(Stretch { last: span.1, more: false }))
}

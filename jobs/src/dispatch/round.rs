//! One round of telling an endpoint: what is to be tried again, what is new, and what is to be told once more, in this order of
//! urgency and mixed, so that none keeps the others waiting. Then everything is stored at once.
//!
//! Tries begin in the order of the events, and from some moment on none begins: so what was not begun is always the rest.

mod plan;

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use chrono::{DateTime, Utc};
use entity::clock::chance;
use entity::event_dispatch::{Model as Dispatch, State};
use entity::event_endpoint::Model as Endpoint;
use entity::event_replay::Model as Replay;
use futures::StreamExt as _;
use futures::stream;
use reqwest::Url;
use sea_orm::{ActiveEnum, DatabaseTransaction, Value};
use tokio::time::Instant;

use super::claim::Claim;
use super::post::Letter;
use super::rule::{self, Answer, MANY, Outcome};
use super::sign::{Secret, signatures};
use super::{address, endpoint, replay};
use crate::Context;
use crate::control::repeat;
use crate::error::Result;
use crate::rows::Rows;
use crate::store::execute;
use plan::{Item, Plan, Source, plan};

/// Tries under way to an endpoint.
const AT_ONCE: usize = 8;

/// What comes after a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// There may be more to tell at once.
    More,
    /// There is nothing to tell for now.
    Nothing,
    /// Another process tells it, or nobody is to.
    Lost,
}

/// A try that was made.
struct Tried {
    item: Item,
    outcome: Outcome,
    at: DateTime<Utc>,
    took_ms: i32,
}

/// Runs a round.
///
/// # Errors
/// The database's own; a secret or a content that the keyring can't open.
pub(super) async fn run(ctx: &Context, claim: &mut Claim) -> Result<Next> {
    if !claim.renew(ctx).await? {
        return Ok(Next::Lost);
    }
    let plan = plan(ctx, &claim.endpoint).await?;
    if plan.items.is_empty() && plan.lost.is_empty() && plan.new.is_none() && plan.replay.is_none() {
        return Ok(Next::Nothing);
    }
    let Plan { items, lost, new, replay, more } = plan;
    let secrets = endpoint::signing(ctx, claim.endpoint.id).await?;
    let (tried, not_begun) = tell(ctx, claim, &secrets, items).await;
    let now = ctx.clock.now();
    let mut after = claim.endpoint.clone();
    for one in &tried {
        rule::note(&mut after, &one.outcome, one.at);
    }
    if !tried.is_empty() {
        rule::conclude(&mut after, now, &ctx.timing);
    }
    let first = |source| not_begun.iter().filter(|item| item.source == source).map(|item| item.news.event.seq).min();
    if let Some(stretch) = &new {
        after.seq = stretch.told(after.seq, first(Source::New));
    }
    let replay = replay.map(|(mut replay, stretch)| {
        replay.seq = stretch.told(replay.seq, first(Source::Replay));
        replay.told += tried.iter().filter(|one| one.item.source == Source::Replay).count() as i64;
        replay.finished_at = (replay.seq >= replay.last).then_some(now);
        replay
    });
    let stored = repeat(|| store(ctx, claim, &after, &tried, &lost, replay.as_ref())).await?;
    if !stored {
        return Ok(Next::Lost);
    }
    speak(&claim.endpoint, &after, &tried);
    if after.disabled_at.is_some() {
        return Ok(Next::Nothing);
    }
    Ok(if more || !not_begun.is_empty() { Next::More } else { Next::Nothing })
}

/// Tells them, some at a time. Answers what was tried, as it ended, and what was not begun: the claim was over half, the process is
/// to stop, or too many failed in a row.
async fn tell(ctx: &Context, claim: &Claim, secrets: &[Secret], items: Vec<Item>) -> (Vec<Tried>, Vec<Item>) {
    let url = address::url(&claim.endpoint.url, &ctx.settings.outbound_networks);
    let end = Instant::now() + claim.left(ctx);
    let (closed, failures) = (&AtomicBool::new(false), &AtomicI32::new(claim.endpoint.failures));
    let url = url.as_ref();
    // One that fails anyway is still told what it is time for.
    let probed = claim.endpoint.failures >= MANY;
    let done = stream::iter(items)
        .map(|item| async move {
            let over = Instant::now() >= end || ctx.stop.is_cancelled();
            if over || !probed && failures.load(Ordering::Relaxed) >= MANY {
                closed.store(true, Ordering::Relaxed);
            }
            if closed.load(Ordering::Relaxed) {
                return Err(item);
            }
            let tried = attempt(ctx, url, secrets, item).await;
            match tried.outcome.state {
                State::Taken => failures.store(0, Ordering::Relaxed),
                State::Waiting | State::Dead => _ = failures.fetch_add(1, Ordering::Relaxed),
            }
            Ok(tried)
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    let (mut tried, mut not_begun) = (Vec::new(), Vec::new());
    for one in done {
        match one {
            Ok(one) => tried.push(one),
            Err(item) => not_begun.push(item),
        }
    }
    (tried, not_begun)
}

async fn attempt(ctx: &Context, url: Result<&Url, &String>, secrets: &[Secret], item: Item) -> Tried {
    let (at, begun) = (ctx.clock.now(), Instant::now());
    let answer = match (url, item.news.body(false)) {
        (Ok(url), Ok(body)) => {
            let id = item.news.id();
            let signatures = signatures(secrets, &id, at.timestamp(), &body);
            ctx.poster.post(ctx, url, Letter { id, at, signatures, body }).await
        }
        // It was good when it was entered, and the settings are others since.
        (Err(why), _) => Answer::None(format!("its URL {why}")),
        (_, Err(error)) => Answer::None(format!("its payload could not be made: {error}")),
    };
    let took = begun.elapsed();
    metrics::histogram!("mailmind_dispatch_seconds").record(took.as_secs_f64());
    let outcome = rule::outcome(&answer, item.tries + 1, ctx.clock.now(), &ctx.timing, chance());
    Tried { item, outcome, at, took_ms: i32::try_from(took.as_millis()).unwrap_or(i32::MAX) }
}

/// Stores everything in one transaction; `false` where the claim was lost, and nothing is stored.
async fn store(
    ctx: &Context,
    claim: &Claim,
    after: &Endpoint,
    tried: &[Tried],
    lost: &[Dispatch],
    replay: Option<&Replay>,
) -> Result<bool> {
    let tx = ctx.store.begin().await?;
    if !claim.store(&tx, ctx, after).await? {
        return Ok(false);
    }
    record(&tx, ctx, after, tried).await?;
    if !lost.is_empty() {
        let text = "UPDATE event_dispatches SET state = $1, due_at = NULL, error = $2 WHERE id {ids}";
        let values = [Value::from(State::Dead.to_value()), Value::from("the event is past retention")];
        execute(&tx, ctx.store.sql_ids(text, values, lost.iter().map(|row| row.id))).await?;
    }
    if let Some(replay) = replay {
        replay::store(&tx, ctx, replay).await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// A row for each event that was tried: how it went, and when it is tried again.
async fn record(tx: &DatabaseTransaction, ctx: &Context, endpoint: &Endpoint, tried: &[Tried]) -> Result<()> {
    if tried.is_empty() {
        return Ok(());
    }
    let text = "INSERT INTO event_dispatches (id, endpoint_id, seq, event_id, kind, state, tries, due_at, http_status, error, \
                took_ms, created_at, tried_at) SELECT v.id, $1, v.seq, v.event_id, v.kind, v.state, v.tries, v.due_at, \
                v.http_status, v.error, v.took_ms, v.tried_at, v.tried_at FROM {rows} AS v WHERE true \
                ON CONFLICT (endpoint_id, seq) DO UPDATE SET state = excluded.state, tries = excluded.tries, \
                due_at = excluded.due_at, http_status = excluded.http_status, error = excluded.error, \
                took_ms = excluded.took_ms, tried_at = excluded.tried_at";
    let events = || tried.iter().map(|one| &one.item.news.event);
    let values = Rows::new()
        .uuid("id", tried.iter().map(|_| ctx.clock.id()))
        .int("seq", events().map(|event| event.seq))
        .uuid("event_id", events().map(|event| event.id))
        .int("kind", events().map(|event| event.kind.to_value()))
        .int("state", tried.iter().map(|one| one.outcome.state.to_value()))
        .int("tries", tried.iter().map(|one| one.item.tries + 1))
        .time("due_at", tried.iter().map(|one| one.outcome.due_at))
        .maybe_int("http_status", tried.iter().map(|one| one.outcome.http_status.map(i64::from)))
        .text("error", tried.iter().map(|one| one.outcome.error.clone()))
        .int("took_ms", tried.iter().map(|one| one.took_ms))
        .time("tried_at", tried.iter().map(|one| one.at));
    execute(tx, ctx.store.sql_rows(text, [Value::from(endpoint.id)], values)).await?;
    Ok(())
}

/// Counters and log lines.
fn speak(before: &Endpoint, after: &Endpoint, tried: &[Tried]) {
    for one in tried {
        let outcome = match one.outcome.state {
            State::Taken => "taken",
            State::Waiting => "failed",
            State::Dead => "dead",
        };
        metrics::counter!("mailmind_dispatches_total", "outcome" => outcome).increment(1);
    }
    let id = after.id;
    let cause = after.last_error.as_deref().unwrap_or_default();
    match (before.disabled_at, after.disabled_at) {
        (None, Some(_)) => tracing::error!(
            event_endpoint.id = %id, cause,
            "An endpoint was disabled: it took nothing for days, or said that it is gone. Events wait for it"
        ),
        (None, None) if before.failures < MANY && after.failures >= MANY => tracing::warn!(
            event_endpoint.id = %id, cause,
            "An endpoint fails; it is probed, and events wait for it"
        ),
        (None, None) if before.failures >= MANY && after.failures == 0 => {
            tracing::info!(event_endpoint.id = %id, "An endpoint takes events again");
        }
        _ => {}
    }
}

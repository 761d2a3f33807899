//! Mailgun's lists, read into ours: each as a whole every few hours, since they do not say what changed. What a page holds and
//! where the next one is are stored together, so whoever goes on after a crash or a failure begins behind the last page that
//! holds. It is a union: what is missing there is lifted by nobody but a person.

use std::collections::{BTreeSet, HashMap};

use entity::provider_list::{List, Model};
use entity::suppression::{self, Reason, Source};
use entity::suppression_fact;
use sea_orm::{DatabaseTransaction, Value};
use uuid::Uuid;

use super::mark::{self, Reading};
use super::provider::{Item, Page, SyncError};
use super::{Desk, Direction, outbox, rule};
use crate::control::repeat;
use crate::error::Result;
use crate::find::models;
use crate::rows::Rows;
use crate::store::rows;
use crate::suppress::enter;
use crate::timing::delta;
use crate::{Context, erase, rounds};

/// Entries of ours that are looked at in one transaction.
const GROUP: i64 = 1_000;

/// Reads what is due until the process is to stop. What is being read then is gone on with by others.
pub async fn run(desk: Desk) {
    rounds::until_stopped(&desk.ctx, "Mailgun's suppressions could not be read into ours", || due(&desk)).await;
}

/// Reads every list whose time has come. Answers how many those were.
///
/// # Errors
/// The database's own.
pub async fn due(desk: &Desk) -> Result<usize> {
    let (ctx, mut read) = (&desk.ctx, 0);
    for mark in mark::kept(ctx).await?.into_iter().filter(|mark| mark.due_at <= ctx.clock.now()) {
        if let Some(reading) = Reading::take(ctx, &mark).await? {
            pass(desk, reading).await?;
            read += 1;
        }
    }
    Ok(read)
}

/// Begins a pass, or goes on with one, and reads as far as can be.
async fn pass(desk: &Desk, mut reading: Reading) -> Result<()> {
    let ctx = &desk.ctx;
    if !reading.mark.under_way() {
        let now = Some(ctx.clock.now());
        let begun =
            Model { started_at: now, page: None, seen: 0, added: 0, known: 0, skipped: 0, ..reading.mark.clone() };
        if !reading.go_on(ctx.store.write(), ctx, begun).await? || !offer(ctx, &mut reading).await? {
            return Ok(());
        }
    }
    loop {
        let at = reading.mark.page.clone();
        match desk.provider.page(reading.place(), at.as_deref()).await {
            Ok(page) if page.next.is_some() && page.next == at => {
                return fail(ctx, reading, &SyncError::Unreadable("its pages do not end".to_owned())).await;
            }
            Ok(Page { next, items }) => {
                let end = next.is_none();
                if !take_in(ctx, &mut reading, &items, next).await? {
                    return Ok(());
                }
                if end {
                    return finish(ctx, reading).await;
                }
            }
            Err(error) => return fail(ctx, reading, &error).await,
        }
    }
}

async fn finish(ctx: &Context, reading: Reading) -> Result<()> {
    let mark = &reading.mark;
    let (seen, added, skipped) = (mark.seen, mark.added, mark.skipped);
    let now = ctx.clock.now();
    let done = Model {
        due_at: now + delta(ctx.timing.sync),
        // Never before its beginning, even if the clock was set back.
        finished_at: Some(mark.started_at.map_or(now, |start| now.max(start))),
        page: None,
        failures: 0,
        failing_since: None,
        last_error: None,
        ..mark.clone()
    };
    tracing::info!(
        domain = mark.domain,
        list = mark.list.name(),
        seen,
        added,
        skipped,
        "A list of Mailgun's was read to its end"
    );
    reading.give_back(ctx.store.write(), ctx, done).await?;
    Ok(())
}

/// The pass is gone on with later, from the page that could not be read.
async fn fail(ctx: &Context, reading: Reading, error: &SyncError) -> Result<()> {
    let (mark, now) = (reading.mark.clone(), ctx.clock.now());
    metrics::counter!("mailmind_suppression_sync_failures_total", "list" => mark.list.name(), "kind" => error.kind())
        .increment(1);
    tracing::warn!(
        domain = mark.domain,
        list = mark.list.name(),
        kind = error.kind(),
        "A list of Mailgun's could not be read to its end"
    );
    let stands = Model { last_error: Some(error.to_string()), ..mark.clone() };
    let stands = match error {
        SyncError::Limited { until, .. } => Model { due_at: *until, ..stands },
        SyncError::Refused(_) | SyncError::NotAllowed(_) | SyncError::Away(_) | SyncError::Unreadable(_) => {
            let failures = mark.failures.saturating_add(1);
            let due_at = now + rule::wait(failures, &ctx.timing);
            // An address that Mailgun no longer takes can only be given up.
            let page = mark.page.filter(|_| !matches!(error, SyncError::Refused(_)));
            Model { due_at, failures, page, failing_since: mark.failing_since.or(Some(now)), ..stands }
        }
    };
    reading.give_back(ctx.store.write(), ctx, stands).await?;
    Ok(())
}

/// What became of the entries of a page.
#[derive(Clone, Copy, Default)]
struct Counts {
    seen: i64,
    added: i64,
    known: i64,
    skipped: i64,
}

/// Records a page and where the next one is, in one transaction. `false` where somebody else reads the list by now: then nothing
/// was recorded.
async fn take_in(ctx: &Context, reading: &mut Reading, items: &[Item], next: Option<String>) -> Result<bool> {
    let before = reading.mark.clone();
    let Some((held, counts)) = repeat(|| record(ctx, &before, items, next.clone())).await? else { return Ok(false) };
    *reading = held;
    count(reading.mark.list, counts);
    Ok(true)
}

async fn record(
    ctx: &Context,
    before: &Model,
    items: &[Item],
    next: Option<String>,
) -> Result<Option<(Reading, Counts)>> {
    let read = items.iter().map(|item| rule::meaning(before.list, item, before.sandbox, ctx.clock.now()));
    let told: Vec<suppression_fact::Model> = read.filter_map(Result::ok).collect();
    let tx = ctx.store.begin().await?;
    let news = news(&tx, ctx, before, told.clone()).await?;
    let n = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let (seen, added) = (n(items.len()), n(news.len()));
    let counts = Counts { seen, added, known: n(told.len()) - added, skipped: seen - n(told.len()) };
    if !news.is_empty() {
        enter::store_in(&tx, ctx, &news).await?;
    }
    let stands = Model {
        page: next,
        seen: before.seen + counts.seen,
        added: before.added + counts.added,
        known: before.known + counts.known,
        skipped: before.skipped + counts.skipped,
        ..before.clone()
    };
    let mut held = Reading { mark: before.clone() };
    if !held.go_on(&tx, ctx, stands).await? {
        tx.rollback().await?;
        return Ok(None);
    }
    tx.commit().await?;
    Ok(Some((held, counts)))
}

/// Those of these facts that tell something, each once: not what stands here, not what was lifted since, and not what Mailgun is
/// still to let go of.
async fn news(
    tx: &DatabaseTransaction,
    ctx: &Context,
    mark: &Model,
    told: Vec<suppression_fact::Model>,
) -> Result<Vec<suppression_fact::Model>> {
    if told.is_empty() {
        return Ok(Vec::new());
    }
    let targets: BTreeSet<&str> = told.iter().map(|fact| fact.target.as_str()).collect();
    let leaving = outbox::leaving(tx, ctx, &mark.domain, mark.list, &targets).await?;
    // Mailgun still has the addresses of recipients who were erased here.
    let erased = erase::erased(tx, ctx, targets.iter().copied()).await?;
    let told: Vec<suppression_fact::Model> = told
        .into_iter()
        .filter(|fact| !leaving.contains(&fact.target))
        .map(|fact| match erased.get(&fact.target) {
            Some(mark) => suppression_fact::Model { target: mark.clone(), note: None, ..fact },
            None => fact,
        })
        .collect();
    let targets: BTreeSet<&str> = told.iter().map(|fact| fact.target.as_str()).collect();
    let text = "SELECT s.* FROM {rows} AS v JOIN email_suppression_list s ON s.target = v.target WHERE s.sandbox = $1";
    let asked = Rows::new().text("target", targets.iter().map(|target| (*target).to_owned()));
    let found = rows(tx, ctx.store.sql_rows(text, [Value::from(mark.sandbox)], asked)).await?;
    let stands: HashMap<(String, Reason), suppression::Model> =
        models::<suppression::Model>(&found)?.into_iter().map(|row| ((row.target.clone(), row.reason), row)).collect();
    let is_news = |fact: &suppression_fact::Model| {
        let stands = stands.get(&(fact.target.clone(), fact.reason));
        rule::is_news(stands, fact)
    };
    let mut once = BTreeSet::new();
    Ok(told.iter().filter(|fact| is_news(fact) && once.insert(fact.id)).cloned().collect())
}

fn count(list: List, counts: Counts) {
    for (outcome, n) in [("added", counts.added), ("known", counts.known), ("skipped", counts.skipped)] {
        metrics::counter!("mailmind_suppression_sync_pulled_total", "list" => list.name(), "outcome" => outcome)
            .increment(n.unsigned_abs());
    }
}

/// Orders that what people entered, and Mailgun's list was not yet offered, is put there: all of it for a domain that is new, and
/// what came while nothing was told to Mailgun. `false` where somebody else reads the list by now.
async fn offer(ctx: &Context, reading: &mut Reading) -> Result<bool> {
    if ctx.settings.suppression_sync != Direction::Both {
        return Ok(true);
    }
    loop {
        let (held, more) = offer_group(ctx, reading).await?;
        if !held || !more {
            return Ok(held);
        }
    }
}

async fn offer_group(ctx: &Context, reading: &mut Reading) -> Result<(bool, bool)> {
    let before = reading.mark.clone();
    let mut found = repeat(|| ours(ctx, &before)).await?;
    let Some(last) = found.last().map(|entry| entry.id) else { return Ok((true, false)) };
    let (now, more) = (ctx.clock.now(), found.len() as i64 == GROUP);
    let belongs = |entry: &suppression::Model| {
        let of_list = entry.sandbox == before.sandbox && rule::list_of(entry.reason) == before.list;
        of_list
            && entry.source == Source::Manual
            && entry.active_at(now)
            && rule::belongs(&entry.target, entry.expires_at, entry.source)
    };
    found.retain(belongs);
    let tx = ctx.store.begin().await?;
    outbox::offer(&tx, ctx, &before.domain, &found).await?;
    let mut held = Reading { mark: before.clone() };
    if !held.go_on(&tx, ctx, Model { offered: Some(last), ..before }).await? {
        tx.rollback().await?;
        return Ok((false, false));
    }
    tx.commit().await?;
    reading.mark = held.mark;
    Ok((true, more))
}

/// The next entries of our list behind what was offered, by their ids.
async fn ours(ctx: &Context, mark: &Model) -> Result<Vec<suppression::Model>> {
    let text =
        "SELECT s.* FROM email_suppression_list s WHERE s.id > $1 AND s.archived_at IS NULL ORDER BY s.id LIMIT $2";
    let values = [Value::from(mark.offered.unwrap_or(Uuid::nil())), Value::from(GROUP)];
    models(&rows(ctx.store.write(), ctx.store.sql(text, values)).await?)
}

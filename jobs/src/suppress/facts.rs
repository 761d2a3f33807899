//! What suppresses an address and what lifts it are facts with a time; the list is what follows from them, in whatever order
//! they came. A lift ends all that was before it, for ever: an event that comes late never suppresses again.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::suppression::{BounceType, Reason};
use entity::suppression_fact::Model;
use sea_orm::{ActiveEnum, DatabaseTransaction, FromQueryResult, Value};

use crate::Context;
use crate::error::Result;
use crate::rows::Rows;
use crate::store::{execute, rows};
use crate::suppress::tallies::{Deltas, Kind};

/// Whom an entry binds, why, and whether the sandbox alone.
pub type Key = (String, Reason, bool);

/// What stands by the facts.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing<'a> {
    /// The one that blocks, or that blocked last.
    pub entry: &'a Model,
    /// Since when nothing blocks any longer because it was lifted.
    pub lifted_at: Option<DateTime<Utc>>,
}

/// What follows from the facts of one key; `None` while nothing ever suppressed it. What holds for ever stands before what
/// passes, then the later before the earlier.
pub fn standing(facts: &[Model]) -> Option<Standing<'_>> {
    let lifted_at = facts.iter().filter(|fact| fact.lift).map(|fact| fact.occurred_at).max();
    let entries = || facts.iter().filter(|fact| !fact.lift);
    let alive = || entries().filter(|fact| lifted_at.is_none_or(|at| fact.occurred_at > at));
    let rank = |fact: &&Model| (fact.expires_at.is_none(), fact.occurred_at, fact.id);
    match alive().max_by_key(rank) {
        Some(entry) => Some(Standing { entry, lifted_at: None }),
        None => entries().max_by_key(|fact| (fact.occurred_at, fact.id)).map(|entry| Standing { entry, lifted_at }),
    }
}

fn key(fact: &Model) -> Key {
    (fact.target.clone(), fact.reason, fact.sandbox)
}

/// Stores facts, each once by its id, and brings the list up to date with them.
///
/// # Errors
/// The database's own.
pub async fn record(tx: &DatabaseTransaction, ctx: &Context, facts: &[Model]) -> Result<()> {
    if facts.is_empty() {
        return Ok(());
    }
    let keys: BTreeSet<Key> = facts.iter().map(key).collect();
    lock(tx, ctx, &keys).await?;
    insert(tx, ctx, facts).await?;
    settle(tx, ctx, &keys).await
}

/// Forgets the facts that came from these events, whose list rows the caller brings up to date by [`record`] or [`settle`].
pub(crate) async fn forget(tx: &DatabaseTransaction, ctx: &Context, events: &[uuid::Uuid]) -> Result<BTreeSet<Key>> {
    let asked = || Rows::new().uuid("id", events.iter().copied());
    let text = "SELECT f.target, f.reason, f.sandbox FROM email_suppression_facts f \
                WHERE f.id IN (SELECT v.id FROM {rows} AS v) AND f.event_id IS NOT NULL";
    let found = rows(tx, ctx.store.sql_rows(text, [], asked())).await?;
    let read = |row: &sea_orm::QueryResult| {
        Ok((row.try_get("", "target")?, row.try_get("", "reason")?, row.try_get("", "sandbox")?))
    };
    let keys = found.iter().map(read).collect::<Result<BTreeSet<Key>>>()?;
    if !keys.is_empty() {
        lock(tx, ctx, &keys).await?;
        let text =
            "DELETE FROM email_suppression_facts WHERE id IN (SELECT v.id FROM {rows} AS v) AND event_id IS NOT NULL";
        execute(tx, ctx.store.sql_rows(text, [], asked())).await?;
    }
    Ok(keys)
}

/// Gives the facts of these keys to another target, whose own they join, and the list with them. Whoever asks the list sees
/// it before or after, never between.
pub(crate) async fn rename(tx: &DatabaseTransaction, ctx: &Context, keys: &BTreeSet<Key>, target: &str) -> Result<()> {
    let new = keys.iter().map(|(_, reason, sandbox)| (target.to_owned(), *reason, *sandbox));
    let all: BTreeSet<Key> = keys.iter().cloned().chain(new).collect();
    lock(tx, ctx, &all).await?;
    // A note may name somebody.
    let text = "UPDATE email_suppression_facts AS f SET target = $1, note = NULL FROM {rows} AS v \
                WHERE f.target = v.target AND f.reason = v.reason AND f.sandbox = v.sandbox";
    execute(tx, ctx.store.sql_rows(text, [Value::from(target)], of(keys))).await?;
    settle(tx, ctx, &all).await
}

fn of(keys: &BTreeSet<Key>) -> Rows {
    Rows::new()
        .text("target", keys.iter().map(|key| key.0.clone()))
        .int("reason", keys.iter().map(|key| key.1.to_value()))
        .flag("sandbox", keys.iter().map(|key| key.2))
}

/// Takes each key's row in the list, made where there is none: two who bring facts for a key see each other's. One that is made
/// here says nothing yet, and counts as archived until [`settle`].
async fn lock(tx: &DatabaseTransaction, ctx: &Context, keys: &BTreeSet<Key>) -> Result<()> {
    let now = Value::from(ctx.clock.now());
    let text = "INSERT INTO email_suppression_list (id, target, reason, sandbox, source, created_at, updated_at, \
         lifted_at, archived_at) SELECT v.id, v.target, v.reason, v.sandbox, 0, $1, $1, $1, $1 FROM {rows} AS v WHERE true \
         ORDER BY v.target, v.reason, v.sandbox \
         ON CONFLICT (target, reason, sandbox) DO UPDATE SET updated_at = excluded.updated_at";
    let values = of(keys).uuid("id", keys.iter().map(|_| ctx.clock.id()));
    execute(tx, ctx.store.sql_rows(text, [now], values)).await?;
    Ok(())
}

async fn insert(tx: &DatabaseTransaction, ctx: &Context, facts: &[Model]) -> Result<()> {
    let text = "INSERT INTO email_suppression_facts (id, target, reason, sandbox, lift, occurred_at, recorded_at, expires_at, \
         bounce_type, source, note, event_id) SELECT v.id, v.target, v.reason, v.sandbox, v.lift, v.occurred_at, \
         v.recorded_at, v.expires_at, v.bounce_type, v.source, v.note, v.event_id FROM {rows} AS v WHERE true \
         ON CONFLICT (id) DO NOTHING";
    let values = Rows::new()
        .uuid("id", facts.iter().map(|f| f.id))
        .text("target", facts.iter().map(|f| f.target.clone()))
        .int("reason", facts.iter().map(|f| f.reason.to_value()))
        .flag("sandbox", facts.iter().map(|f| f.sandbox))
        .flag("lift", facts.iter().map(|f| f.lift))
        .time("occurred_at", facts.iter().map(|f| f.occurred_at))
        .time("recorded_at", facts.iter().map(|f| f.recorded_at))
        .time("expires_at", facts.iter().map(|f| f.expires_at))
        .maybe_int("bounce_type", facts.iter().map(|f| f.bounce_type.map(|kind| kind.to_value().into())))
        .int("source", facts.iter().map(|f| f.source.to_value()))
        .text("note", facts.iter().map(|f| f.note.clone()))
        .uuid("event_id", facts.iter().map(|f| f.event_id));
    execute(tx, ctx.store.sql_rows(text, [], values)).await?;
    Ok(())
}

/// A row of the list before it is brought up to date.
struct Before {
    occurred_at: Option<DateTime<Utc>>,
    expires_at: Option<DateTime<Utc>>,
    archived_at: Option<DateTime<Utc>>,
    kind: Kind,
}

impl Before {
    /// What an archived row was archived for is over when something else stands.
    fn still_archived(&self, entry: &Model) -> Option<DateTime<Utc>> {
        let same = self.occurred_at == Some(entry.occurred_at) && self.expires_at == entry.expires_at;
        self.archived_at.filter(|_| same)
    }
}

/// Writes what stands into the list's rows, which this transaction holds, and counts them anew. A row for which nothing stands
/// goes.
pub(crate) async fn settle(tx: &DatabaseTransaction, ctx: &Context, keys: &BTreeSet<Key>) -> Result<()> {
    let before = listed(tx, ctx, keys).await?;
    let known = known(tx, ctx, keys).await?;
    let stand: Vec<(&Key, Standing<'_>, Option<DateTime<Utc>>)> = keys
        .iter()
        .filter_map(|key| {
            let standing = standing(known.get(key)?)?;
            let archived_at = before.get(key).and_then(|row| row.still_archived(standing.entry));
            Some((key, standing, archived_at))
        })
        .collect();
    let mut deltas = Deltas::default();
    for row in before.values().filter(|row| row.archived_at.is_none()) {
        deltas.add(row.kind, -1);
    }
    for ((_, reason, sandbox), standing, archived_at) in &stand {
        if archived_at.is_none() {
            let (soft, lifted) = (standing.entry.bounce_type == Some(BounceType::Soft), standing.lifted_at.is_some());
            deltas.add(Kind { reason: *reason, soft, lifted, sandbox: *sandbox }, 1);
        }
    }
    let gone: BTreeSet<Key> = keys.iter().filter(|key| !stand.iter().any(|(k, ..)| k == key)).cloned().collect();
    if !gone.is_empty() {
        let text = "DELETE FROM email_suppression_list WHERE id IN (SELECT s.id FROM email_suppression_list s \
             JOIN {rows} AS v ON s.target = v.target AND s.reason = v.reason AND s.sandbox = v.sandbox)";
        execute(tx, ctx.store.sql_rows(text, [], of(&gone))).await?;
    }
    if !stand.is_empty() {
        write(tx, ctx, &stand).await?;
    }
    deltas.store(tx, ctx).await
}

async fn listed(tx: &DatabaseTransaction, ctx: &Context, keys: &BTreeSet<Key>) -> Result<BTreeMap<Key, Before>> {
    let text = "SELECT s.target, s.reason, s.sandbox, s.bounce_type, s.occurred_at, s.expires_at, s.lifted_at, s.archived_at \
                FROM email_suppression_list s JOIN {rows} AS v \
                ON s.target = v.target AND s.reason = v.reason AND s.sandbox = v.sandbox";
    let mut found = BTreeMap::new();
    for row in rows(tx, ctx.store.sql_rows(text, [], of(keys))).await? {
        let (reason, sandbox) = (row.try_get("", "reason")?, row.try_get("", "sandbox")?);
        let before = Before {
            occurred_at: row.try_get("", "occurred_at")?,
            expires_at: row.try_get("", "expires_at")?,
            archived_at: row.try_get("", "archived_at")?,
            kind: Kind::read(&row)?,
        };
        found.insert((row.try_get("", "target")?, reason, sandbox), before);
    }
    Ok(found)
}

async fn known(tx: &DatabaseTransaction, ctx: &Context, keys: &BTreeSet<Key>) -> Result<BTreeMap<Key, Vec<Model>>> {
    let text = "SELECT f.* FROM email_suppression_facts f JOIN {rows} AS v \
                ON f.target = v.target AND f.reason = v.reason AND f.sandbox = v.sandbox";
    let mut known: BTreeMap<Key, Vec<Model>> = BTreeMap::new();
    for row in rows(tx, ctx.store.sql_rows(text, [], of(keys))).await? {
        let fact = Model::from_query_result(&row, "")?;
        known.entry(key(&fact)).or_default().push(fact);
    }
    Ok(known)
}

async fn write(
    tx: &DatabaseTransaction,
    ctx: &Context,
    stand: &[(&Key, Standing<'_>, Option<DateTime<Utc>>)],
) -> Result<()> {
    let text = "UPDATE email_suppression_list AS s SET note = v.note, bounce_type = v.bounce_type, source = v.source, \
         event_id = v.event_id, occurred_at = v.occurred_at, expires_at = v.expires_at, lifted_at = v.lifted_at, \
         archived_at = v.archived_at \
         FROM {rows} AS v WHERE s.target = v.target AND s.reason = v.reason AND s.sandbox = v.sandbox";
    let entries = || stand.iter().map(|(_, standing, _)| standing.entry);
    let values = Rows::new()
        .text("target", stand.iter().map(|(key, ..)| key.0.clone()))
        .int("reason", stand.iter().map(|(key, ..)| key.1.to_value()))
        .flag("sandbox", stand.iter().map(|(key, ..)| key.2))
        .text("note", entries().map(|e| e.note.clone()))
        .maybe_int("bounce_type", entries().map(|e| e.bounce_type.map(|kind| kind.to_value().into())))
        .int("source", entries().map(|e| e.source.to_value()))
        .uuid("event_id", entries().map(|e| e.event_id))
        .time("occurred_at", entries().map(|e| e.occurred_at))
        .time("expires_at", entries().map(|e| e.expires_at))
        .time("lifted_at", stand.iter().map(|(_, standing, _)| standing.lifted_at))
        .time("archived_at", stand.iter().map(|(.., archived_at)| *archived_at));
    execute(tx, ctx.store.sql_rows(text, [], values)).await?;
    Ok(())
}

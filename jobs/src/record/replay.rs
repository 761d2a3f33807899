//! Reading stored payloads again, after the parser was mended: what reads otherwise now has the effect that it should have had.
//! Repeated, it changes nothing.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use entity::delivery_event::{Kind, Model, Source, TABLE};
use entity::event_seal;
use entity::sealed::DataKey;
use sea_orm::{DatabaseTransaction, DbErr, EntityTrait, FromQueryResult, Value};
use uuid::Uuid;

use super::emails::Emails;
use super::{events, seal};
use crate::Context;
use crate::control::repeat;
use crate::error::Result;
use crate::event::{Event, reread};
use crate::rows::Rows;
use crate::store::rows;
use crate::{retention, suppress};

/// Events looked at in one transaction.
const GROUP: i64 = 500;

/// What a replay did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Payloads that were read.
    pub read: u64,
    /// Those that read otherwise than they did, in their order.
    pub changes: Vec<Change>,
    /// Where it has come to: every event up to this number.
    pub seq: i64,
}

/// An event that reads otherwise than it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number.
    pub seq: i64,
    /// What it was taken for.
    pub was: Kind,
    /// What it is. The same, where something else in it reads otherwise.
    pub is: Kind,
}

/// Reads the payloads of a group of events after `seq` again; `None` when there is none left. A status only rises: what
/// was sent in reply to it can't be taken back. Facts, counts and suppressions are as if it had been read so at first.
///
/// # Errors
/// The database's own; a payload that can't be opened. Groups before it stay done.
pub async fn replay(ctx: &Context, seq: i64) -> Result<Option<Replayed>> {
    let mut keys = HashMap::new();
    let text = "SELECT e.* FROM email_delivery_events e WHERE e.seq > $1 ORDER BY e.seq LIMIT $2";
    let found = rows(ctx.store.by_key(), ctx.store.sql(text, [Value::from(seq), Value::from(GROUP)])).await?;
    let stored = found.iter().map(|row| Model::from_query_result(row, "")).collect::<Result<Vec<_>, _>>()?;
    let Some(last) = stored.last().map(|row| row.seq) else { return Ok(None) };
    let read = stored.iter().filter(|row| !retention::is_gone(row)).count() as u64;
    let mut readings = BTreeMap::new();
    // What was taken away stays as it was read.
    for row in stored.into_iter().filter(|row| !retention::is_gone(row)) {
        let event = reread_row(ctx, &mut keys, &row).await?;
        if may_differ(&row, &event) {
            readings.insert(row.seq, event);
        }
    }
    let changes = if readings.is_empty() { Vec::new() } else { repeat(|| take_effect(ctx, &readings)).await? };
    Ok(Some(Replayed { read, changes, seq: last }))
}

async fn reread_row(ctx: &Context, keys: &mut HashMap<Uuid, DataKey>, row: &Model) -> Result<Event> {
    let key = match keys.entry(row.seal_id) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(place) => {
            let found = event_seal::Entity::find_by_id(row.seal_id).one(ctx.store.by_key()).await?;
            let found = found.ok_or_else(|| DbErr::RecordNotFound("the key of an event's payload".into()))?;
            place.insert(seal::open(ctx, &found)?)
        }
    };
    let payload = key.open(TABLE, row.id, seal::COLUMN, &row.raw)?;
    let domain = row.domain.as_deref().unwrap_or_default();
    Ok(reread(&payload, row.source == Source::Webhook, domain, row.occurred_at))
}

/// Reads otherwise, or names an email that is perhaps ours.
fn may_differ(row: &Model, event: &Event) -> bool {
    let recipient = event.recipient.clone().or(row.recipient_key.clone());
    let about = events::About { recipient, ..events::About::of(row) };
    row.email_id != event.email || reading(row, event, about) != *row
}

/// The row as it should be by `event`.
fn reading(row: &Model, event: &Event, about: events::About) -> Model {
    let new = events::row(row.id, row.source, event, about, row.recorded_at, row.seal_id, &row.raw);
    Model { seq: row.seq, ..new }
}

async fn take_effect(ctx: &Context, readings: &BTreeMap<i64, Event>) -> Result<Vec<Change>> {
    let tx = ctx.store.begin().await?;
    let stored = lock(&tx, ctx, readings.keys().copied()).await?;
    let named = stored.iter().flat_map(|row| [row.email_id, readings.get(&row.seq).and_then(|event| event.email)]);
    let mut emails = Emails::lock(&tx, ctx, named.flatten()).await?;
    let mut changed: Vec<(Model, Model, &Event)> = Vec::new();
    for row in stored.into_iter().filter(|row| !retention::is_gone(row)) {
        let Some(event) = readings.get(&row.seq) else { continue };
        let mut about = emails.about(&ctx.marks, event);
        if about.email.is_none() && row.email_id.is_some() {
            // The email was cleaned away meanwhile.
            about = events::About { recipient: about.recipient, ..events::About::of(&row) };
        }
        let new = reading(&row, event, about);
        if new != row {
            changed.push((row, new, event));
        }
    }
    if changed.is_empty() {
        return Ok(Vec::new());
    }
    suppressions(&tx, ctx, &emails, &changed).await?;
    let touched: BTreeSet<Uuid> =
        changed.iter().flat_map(|(old, new, _)| [old.email_id, new.email_id]).flatten().collect();
    let mut histories = histories(&tx, ctx, &touched).await?;
    for email in &touched {
        let old = histories.remove(email).unwrap_or_default();
        let mut new: BTreeMap<i64, Model> = old.iter().map(|row| (row.seq, row.clone())).collect();
        for (_, row, _) in &changed {
            new.remove(&row.seq);
            if row.email_id == Some(*email) {
                new.insert(row.seq, row.clone());
            }
        }
        let said: HashSet<i64> = changed.iter().map(|(old, _, _)| old.seq).collect();
        emails.retell(*email, &old, &new.into_values().collect::<Vec<_>>(), &said);
    }
    let changes = changed.iter().map(|(old, new, _)| Change { seq: new.seq, was: old.kind, is: new.kind }).collect();
    let rows: Vec<Model> = changed.into_iter().map(|(_, new, _)| new).collect();
    events::update(&tx, ctx, &rows).await?;
    emails.store(&tx, ctx).await?;
    tx.commit().await?;
    Ok(changes)
}

/// Locks event rows, in their order: only a replay changes them.
async fn lock(tx: &DatabaseTransaction, ctx: &Context, seqs: impl Iterator<Item = i64>) -> Result<Vec<Model>> {
    let text = format!(
        "SELECT e.* FROM email_delivery_events e WHERE e.seq IN (SELECT v.seq FROM {{rows}} AS v) ORDER BY e.seq {}",
        ctx.store.for_update()
    );
    let found = rows(tx, ctx.store.sql_rows(&text, [], Rows::new().int("seq", seqs))).await?;
    Ok(found.iter().map(|row| Model::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// All events of these emails, in their order.
async fn histories(
    tx: &DatabaseTransaction,
    ctx: &Context,
    emails: &BTreeSet<Uuid>,
) -> Result<HashMap<Uuid, Vec<Model>>> {
    let text = "SELECT e.* FROM email_delivery_events e WHERE e.email_id {ids} ORDER BY e.seq";
    let mut histories: HashMap<Uuid, Vec<Model>> = HashMap::new();
    for row in rows(tx, ctx.store.sql_ids(text, [], emails.iter().copied())).await? {
        let event = Model::from_query_result(&row, "")?;
        if let Some(email) = event.email_id {
            histories.entry(email).or_default().push(event);
        }
    }
    Ok(histories)
}

/// Replaces what these events said of addresses.
async fn suppressions(
    tx: &DatabaseTransaction,
    ctx: &Context,
    emails: &Emails,
    changed: &[(Model, Model, &Event)],
) -> Result<()> {
    let ids: Vec<Uuid> = changed.iter().map(|(old, _, _)| old.id).collect();
    let forgotten = suppress::facts::forget(tx, ctx, &ids).await?;
    let facts: Vec<_> = changed
        .iter()
        .filter_map(|(_, new, event)| {
            emails.suppression(ctx.settings.sandbox, new.id, event, &events::About::of(new), new.recorded_at)
        })
        .collect();
    suppress::facts::record(tx, ctx, &facts).await?;
    suppress::facts::settle(tx, ctx, &forgotten).await
}

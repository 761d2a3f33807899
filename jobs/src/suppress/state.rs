//! How single addresses stand: what blocks them, and what ever did.

use std::collections::{BTreeSet, HashMap};

use entity::{suppression, suppression_fact};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, QueryResult, Value};
use uuid::Uuid;

use super::domain_of;
use crate::error::Result;
use crate::find::models;
use crate::rows::Rows;
use crate::store::rows;
use crate::{Context, erase};

/// As many facts as a history tells.
pub const HISTORY: i64 = 100;

/// How an address stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The active entries of the address and of its domain; it may be mailed when there are none.
    pub by: Vec<suppression::Model>,
    /// What suppressed the address or its domain, and what lifted it: the last [`HISTORY`], the newest first.
    pub history: Vec<suppression_fact::Model>,
}

/// How an address, in its key form, stands.
///
/// # Errors
/// The database's own.
pub async fn state(ctx: &Context, key: &str) -> Result<State> {
    let db = ctx.store.read();
    let by = blocking(db, ctx, [key]).await?.remove(key).unwrap_or_default();
    let text = "SELECT f.* FROM email_suppression_facts f WHERE f.target IN ($1, $2, $5) AND (NOT f.sandbox OR $3) \
                ORDER BY f.occurred_at DESC, f.recorded_at DESC, f.id DESC LIMIT $4";
    let domain = domain_of(key).unwrap_or(key);
    let marks = erase::marks_of(ctx, [key]).await?;
    let mark = marks.keys().next().map_or(key, String::as_str);
    let values = [
        Value::from(key),
        Value::from(domain),
        Value::from(ctx.settings.sandbox),
        Value::from(HISTORY),
        Value::from(mark),
    ];
    let history = models(&rows(db, ctx.store.sql(text, values)).await?)?;
    Ok(State { by, history })
}

/// The active entries that bind each of `keys` (addresses or domains) in this process' mode: an address' own first, then its
/// domain's, then those that stand under its mark since it was erased.
///
/// # Errors
/// The database's own.
pub async fn blocking<'a>(
    db: &impl ConnectionTrait,
    ctx: &Context,
    keys: impl IntoIterator<Item = &'a str>,
) -> Result<HashMap<String, Vec<suppression::Model>>> {
    let keys: BTreeSet<&str> = keys.into_iter().collect();
    let marks = erase::marks_of(ctx, keys.iter().copied()).await?;
    let plain = keys.iter().flat_map(|key| [Some(*key), domain_of(key)]).flatten();
    let targets: BTreeSet<&str> = plain.chain(marks.keys().map(String::as_str)).collect();
    if targets.is_empty() {
        return Ok(HashMap::new());
    }
    let text = "SELECT s.* FROM email_suppression_list s JOIN {rows} AS v ON s.target = v.target \
                WHERE s.lifted_at IS NULL AND (s.expires_at IS NULL OR s.expires_at > $1) AND (NOT s.sandbox OR $2) \
                ORDER BY s.target, s.reason, s.sandbox";
    let values = [Value::from(ctx.clock.now()), Value::from(ctx.settings.sandbox)];
    let asked = Rows::new().text("target", targets.iter().map(|target| (*target).to_owned()));
    let mut of_target: HashMap<String, Vec<suppression::Model>> = HashMap::new();
    for entry in models::<suppression::Model>(&rows(db, ctx.store.sql_rows(text, values, asked)).await?)? {
        of_target.entry(entry.target.clone()).or_default().push(entry);
    }
    let bound = |key: &str| {
        let mark = marks.iter().find(|(_, of)| *of == key).map(|(mark, _)| mark.as_str());
        let targets = [Some(key), domain_of(key), mark].into_iter().flatten();
        targets.filter_map(|target| of_target.get(target)).flatten().cloned().collect::<Vec<_>>()
    };
    Ok(keys.into_iter().map(|key| (key.to_owned(), bound(key))).filter(|(_, by)| !by.is_empty()).collect())
}

/// These entries by id, as far as they bind this process' mode.
///
/// # Errors
/// The database's own.
pub async fn entries(ctx: &Context, ids: &[Uuid]) -> Result<HashMap<Uuid, suppression::Model>> {
    let text = "SELECT s.* FROM email_suppression_list s WHERE s.id {ids} AND (NOT s.sandbox OR $1)";
    let asked = ctx.store.sql_ids(text, [Value::from(ctx.settings.sandbox)], ids.iter().copied());
    let found = models::<suppression::Model>(&rows(ctx.store.read(), asked).await?)?;
    Ok(found.into_iter().map(|entry| (entry.id, entry)).collect())
}

/// The entry that follows from each of these delivery events, as it stands now and as far as it binds this process' mode.
///
/// # Errors
/// The database's own.
pub async fn following(ctx: &Context, events: &[Uuid]) -> Result<HashMap<Uuid, suppression::Model>> {
    // A fact has the id of the event it follows from, and a target has one entry for each reason and mode.
    let text = "SELECT f.id AS event, s.* FROM email_suppression_facts f JOIN email_suppression_list s \
                ON s.target = f.target AND s.reason = f.reason AND s.sandbox = f.sandbox \
                WHERE f.id {ids} AND (NOT s.sandbox OR $1)";
    let asked = ctx.store.sql_ids(text, [Value::from(ctx.settings.sandbox)], events.iter().copied());
    let found = rows(ctx.store.read(), asked).await?;
    let entry = |row: &QueryResult| Ok((row.try_get("", "event")?, suppression::Model::from_query_result(row, "")?));
    Ok(found.iter().map(entry).collect::<Result<_, DbErr>>()?)
}

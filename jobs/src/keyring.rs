//! Which keys of the keyring stored data needs, and their rotation. Rotating rewraps data keys and touches nothing that is
//! sealed with them; it may run beside any number of processes, be broken off and begun again.

use std::collections::BTreeMap;

use entity::sealed::{Keyring, Wrapped};
use sea_orm::Value;
use uuid::Uuid;

use crate::Store;
use crate::control::repeat;
use crate::error::Result;
use crate::rows::Rows;
use crate::store::{execute, rows};

/// Every table whose rows hold a wrapped data key, in its columns `id`, `key_id` and `wrapped_key`. Large ones are indexed by
/// key and id.
pub const TABLES: [&str; 7] = [
    entity::content::TABLE,
    entity::event_seal::TABLE,
    entity::campaign::TABLE,
    entity::erasure::TABLE,
    entity::mark_key::TABLE,
    entity::unsubscribe_key::TABLE,
    entity::endpoint_secret::TABLE,
];

/// Data keys rewrapped in one transaction.
const GROUP: i64 = 500;

/// So many rows of a table need this key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub table: &'static str,
    pub key_id: String,
    pub rows: u64,
}

/// What became of a group of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// Rows that were found under the old key: `rewrapped` and `gone` together.
    pub found: u64,
    pub rewrapped: u64,
    /// Somebody else rewrapped or deleted them meanwhile.
    pub gone: u64,
    /// Where the next group begins; `None` when there is none.
    pub next: Option<Uuid>,
}

/// The keys that rows of a table need, one look into the index for each: cheap at any size.
///
/// # Errors
/// The database's own.
pub async fn in_use(store: &Store, table: &'static str) -> Result<Vec<String>> {
    let text = format!(
        "WITH RECURSIVE k (key_id) AS (SELECT min(t.key_id) FROM {table} t UNION ALL \
         SELECT (SELECT min(t.key_id) FROM {table} t WHERE t.key_id > k.key_id) FROM k WHERE k.key_id IS NOT NULL) \
         SELECT k.key_id FROM k WHERE k.key_id IS NOT NULL"
    );
    let found = rows(store.by_key(), store.sql(text, [])).await?;
    found.iter().map(|row| Ok(row.try_get("", "key_id")?)).collect()
}

/// How many rows need which key, table by table. This reads the index of each.
///
/// # Errors
/// The database's own.
pub async fn needs(store: &Store) -> Result<Vec<Need>> {
    let mut needs = Vec::new();
    for table in TABLES {
        for key_id in in_use(store, table).await? {
            needs.push(Need { table, rows: count(store, table, &key_id).await?, key_id });
        }
    }
    Ok(needs)
}

/// What is stored under keys that `keyring` lacks: nothing may start with it. Rows are counted only where one is lacking.
///
/// # Errors
/// The database's own.
pub async fn missing(store: &Store, keyring: &Keyring) -> Result<Vec<Need>> {
    let mut missing = Vec::new();
    for table in TABLES {
        for key_id in in_use(store, table).await? {
            if !keyring.ids().any(|id| id == key_id) {
                missing.push(Need { table, rows: count(store, table, &key_id).await?, key_id });
            }
        }
    }
    Ok(missing)
}

async fn count(store: &Store, table: &str, key_id: &str) -> Result<u64> {
    let text = format!("SELECT count(*) AS n FROM {table} t WHERE t.key_id = $1");
    let found = rows(store.by_key(), store.sql(text, [Value::from(key_id)])).await?;
    let n: i64 = found.first().map(|row| row.try_get("", "n")).transpose()?.unwrap_or_default();
    Ok(n.max(0) as u64)
}

/// What is missing, for whoever has to put it back.
pub fn words(missing: &[Need]) -> String {
    let mut by_key: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for need in missing {
        by_key.entry(&need.key_id).or_default().push(format!("{} rows of {}", need.rows, need.table));
    }
    let each = |(key, tables): (&str, Vec<String>)| format!("has no key {key:?}, which {} need", tables.join(" and "));
    by_key.into_iter().map(each).collect::<Vec<_>>().join("; ")
}

/// Puts the next data keys of `table` that `key_id` wraps, after the row named, under the first key of the keyring. Each row
/// changes only while it still has the old key.
///
/// # Errors
/// The database's own; [`crate::Error::Sealed`] where the keyring can't open one.
pub async fn rewrap(
    store: &Store,
    keyring: &Keyring,
    table: &'static str,
    key_id: &str,
    after: Option<Uuid>,
) -> Result<Rewrapped> {
    let text =
        format!("SELECT t.id, t.wrapped_key FROM {table} t WHERE t.key_id = $1 AND t.id > $2 ORDER BY t.id LIMIT $3");
    let values = [Value::from(key_id), Value::from(after.unwrap_or_default()), Value::from(GROUP)];
    let found = rows(store.by_key(), store.sql(text, values)).await?;
    let mut new: Vec<(Uuid, Wrapped)> = Vec::with_capacity(found.len());
    for row in &found {
        let id: Uuid = row.try_get("", "id")?;
        let wrapped = Wrapped { key_id: key_id.to_owned(), wrapped: row.try_get("", "wrapped_key")? };
        new.extend(keyring.rewrap(&wrapped, table, id)?.map(|wrapped| (id, wrapped)));
    }
    let rewrapped = if new.is_empty() { 0 } else { repeat(|| store_group(store, table, key_id, &new)).await? };
    Ok(Rewrapped {
        found: found.len() as u64,
        rewrapped,
        gone: (found.len() as u64).saturating_sub(rewrapped),
        next: found.last().filter(|_| found.len() as i64 == GROUP).map(|row| row.try_get("", "id")).transpose()?,
    })
}

async fn store_group(store: &Store, table: &str, old: &str, new: &[(Uuid, Wrapped)]) -> Result<u64> {
    // In the order of their ids, as everybody locks them.
    let tx = store.begin().await?;
    let ids = || new.iter().map(|(id, _)| *id);
    let text = format!("SELECT t.id FROM {table} t WHERE t.id {{ids}} ORDER BY t.id {}", store.for_update());
    execute(&tx, store.sql_ids(&text, [], ids())).await?;
    let text = format!(
        "UPDATE {table} AS t SET key_id = v.key_id, wrapped_key = v.wrapped_key FROM {{rows}} AS v \
         WHERE t.id = v.id AND t.key_id = $1"
    );
    let values = Rows::new()
        .uuid("id", ids())
        .text("key_id", new.iter().map(|(_, wrapped)| wrapped.key_id.clone()))
        .bytes("wrapped_key", new.iter().map(|(_, wrapped)| wrapped.wrapped.clone()));
    let changed = execute(&tx, store.sql_rows(&text, [Value::from(old)], values)).await?.rows_affected();
    tx.commit().await?;
    Ok(changed)
}

//! A call that is repeated is answered as the first one was, also where it would be refused now: the template that it names was
//! written anew since, or its deadline has passed.

use std::collections::HashMap;

use sea_orm::{QueryResult, Value};
use uuid::Uuid;

use super::Idempotency;
use crate::context::Context;
use crate::error::Result;
use crate::rows::Rows;
use crate::store::rows;

/// The emails that refused drafts were taken in as, by key and content.
///
/// # Errors
/// The database's own.
pub(super) async fn before(
    ctx: &Context,
    refused: impl Iterator<Item = &Idempotency> + Clone,
) -> Result<HashMap<(String, Vec<u8>), Uuid>> {
    let Some(first) = refused.clone().next() else { return Ok(HashMap::new()) };
    let text = "SELECT k.key, k.content_hash, k.email_id FROM idempotency_keys k JOIN {rows} AS v \
                ON k.api_key_id = $1 AND k.key = v.key AND k.content_hash = v.content_hash";
    let asked = Rows::new()
        .text("key", refused.clone().map(|own| own.key.clone()))
        .bytes("content_hash", refused.map(|own| Some(own.hash.clone())));
    // One call has one caller.
    let found = rows(ctx.store.by_key(), ctx.store.sql_rows(text, [Value::from(first.api_key)], asked)).await?;
    let read = |row: &QueryResult| {
        Ok(((row.try_get("", "key")?, row.try_get("", "content_hash")?), row.try_get("", "email_id")?))
    };
    found.iter().map(read).collect()
}

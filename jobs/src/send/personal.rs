//! What a campaign knows of one recipient: the variables that a content is rendered with.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use entity::sealed::{DataKey, Wrapped};
use entity::{campaign, recipient};
use sea_orm::{DbErr, Value};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::claim::Claimed;
use crate::context::Context;
use crate::error::Result;
use crate::store::rows;

/// Keys remembered at most; then all are forgotten, and those in use are soon back.
const MOST: usize = 1_000;

/// The variables of an email's recipient, as their row has them.
#[derive(Clone, Debug)]
pub struct Personal {
    /// The row's id.
    pub recipient: Uuid,
    /// Sealed under the campaign's data key.
    pub variables: Vec<u8>,
}

/// The data keys of campaigns. They never change, so each is read once.
#[derive(Default)]
pub struct Keys(RwLock<HashMap<Uuid, Arc<DataKey>>>);

impl Keys {
    async fn get(&self, ctx: &Context, id: Uuid) -> Result<Arc<DataKey>> {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(known.clone());
        }
        let text = "SELECT k.key_id, k.wrapped_key FROM campaigns k WHERE k.id = $1";
        let found = rows(ctx.store.by_key(), ctx.store.sql(text, [Value::from(id)])).await?;
        let row = found.first().ok_or_else(|| DbErr::RecordNotFound(format!("campaign {id}")))?;
        let wrapped = Wrapped { key_id: row.try_get("", "key_id")?, wrapped: row.try_get("", "wrapped_key")? };
        let key = Arc::new(ctx.keyring.unwrap(&wrapped, campaign::TABLE, id)?);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(id, key.clone());
        Ok(key)
    }
}

/// The variables of this email's recipient; none where its campaign has none of them.
pub(super) async fn variables(ctx: &Context, claimed: &Claimed) -> Result<Map<String, Json>> {
    let (Some(campaign), Some(personal)) = (claimed.campaign, &claimed.personal) else { return Ok(Map::new()) };
    let key = ctx.campaign_keys.get(ctx, campaign).await?;
    let plain = key.open(recipient::TABLE, personal.recipient, "variables", &personal.variables)?;
    Ok(serde_json::from_slice(&plain)?)
}

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

/// What never changes of campaigns, so that it is read once: their data keys, and whether they go in batches.
#[derive(Default)]
pub struct Keys(RwLock<HashMap<Uuid, Known>>);

#[derive(Clone)]
struct Known {
    key: Arc<DataKey>,
    batch: bool,
}

impl Keys {
    async fn get(&self, ctx: &Context, id: Uuid) -> Result<Known> {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&id) {
            return Ok(known.clone());
        }
        let text = "SELECT k.key_id, k.wrapped_key, k.batch FROM campaigns k WHERE k.id = $1";
        let found = rows(ctx.store.by_key(), ctx.store.sql(text, [Value::from(id)])).await?;
        let row = found.first().ok_or_else(|| DbErr::RecordNotFound(format!("campaign {id}")))?;
        let wrapped = Wrapped { key_id: row.try_get("", "key_id")?, wrapped: row.try_get("", "wrapped_key")? };
        let key = Arc::new(ctx.keyring.unwrap(&wrapped, campaign::TABLE, id)?);
        let new = Known { key, batch: row.try_get("", "batch")? };
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(id, new.clone());
        Ok(new)
    }

    /// Whether this campaign's emails go in batches.
    pub(super) async fn goes_in_batches(&self, ctx: &Context, id: Uuid) -> Result<bool> {
        Ok(self.get(ctx, id).await?.batch)
    }
}

/// The variables of this email's recipient; none where its campaign has none of them.
pub(super) async fn variables(ctx: &Context, claimed: &Claimed) -> Result<Map<String, Json>> {
    let (Some(campaign), Some(personal)) = (claimed.campaign, &claimed.personal) else { return Ok(Map::new()) };
    open(ctx, campaign, personal.recipient, &personal.variables).await
}

/// The variables that a campaign has for the recipient of this row.
pub(crate) async fn open(ctx: &Context, campaign: Uuid, recipient: Uuid, sealed: &[u8]) -> Result<Map<String, Json>> {
    let Known { key, .. } = ctx.campaign_keys.get(ctx, campaign).await?;
    let plain = key.open(recipient::TABLE, recipient, "variables", sealed)?;
    Ok(serde_json::from_slice(&plain)?)
}

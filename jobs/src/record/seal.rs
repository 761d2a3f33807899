//! Sealing payloads. One data key serves all that a process records in an hour: each payload has its own nonce and is bound
//! to its row, and a key for every event would cost as much as the event.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use entity::event_seal;
use entity::sealed::{DataKey, Wrapped};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use crate::Context;
use crate::error::Result;
use crate::rows::Rows;
use crate::store::execute;

/// For how long a key is used.
const USED_FOR: TimeDelta = TimeDelta::hours(1);

/// The column that payloads are sealed for.
pub const COLUMN: &str = "raw";

/// The key in use.
#[derive(Default)]
pub struct Sealer(Mutex<Option<Arc<Seal>>>);

/// A key, and whether its row is known to be stored.
pub struct Seal {
    row: event_seal::Model,
    key: DataKey,
    stored: AtomicBool,
}

/// A sealed payload and the key that opens it.
pub struct Sealed {
    pub seal: Arc<Seal>,
    pub bytes: Vec<u8>,
}

impl Sealer {
    /// Seals the payload of a row.
    pub fn seal(&self, ctx: &Context, table: &str, row: Uuid, payload: &[u8]) -> Sealed {
        let seal = self.current(ctx);
        let bytes = seal.key.seal(table, row, COLUMN, payload);
        Sealed { seal, bytes }
    }

    fn current(&self, ctx: &Context) -> Arc<Seal> {
        let now = ctx.clock.now();
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seal) = &*current
            && now - seal.row.created_at < USED_FOR
        {
            return seal.clone();
        }
        let id = ctx.clock.id();
        let (key, wrapped) = DataKey::generate(&ctx.keyring, event_seal::TABLE, id);
        let row = event_seal::Model { id, key_id: wrapped.key_id, wrapped_key: wrapped.wrapped, created_at: now };
        let seal = Arc::new(Seal { row, key, stored: AtomicBool::new(false) });
        *current = Some(seal.clone());
        seal
    }
}

impl Seal {
    /// Its row's id.
    pub fn id(&self) -> Uuid {
        self.row.id
    }

    /// Its row is committed.
    pub fn is_stored(&self) {
        self.stored.store(true, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sealed").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// Stores the keys that are not known to be stored.
pub async fn store<'a>(
    tx: &DatabaseTransaction,
    ctx: &Context,
    seals: impl Iterator<Item = &'a Arc<Seal>>,
) -> Result<()> {
    let new: BTreeMap<Uuid, &event_seal::Model> =
        seals.filter(|seal| !seal.stored.load(Ordering::Relaxed)).map(|seal| (seal.row.id, &seal.row)).collect();
    if new.is_empty() {
        return Ok(());
    }
    let text = "INSERT INTO email_event_seals (id, key_id, wrapped_key, created_at) \
                SELECT v.id, v.key_id, v.wrapped_key, v.created_at FROM {rows} AS v WHERE true ON CONFLICT (id) DO NOTHING";
    let values = Rows::new()
        .uuid("id", new.keys().copied())
        .text("key_id", new.values().map(|seal| seal.key_id.clone()))
        .bytes("wrapped_key", new.values().map(|seal| seal.wrapped_key.clone()))
        .time("created_at", new.values().map(|seal| seal.created_at));
    execute(tx, ctx.store.sql_rows(text, [], values)).await?;
    Ok(())
}

/// The key of a stored row.
pub fn open(ctx: &Context, row: &event_seal::Model) -> Result<DataKey> {
    let wrapped = Wrapped { key_id: row.key_id.clone(), wrapped: row.wrapped_key.clone() };
    Ok(ctx.keyring.unwrap(&wrapped, event_seal::TABLE, row.id)?)
}

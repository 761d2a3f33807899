//! What stands in the place of an erased address: an address of its own that leads nowhere, made of a keyed hash, so that the
//! same person is the same mark and only who has the keyring can tell whose it is.

use std::collections::HashMap;
use std::sync::OnceLock;

use entity::clock::random_bytes;
use entity::mark_key::{Entity, ID, Model, OF_AUDIT, TABLE};
use entity::sealed::{DataKey, Wrapped};
use hmac::{Hmac, KeyInit, Mac};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, Value};
use sha2::Sha256;
use uuid::Uuid;

use crate::Context;
use crate::error::Result;
use crate::rows::Rows;
use crate::store::{execute, rows};

/// What the secret is sealed for.
const COLUMN: &str = "secret";

/// RFC 2606 keeps `.invalid` from ever being anybody's.
const DOMAIN: &str = "@erased.invalid";

/// A key of marks, once it was read.
pub struct Marks {
    id: Uuid,
    key: OnceLock<Key>,
}

/// The key of marks. It is no address's own: who knows an address can't make its mark without it.
pub struct Key(Hmac<Sha256>);

impl Default for Marks {
    /// Of who was erased.
    fn default() -> Self {
        Self { id: ID, key: OnceLock::new() }
    }
}

impl Marks {
    /// Of whom entries of the audit log are about.
    pub fn of_audit() -> Self {
        Self { id: OF_AUDIT, key: OnceLock::new() }
    }

    /// The key, where this process has read it.
    pub fn known(&self) -> Option<&Key> {
        self.key.get()
    }

    /// The key, which the first process makes.
    ///
    /// # Errors
    /// The database's own; a key that the keyring can't open.
    pub async fn make(&self, ctx: &Context) -> Result<&Key> {
        if let Some(key) = self.read(ctx).await? {
            return Ok(key);
        }
        let (key, wrapped) = DataKey::generate(&ctx.keyring, TABLE, self.id);
        let secret = key.seal(TABLE, self.id, COLUMN, &random_bytes::<32>());
        // Two processes may make one at once: what lies there then is what both use.
        let text = "INSERT INTO recipient_mark_keys (id, key_id, wrapped_key, secret, created_at) \
                    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING";
        let values = [
            Value::from(self.id),
            Value::from(wrapped.key_id),
            Value::from(wrapped.wrapped),
            Value::from(secret),
            Value::from(ctx.clock.now()),
        ];
        execute(ctx.store.write(), ctx.store.sql(text, values)).await?;
        let made = self.read(ctx).await?;
        Ok(made.ok_or_else(|| DbErr::RecordNotFound("the key of erased recipients".into()))?)
    }

    /// The key, where there is one. Nobody was ever marked while there is none.
    ///
    /// # Errors
    /// The database's own; a key that the keyring can't open.
    pub async fn read(&self, ctx: &Context) -> Result<Option<&Key>> {
        if self.key.get().is_none()
            && let Some(row) = Entity::find_by_id(self.id).one(ctx.store.by_key()).await?
        {
            let key = Key::open(ctx, row)?;
            return Ok(Some(self.key.get_or_init(|| key)));
        }
        Ok(self.key.get())
    }
}

impl Key {
    fn open(ctx: &Context, row: Model) -> Result<Self> {
        let wrapped = Wrapped { key_id: row.key_id, wrapped: row.wrapped_key };
        let secret = ctx.keyring.unwrap(&wrapped, TABLE, row.id)?.open(TABLE, row.id, COLUMN, &row.secret)?;
        // HMAC takes a key of any length.
        let hmac = Hmac::new_from_slice(&secret).map_err(|_| entity::sealed::SealError::Broken)?;
        Ok(Self(hmac))
    }

    /// What stands for an address, given in its key form, where it stood.
    pub fn mark(&self, address_key: &str) -> String {
        format!("erased-{}{DOMAIN}", self.digest(address_key))
    }

    /// 128 bits of an address' hash, in hexadecimal digits.
    pub fn digest(&self, address_key: &str) -> String {
        let mut hmac = self.0.clone();
        hmac.update(address_key.as_bytes());
        hex::encode(&hmac.finalize().into_bytes()[..16])
    }
}

/// It stands for somebody who was erased.
pub fn is_mark(address_key: &str) -> bool {
    address_key.ends_with(DOMAIN)
}

/// The marks of these keys, as far as they are addresses, each with its address.
///
/// # Errors
/// The database's own; a key that the keyring can't open.
pub async fn marks_of<'a>(ctx: &Context, keys: impl IntoIterator<Item = &'a str>) -> Result<HashMap<String, String>> {
    let Some(key) = ctx.marks.read(ctx).await? else { return Ok(HashMap::new()) };
    let addresses = keys.into_iter().filter(|address| address.contains('@') && !is_mark(address));
    Ok(addresses.map(|address| (key.mark(address), address.to_owned())).collect())
}

/// Which of these addresses somebody asked to erase, each with its mark.
///
/// # Errors
/// The database's own; a key that the keyring can't open.
pub(crate) async fn erased<'a>(
    db: &impl ConnectionTrait,
    ctx: &Context,
    addresses: impl IntoIterator<Item = &'a str>,
) -> Result<HashMap<String, String>> {
    let mut marks = marks_of(ctx, addresses).await?;
    if marks.is_empty() {
        return Ok(HashMap::new());
    }
    let text = "SELECT e.mark FROM {rows} AS v JOIN recipient_erasures e ON e.mark = v.mark";
    let found = rows(db, ctx.store.sql_rows(text, [], Rows::new().text("mark", marks.keys().cloned()))).await?;
    let mut erased = HashMap::new();
    for row in found {
        let mark: String = row.try_get("", "mark")?;
        erased.extend(marks.remove(&mark).map(|address| (address, mark)));
    }
    Ok(erased)
}

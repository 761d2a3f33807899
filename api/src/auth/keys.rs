//! API keys: made and shown once, listed, revoked. Only their hashes are stored.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use entity::{ApiScope, ApiScopes, Clock, api_key};
use jobs::{Context, Store};
use sea_orm::{ActiveModelTrait, ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, Set};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use uuid::Uuid;

use super::doorkeeper::hash;
use super::{Networks, form};
use crate::audit;

/// A use is noted once in so long.
const NOTED: TimeDelta = TimeDelta::minutes(1);
/// A name, in characters.
const MOST_NAME: usize = 100;

/// A key to make.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Who or what it is for, as [`name`] takes it.
    pub name: String,
    /// What its holder may do.
    pub scopes: ApiScopes,
    /// When it ends, if ever.
    pub expires_at: Option<DateTime<Utc>>,
    /// From where it may be used; from anywhere if none is named.
    pub from: Networks,
}

/// A key that was made.
#[derive(Debug)]
pub struct Made {
    /// What is stored of it.
    pub row: api_key::Model,
    /// The key itself, here and nowhere again.
    pub secret: SecretString,
}

/// A key's name, as it is stored.
///
/// # Errors
/// Why it is none, in words that follow its name.
pub fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > MOST_NAME || text.chars().any(char::is_control) {
        return Err(format!("must be 1 to {MOST_NAME} characters without line breaks"));
    }
    Ok(text.to_owned())
}

/// Makes a key and stores its hash. `sandbox` says what the process does, for the key to say so too.
///
/// # Errors
/// The database's own.
pub async fn create(store: &Store, clock: &Clock, sandbox: bool, new: NewKey) -> Result<Made, DbErr> {
    let (secret, prefix) = form::make(sandbox);
    let row = api_key::ActiveModel {
        id: Set(clock.id()),
        name: Set(new.name),
        hash: Set(hash(secret.expose_secret()).to_vec()),
        prefix: Set(prefix),
        created_at: Set(clock.now()),
        expires_at: Set(new.expires_at),
        revoked_at: Set(None),
        last_used_at: Set(None),
        scopes: Set(new.scopes),
        allowed_addresses: Set(new.from.to_string()),
    };
    let row = api_key::Entity::insert(row).exec_with_returning(store.write()).await?;
    Ok(Made { row, secret })
}

/// Makes the first key, where nobody has one yet; it may do everything.
///
/// # Errors
/// The database's own.
pub async fn create_first(store: &Store, clock: &Clock, sandbox: bool) -> Result<Option<SecretString>, jobs::Error> {
    if api_key::Entity::find().one(store.write()).await?.is_some() {
        return Ok(None);
    }
    let name = "made at the first start".to_owned();
    let new = NewKey { name, scopes: ApiScopes::ADMIN, expires_at: None, from: Networks::default() };
    let made = create(store, clock, sandbox, new).await?;
    audit::first_key(store, clock, &made.row).await?;
    Ok(Some(made.secret))
}

/// Every key that was ever made, the oldest first.
///
/// # Errors
/// The database's own.
pub async fn all(store: &Store) -> Result<Vec<api_key::Model>, DbErr> {
    api_key::Entity::find().order_by_asc(api_key::Column::Id).all(store.read()).await
}

/// The keys with these ids, as far as they are.
///
/// # Errors
/// The database's own.
pub async fn with_ids(store: &Store, ids: Vec<Uuid>) -> Result<Vec<api_key::Model>, DbErr> {
    api_key::Entity::find().filter(api_key::Column::Id.is_in(ids)).all(store.read()).await
}

/// The key with this id.
///
/// # Errors
/// The database's own.
pub async fn find(store: &Store, id: Uuid) -> Result<Option<api_key::Model>, DbErr> {
    api_key::Entity::find_by_id(id).one(store.read()).await
}

/// What the audit log tells of a key; nothing that it could be used with.
pub fn state(key: &api_key::Model) -> Value {
    let scopes: Vec<&str> = key.scopes.given().map(ApiScope::name).collect();
    let from: Vec<&str> = key.allowed().collect();
    json!({ "name": key.name, "scopes": scopes, "expiresAt": key.expires_at, "revokedAt": key.revoked_at, "allowedAddresses": from })
}

/// Ends a key, now or as it was ended before, and answers it. Processes that know it take it for a few seconds more.
///
/// # Errors
/// The database's own.
pub async fn revoke(store: &Store, clock: &Clock, key: api_key::Model) -> Result<api_key::Model, DbErr> {
    if key.revoked_at.is_some() {
        return Ok(key);
    }
    let row = api_key::ActiveModel { id: Set(key.id), revoked_at: Set(Some(clock.now())), ..Default::default() };
    row.update(store.write()).await
}

/// Notes that a key was used, apart from the request that used it: a database that is slow to note it slows nobody.
pub(super) fn note_use(ctx: &Arc<Context>, key: api_key::Model) {
    let now = ctx.clock.now();
    if key.last_used_at.is_some_and(|at| now - at < NOTED) {
        return;
    }
    let ctx = ctx.clone();
    tokio::spawn(async move {
        let row = api_key::ActiveModel { id: Set(key.id), last_used_at: Set(Some(now)), ..Default::default() };
        if let Err(error) = row.update(ctx.store.write()).await {
            tracing::warn!(cause = %error, api_key.id = %key.id, "The use of a key could not be noted");
        }
    });
}

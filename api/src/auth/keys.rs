//! API keys: made and shown once, listed, revoked. Only their hashes are stored.

use std::sync::Arc;

use chrono::TimeDelta;
use entity::Clock;
use entity::api_key;
use entity::clock::random_bytes;
use jobs::{Context, Store};
use sea_orm::{ActiveModelTrait, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, Set};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::command::Key;
use crate::config::Setup;
use crate::failure::Failure;
use crate::serve;

/// How every key begins: whoever finds one in a repository can see what it is.
const BEGINNING: &str = "mm_live_";
/// A use is noted once in so long.
const NOTED: TimeDelta = TimeDelta::minutes(1);

/// Makes a key, stores its hash under `name`, and answers it: `mm_live_<prefix>_<secret>`, 40 random digits of which the
/// first 8 stay readable as its prefix.
///
/// # Errors
/// The database's own.
pub async fn create(store: &Store, clock: &Clock, name: &str) -> Result<SecretString, sea_orm::DbErr> {
    let prefix = format!("{BEGINNING}{}", hex::encode(random_bytes::<4>()));
    let key = SecretString::from(format!("{prefix}_{}", hex::encode(random_bytes::<24>())));
    let row = api_key::ActiveModel {
        id: Set(clock.id()),
        name: Set(name.to_owned()),
        hash: Set(super::hash(key.expose_secret()).to_vec()),
        prefix: Set(prefix),
        created_at: Set(clock.now()),
        expires_at: Set(None),
        revoked_at: Set(None),
        last_used_at: Set(None),
    };
    api_key::Entity::insert(row).exec_without_returning(store.write()).await?;
    Ok(key)
}

/// Makes the first key, where nobody has one yet.
///
/// # Errors
/// The database's own.
pub async fn create_first(store: &Store, clock: &Clock) -> Result<Option<SecretString>, sea_orm::DbErr> {
    if api_key::Entity::find().one(store.write()).await?.is_some() {
        return Ok(None);
    }
    create(store, clock, "made at the first start").await.map(Some)
}

/// Does what the command line asks.
pub async fn execute(setup: &Setup, asked: Key) -> Result<(), Failure> {
    let (store, clock) = (serve::connect(setup).await?, Clock::system());
    migration::up(store.write()).await?;
    match asked {
        Key::Create { name } => println!("{}", create(&store, &clock, &name).await?.expose_secret()),
        Key::List => list(&store, &clock).await?,
        Key::Revoke { key } => revoke(&store, &clock, &key).await?,
        // Needs no database, and was answered before.
        Key::Content => {}
    }
    Ok(())
}

async fn list(store: &Store, clock: &Clock) -> Result<(), sea_orm::DbErr> {
    let now = clock.now();
    for key in api_key::Entity::find().order_by_asc(api_key::Column::Id).all(store.read()).await? {
        let state = match key.revoked_at {
            Some(at) => format!("revoked {}", at.format("%Y-%m-%d %H:%M UTC")),
            None if !key.valid_at(now) => "expired".to_owned(),
            None => "valid".to_owned(),
        };
        let used =
            key.last_used_at.map_or_else(|| "never".to_owned(), |at| at.format("%Y-%m-%d %H:%M UTC").to_string());
        println!("{}  {}…  {state}, used {used}  {}", key.id, key.prefix, key.name);
    }
    Ok(())
}

async fn revoke(store: &Store, clock: &Clock, named: &str) -> Result<(), Failure> {
    let named = named.trim_end_matches('…');
    let mut who = Condition::any().add(api_key::Column::Prefix.eq(named));
    if let Ok(id) = Uuid::parse_str(named) {
        who = who.add(api_key::Column::Id.eq(id));
    }
    let found = api_key::Entity::find().filter(who).one(store.write()).await?;
    let found = found.ok_or_else(|| Failure::NoSuchKey(named.to_owned()))?;
    let text = format!("{}…  {}", found.prefix, found.name);
    if found.revoked_at.is_none() {
        let mut row: api_key::ActiveModel = found.into();
        row.revoked_at = Set(Some(clock.now()));
        row.update(store.write()).await?;
    }
    println!("revoked {text}");
    Ok(())
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

//! `api_keys`: who may call, by the hash of a bearer key.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::ApiScopes;

/// One key. The key itself is shown once, when it is made.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    /// SHA-256 of the whole key: it is long and random, so a slow hash would protect nothing more.
    pub hash: Vec<u8>,
    /// How the key begins, to recognise it in a list.
    pub prefix: String,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
    /// What its holder may do.
    pub scopes: ApiScopes,
    /// From which addresses and networks, separated by commas; empty means from anywhere.
    pub allowed_addresses: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The addresses and networks that it may be used from, as texts; none means from anywhere.
    pub fn allowed(&self) -> impl Iterator<Item = &str> {
        self.allowed_addresses.split(',').filter(|entry| !entry.is_empty())
    }

    /// It opens the door at `now`.
    pub fn valid_at(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| end > now)
    }
}

//! `recipient_mark_keys`: the secret that addresses of erased recipients are hashed with, sealed under the keyring. It is
//! made once and outlives every rotation: an address must stay blocked for as long as its mark stands in the list. Another one is
//! the audit log's, which names nobody either.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// The table's name, to which the wrapped key and the secret are bound.
pub const TABLE: &str = "recipient_mark_keys";

/// The id of the secret for who was erased.
pub const ID: Uuid = Uuid::from_u128(1);

/// The id of the audit log's secret: that nobody was ever erased is known by there being no other row.
pub const OF_AUDIT: Uuid = Uuid::from_u128(2);

/// A secret.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "recipient_mark_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub key_id: String,
    pub wrapped_key: Vec<u8>,
    pub secret: Vec<u8>,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

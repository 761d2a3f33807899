//! `unsubscribe_keys`: the one key that links to unsubscribe are sealed with, wrapped by the keyring. It is made once and outlives
//! every rotation: a link must work for as long as somebody has the email.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// The table's name, to which the wrapped key and the links are bound.
pub const TABLE: &str = "unsubscribe_keys";

/// The id of the one row.
pub const ID: Uuid = Uuid::from_u128(1);

/// The key.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "unsubscribe_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub key_id: String,
    pub wrapped_key: Vec<u8>,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

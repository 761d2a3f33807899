//! `email_event_seals`: the data keys that open the payloads of events, each wrapped by the keyring and used for many.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// The table's name, to which a wrapped key is bound.
pub const TABLE: &str = "email_event_seals";

/// One data key.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_event_seals")]
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

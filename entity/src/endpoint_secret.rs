//! `event_endpoint_secrets`: what events are signed with for an endpoint, sealed. It has several while one is being replaced.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// The table's name, to which the wrapped key and the secret are bound.
pub const TABLE: &str = "event_endpoint_secrets";

/// One secret.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event_endpoint_secrets")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub endpoint_id: Uuid,
    pub key_id: String,
    pub wrapped_key: Vec<u8>,
    /// Its bytes, sealed.
    pub secret: Vec<u8>,
    pub created_at: DateTime<Utc>,
    /// From then on it signs nothing; NULL for the newest.
    pub expires_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// It signs at `now`.
    pub fn signs_at(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }
}

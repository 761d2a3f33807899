//! `idempotency_keys`: which email a sender's key stands for, for seven days.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One key of one API key's holder, written in the email's own transaction.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub api_key_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    pub email_id: Uuid,
    /// SHA-256 over everything the sender asked for: the same key with another content is a conflict.
    pub content_hash: Vec<u8>,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

//! `webhook_tokens`: which event each webhook token was used for. Mailgun signs the token and not the body: whoever saw one
//! could else put it before any other event.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook_tokens")]
pub struct Model {
    /// Its hash.
    #[sea_orm(primary_key, auto_increment = false)]
    pub token: Uuid,
    pub event_key: Uuid,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

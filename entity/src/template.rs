//! `email_templates`: contents with a name, which campaigns and single emails are rendered from.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One template, as it stands now.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_templates")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Unique.
    pub name: String,
    /// What it says now ([`crate::content`]), of which it is one user. A launched campaign has a content of its own.
    pub content_id: Uuid,
    /// How often it was written: 1 at first.
    pub version: i32,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

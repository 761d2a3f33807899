//! `retention_runs`: what each rule of retention did, and how far those came that go through a table in its order.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One rule's state.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "retention_runs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub rule: String,
    /// Emails up to this one were looked at.
    pub email_mark: Option<Uuid>,
    /// Events up to this number were looked at.
    pub event_mark: Option<i64>,
    /// When it last ran to its end.
    pub ran_at: Option<DateTime<Utc>>,
    /// What it removed then, and in all.
    pub removed: i64,
    pub total: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

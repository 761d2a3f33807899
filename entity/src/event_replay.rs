//! `event_replays`: spans of time whose events an endpoint is told of once more.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One replay, and how far it came.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event_replays")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub endpoint_id: Uuid,
    /// Events that were recorded from then on ..
    pub since: DateTime<Utc>,
    /// .. and before then.
    pub until: DateTime<Utc>,
    /// Everything up to this number was told again.
    pub seq: i64,
    /// The last number it may reach.
    pub last: i64,
    /// Events that were told again.
    pub told: i64,
    pub asked_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

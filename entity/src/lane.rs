//! `email_lanes`: one row for each lane; whoever holds its lock feeds the lane.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::Priority;

/// The lane's feeder lock, and when it was last fed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_lanes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub lane: Priority,
    pub fed_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

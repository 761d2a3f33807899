//! `email_suppression_tallies`: how many entries of the suppression list there are of each kind, those archived apart. Each
//! process adds to a shard of its own; a count is the sum over the shards.

use sea_orm::entity::prelude::*;

use crate::suppression::Reason;

/// A process's count of one kind.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_suppression_tallies")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub reason: Reason,
    /// Bounces that are soft.
    #[sea_orm(primary_key, auto_increment = false)]
    pub soft: bool,
    #[sea_orm(primary_key, auto_increment = false)]
    pub lifted: bool,
    #[sea_orm(primary_key, auto_increment = false)]
    pub sandbox: bool,
    #[sea_orm(primary_key, auto_increment = false)]
    pub shard: i16,
    pub n: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

//! `email_tallies`: how many emails stand in each status, by lane and scope; equal to the rows at every commit.

use sea_orm::entity::prelude::*;

use crate::{Priority, Status};

/// One counter. `shard` exists so that writers who never meet on an email don't meet on its counter either: the truth is
/// the sum over the shards, and a single one may be negative.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_tallies")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub lane: Priority,
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope: i32,
    /// A [`Status`], [`PENDING`] or [`CLEANED`].
    #[sea_orm(primary_key, auto_increment = false)]
    pub status: i16,
    #[sea_orm(primary_key, auto_increment = false)]
    pub shard: i16,
    pub n: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Where recipients of campaigns are counted who have no email yet.
pub const PENDING: i16 = 98;

/// Where emails are counted that were cleaned away.
pub const CLEANED: i16 = 99;

/// The column's value for a status.
pub fn column(status: Status) -> i16 {
    status as i16
}

//! `email_failures`: which emails stand in FAILED, and for what cause.
//!
//! No index of `email_queue` may mention its status (an update that touches an indexed column is several times as dear), so
//! those few that a person looks for by it stand here, kept by the ledger in the same transaction.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One failed email; the row goes when the email leaves FAILED.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_failures")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub email_id: Uuid,
    pub scope: i32,
    pub lane: crate::Priority,
    /// What it failed of, without anything particular to the one email, so that equal causes group.
    pub cause: String,
    pub failed_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

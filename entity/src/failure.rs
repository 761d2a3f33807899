//! `email_failures`: which emails stand in FAILED, and for what cause.
//!
//! A person looks for the causes first, each with a count: they stand here, kept by the ledger in the same transaction.

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

//! `bulk_operations`: work on many emails, in groups, that a restart resumes where it stood.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One bulk operation and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "bulk_operations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: Kind,
    /// Which emails, as JSON.
    pub filter: String,
    /// Up to and including this email everything is done; it walks by id.
    pub cursor: Option<Uuid>,
    /// Emails it changed so far.
    pub done: i64,
    /// Emails under way that it asked to stop so far.
    pub asked: i64,
    /// The last email there was when it began: later ones are not touched. NULL = there was none.
    pub reach: Option<Uuid>,
    /// How many it may change in all; NULL = no bound.
    pub bound: Option<i64>,
    /// Whoever works on it, until then.
    pub lease_until: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What is done to each email.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[repr(i16)]
pub enum Kind {
    /// Waiting emails end CANCELLED; those under way are asked to.
    Cancel = 0,
    /// FAILED emails are queued anew.
    Retry = 1,
    /// Finished emails are moved out of the queue.
    Clean = 2,
    /// Waiting emails end SUPPRESSED where their recipient must not be mailed.
    Suppress = 3,
}

//! `email_suppression_facts`: everything that suppressed an address or domain and every lift, append-only. The list is what
//! follows from them, whatever order they came in.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::suppression::{BounceType, Reason, Source};

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_suppression_facts")]
pub struct Model {
    /// The delivery event's id where it follows from one, so that it stands once.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub target: String,
    pub reason: Reason,
    pub sandbox: bool,
    /// It lifts what was before it; else it suppresses.
    pub lift: bool,
    pub occurred_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
    /// Until when it suppresses; NULL = until it is lifted.
    pub expires_at: Option<DateTime<Utc>>,
    pub bounce_type: Option<BounceType>,
    pub source: Source,
    pub note: Option<String>,
    pub event_id: Option<Uuid>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

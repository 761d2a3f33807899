//! `email_attempts`: the history of hand-overs, one row for each claim that came to an end.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::Outcome;

/// One try, keyed by the email and the fence of the claim: a settle that is repeated finds its row and changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_attempts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub email_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub fence: i32,
    pub outcome: Outcome,
    pub http_status: Option<i32>,
    pub error: Option<String>,
    pub started_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
    pub retry_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

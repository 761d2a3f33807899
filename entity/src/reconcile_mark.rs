//! `email_reconcile_marks`: how far Mailgun's log has been read for a sending domain, and what is known of that domain.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One sending domain.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_reconcile_marks")]
pub struct Model {
    /// In ASCII.
    #[sea_orm(primary_key, auto_increment = false)]
    pub domain: String,
    /// The watermark: everything up to here was read whole, after the log could be trusted to be complete.
    pub checked_through: DateTime<Utc>,
    /// How far the last whole reading went; what lies between is read again.
    pub read_to: DateTime<Utc>,
    /// When it is to be read next. Whoever reads it puts this ahead, and what they put there is their claim.
    pub due_at: DateTime<Utc>,
    /// Events that no webhook had brought, ever.
    pub recovered: i64,
    /// Of those, the last ones in a row: no webhook brought any event between them.
    pub missed: i32,
    /// Since when webhooks are silent while events happen.
    pub silent_since: Option<DateTime<Utc>>,
    /// Since when the log can't be read.
    pub failing_since: Option<DateTime<Utc>>,
    /// Why it can't.
    pub last_error: Option<String>,
    /// When Mailgun last answered a hand-over with a Message-Id that is not ours.
    pub foreign_id_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

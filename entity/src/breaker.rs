//! `email_breakers`: where Mailgun does not answer, emails wait instead of failing, and one at a time goes ahead to look.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One breaker, keyed by what it guards: the way to Mailgun as a whole, or one sending domain.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_breakers")]
pub struct Model {
    /// `transport`, or `domain:` and the sending domain.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    pub open: bool,
    /// Consecutive failures while closed.
    pub failures: i32,
    /// Probes since it opened; the wait doubles with each.
    pub probes: i32,
    pub probe_at: Option<DateTime<Utc>>,
    pub probe_email: Option<Uuid>,
    pub opened_at: Option<DateTime<Utc>>,
    pub reason: Option<String>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

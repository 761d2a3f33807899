//! `email_event_quarantine`: truly signed webhooks from outside the time in which they may have an effect. Mailgun's log
//! confirms or forgets them.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// What the payload of a row is bound to when it is sealed.
pub const TABLE: &str = "email_event_quarantine";

/// One webhook.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_event_quarantine")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The event's key ([`crate::event_key`]), once.
    #[sea_orm(unique)]
    pub event_key: Uuid,
    pub domain: Option<String>,
    pub why: String,
    pub signed_at: DateTime<Utc>,
    pub occurred_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
    pub seal_id: Uuid,
    pub raw: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

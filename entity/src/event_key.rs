//! `email_event_keys`: which events are recorded, so that each takes effect once however often and whatever way it comes.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One recorded event.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_event_keys")]
pub struct Model {
    /// Hash of sending domain, Mailgun's id, kind and recipient.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: Uuid,
    /// Counts the events that had this key: Mailgun's ids are "unique within a day".
    #[sea_orm(primary_key, auto_increment = false)]
    pub turn: i32,
    pub occurred_at: DateTime<Utc>,
    /// The event's row.
    pub event_id: Uuid,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

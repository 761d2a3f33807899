//! `recipient_erasures`: whom somebody asked to erase, by the mark that stands for their address since.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// What the address is bound to while it is needed.
pub const TABLE: &str = "recipient_erasures";

/// One erasure.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "recipient_erasures")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// What stands in the place of the address.
    pub mark: String,
    pub key_id: String,
    pub wrapped_key: Vec<u8>,
    /// The address in its key form, sealed; NULL once all is done.
    pub address: Option<Vec<u8>>,
    /// Emails up to this one are meant: what is accepted for the address afterwards is another matter.
    pub email_reach: Uuid,
    /// Events up to this number, and those of the emails meant.
    pub event_reach: i64,
    pub asked_at: DateTime<Utc>,
    /// When nothing was left of it.
    pub finished_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

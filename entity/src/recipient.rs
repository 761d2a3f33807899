//! `campaign_recipients`: whom a campaign is for, each address once, before and after it became an email.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// What variables are bound to when they are sealed, besides the row's id and the column's name.
pub const TABLE: &str = "campaign_recipients";

/// One recipient of one campaign.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "campaign_recipients")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub campaign_id: Uuid,
    /// Lower-cased local part @ ASCII domain: what duplicates collapse on. Once its email was cleaned, a mark of it without an @.
    #[sea_orm(primary_key, auto_increment = false)]
    pub address_key: String,
    /// UUIDv7: recipients become emails in this order.
    pub id: Uuid,
    /// The To mailbox, ready for the header; empty once its email was cleaned.
    pub recipient: String,
    pub lead_id: Option<Uuid>,
    /// A JSON object, sealed under the campaign's data key.
    pub variables: Option<Vec<u8>>,
    /// The email it became; NULL while it is pending.
    pub email_id: Option<Uuid>,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

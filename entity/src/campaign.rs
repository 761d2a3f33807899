//! `campaigns`: one content for many recipients. Who they are stands in [`crate::recipient`], how many stand where in
//! [`crate::tally`]; whether a campaign is paused or completed is computed when it is read.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::{Policy, Priority};

/// What a campaign's data key is bound to when it is wrapped.
pub const TABLE: &str = "campaigns";

/// One campaign.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "campaigns")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    /// The small id of this campaign on its sending domain ([`crate::scope`]).
    pub scope: i32,
    pub lane: Priority,
    /// The From mailbox, ready for the header.
    pub sender: String,
    pub reply_to: Option<String>,
    /// The template that the content is taken from at launch.
    pub template_id: Option<Uuid>,
    /// Before the launch the campaign's own part of the content; from then on all of it, never to change.
    pub content_id: Uuid,
    /// Which key of the keyring wraps the data key that recipients' variables are sealed with.
    pub key_id: String,
    pub wrapped_key: Vec<u8>,
    pub on_unconfirmed: Policy,
    pub transactional: bool,
    pub test_mode: bool,
    /// Fixed when it is created, as an email's.
    pub sandbox: bool,
    /// Up to 1,000 recipients go to Mailgun in one call.
    pub batch: bool,
    pub deliver_by: Option<DateTime<Utc>>,
    /// When recipients begin to become emails; set by the launch.
    pub send_at: Option<DateTime<Utc>>,
    /// When to look for recipients who have no email yet; NULL when there is no need to.
    pub expand_at: Option<DateTime<Utc>>,
    pub launched_at: Option<DateTime<Utc>>,
    pub cancelled_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

//! `campaign_delivery_metrics`: what became of emails, counted by campaign × sending domain and by the hour in which it
//! happened; equal to what the events say at every commit.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One counter. The truth is the sum over the shards ([`crate::tally`]); a single one may be negative.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "campaign_delivery_metrics")]
pub struct Model {
    /// A campaign on a sending domain ([`crate::scope`]), so that either can be summed.
    #[sea_orm(primary_key, auto_increment = false)]
    pub scope: i32,
    /// The beginning of the hour.
    #[sea_orm(primary_key, auto_increment = false)]
    pub hour: DateTime<Utc>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub metric: Metric,
    #[sea_orm(primary_key, auto_increment = false)]
    pub shard: i16,
    pub n: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What is counted. Emails are counted once, in the hour of the first time; opens and clicks each time as well. Copies are not
/// counted.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize,
)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[repr(i16)]
pub enum Metric {
    /// Emails that Mailgun accepted, by the hour in which we learned of it.
    Sent = 0,
    /// Emails delivered.
    Delivered = 1,
    /// Emails deferred.
    Deferred = 2,
    /// Emails that bounced, hard or soft.
    Bounced = 3,
    /// Emails that bounced for good.
    HardBounced = 4,
    /// Emails that bounced and never for good.
    SoftBounced = 5,
    /// Emails reported as spam.
    Complained = 6,
    /// Emails whose recipient unsubscribed by them.
    Unsubscribed = 7,
    /// Opens by people.
    Opened = 8,
    /// Emails opened by a person.
    UniqueOpened = 9,
    /// Clicks by people.
    Clicked = 10,
    /// Emails with a click by a person.
    UniqueClicked = 11,
    /// Opens by machines.
    MachineOpened = 12,
    /// Emails opened by a machine.
    UniqueMachineOpened = 13,
    /// Clicks by machines.
    MachineClicked = 14,
    /// Emails with a click by a machine.
    UniqueMachineClicked = 15,
    /// Emails that Mailgun rejected after taking them in.
    Rejected = 16,
    /// Refusals for the sending domain's sake.
    Blocked = 17,
}

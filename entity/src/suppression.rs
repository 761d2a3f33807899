//! `email_suppression_list`: addresses and domains that must not be mailed, one row for each reason. What the rows follow from
//! stands in [`crate::suppression_fact`].

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One entry. An address is blocked while any of its entries, or of its domain's, is active.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_suppression_list")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// An address key, or a domain in ASCII.
    pub target: String,
    pub reason: Reason,
    /// Entries born in the sandbox bind the sandbox alone.
    pub sandbox: bool,
    pub note: Option<String>,
    pub bounce_type: Option<BounceType>,
    pub source: Source,
    /// The delivery event it follows from.
    pub event_id: Option<Uuid>,
    /// When what it follows from happened; the latest, where there are several.
    pub occurred_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    /// Set while a lift is later than everything that suppressed.
    pub lifted_at: Option<DateTime<Utc>>,
    /// Expired and out of the lists; it stays for the history.
    pub archived_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// It blocks at `now`.
    pub fn active_at(&self, now: DateTime<Utc>) -> bool {
        self.lifted_at.is_none() && self.expires_at.is_none_or(|end| end > now)
    }
}

/// Why an address must not be mailed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize,
)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[serde(rename_all = "UPPERCASE")]
#[repr(i16)]
pub enum Reason {
    /// Mail to it came back.
    Bounce = 0,
    /// Its owner reported spam.
    Complaint = 1,
    /// Its owner opted out; an email sent as transactional passes this one alone.
    Unsubscribe = 2,
    /// Somebody entered it by hand.
    Manual = 3,
}

/// Whether mail to an address can't arrive or only did not.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[serde(rename_all = "UPPERCASE")]
#[repr(i16)]
pub enum BounceType {
    /// There is no such mailbox: for ever.
    Hard = 0,
    /// For now: 7 days.
    Soft = 1,
}

/// Where an entry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[serde(rename_all = "UPPERCASE")]
#[repr(i16)]
pub enum Source {
    /// Somebody asked for it.
    Manual = 0,
    /// Mailgun reported what became of mail to it.
    Event = 1,
    /// It stands in Mailgun's own list.
    Provider = 2,
}

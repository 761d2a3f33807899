//! `email_delivery_events`: what Mailgun reported, append-only, numbered in the order it was committed.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::suppression::BounceType;

/// What the payload of a row is bound to when it is sealed.
pub const TABLE: &str = "email_delivery_events";

/// One event. What Mailgun or a recipient's server said stands in its own words.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_delivery_events")]
pub struct Model {
    /// Its place among all events: whoever has read up to a number has missed none before it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    #[sea_orm(unique)]
    pub id: Uuid,
    pub kind: Kind,
    pub source: Source,
    /// The email it is about, where it is one of ours.
    pub email_id: Option<Uuid>,
    pub campaign_id: Option<Uuid>,
    /// It is about a recipient of a copy, and says nothing of the email but that Mailgun has it.
    pub copy: bool,
    /// Whom it is about, in key form.
    pub recipient_key: Option<String>,
    /// The sending domain, where the payload says it.
    pub domain: Option<String>,
    /// When it happened, by Mailgun's clock.
    pub occurred_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
    /// Mailgun's id for it.
    pub provider_id: Option<String>,
    /// Mailgun's word for an event we know nothing of.
    pub name: Option<String>,
    pub smtp_code: Option<i32>,
    pub enhanced_code: Option<String>,
    /// Mailgun's word for why.
    pub reason: Option<String>,
    pub message: Option<String>,
    pub bounce_type: Option<BounceType>,
    /// Which of Mailgun's attempts it was.
    pub attempt: Option<i32>,
    /// The machine that opened or clicked; NULL = a person.
    pub bot: Option<String>,
    pub client: Option<String>,
    pub country: Option<String>,
    pub url: Option<String>,
    /// The key that opens `raw` ([`crate::event_seal`]).
    pub seal_id: Uuid,
    /// The payload as it came, sealed.
    pub raw: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What happened.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    EnumIter,
    DeriveActiveEnum,
    Serialize,
    Deserialize,
    async_graphql::Enum,
)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[serde(rename_all = "UPPERCASE")]
#[graphql(name = "DeliveryEventType")]
#[repr(i16)]
pub enum Kind {
    /// Mailgun took the email in.
    Accepted = 0,
    /// The recipient's server took it.
    Delivered = 1,
    /// The recipient's server refused it for now; Mailgun tries on.
    Deferred = 2,
    /// It will not be delivered: refused for good, given up, or kept back by Mailgun.
    Bounced = 3,
    /// It was opened, by a person or a machine.
    Opened = 4,
    /// A link in it was followed, by a person or a machine.
    Clicked = 5,
    /// The recipient reported it as spam.
    Complained = 6,
    /// The recipient asked for no more.
    Unsubscribed = 7,
    /// Mailgun refused it after taking it in.
    Rejected = 8,
    /// Something that we know nothing of.
    Unknown = 9,
}

/// How we came to know of it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[serde(rename_all = "UPPERCASE")]
#[graphql(name = "EventSource")]
#[repr(i16)]
pub enum Source {
    /// Mailgun told us.
    Webhook = 0,
    /// It stood in Mailgun's log, and no webhook had come.
    Reconciled = 1,
    /// The recipient told us: they followed the link to unsubscribe.
    Recipient = 2,
}

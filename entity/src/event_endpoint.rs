//! `event_endpoints`: applications that are told of delivery events.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::delivery_event::Kind;

/// One endpoint, and how far it was told.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event_endpoints")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Where events are posted to: http or https, without a user and without a fragment.
    pub url: String,
    pub description: Option<String>,
    /// [`Wanted`] as JSON.
    pub wanted: String,
    /// Of every event up to this number it was told, or a row of [`crate::event_dispatch`] says what is left to do.
    pub seq: i64,
    pub disabled_at: Option<DateTime<Utc>>,
    pub disabled_by: Option<Disabled>,
    /// Tries in a row that failed.
    pub failures: i32,
    /// The first of them.
    pub failing_since: Option<DateTime<Utc>>,
    /// It is offered nothing new until then.
    pub held_until: Option<DateTime<Utc>>,
    /// Why the last of them failed.
    pub last_error: Option<String>,
    /// Events that it took, ever.
    pub taken: i64,
    pub taken_at: Option<DateTime<Utc>>,
    /// Until when a process tells it, and the token of that claim.
    pub lease_until: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Which events it wants to hear of; one whose row can't be read wants all.
    pub fn wanted(&self) -> Wanted {
        serde_json::from_str(&self.wanted).unwrap_or_default()
    }
}

/// Events that an endpoint wants to hear of: those that meet every part that is not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<Kind>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub campaigns: Vec<Uuid>,
    /// Sending domains, in ASCII.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// The email has one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// Why an endpoint is told nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, async_graphql::Enum)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[graphql(name = "EventEndpointDisabled")]
#[repr(i16)]
pub enum Disabled {
    /// Somebody said so.
    ByHand = 0,
    /// It took nothing for days, though it was tried.
    Failing = 1,
    /// It answered 410: it is gone.
    Gone = 2,
}

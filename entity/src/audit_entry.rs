//! `audit_log`: what was done or tried, by whom, and from where. No entry holds an address, a subject, a body, a key or a token:
//! things are named by their ids, recipients by a keyed hash.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One entry. Its id is made when the operation begins, and so tells when.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_log")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The API key, or what stands for another credential; NULL for the command line and the service itself.
    pub actor: Option<Uuid>,
    /// The mutation, or the words of the command.
    pub operation: String,
    /// The address of the client; NULL for the command line.
    pub origin: Option<String>,
    /// How it came in: a method and a path, a socket, a command.
    pub via: String,
    pub outcome: Outcome,
    /// Why it was refused or failed, as the API names it.
    pub code: Option<String>,
    /// What it is about, by its global id.
    pub subject: Option<String>,
    /// The address that it is about, as a keyed hash.
    pub recipient: Option<String>,
    /// How many things it changed, or handed out.
    pub done: i64,
    /// Why, as whoever did it said; what looks like an address is masked.
    pub reason: Option<String>,
    /// What was asked for, as JSON: numbers, choices, times and ids; of texts only that they were there.
    pub arguments: Option<String>,
    /// How its subject stood, as JSON.
    pub state_before: Option<String>,
    /// How it stands since, as JSON.
    pub state_after: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// An operation that begins.
    pub fn new(id: Uuid, operation: impl Into<String>, via: impl Into<String>) -> Self {
        Self {
            id,
            actor: None,
            operation: operation.into(),
            origin: None,
            via: via.into(),
            outcome: Outcome::Unknown,
            code: None,
            subject: None,
            recipient: None,
            done: 0,
            reason: None,
            arguments: None,
            state_before: None,
            state_after: None,
        }
    }

    /// When it began. RFC 9562, section 5.7: a UUIDv7 begins with 48 bits of milliseconds since the epoch.
    pub fn at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis((self.id.as_u128() >> 80) as i64).unwrap_or_default()
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, async_graphql::Enum)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[graphql(name = "AuditOutcome")]
#[repr(i16)]
pub enum Outcome {
    /// It began, and nothing is known of its end: it is under way, or its process died, or the database was away. It may have been
    /// done.
    Unknown = 0,
    /// It was done.
    Done = 1,
    /// A part of it was done, the rest refused.
    Partly = 2,
    /// It was refused: the caller may not, or has something to mend.
    Refused = 3,
    /// It failed; a part of it may have been done.
    Failed = 4,
}

//! `event_dispatches`: what became of an event that an endpoint was told of. It names the event and holds nothing of it: what
//! is told is read from the event each time.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::delivery_event::Kind;

/// One event for one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event_dispatches")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub endpoint_id: Uuid,
    /// The event's number.
    pub seq: i64,
    pub event_id: Uuid,
    pub kind: Kind,
    pub state: State,
    /// Tries so far; those of a redrive count from the beginning.
    pub tries: i32,
    /// When it is tried again; NULL when it is not.
    pub due_at: Option<DateTime<Utc>>,
    /// What the last try was answered with; NULL where no answer came.
    pub http_status: Option<i32>,
    /// Why the last try failed, in our words: what an endpoint says may name people.
    pub error: Option<String>,
    /// How long the last try took.
    pub took_ms: i32,
    pub created_at: DateTime<Utc>,
    pub tried_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, async_graphql::Enum)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[graphql(name = "EventDispatchState")]
#[repr(i16)]
pub enum State {
    /// It failed, and is tried again.
    Waiting = 0,
    /// The endpoint took it.
    Taken = 1,
    /// Its tries are spent: somebody may have it tried anew.
    Dead = 2,
}

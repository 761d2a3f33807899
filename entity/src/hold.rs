//! `email_holds`: why emails wait. Waiting is not failing: an email under a hold spends nothing.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One hold. Lifting it is one delete and a nudge.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_holds")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: Kind,
    /// What it covers: a lane's name, a campaign's id, a sending domain; empty for the whole queue.
    pub subject: String,
    pub cause: Cause,
    pub reason: Option<String>,
    /// It ends by itself then; NULL = until somebody lifts it.
    pub until: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What a hold covers.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize,
)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[repr(i16)]
pub enum Kind {
    /// Everything.
    Queue = 0,
    /// One lane.
    Priority = 1,
    /// One campaign.
    Campaign = 2,
    /// One sending domain.
    Domain = 3,
}

/// Who holds.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize,
)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[repr(i16)]
pub enum Cause {
    /// A person.
    Pause = 0,
    /// Mailgun: it asked to wait.
    RateLimit = 1,
}

//! `alert_counts`: what all processes met in each minute, as far as an alert asks for it and no other table tells it.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// One minute's count.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "alert_counts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: Count,
    /// Minutes since the epoch.
    #[sea_orm(primary_key, auto_increment = false)]
    pub minute: i64,
    pub n: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What is counted.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize,
)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[repr(i16)]
pub enum Count {
    /// Hand-overs that Mailgun accepted.
    Sent = 0,
    /// Hand-overs that Mailgun refused for good.
    Failed = 1,
    /// Acceptances beyond an email's first.
    Double = 2,
    /// Emails in doubt about which Mailgun's log could not decide.
    Undecided = 3,
    /// Webhooks without a signature or with a wrong one.
    Unsigned = 4,
    /// Webhooks that came while no signing key is configured.
    NoKey = 5,
    /// Webhooks with the token of another event.
    TokenReused = 6,
    /// Looks of a process that found Redis away.
    RedisAway = 7,
}

impl Count {
    /// All there are, by their numbers.
    pub const ALL: [Count; 8] = [
        Count::Sent,
        Count::Failed,
        Count::Double,
        Count::Undecided,
        Count::Unsigned,
        Count::NoKey,
        Count::TokenReused,
        Count::RedisAway,
    ];
}

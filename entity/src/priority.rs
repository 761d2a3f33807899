//! How urgent an email is; each priority travels in a lane of its own.

use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};

/// How urgent an email is. A free slot goes to the highest priority that waits, every eighth to the lowest.
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
#[repr(i16)]
pub enum Priority {
    /// Somebody waits for it now: one-time codes, password resets, answers to a person.
    High = 0,
    /// The default.
    Normal = 1,
    /// Large sends that may take hours.
    Low = 2,
}

impl Priority {
    /// All lanes, the most urgent first.
    pub const ALL: [Priority; 3] = [Priority::High, Priority::Normal, Priority::Low];

    /// The lane's place in arrays and in the database.
    pub fn lane(self) -> usize {
        self as usize
    }

    /// The lane's name in logs, metrics and Redis keys.
    pub fn name(self) -> &'static str {
        match self {
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Low => "low",
        }
    }
}

impl std::fmt::Display for Priority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

//! `email_provider_lists`: one of Mailgun's own lists for a sending domain, as far as it was read and told.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// One of the lists by which Mailgun keeps email of a domain back ("Suppressions" in its documentation).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EnumIter, DeriveActiveEnum, async_graphql::Enum)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[graphql(name = "MailgunList")]
#[repr(i16)]
pub enum List {
    /// Addresses that can't be delivered to.
    Bounces = 0,
    /// Owners who reported spam.
    Complaints = 1,
    /// Owners who opted out.
    Unsubscribes = 2,
}

impl List {
    /// All of them.
    pub const ALL: [List; 3] = [List::Bounces, List::Complaints, List::Unsubscribes];

    /// Its name in the paths of Mailgun's API.
    pub fn name(self) -> &'static str {
        match self {
            List::Bounces => "bounces",
            List::Complaints => "complaints",
            List::Unsubscribes => "unsubscribes",
        }
    }
}

/// One list of one sending domain.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_provider_lists")]
pub struct Model {
    /// In ASCII.
    #[sea_orm(primary_key, auto_increment = false)]
    pub domain: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub list: List,
    /// It is the sandbox' list.
    #[sea_orm(primary_key, auto_increment = false)]
    pub sandbox: bool,
    /// From when on it is to be read, or read on.
    pub due_at: DateTime<Utc>,
    /// Until when somebody reads it; what they put there is their claim.
    pub pull_until: Option<DateTime<Utc>>,
    /// Where the pass under way goes on: the address of a page as Mailgun gave it. NULL = at the first.
    pub page: Option<String>,
    /// When the pass under way began, or the last one.
    pub started_at: Option<DateTime<Utc>>,
    /// When the last pass came to the end of the list.
    pub finished_at: Option<DateTime<Utc>>,
    /// Entries that the pass under way met, or the last one.
    pub seen: i64,
    /// Of them, those that were news.
    pub added: i64,
    /// Those that stood here already, or were lifted since.
    pub known: i64,
    /// Those that suppress nobody: of single tags, refused for the sender's sake, over, unreadable.
    pub skipped: i64,
    /// Readings in a row that broke off.
    pub failures: i32,
    pub failing_since: Option<DateTime<Utc>>,
    /// Why the last reading broke off.
    pub last_error: Option<String>,
    /// Up to this entry of our own list everything was offered to Mailgun's.
    pub offered: Option<Uuid>,
    /// Until when somebody tells it something, or until when it is to be left alone; what they put there is their claim.
    pub push_until: Option<DateTime<Utc>>,
    /// What it answered when it was last told something in vain.
    pub push_error: Option<String>,
}

impl Model {
    /// A pass has begun and not come to the end.
    pub fn under_way(&self) -> bool {
        self.started_at.is_some_and(|start| self.finished_at.is_none_or(|end| end < start))
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

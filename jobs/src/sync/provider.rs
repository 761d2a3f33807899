//! Whoever keeps lists of their own: what is asked of them and what they answer.

use chrono::{DateTime, Utc};
use entity::provider_list::List;
use futures::future::BoxFuture;
use serde_json::Value;

/// So many entries are asked for at once; Mailgun allows 1,000.
pub const PAGE: usize = 500;

/// Mailgun's limit on entries that are put on a list in one call.
pub const MOST_AT_ONCE: usize = 1_000;

/// Lists beside ours, one of each kind for each sending domain.
pub trait Provider: Send + Sync + 'static {
    /// A page of a list: the first, or the one at an address that an earlier page named.
    fn page<'a>(&'a self, place: Place<'a>, at: Option<&'a str>) -> BoxFuture<'a, Result<Page, SyncError>>;

    /// Puts entries on a list, [`MOST_AT_ONCE`] at most; one that is there takes the new words. All of them, or none.
    fn put<'a>(&'a self, place: Place<'a>, entries: &'a [Entry]) -> BoxFuture<'a, Result<(), SyncError>>;

    /// Takes an address off a list. That it was not there is no error.
    fn remove<'a>(&'a self, place: Place<'a>, address: &'a str) -> BoxFuture<'a, Result<(), SyncError>>;
}

/// Which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The sending domain.
    pub domain: &'a str,
    pub list: List,
}

/// A page of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub items: Vec<Item>,
    /// Where the next one is; `None` where this is the last.
    pub next: Option<String>,
}

/// An entry as Mailgun tells it. Of bounces there is a code and an error, of unsubscribes there are tags.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(default)]
pub struct Item {
    pub address: Option<String>,
    /// `"550"`; a number has been seen as well.
    pub code: Option<Value>,
    pub error: Option<String>,
    /// `*` stands for all mail of the domain.
    pub tags: Option<Vec<String>>,
    /// `Thu, 13 Oct 2011 18:02:00 UTC`.
    pub created_at: Option<String>,
}

/// An entry to be put on a list.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    pub address: String,
    /// Of bounces, what stands there as the error.
    pub note: Option<String>,
    pub since: DateTime<Utc>,
}

/// Why a call came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// Mailgun asks to be left alone for a while.
    #[error("{why}")]
    Limited { until: DateTime<Utc>, why: String },
    /// What was asked for can't be; asked again it will be refused again.
    #[error("{0}")]
    Refused(String),
    /// A key for sending alone, a domain of another account, another server.
    #[error("{0}")]
    NotAllowed(String),
    /// Nobody answered, or not to the end, or that something is broken there.
    #[error("{0}")]
    Away(String),
    /// Whatever answered, it was not the list.
    #[error("{0}")]
    Unreadable(String),
}

impl SyncError {
    /// What kind it is, for logs: its words may quote an address.
    pub fn kind(&self) -> &'static str {
        match self {
            SyncError::Limited { .. } => "limited",
            SyncError::Refused(_) => "refused",
            SyncError::NotAllowed(_) => "not_allowed",
            SyncError::Away(_) => "away",
            SyncError::Unreadable(_) => "unreadable",
        }
    }
}

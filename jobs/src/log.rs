//! Mailgun's log of what happened, page by page. Whatever is concluded from it rests on a whole reading: a page that can't be
//! read, or that covers less than was asked, spoils all of them.

mod mailgun;
mod page;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::BoxFuture;
use reqwest::Url;

pub use mailgun::MailgunLog;

use crate::Context;
use crate::event::LogItem;
use crate::record::Recorder;

/// For how long Mailgun keeps its log at the least: a day on its smallest plan ("Events" page).
pub const RETENTION: TimeDelta = TimeDelta::days(1);

/// By how much Mailgun's clock and ours may differ, and its log round.
pub const MARGIN: TimeDelta = TimeDelta::minutes(2);

/// More pages than any window has: a log that never ends is no log.
const MOST_PAGES: usize = 20_000;

/// Whoever tells what Mailgun remembers.
pub trait Log: Send + Sync + 'static {
    /// One page of what `query` asks for, oldest first: the first, or the one `after` another.
    fn page<'a>(&'a self, query: &'a Query, after: Option<Cursor>) -> BoxFuture<'a, Result<Page, LogError>>;
}

/// What is asked of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The sending domain.
    pub domain: String,
    /// From then; whole seconds, rounded down.
    pub from: DateTime<Utc>,
    /// Until then; whole seconds, rounded up.
    pub to: DateTime<Utc>,
    pub kinds: Kinds,
}

/// Which events are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// All there are.
    All,
    /// Those of which each email that Mailgun took has one within seconds.
    HandedOver,
}

impl Kinds {
    /// Mailgun's words for them; none where all are meant.
    fn words(self) -> &'static [&'static str] {
        match self {
            Kinds::All => &[],
            Kinds::HandedOver => &["accepted", "delivered", "failed", "rejected"],
        }
    }
}

/// A page of the log.
#[derive(Clone, Debug, Default)]
pub struct Page {
    pub items: Vec<LogItem>,
    /// Where the next one is; `None` where this is the last.
    pub next: Option<Cursor>,
}

/// Where a page is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// Of the Logs API: its token.
    Logs(String),
    /// Of the Events API: its address.
    Events(Url),
}

/// Why a reading is not whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// A key for sending alone, a plan without logs, a domain of another account: it will not do to ask again.
    #[error("Mailgun's log may not be read with this key: {0}")]
    NotAllowed(String),
    /// Nobody answered, or not to the end, or asked to wait.
    #[error("Mailgun's log can't be asked: {0}")]
    Away(String),
    /// Whatever answered, it was not the log.
    #[error("Mailgun's log can't be read: {0}")]
    Unreadable(String),
    /// It goes back less far than was asked.
    #[error("Mailgun's log goes back to {0} only")]
    GoesBackTo(DateTime<Utc>),
}

/// A reading of all pages. It is whole once [`Pages::next`] has answered `None`.
pub struct Pages<'a> {
    log: &'a dyn Log,
    query: &'a Query,
    read: usize,
    at: At,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum At {
    Begin,
    Page(Cursor),
    End,
}

impl<'a> Pages<'a> {
    /// Nothing is read yet.
    pub fn of(log: &'a dyn Log, query: &'a Query) -> Self {
        Self { log, query, read: 0, at: At::Begin }
    }

    /// The items of the next page; `None` after the last.
    ///
    /// # Errors
    /// When it can't be read: then the reading will not be whole, whatever was read before.
    pub async fn next(&mut self) -> Result<Option<Vec<LogItem>>, LogError> {
        let after = match &self.at {
            At::Begin => None,
            At::Page(cursor) => Some(cursor.clone()),
            At::End => return Ok(None),
        };
        let page = self.log.page(self.query, after.clone()).await?;
        self.read += 1;
        if page.next.is_some() && (page.next == after || self.read >= MOST_PAGES) {
            return Err(LogError::Unreadable("its pages do not end".to_owned()));
        }
        self.at = page.next.map_or(At::End, At::Page);
        Ok(Some(page.items))
    }
}

/// What a process needs that works by the log: where it reads, and who records what it finds.
#[derive(Clone)]
pub struct Desk {
    pub ctx: Arc<Context>,
    pub recorder: Recorder,
    pub log: Arc<dyn Log>,
}

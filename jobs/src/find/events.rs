//! Reading delivery events: by filter page after page in the order of their numbers, by email, by id. Whoever has read up to a
//! number has missed none before it.
//!
//! What a page costs grows with the page, never with the events there are: by campaign, by kind and by both, by email and by
//! address. Other parts beside an email or an address are asked of each of its events. A time from which on is found among the
//! numbers ([`span`]); what happened before a time may be recorded whenever, so a list walks past what came later.

mod runs;
mod span;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::delivery_event::{Kind, Source};
use entity::suppression::BounceType;
use sea_orm::{FromQueryResult, Statement, Value};
use uuid::Uuid;

use super::{COUNTED, Page, PageOf, models};
use crate::Context;
use crate::error::Result;
use crate::filter::Order;
use crate::rows::Rows;
use crate::store::{Store, rows};
use runs::Runs;
pub use span::recorded;

/// Events that meet every part that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub campaign: Option<Uuid>,
    pub email: Option<Uuid>,
    /// Whom they are about, in key form.
    pub address_key: Option<String>,
    /// Any of these; all when empty.
    pub kinds: Vec<Kind>,
    /// They happened from this time on …
    pub since: Option<DateTime<Utc>>,
    /// … and before this one.
    pub until: Option<DateTime<Utc>>,
}

/// An event without its payload.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Event {
    pub seq: i64,
    pub id: Uuid,
    pub kind: Kind,
    pub source: Source,
    pub email_id: Option<Uuid>,
    pub campaign_id: Option<Uuid>,
    /// It is about a recipient of a copy.
    pub copy: bool,
    pub recipient_key: Option<String>,
    pub occurred_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
    pub name: Option<String>,
    pub smtp_code: Option<i32>,
    pub enhanced_code: Option<String>,
    pub reason: Option<String>,
    pub message: Option<String>,
    pub bounce_type: Option<BounceType>,
    pub attempt: Option<i32>,
    pub bot: Option<String>,
    pub client: Option<String>,
    pub country: Option<String>,
    pub url: Option<String>,
}

/// What an [`Event`] is read from: the row `e` without what is sealed.
pub(crate) const COLUMNS: &str = "e.seq, e.id, e.kind, e.source, e.email_id, e.campaign_id, e.copy, e.recipient_key, e.occurred_at, \
     e.recorded_at, e.name, e.smtp_code, e.enhanced_code, e.reason, e.message, e.bounce_type, e.attempt, e.bot, e.client, \
     e.country, e.url";

/// Numbers of events, both ends among them; empty where the first is the larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seqs {
    pub first: i64,
    pub last: i64,
}

impl Seqs {
    /// All there are.
    pub const ALL: Seqs = Seqs { first: 0, last: i64::MAX };

    fn after(self, seq: i64) -> Self {
        Self { first: self.first.max(seq.saturating_add(1)), ..self }
    }

    fn before(self, seq: i64) -> Self {
        Self { last: self.last.min(seq.saturating_sub(1)), ..self }
    }

    fn within(self, other: Self) -> Self {
        Self { first: self.first.max(other.first), last: self.last.min(other.last) }
    }
}

impl Filter {
    /// Those of one email.
    pub fn of_email(email: Uuid) -> Self {
        Self { email: Some(email), ..Self::default() }
    }

    /// Whether it means this event: what [`page`] finds, said of a single one.
    pub fn means(&self, event: &Event) -> bool {
        self.campaign.is_none_or(|id| event.campaign_id == Some(id))
            && self.email.is_none_or(|id| event.email_id == Some(id))
            && self.address_key.as_deref().is_none_or(|key| event.recipient_key.as_deref() == Some(key))
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && self.since.is_none_or(|since| event.occurred_at >= since)
            && self.until.is_none_or(|until| event.occurred_at < until)
    }
}

/// How a page is read: from a place in one direction, and a look in the other.
#[derive(Clone, Copy)]
struct Walk {
    n: u64,
    backwards: bool,
    order: Order,
    ahead: Seqs,
    behind: Option<Seqs>,
}

impl Walk {
    fn of(page: Page<i64>, order: Order) -> Self {
        let (n, from, backwards) = match page {
            Page::First { n, after } => (n, after, false),
            Page::Last { n, before } => (n, before, true),
        };
        let order = if backwards { order.reversed() } else { order };
        // Whatever was walked past lies at the place or on its other side.
        let (ahead, behind) = match (from, order) {
            (None, _) => (Seqs::ALL, None),
            (Some(seq), Order::Ascending) => (Seqs::ALL.after(seq), Some(Seqs { last: seq, ..Seqs::ALL })),
            (Some(seq), Order::Descending) => (Seqs::ALL.before(seq), Some(Seqs { first: seq, ..Seqs::ALL })),
        };
        Self { n, backwards, order, ahead, behind }
    }

    /// The page of what was read: one more than asked for says that there are more.
    fn page(self, mut items: Vec<Event>, passed: bool) -> PageOf<Event> {
        let more = items.len() as u64 > self.n;
        items.truncate(self.n as usize);
        if self.backwards {
            items.reverse();
            return PageOf { items, has_previous: more, has_next: passed };
        }
        PageOf { items, has_previous: passed, has_next: more }
    }
}

/// A page of the events that meet `filter`.
///
/// # Errors
/// The database's own.
pub async fn page(ctx: &Context, filter: &Filter, page: Page<i64>, order: Order) -> Result<PageOf<Event>> {
    let walk = Walk::of(page, order);
    let span = span::of(ctx, filter).await?;
    let items = read(ctx, filter, span.within(walk.ahead), walk.order, walk.n + 1).await?;
    let passed = match walk.behind {
        None => false,
        Some(behind) => !read(ctx, filter, span.within(behind), walk.order.reversed(), 1).await?.is_empty(),
    };
    Ok(walk.page(items, passed))
}

/// The same page of the events of each of these emails, in one statement.
///
/// # Errors
/// The database's own.
pub async fn pages(
    ctx: &Context,
    emails: &[Uuid],
    page: Page<i64>,
    order: Order,
) -> Result<HashMap<Uuid, PageOf<Event>>> {
    let walk = Walk::of(page, order);
    let mut found = of_each(ctx, emails, walk.ahead, walk.order, walk.n + 1).await?;
    let passed = match walk.behind {
        None => HashMap::new(),
        Some(behind) => of_each(ctx, emails, behind, walk.order.reversed(), 1).await?,
    };
    let page = |id: &Uuid| (*id, walk.page(found.remove(id).unwrap_or_default(), passed.contains_key(id)));
    Ok(emails.iter().map(page).collect())
}

/// The first `most` events of these numbers that meet `filter`.
///
/// # Errors
/// The database's own.
pub async fn read(ctx: &Context, filter: &Filter, seqs: Seqs, order: Order, most: u64) -> Result<Vec<Event>> {
    models(&rows(ctx.store.read(), asked(&ctx.store, filter, seqs, order, most)).await?)
}

/// What [`read`] asks.
pub fn asked(store: &Store, filter: &Filter, seqs: Seqs, order: Order, most: u64) -> Statement {
    Runs { filter, seqs, order }.page(store, COLUMNS, most)
}

/// How many events meet `filter`, and whether there are more: exact up to [`COUNTED`].
///
/// # Errors
/// The database's own.
pub async fn count(ctx: &Context, filter: &Filter) -> Result<(u64, bool)> {
    let seqs = span::of(ctx, filter).await?;
    let asked = Runs { filter, seqs, order: Order::Descending }.count(&ctx.store, COUNTED + 1);
    let found = rows(ctx.store.read(), asked).await?;
    let n: i64 = found.first().map(|row| row.try_get("", "n")).transpose()?.unwrap_or_default();
    let n = n.max(0) as u64;
    Ok((n.min(COUNTED), n > COUNTED))
}

/// Of each of these emails the first `most` events in this order.
async fn of_each(
    ctx: &Context,
    emails: &[Uuid],
    seqs: Seqs,
    order: Order,
    most: u64,
) -> Result<HashMap<Uuid, Vec<Event>>> {
    let asked = runs::of_each(&ctx.store, COLUMNS, emails, seqs, order, most);
    let mut events: HashMap<Uuid, Vec<Event>> = HashMap::new();
    for event in models::<Event>(&rows(ctx.store.read(), asked).await?)? {
        events.entry(event.email_id.unwrap_or_default()).or_default().push(event);
    }
    Ok(events)
}

/// The events with these ids.
///
/// # Errors
/// The database's own.
pub async fn with_ids(ctx: &Context, ids: &[Uuid]) -> Result<HashMap<Uuid, Event>> {
    let text = format!("SELECT {COLUMNS} FROM email_delivery_events e JOIN {{rows}} AS v ON e.id = v.id");
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let found = rows(ctx.store.read(), ctx.store.sql_rows(&text, [], Rows::new().uuid("id", ids))).await?;
    Ok(models::<Event>(&found)?.into_iter().map(|event| (event.id, event)).collect())
}

/// The number of the last event.
///
/// # Errors
/// The database's own.
pub async fn last(ctx: &Context) -> Result<i64> {
    let found = rows(ctx.store.read(), ctx.store.sql("SELECT c.seq FROM event_clock c WHERE c.id = 1", [])).await?;
    Ok(found.first().map(|row| row.try_get("", "seq")).transpose()?.unwrap_or_default())
}

/// Whether all events after this number can still be read: none of them is past retention.
///
/// # Errors
/// The database's own.
pub async fn is_kept(ctx: &Context, seq: i64) -> Result<bool> {
    let text = "SELECT c.seq AS last, (SELECT min(e.seq) FROM email_delivery_events e) AS oldest FROM event_clock c \
         WHERE c.id = $1";
    let found = rows(ctx.store.read(), ctx.store.sql(text, [Value::from(1i16)])).await?;
    let Some(row) = found.first() else { return Ok(seq == 0) };
    let (last, oldest): (i64, Option<i64>) = (row.try_get("", "last")?, row.try_get("", "oldest")?);
    // Numbers have no gaps: what is not above the oldest kept is gone.
    Ok(seq <= last && seq >= oldest.map_or(last, |oldest| oldest - 1))
}

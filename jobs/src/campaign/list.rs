//! Campaigns page by page, in the order of their ids, which is that of their creation. What they are filtered by is computed
//! when they are read, so it is asked of each on the way ([`crate::look`]).

use entity::campaign::{Model, Status};
use sea_orm::{Statement, Value};
use uuid::Uuid;

use super::standing::{Campaign, standing};
use crate::Context;
use crate::error::Result;
use crate::filter::Order;
use crate::find::{Page, models};
use crate::look::{self, Looked, Run};
use crate::store::{Store, rows};

/// Campaigns that meet every part that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any of these; all when empty.
    pub statuses: Vec<Status>,
    /// The name contains this, in whatever case.
    pub name: Option<String>,
    /// The content is this template's.
    pub template: Option<Uuid>,
}

impl Filter {
    /// Whether the row alone says that the campaign is not meant: then its ledger need not be asked.
    fn excludes(&self, row: &Model) -> bool {
        let told = match (row.cancelled_at, row.launched_at) {
            (Some(_), _) => Some(Status::Cancelled),
            (None, None) => Some(Status::Draft),
            (None, Some(_)) => None,
        };
        let launched = [Status::Scheduled, Status::Running, Status::Paused, Status::Completed];
        let fits = match told {
            Some(status) => self.statuses.contains(&status),
            None => self.statuses.iter().any(|status| launched.contains(status)),
        };
        let named = |name: &String| row.name.to_lowercase().contains(&name.to_lowercase());
        let content = self.template.is_none() || row.template_id == self.template;
        !(self.statuses.is_empty() || fits) || !self.name.as_ref().is_none_or(named) || !content
    }
}

/// A page of campaigns.
///
/// # Errors
/// The database's own.
pub async fn list(ctx: &Context, filter: &Filter, page: Page, order: Order) -> Result<Looked<Campaign>> {
    let Looked { page, stopped_at } = look::page(&Campaigns { ctx, filter, counted: false }, page, order).await?;
    let items = page.items.into_iter().filter_map(|seen| seen.campaign).collect();
    let page = crate::find::PageOf { items, has_previous: page.has_previous, has_next: page.has_next };
    Ok(Looked { page, stopped_at })
}

/// How many campaigns are meant, and whether there may be more than one looks at.
///
/// # Errors
/// The database's own.
pub async fn count(ctx: &Context, filter: &Filter) -> Result<(u64, bool)> {
    look::count(&Campaigns { ctx, filter, counted: true }).await
}

/// The next `n` campaigns beyond the one with this id, or from the run's end.
pub fn asked(store: &Store, from: Option<Uuid>, order: Order, n: u64) -> Statement {
    let (beyond, word) = match order {
        Order::Ascending => (">", "ASC"),
        Order::Descending => ("<", "DESC"),
    };
    let mut values = vec![Value::from(i64::try_from(n).unwrap_or(i64::MAX))];
    let mut condition = String::new();
    if let Some(id) = from {
        values.push(Value::from(id));
        condition = format!("WHERE k.id {beyond} $2 ");
    }
    store.sql(format!("SELECT k.* FROM campaigns k {condition}ORDER BY k.id {word} LIMIT $1"), values)
}

struct Campaigns<'a> {
    ctx: &'a Context,
    filter: &'a Filter,
    /// They are only counted: how each stands is asked where the filter needs it.
    counted: bool,
}

/// A row on the way; with how it stands once that was worth asking.
struct Seen {
    row: Model,
    campaign: Option<Campaign>,
}

impl Run for Campaigns<'_> {
    type Row = Seen;
    type Place = Uuid;

    fn id(seen: &Seen) -> Uuid {
        seen.row.id
    }

    fn place(seen: &Seen) -> Uuid {
        seen.row.id
    }

    async fn find(&self, id: Uuid) -> Result<Option<Uuid>> {
        Ok(Some(id))
    }

    async fn next(&self, from: Option<&Uuid>, order: Order, n: u64) -> Result<Vec<Seen>> {
        let asked = asked(&self.ctx.store, from.copied(), order, n);
        let found = models::<Model>(&rows(self.ctx.store.read(), asked).await?)?;
        Ok(found.into_iter().map(|row| Seen { row, campaign: None }).collect())
    }

    async fn keep(&self, seen: Vec<Seen>) -> Result<Vec<Seen>> {
        let doubtful = seen.into_iter().map(|seen| seen.row).filter(|row| !self.filter.excludes(row));
        if self.counted && self.filter.statuses.is_empty() {
            return Ok(doubtful.map(|row| Seen { row, campaign: None }).collect());
        }
        let meant = |c: &Campaign| self.filter.statuses.is_empty() || self.filter.statuses.contains(&c.status);
        let standing = standing(self.ctx, doubtful.collect()).await?.into_iter().filter(meant);
        Ok(standing.map(|campaign| Seen { row: campaign.row.clone(), campaign: Some(campaign) }).collect())
    }
}

//! The leads: kept with the emails that name them, and told with the status that follows from the suppression list at the moment.

use std::collections::{BTreeMap, HashMap};

use entity::lead::{Model, Status};
use entity::{email, suppression};
use sea_orm::Value;
use uuid::Uuid;

use crate::Context;
use crate::batch::Batch;
use crate::error::Result;
use crate::filter::Order;
use crate::find::{Page, models};
use crate::look::{self, Looked, Run};
use crate::rows::Rows;
use crate::store::rows;
use crate::suppress::state;

/// A lead, and what keeps it from being mailed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lead {
    pub row: Model,
    pub status: Status,
    /// The entries that block its address.
    pub blocked_by: Vec<suppression::Model>,
}

/// Leads that meet every part that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any of these; all when empty.
    pub statuses: Vec<Status>,
    /// The address, in its key form.
    pub address_key: Option<String>,
}

/// Keeps the leads that these emails name, each with its latest email's address.
pub(crate) fn keep<'a>(batch: &mut Batch<'_>, emails: impl Iterator<Item = &'a email::Model>) {
    let mut latest: BTreeMap<Uuid, &email::Model> = BTreeMap::new();
    for email in emails {
        if let Some(lead) = email.lead_id {
            let known = latest.entry(lead).or_insert(email);
            if email.id > known.id {
                *known = email;
            }
        }
    }
    if latest.is_empty() {
        return;
    }
    // One whose address stays is left as it is.
    let text = "INSERT INTO leads (id, address_key, email_id, created_at, updated_at) \
         SELECT v.id, v.address_key, v.email_id, v.at, v.at FROM {rows} AS v WHERE true ORDER BY v.id \
         ON CONFLICT (id) DO UPDATE SET address_key = excluded.address_key, email_id = excluded.email_id, \
         updated_at = excluded.updated_at \
         WHERE leads.address_key <> excluded.address_key AND leads.email_id < excluded.email_id";
    let values = Rows::new()
        .uuid("id", latest.keys().copied())
        .text("address_key", latest.values().map(|email| email.recipient_key.clone()))
        .uuid("email_id", latest.values().map(|email| email.id))
        .time("at", latest.values().map(|email| email.created_at));
    batch.add(text, [], values);
}

/// These leads, by id.
///
/// # Errors
/// The database's own.
pub async fn with_ids(ctx: &Context, ids: &[Uuid]) -> Result<HashMap<Uuid, Lead>> {
    let asked = ctx.store.sql_ids("SELECT l.* FROM leads l WHERE l.id {ids}", [], ids.iter().copied());
    let found = models::<Model>(&rows(ctx.store.read(), asked).await?)?;
    Ok(standing(ctx, found).await?.into_iter().map(|lead| (lead.row.id, lead)).collect())
}

/// A page of leads, in the order of their ids.
///
/// # Errors
/// The database's own.
pub async fn list(ctx: &Context, filter: &Filter, page: Page) -> Result<Looked<Lead>> {
    look::page(&Leads { ctx, filter }, page, Order::Ascending).await
}

/// How many leads are meant, and whether there may be more than one looks at.
///
/// # Errors
/// The database's own.
pub async fn count(ctx: &Context, filter: &Filter) -> Result<(u64, bool)> {
    look::count(&Leads { ctx, filter }).await
}

async fn standing(ctx: &Context, leads: Vec<Model>) -> Result<Vec<Lead>> {
    let keys = leads.iter().map(|lead| lead.address_key.as_str());
    let mut blocking = state::blocking(ctx.store.read(), ctx, keys).await?;
    // Two leads may have one address.
    let mut of = |key: &str| blocking.get_mut(key).cloned().unwrap_or_default();
    Ok(leads
        .into_iter()
        .map(|row| {
            let blocked_by = of(&row.address_key);
            Lead { status: Status::of(&row.address_key, &blocked_by), row, blocked_by }
        })
        .collect())
}

struct Leads<'a> {
    ctx: &'a Context,
    filter: &'a Filter,
}

impl Run for Leads<'_> {
    type Row = Lead;
    type Place = Uuid;

    fn id(row: &Lead) -> Uuid {
        row.row.id
    }

    fn place(row: &Lead) -> Uuid {
        row.row.id
    }

    async fn find(&self, id: Uuid) -> Result<Option<Uuid>> {
        Ok(Some(id))
    }

    async fn next(&self, from: Option<&Uuid>, order: Order, n: u64) -> Result<Vec<Lead>> {
        let mut values = Vec::new();
        let mut bind = |value: Value| {
            values.push(value);
            format!("${}", values.len())
        };
        let (beyond, word) = match order {
            Order::Ascending => (">", "ASC"),
            Order::Descending => ("<", "DESC"),
        };
        let mut conditions = "true".to_owned();
        if let Some(key) = &self.filter.address_key {
            conditions += &format!(" AND l.address_key = {}", bind(key.clone().into()));
        }
        if let Some(id) = from {
            conditions += &format!(" AND l.id {beyond} {}", bind((*id).into()));
        }
        let limit = bind(i64::try_from(n).unwrap_or(i64::MAX).into());
        let text = format!("SELECT l.* FROM leads l WHERE {conditions} ORDER BY l.id {word} LIMIT {limit}");
        let found = models::<Model>(&rows(self.ctx.store.read(), self.ctx.store.sql(text, values)).await?)?;
        standing(self.ctx, found).await
    }

    async fn keep(&self, rows: Vec<Lead>) -> Result<Vec<Lead>> {
        let meant = |lead: &Lead| self.filter.statuses.is_empty() || self.filter.statuses.contains(&lead.status);
        Ok(rows.into_iter().filter(meant).collect())
    }
}

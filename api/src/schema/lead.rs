//! Leads: the people emails are for, and whether they may be mailed.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use entity::lead::Status;
use entity::{ApiScope, EmailAddress};
use futures::FutureExt;
use jobs::lead::{self, Filter};
use uuid::Uuid;

use super::asked::Asked;
use super::fault::Fault;
use super::guard::Needs;
use super::mask::Recipient;
use super::node::Kind;
use super::page::{Connection, List, Slice, Totals};
use super::suppression::Suppression;

/// Somebody emails are for, as the application names them: known since the first email with this `leadId`.
#[derive(Clone, Debug)]
pub struct Lead {
    id: ID,
    lead: lead::Lead,
}

impl Lead {
    /// This lead.
    pub fn new(lead: lead::Lead) -> Self {
        Self { id: Kind::Lead.id(lead.row.id), lead }
    }
}

/// Somebody emails are for, as the application names them: known since the first email with this `leadId`.
#[Object]
impl Lead {
    /// Names it in the whole service.
    pub async fn id(&self) -> &ID {
        &self.id
    }

    /// The address of the latest email to it, in lower case. Masked for a key that may only read.
    async fn address(&self) -> Result<Recipient, Fault> {
        let parsed = EmailAddress::parse(&self.lead.row.address_key).map_err(|why| {
            let why = format!("a stored address {why}");
            jobs::Error::Stored(<serde_json::Error as serde::de::Error>::custom(why))
        })?;
        Ok(Recipient(parsed))
    }

    /// Whether it may be mailed at the moment, and why not.
    async fn status(&self) -> Status {
        self.lead.status
    }

    /// What keeps it from being mailed; null when nothing does.
    async fn suppression(&self) -> Option<Suppression> {
        self.lead.blocked_by.first().cloned().map(Suppression::new)
    }

    /// When the first email to it was accepted.
    async fn created_at(&self) -> DateTime<Utc> {
        self.lead.row.created_at
    }
}

/// Leads that meet every part that is given; without any, all.
#[derive(Clone, Debug, Default, InputObject)]
pub struct LeadFilter {
    /// Of one of these statuses.
    status: Option<Vec<Status>>,
    /// With this address.
    address: Option<EmailAddress>,
}

impl LeadFilter {
    fn read(self) -> Filter {
        let statuses = self.status.unwrap_or_default();
        Filter { statuses, address_key: self.address.map(|address| address.key()) }
    }
}

/// Leads by id.
pub struct Leads(pub Arc<jobs::Context>);

impl Loader<Uuid> for Leads {
    type Value = lead::Lead;
    type Error = Fault;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, lead::Lead>, Fault> {
        Ok(lead::with_ids(&self.0, ids).await?)
    }
}

/// The lead with this id, asked together with others.
pub async fn by_id(ctx: &Context<'_>, id: Uuid) -> Result<Option<Lead>, Fault> {
    let leads = ctx.data_opt::<DataLoader<Leads>>().ok_or(Fault::Unattended)?;
    Ok(leads.load_one(id).await?.map(Lead::new))
}

/// Leads by id and by filter.
#[derive(Default)]
pub struct LeadQueries;

#[Object]
impl LeadQueries {
    /// The lead with this id; null when no email has named it. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn lead(&self, ctx: &Context<'_>, #[graphql(desc = "Its id.")] id: ID) -> Option<Result<Lead, Fault>> {
        by_id(ctx, Kind::Lead.read(&id)?).await.transpose()
    }

    /// Leads, in the order of their ids. 25 at a time unless asked otherwise, 100 at most. Where few of many meet the filter, a
    /// page may hold fewer than asked for, or none, while `pageInfo` says that there is more: go on from its cursor. Requires
    /// the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn leads(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the beginning, or after `after`.")] first: Option<i32>,
        #[graphql(desc = "A cursor to go on after.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "A cursor to go back from.")] before: Option<String>,
        #[graphql(desc = "Which leads; without it, all.")] filter: Option<LeadFilter>,
    ) -> Result<Connection<Lead>, Fault> {
        let page = Slice { first, after, last, before }.page(List::Leads)?;
        let filter = filter.unwrap_or_default().read();
        let found = lead::list(&ctx.app()?.ctx, &filter, page).await?;
        let totals = Totals::of(filter, |ctx, filter| lead::count(ctx, filter).boxed());
        Ok(Connection::looked(List::Leads, page, found, totals, |lead| (lead.row.id, Lead::new(lead))))
    }
}

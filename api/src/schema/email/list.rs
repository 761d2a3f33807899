//! Finding emails.

use async_graphql::{Context, Enum, ID, InputObject, Object};
use entity::ApiScope;
use futures::FutureExt;
use jobs::filter::{Filter, Order};
use jobs::find::{self, Page};
use uuid::Uuid;

use super::{Email, EmailFilter};
use crate::schema::asked::Asked;
use crate::schema::fault::Fault;
use crate::schema::guard::Needs;
use crate::schema::node::Kind;
use crate::schema::page::{Connection, List, Slice, Totals};

/// In which order emails are listed.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct EmailOrder {
    /// By what.
    field: EmailOrderField,
    /// Which end comes first.
    direction: OrderDirection,
}

/// What emails can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum EmailOrderField {
    /// When they were accepted.
    CreatedAt,
}

/// Which end of a list comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum OrderDirection {
    /// The smallest, the oldest.
    Asc,
    /// The largest, the newest.
    Desc,
}

impl EmailOrder {
    fn read(order: Option<Self>) -> Order {
        match order {
            None => Order::Descending,
            Some(EmailOrder { field: EmailOrderField::CreatedAt, direction: OrderDirection::Asc }) => Order::Ascending,
            Some(EmailOrder { field: EmailOrderField::CreatedAt, direction: OrderDirection::Desc }) => {
                Order::Descending
            }
        }
    }
}

type Emails = Connection<Email>;

async fn page_of(ctx: &Context<'_>, filter: Filter, page: Page, order: Order) -> Result<Emails, Fault> {
    let page = find::emails(&ctx.app()?.ctx, &filter, page, order).await?;
    let totals = Totals::of(filter, |ctx, filter| find::count(ctx, filter).boxed());
    Ok(Connection::new(List::Emails, page, totals, |row| (row.id, Email::new(row))))
}

/// Emails of one campaign, the newest first.
///
/// # Errors
/// As [`Slice::page`] and [`EmailFilter::read`]; a filter for another campaign; the database's own.
pub async fn of_campaign(
    ctx: &Context<'_>,
    campaign: Uuid,
    slice: Slice,
    filter: Option<EmailFilter>,
) -> Result<Emails, Fault> {
    let page = slice.page(List::Emails)?;
    let filter = filter.unwrap_or_default().read()?;
    if filter.campaign.is_some_and(|other| other != campaign) {
        return Err(Fault::bad_input("filter.campaignId is another campaign's"));
    }
    page_of(ctx, Filter { campaign: Some(campaign), ..filter }, page, Order::Descending).await
}

async fn by_id(ctx: &Context<'_>, id: Uuid) -> Result<Option<Email>, Fault> {
    Ok(find::email(&ctx.app()?.ctx, id).await?.map(Email::new))
}

/// Emails by id and by filter.
#[derive(Default)]
pub struct EmailQueries;

#[Object]
impl EmailQueries {
    /// The email with this id; null when there is none. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn email(&self, ctx: &Context<'_>, #[graphql(desc = "Its id.")] id: ID) -> Option<Result<Email, Fault>> {
        by_id(ctx, Kind::Email.read(&id)?).await.transpose()
    }

    /// Emails, the newest first unless asked otherwise. 25 at a time unless asked otherwise, 100 at most. A page takes as long
    /// among millions of emails as among few: by campaign, address, status and time, alone or each with status and time. By
    /// domain, by priority and by QUEUED it takes longer the more campaigns have such emails; other parts beside an address are
    /// asked of each email of that address. Requires the scope READ.
    #[expect(clippy::too_many_arguments, reason = "a connection has its four, and a filter and an order besides")]
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn emails(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the beginning, or after `after`.")] first: Option<i32>,
        #[graphql(desc = "A cursor to go on after.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "A cursor to go back from.")] before: Option<String>,
        #[graphql(desc = "Which emails; without it, all.")] filter: Option<EmailFilter>,
        #[graphql(desc = "In which order; without it, the newest first.")] order_by: Option<EmailOrder>,
    ) -> Result<Emails, Fault> {
        let page = Slice { first, after, last, before }.page(List::Emails)?;
        let filter = filter.unwrap_or_default().read()?;
        page_of(ctx, filter, page, EmailOrder::read(order_by)).await
    }
}

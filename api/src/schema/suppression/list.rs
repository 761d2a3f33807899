//! Finding entries, and counting them.

use async_graphql::{Context, Enum, InputObject, Object, SimpleObject};
use entity::{ApiScope, EmailAddress};
use futures::FutureExt;
use jobs::filter::Order;
use jobs::suppress::list::{self, Filter, Sort};
use jobs::suppress::{state, tallies};

use super::input::SuppressionFilter;
use super::{Suppression, SuppressionState};
use crate::schema::asked::Asked;
use crate::schema::count::int;
use crate::schema::email::OrderDirection;
use crate::schema::fault::Fault;
use crate::schema::guard::Needs;
use crate::schema::page::{Connection, List, Slice, Totals};

/// In which order entries are listed.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct SuppressionOrder {
    /// By what.
    field: SuppressionOrderField,
    /// Which end comes first.
    direction: OrderDirection,
}

/// What entries can be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum SuppressionOrderField {
    /// When their target was first entered for their reason.
    CreatedAt,
    /// Their target.
    Target,
}

impl SuppressionOrder {
    fn read(order: Option<Self>, filter: &Filter) -> (Sort, Order) {
        let Some(SuppressionOrder { field, direction }) = order else {
            let by_target = filter.starts_with.is_some();
            return if by_target { (Sort::Target, Order::Ascending) } else { (Sort::Age, Order::Descending) };
        };
        let sort = match field {
            SuppressionOrderField::CreatedAt => Sort::Age,
            SuppressionOrderField::Target => Sort::Target,
        };
        match direction {
            OrderDirection::Asc => (sort, Order::Ascending),
            OrderDirection::Desc => (sort, Order::Descending),
        }
    }
}

/// How many entries of the suppression list there are.
#[derive(SimpleObject)]
pub struct SuppressionStats {
    /// All that were not lifted; those that expired until they are cleaned away, every six hours.
    total: i32,
    /// Of them, addresses from which mail came back.
    bounces: i32,
    /// Bounces for ever.
    hard_bounces: i32,
    /// Bounces for a time.
    soft_bounces: i32,
    /// Owners who reported spam.
    complaints: i32,
    /// Owners who opted out.
    unsubscribes: i32,
    /// Entered by hand.
    manual: i32,
    /// Of all, those whose time is over.
    expired: i32,
}

/// The suppression list.
#[derive(Default)]
pub struct SuppressionQueries;

#[Object]
impl SuppressionQueries {
    /// Whether an address may be mailed, what blocks it, and what ever did. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn suppression(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The address.")] address: EmailAddress,
    ) -> Result<SuppressionState, Fault> {
        Ok(state::state(&ctx.app()?.ctx, &address.key()).await?.into())
    }

    /// Entries, the newest first unless asked otherwise. 25 at a time unless asked otherwise, 100 at most. A page takes as long
    /// among millions of entries as among few. Where few of many meet the filter, it may hold fewer than asked for, or none, while
    /// `pageInfo` says that there is more: go on from its cursor. Requires the scope READ.
    #[expect(clippy::too_many_arguments, reason = "a connection has its four, and a filter and an order besides")]
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn suppressions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the beginning, or after `after`.")] first: Option<i32>,
        #[graphql(desc = "A cursor to go on after.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "A cursor to go back from.")] before: Option<String>,
        #[graphql(desc = "Which entries; without it, all that are not archived.")] filter: Option<SuppressionFilter>,
        #[graphql(
            desc = "In which order; without it, the newest first, or by target where the filter says how it begins."
        )]
        order_by: Option<SuppressionOrder>,
    ) -> Result<Connection<Suppression>, Fault> {
        let filter = filter.unwrap_or_default();
        if filter.looks_into_addresses() && !ctx.principal()?.sees_addresses() {
            return Err(Fault::Forbidden(ApiScope::Manage));
        }
        let filter = filter.read();
        let (sort, order) = SuppressionOrder::read(order_by, &filter);
        let list = match sort {
            Sort::Age => List::Suppressions,
            Sort::Target => List::SuppressionsByTarget,
        };
        let page = Slice { first, after, last, before }.page(list)?;
        let found = list::list(&ctx.app()?.ctx, &filter, page, sort, order).await?;
        let totals = Totals::of(filter, |ctx, filter| list::count(ctx, filter).boxed());
        Ok(Connection::looked(list, page, found, totals, |row| (row.id, Suppression::new(row))))
    }

    /// How many entries there are. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn suppression_stats(&self, ctx: &Context<'_>) -> Result<SuppressionStats, Fault> {
        let stats = tallies::stats(&ctx.app()?.ctx).await?;
        Ok(SuppressionStats {
            total: int(stats.total),
            bounces: int(stats.hard_bounces + stats.soft_bounces),
            hard_bounces: int(stats.hard_bounces),
            soft_bounces: int(stats.soft_bounces),
            complaints: int(stats.complaints),
            unsubscribes: int(stats.unsubscribes),
            manual: int(stats.manual),
            expired: int(stats.expired),
        })
    }
}

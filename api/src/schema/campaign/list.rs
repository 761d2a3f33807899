//! Finding campaigns.

use async_graphql::{Context, ID, Object};
use entity::ApiScope;
use futures::FutureExt;
use jobs::campaign;
use jobs::filter::Order;

use super::input::CampaignFilter;
use super::{Campaign, by_id};
use crate::schema::asked::Asked;
use crate::schema::fault::Fault;
use crate::schema::guard::Needs;
use crate::schema::node::Kind;
use crate::schema::page::{Connection, List, Slice, Totals};

/// Campaigns by id and by filter.
#[derive(Default)]
pub struct CampaignQueries;

#[Object]
impl CampaignQueries {
    /// The campaign with this id; null when there is none, also where emails were sent under it as a name. Requires the scope
    /// READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn campaign(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Option<Result<Campaign, Fault>> {
        by_id(ctx, Kind::Campaign.read(&id)?).await.transpose()
    }

    /// Campaigns, the newest first. 25 at a time unless asked otherwise, 100 at most. Where few of many meet the filter, a page may
    /// hold fewer than asked for, or none, while `pageInfo` says that there is more: go on from its cursor. Requires the scope
    /// READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn campaigns(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the beginning, or after `after`.")] first: Option<i32>,
        #[graphql(desc = "A cursor to go on after.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "A cursor to go back from.")] before: Option<String>,
        #[graphql(desc = "Which campaigns; without it, all.")] filter: Option<CampaignFilter>,
    ) -> Result<Connection<Campaign>, Fault> {
        let page = Slice { first, after, last, before }.page(List::Campaigns)?;
        let filter = filter.unwrap_or_default().read();
        let found = campaign::list(&ctx.app()?.ctx, &filter, page, Order::Descending).await?;
        let totals = Totals::of(filter, |ctx, filter| campaign::count(ctx, filter).boxed());
        Ok(Connection::looked(List::Campaigns, page, found, totals, |one| (one.row.id, Campaign::new(one))))
    }
}

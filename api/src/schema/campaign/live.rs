//! Following a campaign.

use async_graphql::{Context, ID, Subscription};
use entity::ApiScope;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};

use super::Campaign;
use crate::schema::asked::Asked;
use crate::schema::fault::Fault;
use crate::schema::guard::Needs;
use crate::schema::node::Kind;

/// Following a campaign.
#[derive(Default)]
pub struct CampaignSubscriptions;

#[Subscription]
impl CampaignSubscriptions {
    /// How the campaign stands: at once, and then whenever its ledger, its metrics or its status changed, at most twice a second.
    /// Ends at once where there is none. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn campaign_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<impl Stream<Item = Result<Campaign, Fault>> + use<>, Fault> {
        let campaigns = &ctx.app()?.campaigns;
        let Some(id) = Kind::Campaign.read(&id) else { return Ok(stream::empty().boxed()) };
        let told = campaigns.follow(id).await?;
        let campaigns: BoxStream<'static, Result<Campaign, Fault>> =
            told.map(|moving| Ok(Campaign::new(moving?.campaign))).boxed();
        Ok(campaigns)
    }
}

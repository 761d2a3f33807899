//! Campaigns: one content for many recipients. Here the object; in the rooms beneath its numbers, how it is made, launched and
//! stopped, found and followed.

mod control;
mod input;
mod list;
mod live;
mod metrics;

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use entity::campaign::Status;
use entity::content::Head;
use entity::{EmailAddress, Policy, Priority};
use jobs::campaign;
use jobs::hold::Leave;
use uuid::Uuid;

use super::delivery_event::{self, DeliveryEvent};
use super::email::{self, DateTimeRange, Email, EmailContent, EmailFilter};
use super::fault::Fault;
use super::guard;
use super::loader::{Contents, Heads, Leaves};
use super::mask::Words;
use super::node::Kind;
use super::page::{Connection, Slice};
use super::queue::Ledger;
use super::template::{self, Template};
pub use control::CampaignMutations;
pub use list::CampaignQueries;
pub use live::CampaignSubscriptions;
pub use metrics::Counted;
use metrics::{Granularity, Metrics, MetricsPoint};

/// One content for many recipients.
#[derive(Clone, Debug)]
pub struct Campaign {
    id: ID,
    campaign: campaign::Campaign,
}

impl Campaign {
    /// This campaign, as it stands.
    pub fn new(campaign: campaign::Campaign) -> Self {
        Self { id: Kind::Campaign.id(campaign.row.id), campaign }
    }

    fn uuid(&self) -> Uuid {
        self.campaign.row.id
    }

    async fn head(&self, ctx: &Context<'_>) -> Result<Option<Arc<Head>>, Fault> {
        ctx.data_opt::<DataLoader<Heads>>().ok_or(Fault::Unattended)?.load_one(self.campaign.row.content_id).await
    }

    async fn opened(&self, ctx: &Context<'_>) -> Result<Option<EmailContent>, Fault> {
        guard::sees_contents(ctx)?;
        let contents = ctx.data_opt::<DataLoader<Contents>>().ok_or(Fault::Unattended)?;
        Ok(contents.load_one(self.campaign.row.content_id).await?.map(EmailContent))
    }

    async fn stored(&self, ctx: &Context<'_>) -> Result<Option<serde_json::Value>, Fault> {
        guard::sees_contents(ctx)?;
        Ok(self.head(ctx).await?.and_then(|head| head.metadata.clone()))
    }

    /// What its emails wait for, where any are to go now.
    async fn waits_for(&self, ctx: &Context<'_>) -> Result<Option<Words>, Fault> {
        match self.campaign.status {
            Status::Running | Status::Paused => {}
            Status::Draft | Status::Scheduled | Status::Completed | Status::Cancelled => return Ok(None),
        }
        let leaves = ctx.data_opt::<DataLoader<Leaves>>().ok_or(Fault::Unattended)?;
        let row = &self.campaign.row;
        Ok(match leaves.load_one((row.lane, row.scope)).await? {
            Some(Leave::Held { why, .. }) => Some(Words(why)),
            Some(Leave::Open | Leave::Probe(_)) | None => None,
        })
    }
}

/// One content for many recipients.
#[Object]
impl Campaign {
    /// Names it in the whole service.
    pub async fn id(&self) -> &ID {
        &self.id
    }

    /// What it is called.
    async fn name(&self) -> &str {
        &self.campaign.row.name
    }

    /// Where it stands.
    async fn status(&self) -> Status {
        self.campaign.status
    }

    /// Whom its emails are from.
    async fn from(&self) -> Result<EmailAddress, Fault> {
        email::address(&self.campaign.row.sender)
    }

    /// Where answers go, if not to `from`.
    async fn reply_to(&self) -> Result<Option<EmailAddress>, Fault> {
        self.campaign.row.reply_to.as_deref().map(email::address).transpose()
    }

    /// The subject, as it is before it is rendered for a recipient; empty where a template's is taken at the launch.
    async fn subject(&self, ctx: &Context<'_>) -> Result<Words, Fault> {
        Ok(Words(self.head(ctx).await?.map(|head| head.subject.clone()).unwrap_or_default()))
    }

    /// What it says, before it is rendered for a recipient; without bodies where a template's are taken at the launch. For a key
    /// that may only read, null with the error FORBIDDEN.
    async fn content(&self, ctx: &Context<'_>) -> Option<Result<EmailContent, Fault>> {
        self.opened(ctx).await.transpose()
    }

    /// The template that its content is taken from at the launch, as it stands now; null where the content is its own.
    async fn template(&self, ctx: &Context<'_>) -> Option<Result<Template, Fault>> {
        template::by_id(ctx, self.campaign.row.template_id?).await.transpose()
    }

    /// How urgent its emails are.
    async fn priority(&self) -> Priority {
        self.campaign.row.lane
    }

    /// Its recipients asked for it: an unsubscribe does not stop it.
    async fn transactional(&self) -> bool {
        self.campaign.row.transactional
    }

    /// Mailgun accepts its emails and does not deliver them.
    async fn test_mode(&self) -> bool {
        self.campaign.row.test_mode
    }

    /// Up to 1,000 of its recipients go to Mailgun in one call.
    async fn batch(&self) -> bool {
        self.campaign.row.batch
    }

    /// It was created for the sandbox: nothing of it is ever delivered.
    async fn sandbox(&self) -> bool {
        self.campaign.row.sandbox
    }

    /// What becomes of an email of it when nobody knows whether Mailgun took it.
    async fn on_unconfirmed(&self) -> Policy {
        self.campaign.row.on_unconfirmed
    }

    /// Mailgun's tags.
    async fn tags(&self, ctx: &Context<'_>) -> Result<Vec<String>, Fault> {
        Ok(self.head(ctx).await?.map(|head| head.tags.clone()).unwrap_or_default())
    }

    /// What the sender stored with it. For a key that may only read, null with the error FORBIDDEN.
    async fn metadata(&self, ctx: &Context<'_>) -> Option<Result<serde_json::Value, Fault>> {
        self.stored(ctx).await.transpose()
    }

    /// How many of its recipients and emails stand where. They add up to `total` at every moment. Recipients who are pending when
    /// it is cancelled stay so: they never get an email.
    async fn ledger(&self) -> Ledger {
        self.campaign.ledger.into()
    }

    /// What became of its emails.
    async fn metrics(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "In these hours; without it, ever.")] range: Option<DateTimeRange>,
    ) -> Result<Metrics, Fault> {
        metrics::of(ctx, self.uuid(), range).await
    }

    /// What became of its emails, over time. What nothing became of is left out; at most 400 points are told, the latest.
    async fn history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "In these hours; without it, ever.")] range: Option<DateTimeRange>,
        #[graphql(desc = "How much time each point stands for.", default_with = "Granularity::Hour")]
        granularity: Granularity,
    ) -> Result<Vec<MetricsPoint>, Fault> {
        metrics::history(ctx, self.uuid(), range, granularity).await
    }

    /// Which share of its recipients' emails have come to their end, from 0 to 1.
    async fn progress(&self) -> f64 {
        self.campaign.progress
    }

    /// When it may be done, as fast as it goes at the moment; null where that can't be told.
    async fn estimated_finish(&self) -> Option<DateTime<Utc>> {
        self.campaign.estimated_finish
    }

    /// Why its emails wait, in words; null when nothing holds them.
    async fn held_by(&self, ctx: &Context<'_>) -> Option<Result<Words, Fault>> {
        self.waits_for(ctx).await.transpose()
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime<Utc> {
        self.campaign.row.created_at
    }

    /// When its first emails go; null until it is launched.
    async fn send_at(&self) -> Option<DateTime<Utc>> {
        self.campaign.row.send_at
    }

    /// After this none of its emails is sent any more.
    async fn deliver_by(&self) -> Option<DateTime<Utc>> {
        self.campaign.row.deliver_by
    }

    /// When it was launched.
    async fn launched_at(&self) -> Option<DateTime<Utc>> {
        self.campaign.row.launched_at
    }

    /// When it was cancelled.
    async fn cancelled_at(&self) -> Option<DateTime<Utc>> {
        self.campaign.row.cancelled_at
    }

    /// Its emails, the newest first. A recipient has one once the launch has come to them. 25 at a time unless asked otherwise,
    /// 100 at most.
    async fn emails(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the beginning, or after `after`.")] first: Option<i32>,
        #[graphql(desc = "A cursor to go on after.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "A cursor to go back from.")] before: Option<String>,
        #[graphql(desc = "Which of them; without it, all.")] filter: Option<EmailFilter>,
    ) -> Result<Connection<Email>, Fault> {
        email::of_campaign(ctx, self.uuid(), Slice { first, after, last, before }, filter).await
    }

    /// What Mailgun reported of its emails and their copies, the latest recorded first. 25 at a time unless asked otherwise, 100
    /// at most. A cursor past retention is the error CURSOR_EXPIRED.
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the beginning, or after `after`.")] first: Option<i32>,
        #[graphql(desc = "A cursor to go on after.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "A cursor to go back from.")] before: Option<String>,
    ) -> Result<Connection<DeliveryEvent>, Fault> {
        delivery_event::of_campaign(ctx, self.uuid(), Slice { first, after, last, before }).await
    }
}

/// Campaigns by id.
pub struct Campaigns(pub Arc<jobs::Context>);

impl Loader<Uuid> for Campaigns {
    type Value = campaign::Campaign;
    type Error = Fault;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, campaign::Campaign>, Fault> {
        Ok(campaign::find(&self.0, ids).await?)
    }
}

/// The campaign with this id, asked together with others; `None` where it is only a name that emails were sent under.
pub async fn by_id(ctx: &Context<'_>, id: Uuid) -> Result<Option<Campaign>, Fault> {
    let campaigns = ctx.data_opt::<DataLoader<Campaigns>>().ok_or(Fault::Unattended)?;
    Ok(campaigns.load_one(id).await?.map(Campaign::new))
}

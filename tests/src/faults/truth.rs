//! Everything that is known at the end, from every source: what was accepted, what people asked, what Mailgun saw and logged,
//! and what stands in the database.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use entity::{attempt, campaign, campaign_metrics, delivery_event, email, email_facts, recipient, scope, suppression};
use jobs::store::rows;
use jobs::{Context, Error};
use sea_orm::{EntityTrait, QueryOrder};
use uuid::Uuid;

use super::campaigns::{self, Campaigns};
use super::follow::Follower;
use super::hooks::{Delivery, Hooks, Taken};
use super::load::{Load, Planned};
use super::logbook::Logged;
use super::mailgun::Posted;
use super::people::{People, Wishes};
use super::world::World;
use crate::lock;

/// A campaign as it stands.
pub struct OfCampaign {
    pub standing: jobs::campaign::Campaign,
    pub recipients: Vec<recipient::Model>,
}

/// All of it.
pub struct Truth {
    pub planned: Vec<Planned>,
    /// The campaigns that were to be sent ..
    pub sent: Vec<campaigns::Planned>,
    /// .. and all there are.
    pub campaigns: BTreeMap<Uuid, OfCampaign>,
    pub wishes: Wishes,
    pub posts: Vec<Posted>,
    pub log: Vec<Logged>,
    pub deliveries: Vec<Delivery>,
    pub taken: Vec<Taken>,
    pub fooled: Vec<String>,
    /// How often Mailgun took each email.
    pub accepted: HashMap<Uuid, u32>,
    pub emails: BTreeMap<Uuid, email::Model>,
    /// Those that were to go in one call with others.
    pub batched: BTreeSet<Uuid>,
    pub attempts: HashMap<Uuid, Vec<attempt::Model>>,
    pub events: Vec<delivery_event::Model>,
    pub facts: HashMap<Uuid, email_facts::Model>,
    pub suppressions: Vec<suppression::Model>,
    /// Of each campaign; under the nil id those of emails without one.
    pub metrics: BTreeMap<(Uuid, campaign_metrics::Metric), i64>,
    /// Numbers that the follower was never given.
    pub missed: BTreeSet<i64>,
}

impl Truth {
    /// Gathers it.
    ///
    /// # Errors
    /// The database's own.
    pub async fn gather(
        world: &World,
        ctx: &Arc<Context>,
        load: &Load,
        sent: &Campaigns,
        people: &People,
        hooks: &Hooks,
        follower: &Follower,
    ) -> Result<Self, Error> {
        let db = ctx.store.write();
        let emails = email::Entity::find().all(db).await?;
        let mut attempts: HashMap<Uuid, Vec<attempt::Model>> = HashMap::new();
        for one in attempt::Entity::find().order_by_asc(attempt::Column::Fence).all(db).await? {
            attempts.entry(one.email_id).or_default().push(one);
        }
        let events = delivery_event::Entity::find().order_by_asc(delivery_event::Column::Seq).all(db).await?;
        let facts = email_facts::Entity::find().all(db).await?;
        let scopes: HashMap<i32, Uuid> =
            scope::Entity::find().all(db).await?.into_iter().map(|scope| (scope.id, scope.campaign_id)).collect();
        let mut metrics: BTreeMap<(Uuid, campaign_metrics::Metric), i64> = BTreeMap::new();
        for counter in campaign_metrics::Entity::find().all(db).await? {
            *metrics.entry((scopes[&counter.scope], counter.metric)).or_default() += counter.n;
        }
        let campaigns = of_campaigns(ctx).await?;
        let (posts, log) = {
            let book = lock(&world.mailgun.book);
            (book.posts.clone(), book.log.clone())
        };
        let suppressions = suppression::Entity::find().all(db).await?;
        let wishes = lock(&people.wishes).clone();
        let batched = batched(ctx).await?;
        let post = lock(&hooks.post);
        Ok(Self {
            planned: load.all(),
            sent: sent.all(),
            campaigns,
            wishes,
            posts,
            log,
            deliveries: post.deliveries.clone(),
            taken: post.taken.clone(),
            fooled: post.fooled.clone(),
            accepted: world.mailgun.accepted(),
            missed: events.iter().map(|event| event.seq).filter(|seq| !follower.has(*seq)).collect(),
            emails: emails.into_iter().map(|email| (email.id, email)).collect(),
            batched,
            attempts,
            events,
            facts: facts.into_iter().map(|facts| (facts.email_id, facts)).collect(),
            suppressions,
            metrics,
        })
    }

    /// Whether this was asked of the email.
    pub fn was_asked(&self, email: Uuid, what: &str) -> bool {
        self.wishes.asked.iter().any(|asked| asked.email == email && asked.what == what)
    }

    /// Whether the email's campaign was cancelled.
    pub fn is_of_a_cancelled_campaign(&self, email: &email::Model) -> bool {
        let campaign = email.campaign_id.and_then(|id| self.campaigns.get(&id));
        campaign.is_some_and(|of| of.standing.row.cancelled_at.is_some())
    }

    /// What the log has about the email's own recipient.
    pub fn own_events(&self, email: &email::Model) -> impl Iterator<Item = &Logged> {
        self.log.iter().filter(|logged| logged.email == email.id && logged.recipient == email.recipient_key)
    }
}

/// The emails that were claimed to go in one call with others.
pub async fn batched(ctx: &Context) -> Result<BTreeSet<Uuid>, Error> {
    let found = rows(ctx.store.write(), ctx.store.sql("SELECT id FROM email_queue WHERE batched", [])).await?;
    Ok(found.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?)
}

/// All campaigns, as the API shows them, and their recipients.
async fn of_campaigns(ctx: &Context) -> Result<BTreeMap<Uuid, OfCampaign>, Error> {
    let db = ctx.store.write();
    let ids: Vec<Uuid> = campaign::Entity::find().all(db).await?.into_iter().map(|row| row.id).collect();
    let found = jobs::campaign::find(ctx, &ids).await?.into_iter();
    let mut all: BTreeMap<Uuid, OfCampaign> =
        found.map(|(id, standing)| (id, OfCampaign { standing, recipients: Vec::new() })).collect();
    for row in recipient::Entity::find().all(db).await? {
        if let Some(of) = all.get_mut(&row.campaign_id) {
            of.recipients.push(row);
        }
    }
    Ok(all)
}

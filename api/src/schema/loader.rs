//! What many emails of one answer need, asked once for all of them. Nothing is kept between answers: a cached loader would
//! serve what is no longer so.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader, NoCache};
use async_graphql::runtime::{TokioSpawner, TokioTimer};
use async_graphql::{ObjectType, SchemaBuilder, SubscriptionType};
use entity::content::Head;
use entity::{Priority, attempt, email, email_facts};
use jobs::Context;
use jobs::filter::Order;
use jobs::find::events::{self, Event};
use jobs::find::{self, Opened, Page, PageOf};
use jobs::hold::Leave;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::fault::Fault;
use super::{campaign, lead, suppression, template};

/// Emails by id.
pub struct Emails(Arc<Context>);
/// What contents hold besides their bodies, by the content's id.
pub struct Heads(Arc<Context>);
/// Contents in the clear, by id.
pub struct Contents(Arc<Context>);
/// The tries of emails, by the email's id.
pub struct Attempts(Arc<Context>);
/// What is known of emails beside their status, by the email's id.
pub struct Facts(Arc<Context>);
/// A page of the events of emails, by the email's id and which page, the newest first.
pub struct EmailEvents(Arc<Context>);
/// Delivery events by id.
pub struct Events(Arc<Context>);
/// Whether emails of a lane and a scope may leave.
pub struct Leaves(Arc<Context>);

/// Adds the loaders to a schema.
pub fn register<Q, M, S>(schema: SchemaBuilder<Q, M, S>, ctx: &Arc<Context>) -> SchemaBuilder<Q, M, S>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    schema
        .data(loader(Emails(ctx.clone())))
        .data(loader(Heads(ctx.clone())))
        .data(loader(Contents(ctx.clone())))
        .data(loader(Attempts(ctx.clone())))
        .data(loader(Facts(ctx.clone())))
        .data(loader(EmailEvents(ctx.clone())))
        .data(loader(Events(ctx.clone())))
        .data(loader(Leaves(ctx.clone())))
        .data(loader(suppression::Entries(ctx.clone())))
        .data(loader(suppression::Blocking(ctx.clone())))
        .data(loader(suppression::Following(ctx.clone())))
        .data(loader(suppression::Lifts(ctx.clone())))
        .data(loader(lead::Leads(ctx.clone())))
        .data(loader(template::Templates(ctx.clone())))
        .data(loader(campaign::Campaigns(ctx.clone())))
        .data(loader(campaign::Counted(ctx.clone())))
}

fn loader<L>(loads: L) -> DataLoader<L, NoCache> {
    DataLoader::new(loads, TokioSpawner::current(), TokioTimer::default())
}

impl Loader<Uuid> for Emails {
    type Value = email::Model;
    type Error = Fault;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, email::Model>, Fault> {
        let asked = email::Entity::find().filter(email::Column::Id.is_in(ids.iter().copied()));
        let found = asked.all(self.0.store.read()).await.map_err(jobs::Error::from)?;
        Ok(found.into_iter().map(|email| (email.id, email)).collect())
    }
}

impl Loader<Uuid> for Heads {
    type Value = Arc<Head>;
    type Error = Fault;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Arc<Head>>, Fault> {
        let heads = find::heads(&self.0, ids).await?;
        Ok(heads.into_iter().map(|(id, head)| (id, Arc::new(head))).collect())
    }
}

impl Loader<Uuid> for Contents {
    type Value = Arc<Opened>;
    type Error = Fault;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Arc<Opened>>, Fault> {
        let contents = find::contents(&self.0, ids).await?;
        Ok(contents.into_iter().map(|(id, content)| (id, Arc::new(content))).collect())
    }
}

impl Loader<Uuid> for Attempts {
    type Value = Vec<attempt::Model>;
    type Error = Fault;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Vec<attempt::Model>>, Fault> {
        Ok(find::attempts(&self.0, ids).await?)
    }
}

impl Loader<Uuid> for Facts {
    type Value = email_facts::Model;
    type Error = Fault;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, email_facts::Model>, Fault> {
        Ok(find::facts(&self.0, ids).await?)
    }
}

impl Loader<(Uuid, Page<i64>)> for EmailEvents {
    type Value = PageOf<Event>;
    type Error = Fault;

    async fn load(&self, asked: &[(Uuid, Page<i64>)]) -> Result<HashMap<(Uuid, Page<i64>), PageOf<Event>>, Fault> {
        let mut emails: HashMap<Page<i64>, Vec<Uuid>> = HashMap::new();
        for (email, page) in asked {
            emails.entry(*page).or_default().push(*email);
        }
        let mut found = HashMap::with_capacity(asked.len());
        for (page, emails) in emails {
            let pages = events::pages(&self.0, &emails, page, Order::Descending).await?;
            found.extend(pages.into_iter().map(|(email, events)| ((email, page), events)));
        }
        Ok(found)
    }
}

impl Loader<Uuid> for Events {
    type Value = Event;
    type Error = Fault;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Event>, Fault> {
        Ok(events::with_ids(&self.0, ids).await?)
    }
}

impl Loader<(Priority, i32)> for Leaves {
    type Value = Leave;
    type Error = Fault;

    async fn load(&self, pairs: &[(Priority, i32)]) -> Result<HashMap<(Priority, i32), Leave>, Fault> {
        Ok(find::leaves(&self.0, pairs).await?)
    }
}

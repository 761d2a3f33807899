//! Campaigns: whom they are for, how recipients become emails, what stops them, and a ledger that adds up at every moment.

mod clean;
mod expand;
mod launch;
mod ledger;
mod recipients;
mod stop;

use std::ops::Range;
use std::sync::Arc;

use entity::{email, recipient};
use jobs::Context;
use jobs::campaign::recipients::{Added, NewRecipient, add};
use jobs::campaign::{Campaign, Content, Draft, create, expand as executor, find};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use tests::patience::{SOON, until_true};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::control::world::World;

/// A campaign that says something to each.
pub fn draft() -> Draft {
    let (subject, text) = ("Hello {{ first_name }}".into(), Some("Good day".into()));
    Draft { name: "Spring".into(), content: Some(Content::Inline { subject, html: None, text }), ..Draft::default() }
}

pub async fn made(ctx: &Context) -> Uuid {
    create(ctx, draft()).await.unwrap().unwrap().row.id
}

pub fn person(address: &str) -> NewRecipient {
    let variables = Some(serde_json::json!({ "first_name": "Ann" }));
    NewRecipient { address: address.into(), variables, ..NewRecipient::default() }
}

pub fn people(range: Range<usize>) -> Vec<NewRecipient> {
    range.map(|i| person(&format!("reader{i}@example.com"))).collect()
}

pub async fn added(ctx: &Context, campaign: Uuid, recipients: Vec<NewRecipient>) -> Added {
    add(ctx, campaign, recipients, false).await.unwrap().unwrap()
}

/// A campaign for so many.
pub async fn filled(ctx: &Context, n: usize) -> Uuid {
    let campaign = made(ctx).await;
    for start in (0..n).step_by(10_000) {
        added(ctx, campaign, people(start..n.min(start + 10_000))).await;
    }
    campaign
}

pub async fn stands(ctx: &Context, id: Uuid) -> Campaign {
    find(ctx, &[id]).await.unwrap().remove(&id).unwrap()
}

/// A task that ends with its test, or when it is dropped: at once, wherever it is.
pub struct Task<T>(Option<JoinHandle<T>>);

impl<T: Send + 'static> Task<T> {
    pub fn spawn(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Some(tokio::spawn(work)))
    }

    pub async fn end(mut self) -> T {
        self.0.take().unwrap().await.unwrap()
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Makes emails of recipients as long as it is kept.
pub fn executing(ctx: &Arc<Context>) -> Task<()> {
    Task::spawn(executor::run(ctx.clone()))
}

/// Waits until nobody is without an email.
pub async fn expanded(ctx: &Context, id: Uuid) -> Campaign {
    until_true("everybody to have an email", SOON, async || stands(ctx, id).await.ledger.pending == 0).await;
    stands(ctx, id).await
}

pub async fn emails(ctx: &Context, campaign: Uuid) -> Vec<email::Model> {
    let of = email::Entity::find().filter(email::Column::CampaignId.eq(campaign));
    of.order_by_asc(email::Column::Id).all(ctx.store.write()).await.unwrap()
}

pub async fn recipients_of(ctx: &Context, campaign: Uuid) -> Vec<recipient::Model> {
    let of = recipient::Entity::find().filter(recipient::Column::CampaignId.eq(campaign));
    of.order_by_asc(recipient::Column::Id).all(ctx.store.write()).await.unwrap()
}

/// Each of the campaign's recipients has exactly one email, or none yet, and each of its emails is a recipient's.
pub async fn assert_each_has_one(world: &World, campaign: Uuid, n: usize) {
    world.counts().await;
    let ctx = &world.ctx;
    let (recipients, emails) = (recipients_of(ctx, campaign).await, emails(ctx, campaign).await);
    assert_eq!(recipients.len(), n);
    let mut became: Vec<_> = recipients.iter().filter_map(|r| Some((r.email_id?, r.address_key.clone()))).collect();
    became.sort_unstable();
    let made: Vec<_> = emails.iter().map(|email| (email.id, email.recipient_key.clone())).collect();
    assert_eq!(became, made);
    let content = stands(ctx, campaign).await.row.content_id;
    let content = entity::content::Entity::find_by_id(content).one(ctx.store.write()).await.unwrap().unwrap();
    assert_eq!(content.emails as usize, 1 + emails.len(), "the users of what it says");
}

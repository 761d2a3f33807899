//! Mailgun's webhooks over HTTP, as the program takes them: what is answered, what is stored, and what follows.

mod answers;
mod killed;
mod moments;
mod replayed;
mod sandboxed;
mod unsubscribe;

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use entity::sealed::Keyring;
use entity::{Clock, delivery_event, email_facts, suppression};
use jobs::{Context, Settings, Store, Timing};
use reqwest::StatusCode;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use tests::client::http;
use tests::webhook::Told;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::api::Served;

/// Where webhooks go.
const PATH: &str = "/webhooks/mailgun";

/// A way into the database beside the process.
async fn beside(url: &str) -> Arc<Context> {
    let store = Store::connect(url).await.unwrap();
    let (keyring, stop) = (Keyring::generate(), CancellationToken::new());
    Context::new(store, Clock::system(), Timing::default(), Settings::default(), keyring, 0.0, stop)
}

async fn events(ctx: &Context) -> Vec<delivery_event::Model> {
    let all = delivery_event::Entity::find().order_by_asc(delivery_event::Column::Seq);
    all.all(ctx.store.write()).await.unwrap()
}

async fn facts(ctx: &Context, email: Uuid) -> Option<email_facts::Model> {
    email_facts::Entity::find_by_id(email).one(ctx.store.write()).await.unwrap()
}

/// The entries of an address.
async fn entries(ctx: &Context, target: &str) -> Vec<suppression::Model> {
    let of = suppression::Entity::find().filter(suppression::Column::Target.eq(target));
    of.all(ctx.store.write()).await.unwrap()
}

fn now() -> DateTime<Utc> {
    Clock::system().now()
}

/// The UUID in an email's global id.
fn bare(id: &str) -> Uuid {
    id.strip_prefix("email:").unwrap().parse().unwrap()
}

fn token() -> String {
    hex::encode(entity::clock::random_bytes::<25>())
}

/// Posts a webhook and answers status and words.
async fn post(served: &Served, path: &str, body: Bytes) -> (StatusCode, String) {
    try_post(served, path, body).await.unwrap()
}

async fn try_post(served: &Served, path: &str, body: Bytes) -> reqwest::Result<(StatusCode, String)> {
    let answer = http().post(format!("{}{path}", served.url)).body(body).send().await?;
    Ok((answer.status(), answer.text().await?))
}

/// Reports an event that must be taken.
async fn report(served: &Served, told: &Told) {
    let (status, words) = post(served, PATH, told.body(now(), &token())).await;
    assert_eq!((status.as_u16(), words.as_str()), (200, "recorded\n"));
}

//! Our list and Mailgun's own are kept alike: what is read from there, what is told there, and over failures, restarts and
//! several processes.

mod lifting;
mod pulled;
mod pushed;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use entity::provider_list::List;
use entity::provider_order::{self, Lift};
use entity::suppression::{Reason, Source};
use entity::{Priority, Status};
use futures::FutureExt;
use futures::future::BoxFuture;
use jobs::Context;
use jobs::mailer::PostLimits;
use jobs::suppress::enter::{self, NewEntry};
use jobs::suppress::{lift, state};
use jobs::sync::mark::{self, Standing};
use jobs::sync::provider::{Entry, Page, Place, Provider, SyncError};
use jobs::sync::rule::{BY_HAND, MANY};
use jobs::sync::{self, Desk, MailgunLists, pull, push};
use jobs::unsubscribe::Link;
use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder};
use secrecy::SecretString;
use serde_json::{Value, json};
use tests::app::{App, Plan, letter};
use tests::database::Backend;
use tests::mailgun::{Call, FakeMailgun, Told};
use tests::patience::{SOON, until_true};
use tests::webhook::Told as Event;

use super::{entry, passing};
use crate::control::world::{World, draft};
use crate::events::{Post, READER};

const DOMAIN: &str = "sandbox.mailmind.test";
const ANN: &str = "ann@example.com";

/// A process' desk in front of this Mailgun.
fn desk(ctx: &Arc<Context>, mailgun: &FakeMailgun) -> Desk {
    Desk { ctx: ctx.clone(), provider: Arc::new(lists(ctx, mailgun)) }
}

fn lists(ctx: &Context, mailgun: &FakeMailgun) -> MailgunLists {
    tests::install_tls();
    MailgunLists::new(&mailgun.url(), &SecretString::from("key-test"), PostLimits::default(), ctx.clock.clone())
        .unwrap()
}

/// As Mailgun writes a date.
fn date(at: DateTime<Utc>) -> String {
    at.format("%a, %d %b %Y %H:%M:%S UTC").to_string()
}

/// An entry that Mailgun has had for an hour.
fn told(ctx: &Context, address: &str, more: Value) -> Value {
    let mut entry = json!({ "address": address, "created_at": date(ctx.clock.now() - TimeDelta::hours(1)) });
    entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    entry
}

async fn standing(ctx: &Context, list: List) -> Standing {
    mark::standings(ctx).await.unwrap().into_iter().find(|standing| standing.mark.list == list).unwrap()
}

async fn orders(ctx: &Context) -> Vec<provider_order::Model> {
    let all = provider_order::Entity::find().order_by_asc(provider_order::Column::Target);
    all.all(ctx.store.write()).await.unwrap()
}

/// What blocks an address: why, and by whose word.
async fn blocked(ctx: &Context, address: &str) -> Vec<(Reason, Source)> {
    state::state(ctx, address).await.unwrap().by.into_iter().map(|entry| (entry.reason, entry.source)).collect()
}

async fn lifted(ctx: &Context, list: List) -> Option<Lift> {
    let asked = (ANN.to_owned(), list, ctx.settings.sandbox);
    sync::lifts(ctx, std::slice::from_ref(&asked)).await.unwrap().remove(&asked)
}

fn addresses(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["address"].as_str().unwrap()).collect()
}

/// The pages of a list that were asked for: behind which address each lies.
fn pages(mailgun: &FakeMailgun, list: &str) -> Vec<Option<String>> {
    let asked = mailgun.lists_asked().into_iter().filter(|call| call.method == "GET" && call.list == list);
    asked.map(|call| call.address).collect()
}

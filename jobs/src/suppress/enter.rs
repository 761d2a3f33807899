//! Entering addresses and domains by request. From the commit on the gate lets nothing pass to them; what waits follows in
//! groups ([`crate::bulk`]), and what was under way by then is named.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entity::suppression::{self, BounceType, Reason, Source, Target};
use entity::{Status, email, suppression_fact};
use sea_orm::{ActiveEnum, DatabaseTransaction, Value};
use tokio::time::Instant;
use uuid::Uuid;

use super::facts;
use crate::Context;
use crate::bulk::{self, Progress, Recipients};
use crate::control::repeat;
use crate::error::Result;
use crate::event::digest;
use crate::filter::{Filter, Order};
use crate::find::models;
use crate::rows::Rows;
use crate::store::rows;
use crate::sync::outbox;

/// Entries stored in one transaction.
const GROUP: usize = 500;

/// Emails under way that are named at most.
pub const NAMED: u64 = 1_000;

/// Who is not to be mailed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    pub target: Target,
    pub reason: Reason,
    pub note: Option<String>,
    /// Until when; `None` = until it is lifted. A bounce with an end is soft, one without is hard.
    pub expires_at: Option<DateTime<Utc>>,
    /// When what it follows from happened: what is told again by this time stands once, and a lift that came later holds.
    /// `None` = now.
    pub since: Option<DateTime<Utc>>,
}

/// What entering came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entered {
    /// Different targets and reasons among what was asked for.
    pub entered: u64,
    /// Emails that were SENDING or UNCONFIRMED to any of the targets: they may still arrive. All of them when nothing remains,
    /// but for what is beyond [`NAMED`]; copies are not looked at.
    pub in_flight: Vec<email::Model>,
    /// Of the emails that waited: those that ended SUPPRESSED, and those the background goes on with.
    pub waiting: Progress,
}

impl NewEntry {
    fn bounce_type(&self) -> Option<BounceType> {
        let kind = if self.expires_at.is_some() { BounceType::Soft } else { BounceType::Hard };
        (self.reason == Reason::Bounce).then_some(kind)
    }

    fn fact(&self, ctx: &Context, now: DateTime<Utc>) -> suppression_fact::Model {
        let (target, sandbox) = (self.target.key(), ctx.settings.sandbox);
        let id = self.since.map(|at| {
            let (reason, at) = (self.reason.to_value().to_be_bytes(), at.timestamp_micros().to_be_bytes());
            digest(&[b"suppression", target.as_bytes(), &reason, &[u8::from(sandbox)], &at])
        });
        suppression_fact::Model {
            id: id.unwrap_or_else(|| ctx.clock.id()),
            target,
            reason: self.reason,
            sandbox,
            lift: false,
            occurred_at: self.since.unwrap_or(now),
            recorded_at: now,
            expires_at: self.expires_at,
            bounce_type: self.bounce_type(),
            source: Source::Manual,
            note: self.note.clone(),
            event_id: None,
        }
    }
}

/// Enters one. Answers the entry as it stands then, which a later or longer one of the same reason may have outdone.
///
/// # Errors
/// The database's own. The entry may hold all the same; to ask again is harmless.
pub async fn suppress(ctx: &Context, entry: NewEntry) -> Result<(suppression::Model, Entered)> {
    let (target, reason) = (entry.target.key(), entry.reason);
    let entered = suppress_many(ctx, vec![entry]).await?;
    let text = "SELECT s.* FROM email_suppression_list s WHERE s.target = $1 AND s.reason = $2 AND s.sandbox = $3";
    let values = [Value::from(target), Value::from(reason.to_value()), Value::from(ctx.settings.sandbox)];
    let found = rows(ctx.store.write(), ctx.store.sql(text, values)).await?;
    let found = models::<suppression::Model>(&found)?.pop();
    let stands = found.ok_or_else(|| sea_orm::DbErr::RecordNotFound("the entry just stored".into()))?;
    Ok((stands, entered))
}

/// Enters many, group by group, and works on what waits for them for some seconds.
///
/// # Errors
/// The database's own: what was stored by then holds, and to ask for all of it again is harmless.
pub async fn suppress_many(ctx: &Context, entries: Vec<NewEntry>) -> Result<Entered> {
    let end = Instant::now() + bulk::TURN;
    let mut operations = Vec::new();
    for group in entries.chunks(GROUP) {
        let now = ctx.clock.now();
        let facts: Vec<suppression_fact::Model> = group.iter().map(|entry| entry.fact(ctx, now)).collect();
        operations.extend(repeat(|| store(ctx, &facts)).await?);
    }
    let waiting = bulk::work_on(ctx, &operations, end).await?;
    Ok(Entered { entered: distinct(&entries), in_flight: in_flight(ctx, &entries).await?, waiting })
}

/// What [`suppress_many`] would do: how many it would enter, and how many waiting emails would end.
///
/// # Errors
/// The database's own.
pub async fn would_suppress(ctx: &Context, entries: &[NewEntry]) -> Result<Entered> {
    let mut waiting = Progress::default();
    for recipients in recipients(entries.iter().map(|entry| entry.target.key())) {
        let (n, capped) = bulk::waiting_for(ctx, recipients).await?;
        waiting.remaining += n;
        waiting.remaining_is_capped |= capped;
    }
    Ok(Entered { entered: distinct(entries), in_flight: in_flight(ctx, entries).await?, waiting })
}

fn distinct(entries: &[NewEntry]) -> u64 {
    entries.iter().map(|entry| (entry.target.key(), entry.reason)).collect::<BTreeSet<_>>().len() as u64
}

/// Stores facts, with them what is to follow, and what Mailgun's lists are to be told. Answers the operations.
async fn store(ctx: &Context, facts: &[suppression_fact::Model]) -> Result<Vec<Uuid>> {
    let tx = ctx.store.begin().await?;
    let operations = store_in(&tx, ctx, facts).await?;
    outbox::put(&tx, ctx, facts).await?;
    tx.commit().await?;
    Ok(operations)
}

/// Stores facts in a transaction, and with them what is to follow for the emails that wait. Answers the operations.
pub(crate) async fn store_in(
    tx: &DatabaseTransaction,
    ctx: &Context,
    facts: &[suppression_fact::Model],
) -> Result<Vec<Uuid>> {
    facts::record(tx, ctx, facts).await?;
    let mut operations = Vec::new();
    for recipients in recipients(facts.iter().map(|fact| fact.target.clone())) {
        operations.push(bulk::note_suppressed(tx, ctx, recipients).await?);
    }
    Ok(operations)
}

/// Addresses in groups, and each domain by itself.
fn recipients(targets: impl Iterator<Item = String>) -> Vec<Recipients> {
    let targets: BTreeSet<String> = targets.collect();
    let (addresses, domains): (Vec<String>, Vec<String>) =
        targets.into_iter().partition(|target| suppression::Scope::of(target) == suppression::Scope::Address);
    let groups = addresses.chunks(GROUP).map(|group| Recipients::Addresses(group.to_vec()));
    groups.chain(domains.into_iter().map(Recipients::At)).collect()
}

/// The emails to these targets that may be with Mailgun. Asked after what waits was moved: that takes the locks of all that
/// waited when the entry was committed, and so waits for every claim that had not seen the entry.
async fn in_flight(ctx: &Context, entries: &[NewEntry]) -> Result<Vec<email::Model>> {
    // An email that its recipient asked for passes an unsubscribe.
    let mut passes: BTreeMap<String, bool> = BTreeMap::new();
    for entry in entries {
        *passes.entry(entry.target.key()).or_insert(true) &= entry.reason == Reason::Unsubscribe;
    }
    let mut found = BTreeMap::new();
    for recipients in recipients(passes.keys().cloned()) {
        for email in under_way(ctx, &recipients).await? {
            let target = match &recipients {
                Recipients::Addresses(_) => &email.recipient_key,
                Recipients::At(domain) => domain,
            };
            let bound = email.sandbox || !ctx.settings.sandbox;
            if bound && !(email.transactional && passes.get(target) == Some(&true)) {
                found.insert(email.id, email);
            }
        }
    }
    Ok(found.into_values().take(NAMED as usize).collect())
}

async fn under_way(ctx: &Context, recipients: &Recipients) -> Result<Vec<email::Model>> {
    let (store, most) = (&ctx.store, NAMED);
    let asked = match recipients {
        Recipients::Addresses(addresses) => {
            // Standing 1 is QUEUED or SENDING, 3 UNCONFIRMED.
            let text = "SELECT q.* FROM {rows} AS v JOIN email_queue q \
                 ON q.recipient_key = v.target AND q.standing IN (1, 3) WHERE q.status <> 1 ORDER BY q.id LIMIT $1";
            store.sql_rows(text, [Value::from(most as i64)], Rows::new().text("target", addresses.iter().cloned()))
        }
        Recipients::At(domain) => {
            let filter = Filter { statuses: vec![Status::Sending, Status::Unconfirmed], ..Filter::default() };
            let mut clauses = filter.clauses();
            clauses.and("q.recipient_key LIKE ?", format!("%@{domain}"));
            clauses.page(store, "q.*", Order::Ascending, most, "")
        }
    };
    models(&rows(store.write(), asked).await?)
}

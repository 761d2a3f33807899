//! A database that came from a backup: what waits in it may have been sent since. Everything is held until Mailgun's log was read
//! past the moment of the hold; what stands in the log is then known to be sent, and the rest was never handed over.
//!
//! The hold must be placed before any process works on the database, and after every process has ended that worked on the one it
//! stands for. Campaigns whose recipients were still becoming emails stay paused: the emails that they became since are not in
//! this database, so that the log can't say whose they were.

use chrono::{DateTime, Utc};
use entity::hold::{self, Cause, Kind};
use entity::{Status, tally};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Value};
use uuid::Uuid;

use crate::Context;
use crate::error::Result;
use crate::hold::{Cover, lift, place};
use crate::log::RETENTION;
use crate::store::rows;

/// What the hold over the queue says, and is known again by.
const WHY: &str = "the database was restored from a backup, and Mailgun's log is being read";
/// The same where the log may not go back to the backup.
const WHY_GAP: &str = "the database was restored from a backup that Mailgun's log may not go back to";
const WHY_CAMPAIGN: &str =
    "some of its recipients may have been written to after the backup that the database was restored from";

/// How a restored database stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// When everything was held.
    pub since: DateTime<Utc>,
    /// Every sending domain that emails wait for, with how far its log was read.
    pub domains: Vec<Domain>,
    /// Mailgun's log may not go back to the backup: what was sent in between can't be known.
    pub gap: bool,
    /// Campaigns that a person has to resume.
    pub campaigns: Vec<Uuid>,
}

/// A sending domain's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    pub name: String,
    /// Everything up to here was read whole; nothing yet where it has no mark.
    pub through: Option<DateTime<Utc>>,
    /// It was read past the moment of the hold.
    pub read: bool,
}

impl Restored {
    /// All that was sent since the backup is known: the queue may go on.
    pub fn is_known(&self) -> bool {
        !self.gap && self.domains.iter().all(|domain| domain.read)
    }
}

/// Holds everything, once. Answers how it stands; a second call changes nothing.
///
/// # Errors
/// The database's own.
pub async fn hold(ctx: &Context) -> Result<Restored> {
    if let Some(held) = look(ctx).await? {
        return Ok(held);
    }
    let now = ctx.clock.now();
    for campaign in unfinished(ctx).await? {
        place(ctx, &Cover::Campaign(campaign), Cause::Pause, Some(WHY_CAMPAIGN.to_owned()), None).await?;
    }
    let oldest = now - RETENTION;
    let gap = domains(ctx, now).await?.iter().any(|domain| domain.through.is_none_or(|through| through < oldest));
    // A pause of before the backup would keep the time of its own beginning.
    lift(ctx, Some(&Cover::Queue)).await?;
    let why = if gap { WHY_GAP } else { WHY };
    place(ctx, &Cover::Queue, Cause::Pause, Some(why.to_owned()), None).await?;
    Ok(look(ctx).await?.unwrap_or(Restored { since: now, domains: Vec::new(), gap, campaigns: Vec::new() }))
}

/// How it stands; `None` where the database is not held as a restored one.
///
/// # Errors
/// The database's own.
pub async fn look(ctx: &Context) -> Result<Option<Restored>> {
    let pauses = hold::Entity::find()
        .filter(hold::Column::Cause.eq(Cause::Pause))
        .filter(hold::Column::Until.is_null())
        .all(ctx.store.write())
        .await?;
    let says = |pause: &hold::Model, words: &str| pause.reason.as_deref() == Some(words);
    let ours = |pause: &&hold::Model| pause.kind == Kind::Queue && (says(pause, WHY) || says(pause, WHY_GAP));
    let Some(held) = pauses.iter().find(ours) else { return Ok(None) };
    let campaigns = pauses.iter().filter(|pause| pause.kind == Kind::Campaign && says(pause, WHY_CAMPAIGN));
    Ok(Some(Restored {
        since: held.created_at,
        domains: domains(ctx, held.created_at).await?,
        gap: says(held, WHY_GAP),
        campaigns: campaigns.filter_map(|pause| pause.subject.parse().ok()).collect(),
    }))
}

/// Lets the queue go on, where all is known. Answers whether it does; campaigns stay as they are.
///
/// # Errors
/// The database's own.
pub async fn resume(ctx: &Context, restored: &Restored) -> Result<bool> {
    if restored.is_known() {
        lift(ctx, Some(&Cover::Queue)).await?;
    }
    Ok(restored.is_known())
}

/// Campaigns with recipients who may have become emails since.
async fn unfinished(ctx: &Context) -> Result<Vec<Uuid>> {
    let text = "SELECT k.id FROM campaigns k WHERE k.launched_at IS NOT NULL AND k.cancelled_at IS NULL \
                AND k.expand_at IS NOT NULL ORDER BY k.id";
    let found = rows(ctx.store.write(), ctx.store.sql(text, [])).await?;
    found.iter().map(|row| Ok(row.try_get("", "id")?)).collect()
}

/// The sending domains with emails that are not at their end; `held` is when they were held.
async fn domains(ctx: &Context, held: DateTime<Utc>) -> Result<Vec<Domain>> {
    let text = "SELECT d.name, m.checked_through FROM (SELECT s.sending_domain AS name FROM email_scopes s \
                JOIN email_tallies t ON t.scope = s.id WHERE t.status IN ($1, $2, $3, $4, $5) \
                GROUP BY s.sending_domain HAVING sum(t.n) > 0) d \
                LEFT JOIN email_reconcile_marks m ON m.domain = d.name ORDER BY d.name";
    let open = [Status::Scheduled, Status::Queued, Status::Sending, Status::Unconfirmed].map(tally::column);
    let values = open.into_iter().chain([tally::PENDING]).map(Value::from);
    // Younger events are left to their webhooks, and clocks differ.
    let past = held + ctx.timing.grace;
    let mut domains = Vec::new();
    for row in rows(ctx.store.write(), ctx.store.sql(text, values)).await? {
        let through: Option<DateTime<Utc>> = row.try_get("", "checked_through")?;
        domains.push(Domain {
            name: row.try_get("", "name")?,
            through,
            read: through.is_some_and(|through| through >= past),
        });
    }
    Ok(domains)
}

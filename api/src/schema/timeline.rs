//! What happened to an email, as one story in order.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, SimpleObject};
use chrono::{DateTime, Utc};
use entity::email;
use jobs::find::Page;
use jobs::hold::Leave;
use jobs::timeline::{self, Entry, Kind};

use super::asked::Asked;
use super::fault::Fault;
use super::loader::{Attempts, EmailEvents};
use super::mask::Words;

/// Something that happened to an email.
#[derive(Clone, Debug, SimpleObject)]
pub struct TimelineEntry {
    /// When; what goes on at this moment has this moment's time.
    at: DateTime<Utc>,
    /// What it is about.
    kind: TimelineKind,
    /// What, in words.
    words: Words,
}

/// What an entry of a timeline is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Kind")]
pub enum TimelineKind {
    /// It was taken in.
    Accepted,
    /// It was set to go at a time.
    Scheduled,
    /// It was handed over, or tried to be.
    Attempt,
    /// A further try was planned.
    Retry,
    /// It waits.
    Waiting,
    /// Something keeps it waiting.
    Held,
    /// Nobody knows whether Mailgun has it.
    Unconfirmed,
    /// Somebody asked to stop it while it was under way.
    CancelRequested,
    /// Mailgun accepted it.
    Sent,
    /// It ended: it was refused, or its tries were spent.
    Failed,
    /// It ended because somebody asked.
    Cancelled,
    /// It ended because its recipient must not be mailed.
    Suppressed,
    /// It ended because its time was over.
    Expired,
    /// The recipient's server took it.
    Delivered,
    /// The recipient's server refused it for now; Mailgun tries on.
    Deferred,
    /// It came back.
    Bounced,
    /// It was opened, by a person or a machine.
    Opened,
    /// A link in it was followed, by a person or a machine.
    Clicked,
    /// Its recipient reported it as spam.
    Complained,
    /// Its recipient asked for no more.
    Unsubscribed,
    /// Mailgun refused it after accepting it.
    Rejected,
    /// Mailgun reported something else.
    Reported,
}

/// So many of the latest events are told.
const EVENTS: u64 = 100;

/// The story of this email; `held` is whether it may leave.
pub async fn tell(ctx: &Context<'_>, email: &email::Model, held: Option<Leave>) -> Result<Vec<TimelineEntry>, Fault> {
    let attempts = ctx.data_opt::<DataLoader<Attempts>>().ok_or(Fault::Unattended)?;
    let attempts = attempts.load_one(email.id).await?.unwrap_or_default();
    let events = ctx.data_opt::<DataLoader<EmailEvents>>().ok_or(Fault::Unattended)?;
    let latest = (email.id, Page::First { n: EVENTS, after: None });
    let events = events.load_one(latest).await?.map(|page| page.items).unwrap_or_default();
    let story = timeline::entries(email, &attempts, &events, held.as_ref(), ctx.app()?.ctx.clock.now());
    let entry = |Entry { at, kind, words }| TimelineEntry { at, kind: TimelineKind::from(kind), words: Words(words) };
    Ok(story.into_iter().map(entry).collect())
}

//! Emails: the object, and in the rooms beneath how they are sent, found and controlled.

mod bulk;
mod content;
mod control;
mod filter;
mod input;
mod list;
mod live;
mod send;

use std::sync::Arc;

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::content::Head;
use entity::suppression::Reason;
use entity::{EmailAddress, Mailbox, Outcome, Policy, Priority, Status, attempt, email, email_facts, suppression};
use jobs::hold::Leave;

use super::asked::Asked;
use super::campaign::{self, Campaign};
use super::count::int;
use super::delivery_event::{DeliveryEvent, Engagement};
use super::fault::Fault;
use super::lead::{self, Lead};
use super::loader::{Attempts, Contents, Facts, Heads, Leaves};
use super::mask::{Recipient, Words};
use super::node::Kind;
use super::page::{Connection, Slice};
use super::suppression::{Blocking, Suppression};
use super::timeline::{self, TimelineEntry};
use super::{delivery_event, guard};
pub use bulk::BulkMutations;
pub use content::EmailContent;
pub use control::ControlMutations;
pub use filter::{DateTimeRange, EmailFilter};
pub use input::{InlineContentInput, TrackingInput};
pub use list::{EmailQueries, OrderDirection, of_campaign};
pub use live::EmailSubscriptions;
pub use send::SendMutations;

/// An email, from its acceptance to its end and after.
#[derive(Clone, Debug)]
pub struct Email {
    id: ID,
    row: email::Model,
}

impl Email {
    /// The email of this row.
    pub fn new(row: email::Model) -> Self {
        Self { id: Kind::Email.id(row.id), row }
    }

    async fn head(&self, ctx: &Context<'_>) -> Result<Option<Arc<Head>>, Fault> {
        ctx.data_opt::<DataLoader<Heads>>().ok_or(Fault::Unattended)?.load_one(self.row.content_id).await
    }

    async fn opened(&self, ctx: &Context<'_>) -> Result<Option<EmailContent>, Fault> {
        guard::sees_contents(ctx)?;
        let contents = ctx.data_opt::<DataLoader<Contents>>().ok_or(Fault::Unattended)?;
        Ok(contents.load_one(self.row.content_id).await?.map(EmailContent))
    }

    async fn stored(&self, ctx: &Context<'_>) -> Result<Option<serde_json::Value>, Fault> {
        guard::sees_contents(ctx)?;
        Ok(self.head(ctx).await?.and_then(|head| head.metadata.clone()))
    }

    async fn facts(&self, ctx: &Context<'_>) -> Result<email_facts::Model, Fault> {
        let facts = ctx.data_opt::<DataLoader<Facts>>().ok_or(Fault::Unattended)?;
        Ok(facts.load_one(self.row.id).await?.unwrap_or_else(|| email_facts::Model::none(self.row.id)))
    }

    /// The entry that binds it: an unsubscribe does not, where its recipient asked for it.
    async fn blocking(&self, ctx: &Context<'_>) -> Result<Option<Suppression>, Fault> {
        let blocking = ctx.data_opt::<DataLoader<Blocking>>().ok_or(Fault::Unattended)?;
        let entries = blocking.load_one(self.row.recipient_key.clone()).await?.unwrap_or_default();
        let binds = |entry: &suppression::Model| !(self.row.transactional && entry.reason == Reason::Unsubscribe);
        Ok(entries.into_iter().find(binds).map(Suppression::new))
    }

    /// Whether it may leave, where it waits and is due.
    async fn leave(&self, ctx: &Context<'_>) -> Result<Option<Leave>, Fault> {
        let now = ctx.app()?.ctx.clock.now();
        if !self.row.status.is_waiting() || self.row.due_at.is_none_or(|due| due > now) {
            return Ok(None);
        }
        let leaves = ctx.data_opt::<DataLoader<Leaves>>().ok_or(Fault::Unattended)?;
        leaves.load_one((self.row.lane, self.row.scope)).await
    }
}

/// An email, from its acceptance to its end and after.
#[Object]
impl Email {
    /// Names it in the whole service.
    pub async fn id(&self) -> &ID {
        &self.id
    }

    /// Whom it is from.
    async fn from(&self) -> Result<EmailAddress, Fault> {
        address(&self.row.sender)
    }

    /// Whom it is for. Masked, as the other recipients, for a key that may only read: `a***@example.com`.
    async fn to(&self) -> Result<Recipient, Fault> {
        address(&self.row.recipient).map(Recipient)
    }

    /// Who gets a copy that everybody sees.
    async fn cc(&self) -> Result<Vec<Recipient>, Fault> {
        recipients(self.row.cc.as_deref())
    }

    /// Who gets a copy that nobody else sees.
    async fn bcc(&self) -> Result<Vec<Recipient>, Fault> {
        recipients(self.row.bcc.as_deref())
    }

    /// Copies left out because they must not be mailed.
    async fn omitted(&self) -> Result<Vec<Recipient>, Fault> {
        recipients(self.row.omitted.as_deref())
    }

    /// Its subject; empty once its content is past retention.
    async fn subject(&self, ctx: &Context<'_>) -> Result<Words, Fault> {
        Ok(Words(self.head(ctx).await?.map(|head| head.subject.clone()).unwrap_or_default()))
    }

    /// Where it stands.
    async fn status(&self) -> Status {
        self.row.status
    }

    /// How urgent it is.
    async fn priority(&self) -> Priority {
        self.row.lane
    }

    /// It was asked for by its recipient: an unsubscribe does not stop it.
    async fn transactional(&self) -> bool {
        self.row.transactional
    }

    /// Mailgun accepts it and does not deliver it.
    async fn test_mode(&self) -> bool {
        self.row.test_mode
    }

    /// Somebody asked to cancel it while it was under way: it ends CANCELLED if it turns out not to have left.
    async fn cancel_requested(&self) -> bool {
        self.row.cancel_requested
    }

    /// It was accepted for the sandbox and is never delivered.
    async fn sandbox(&self) -> bool {
        self.row.sandbox
    }

    /// When what it said was deleted: past retention, or because its recipient was erased. Null while it is there.
    async fn content_deleted_at(&self) -> Option<DateTime<Utc>> {
        self.row.content_deleted_at
    }

    /// What it says; null once that was deleted, see `contentDeletedAt`. For a key that may only read, null with the error FORBIDDEN.
    async fn content(&self, ctx: &Context<'_>) -> Option<Result<EmailContent, Fault>> {
        self.opened(ctx).await.transpose()
    }

    /// Why it waits although it is due, in words; null when nothing holds it.
    async fn held_by(&self, ctx: &Context<'_>) -> Option<Result<Words, Fault>> {
        match self.leave(ctx).await.transpose()? {
            Ok(Leave::Held { why, .. }) => Some(Ok(Words(why))),
            Ok(Leave::Open | Leave::Probe(_)) => None,
            Err(fault) => Some(Err(fault)),
        }
    }

    /// When it may go next: its send time, the end of a wait between tries, or the end of what holds it. Null when that is
    /// not known, or when it no longer waits.
    async fn due_at(&self, ctx: &Context<'_>) -> Option<Result<DateTime<Utc>, Fault>> {
        match self.leave(ctx).await {
            Ok(Some(Leave::Held { until, .. })) => until.map(Ok),
            Ok(Some(Leave::Open | Leave::Probe(_)) | None) => {
                self.row.due_at.filter(|_| self.row.status.is_waiting()).map(Ok)
            }
            Err(fault) => Some(Err(fault)),
        }
    }

    /// Whom it is for, as the application names them; null where its `leadId` was not given.
    async fn lead(&self, ctx: &Context<'_>) -> Option<Result<Lead, Fault>> {
        lead::by_id(ctx, self.row.lead_id?).await.transpose()
    }

    /// The campaign it belongs to; null where it belongs to none, and where `campaignId` was only a name for it.
    async fn campaign(&self, ctx: &Context<'_>) -> Option<Result<Campaign, Fault>> {
        campaign::by_id(ctx, self.row.campaign_id?).await.transpose()
    }

    /// What keeps its recipient from being mailed at the moment; null when nothing does.
    async fn suppression(&self, ctx: &Context<'_>) -> Option<Result<Suppression, Fault>> {
        self.blocking(ctx).await.transpose()
    }

    /// What the sender stored with it. For a key that may only read, null with the error FORBIDDEN.
    async fn metadata(&self, ctx: &Context<'_>) -> Option<Result<serde_json::Value, Fault>> {
        self.stored(ctx).await.transpose()
    }

    /// Mailgun's tags.
    async fn tags(&self, ctx: &Context<'_>) -> Result<Vec<String>, Fault> {
        Ok(self.head(ctx).await?.map(|head| head.tags.clone()).unwrap_or_default())
    }

    /// Its tries that have ended, the first one first.
    async fn attempts(&self, ctx: &Context<'_>) -> Result<Vec<Attempt>, Fault> {
        let attempts = ctx.data_opt::<DataLoader<Attempts>>().ok_or(Fault::Unattended)?;
        let tries = attempts.load_one(self.row.id).await?.unwrap_or_default();
        Ok(tries.into_iter().zip(1..).map(Attempt::new).collect())
    }

    /// How often it is tried in all; tries that Mailgun asked to wait with are not counted.
    async fn max_attempts(&self, ctx: &Context<'_>) -> Result<i32, Fault> {
        Ok(ctx.app()?.ctx.settings.max_tries)
    }

    /// What becomes of it when nobody knows whether Mailgun took it.
    async fn on_unconfirmed(&self) -> Policy {
        self.row.on_unconfirmed
    }

    /// When it was accepted.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }

    /// When it was to be sent.
    async fn send_at(&self) -> DateTime<Utc> {
        self.row.send_at
    }

    /// After this it is not sent any more.
    async fn deliver_by(&self) -> Option<DateTime<Utc>> {
        self.row.deliver_by
    }

    /// When Mailgun accepted it.
    async fn sent_at(&self) -> Option<DateTime<Utc>> {
        self.row.sent_at
    }

    /// When it came to its end, with Mailgun or without.
    async fn finished_at(&self) -> Option<DateTime<Utc>> {
        self.row.finished_at
    }

    /// When the recipient's server took it, as Mailgun first reported it.
    async fn delivered_at(&self, ctx: &Context<'_>) -> Option<Result<DateTime<Utc>, Fault>> {
        self.facts(ctx).await.map(|facts| facts.delivered_at).transpose()
    }

    /// How often it was opened; the opens of copies are not counted.
    async fn opens(&self, ctx: &Context<'_>) -> Result<Engagement, Fault> {
        Ok(Engagement::opens(&self.facts(ctx).await?))
    }

    /// How often a link in it was followed; the clicks of copies are not counted.
    async fn clicks(&self, ctx: &Context<'_>) -> Result<Engagement, Fault> {
        Ok(Engagement::clicks(&self.facts(ctx).await?))
    }

    /// What Mailgun reported of it and its copies, the latest recorded first. 25 at a time unless asked otherwise, 100 at most. A
    /// cursor past retention is the error CURSOR_EXPIRED.
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the beginning, or after `after`.")] first: Option<i32>,
        #[graphql(desc = "A cursor to go on after.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "A cursor to go back from.")] before: Option<String>,
    ) -> Result<Connection<DeliveryEvent>, Fault> {
        delivery_event::of_email(ctx, self.row.id, Slice { first, after, last, before }).await
    }

    /// What happened to it, in order: accepted, held, tried, delivered, opened, ended; of events the latest 100.
    async fn timeline(&self, ctx: &Context<'_>) -> Result<Vec<TimelineEntry>, Fault> {
        timeline::tell(ctx, &self.row, self.leave(ctx).await?).await
    }
}

/// A try to hand an email to Mailgun.
#[derive(Clone, Debug, SimpleObject)]
pub struct Attempt {
    /// Counts the email's tries, from 1.
    number: i32,
    /// When it began.
    started_at: DateTime<Utc>,
    /// When it ended.
    finished_at: Option<DateTime<Utc>>,
    /// How it ended.
    outcome: Option<Outcome>,
    /// The status of Mailgun's answer, where one came.
    http_status: Option<i32>,
    /// What went wrong, in Mailgun's words or ours.
    error: Option<Words>,
    /// When it was to be tried again.
    retry_at: Option<DateTime<Utc>>,
}

impl Attempt {
    fn new((tried, number): (attempt::Model, i32)) -> Self {
        Self {
            number: int(number),
            started_at: tried.started_at,
            finished_at: Some(tried.finished_at),
            outcome: Some(tried.outcome),
            http_status: tried.http_status,
            error: tried.error.map(Words),
            retry_at: tried.retry_at,
        }
    }
}

/// The address in a mailbox that was checked when it was stored.
pub fn address(mailbox: &str) -> Result<EmailAddress, Fault> {
    let parsed = Mailbox::parse(mailbox).map_err(|why| {
        let why = format!("a stored mailbox {why}");
        jobs::Error::Stored(<serde_json::Error as serde::de::Error>::custom(why))
    })?;
    Ok(parsed.address)
}

fn recipients(list: Option<&str>) -> Result<Vec<Recipient>, Fault> {
    email::Model::mailboxes(list).iter().map(|mailbox| address(mailbox).map(Recipient)).collect()
}

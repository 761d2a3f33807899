//! Recording what Mailgun reports: each event once, with everything that follows from it, in one group commit. An answer is
//! given after the commit; until then Mailgun keeps the event and brings it again.

mod emails;
mod events;
pub mod facts;
mod fly;
mod keys;
mod replay;
mod seal;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::delivery_event::Source;
use futures::future::FutureExt;
use tokio::sync::watch;
use uuid::Uuid;

pub(crate) use events::keys_of;
pub use replay::{Change, Replayed, replay};

use crate::Context;
use crate::error::{Error, Result};
use crate::event::{Event, LogItem, Quarantine, Signed, digest, quarantine};
use crate::group::{Group, Manner};
use seal::{Sealed, Sealer};

/// For how long Mailgun waits for a database that is away before it is told to come again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Recording, as a group commit with one flight: several would only queue on the events' clock.
#[derive(Clone)]
pub struct Recorder {
    ctx: Arc<Context>,
    group: Group<Arc<Member>, Recorded>,
    sealer: Arc<Sealer>,
    told: Arc<watch::Sender<i64>>,
}

/// What became of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is recorded, under this number and id, and has had its effect.
    Taken { seq: i64, id: Uuid },
    /// It was recorded before.
    Repeated,
    /// Its token was used for another event: no effect, and a reason to look closer.
    TokenReused,
    /// It is kept without effect.
    Quarantined(Quarantine),
}

/// A report on its way: everything made before, so that it can be flown again.
#[derive(Debug)]
struct Member {
    /// Of its row.
    id: Uuid,
    /// What makes it the same event, whatever way it comes.
    key: Uuid,
    event: Event,
    source: Source,
    webhook: Option<Webhook>,
    raw: Sealed,
}

#[derive(Debug)]
struct Webhook {
    /// The token's hash.
    token: Uuid,
    signed_at: DateTime<Utc>,
    quarantine: Option<Quarantine>,
}

impl Member {
    fn quarantine(&self) -> Option<Quarantine> {
        self.webhook.as_ref().and_then(|webhook| webhook.quarantine)
    }
}

impl Recorder {
    /// Starts recording.
    pub fn start(ctx: Arc<Context>) -> Self {
        let told = Arc::new(watch::Sender::new(0));
        let (flown, tell) = (ctx.clone(), told.clone());
        let manner = Manner { name: "record", flights: 1, patience: Some(PATIENCE), stop: ctx.stop.clone() };
        let fly = move |members| fly::fly(flown.clone(), tell.clone(), members).boxed();
        Self { group: Group::start(manner, Arc::new(fly)), sealer: Arc::default(), told, ctx }
    }

    /// Records a webhook. Mailgun is answered 200 for everything but [`Recorded::TokenReused`] (406) and an error (503).
    ///
    /// # Errors
    /// When the database could not take it: nothing of it holds, and it may come again.
    pub async fn take(&self, webhook: Signed) -> Result<Recorded> {
        let Signed { event, token, signed_at, body } = webhook;
        let quarantine = quarantine(signed_at, event.occurred_at, self.ctx.clock.now());
        let webhook = Webhook { token: digest(&[token.as_bytes()]), signed_at, quarantine };
        self.group.put(self.member(event, &body, Source::Webhook, Some(webhook))).await
    }

    /// Records what a recipient told us without Mailgun, in the form of an item of its log.
    ///
    /// # Errors
    /// As [`Recorder::take`].
    pub async fn take_from_recipient(&self, item: LogItem) -> Result<Recorded> {
        self.group.put(self.member(item.event, &item.body, Source::Recipient, None)).await
    }

    /// Records items of Mailgun's log; those that came as webhooks are [`Recorded::Repeated`]. The answers stand in the order
    /// of the items.
    ///
    /// # Errors
    /// As [`Recorder::take`], for the first that failed; the others may be recorded.
    pub async fn take_log(&self, items: Vec<LogItem>) -> Result<Vec<Recorded>> {
        let mut answers = Vec::with_capacity(items.len());
        for LogItem { event, body } in items {
            answers.push(self.group.send(self.member(event, &body, Source::Reconciled, None))?);
        }
        let mut recorded = Vec::with_capacity(answers.len());
        for answer in answers {
            recorded.push(answer.await.unwrap_or(Err(Error::FlightLost))?);
        }
        Ok(recorded)
    }

    /// The number of the last event that this process has committed; 0 before its first.
    pub fn recorded(&self) -> watch::Receiver<i64> {
        self.told.subscribe()
    }

    fn member(&self, event: Event, body: &[u8], source: Source, webhook: Option<Webhook>) -> Arc<Member> {
        let id = self.ctx.clock.id();
        let table = match &webhook {
            Some(Webhook { quarantine: Some(_), .. }) => entity::quarantined_event::TABLE,
            Some(_) | None => entity::delivery_event::TABLE,
        };
        let raw = self.sealer.seal(&self.ctx, table, id, body);
        Arc::new(Member { id, key: event.key(body), event, source, webhook, raw })
    }
}

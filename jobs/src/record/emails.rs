//! The emails that events are about: locked, with what is known of them, and moved.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use entity::{delivery_event, email, email_facts, suppression_fact};
use sea_orm::{DatabaseTransaction, FromQueryResult};
use uuid::Uuid;

use super::events::{self, About};
use super::facts;
use crate::batch::Batch;
use crate::erase::Marks;
use crate::error::Result;
use crate::event::{Consequence, Event, consequence};
use crate::ledger::{self, Cause, Move, Row, Shard};
use crate::mailer::message_id;
use crate::metric::Counts;
use crate::rows::Rows;
use crate::store::rows;
use crate::{Context, erase};

/// The emails of a group of events, in a transaction that holds their rows.
#[derive(Default)]
pub struct Emails {
    rows: HashMap<Uuid, Row>,
    known: BTreeMap<Uuid, Known>,
    moves: Vec<Move>,
    counts: Counts,
    pub suppressions: Vec<suppression_fact::Model>,
    /// Of domains: whether an event of an email that went in a batch bears its own Message-Id.
    pub batch_ids: BTreeSet<(String, bool)>,
}

/// What never changes of an email, and the facts beside its status.
struct Known {
    recipient: String,
    /// Whoever was erased of its copies, by their marks.
    erased_copies: Vec<String>,
    campaign: Option<Uuid>,
    scope: i32,
    sandbox: bool,
    batched: bool,
    facts: email_facts::Model,
    /// Events added to the facts.
    changed: bool,
}

impl Known {
    fn has_erased(&self) -> bool {
        erase::is_mark(&self.recipient) || !self.erased_copies.is_empty()
    }

    fn has(&self, mark: &String) -> bool {
        self.recipient == *mark || self.erased_copies.contains(mark)
    }
}

impl Emails {
    /// Locks those of `ids` that there are, in their order, and then reads their facts: nobody else changes them before the
    /// commit.
    pub async fn lock(tx: &DatabaseTransaction, ctx: &Context, ids: impl Iterator<Item = Uuid>) -> Result<Self> {
        let mut ids: Vec<Uuid> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        let mut emails = Self::default();
        if ids.is_empty() {
            return Ok(emails);
        }
        let text = format!(
            "SELECT {}, q.recipient_key, q.cc, q.bcc, q.campaign_id, q.sandbox, q.batched FROM email_queue q WHERE q.id {{ids}} ORDER BY q.id {}",
            ledger::COLUMNS,
            ctx.store.for_update()
        );
        for row in rows(tx, ctx.store.sql_ids(&text, [], ids.iter().copied())).await? {
            let email = ledger::read_row(&row)?;
            let copies: [Option<String>; 2] = [row.try_get("", "cc")?, row.try_get("", "bcc")?];
            let copies = copies.iter().flat_map(|list| email::Model::mailboxes(list.as_deref()));
            let known = Known {
                recipient: row.try_get("", "recipient_key")?,
                erased_copies: copies.filter(|copy| erase::is_mark(copy)).collect(),
                campaign: row.try_get("", "campaign_id")?,
                scope: email.scope,
                sandbox: row.try_get("", "sandbox")?,
                batched: row.try_get("", "batched")?,
                facts: email_facts::Model::none(email.id),
                changed: false,
            };
            emails.known.insert(email.id, known);
            emails.rows.insert(email.id, email);
        }
        let text = "SELECT f.* FROM email_facts f WHERE f.email_id {ids}";
        for row in rows(tx, ctx.store.sql_ids(text, [], emails.known.keys().copied())).await? {
            let facts = email_facts::Model::from_query_result(&row, "")?;
            if let Some(known) = emails.known.get_mut(&facts.email_id) {
                known.facts = facts;
            }
        }
        Ok(emails)
    }

    /// Whom an event is about. One that names nobody is about the email's own recipient. Who was erased of an email stays so.
    pub fn about(&self, marks: &Marks, event: &Event) -> About {
        let Some((id, known)) = event.email.and_then(|id| self.known.get_key_value(&id)) else {
            return About { recipient: event.recipient.clone(), ..About::default() };
        };
        let recipient = event.recipient.as_ref().unwrap_or(&known.recipient);
        let mark = marks.known().filter(|_| known.has_erased()).map(|key| key.mark(recipient));
        let recipient = mark.as_ref().filter(|mark| known.has(mark)).unwrap_or(recipient);
        About {
            email: Some(*id),
            campaign: known.campaign,
            copy: *recipient != known.recipient,
            recipient: Some(recipient.clone()),
        }
    }

    /// Lets an event be said; `id` is its row's. `sandbox` is what an address is suppressed for where the email is not ours.
    pub fn hear(&mut self, sandbox: bool, id: Uuid, event: &Event, about: &About, now: DateTime<Utc>) {
        let nameless = about.recipient.as_deref().is_some_and(erase::is_mark).then(|| event.nameless());
        let event = nameless.as_ref().unwrap_or(event);
        self.suppressions.extend(self.suppression(sandbox, id, event, about, now));
        let Some(email) = about.email else { return };
        self.batch_ids.extend(self.batch_id(email, event));
        let Some(known) = self.known.get_mut(&email) else { return };
        let report = if about.copy {
            facts::of_copy(event)
        } else {
            let before = known.facts.clone();
            let report = facts::add(&mut known.facts, known.scope, event, &mut self.counts);
            known.changed |= known.facts != before;
            Some(report)
        };
        self.moves.extend(report.map(|report| Move { email, cause: Cause::Report(report) }));
    }

    /// Whether Mailgun kept an email's own Message-Id, where that says something about batches: one that went alone in the end
    /// was answered with it.
    fn batch_id(&self, email: Uuid, event: &Event) -> Option<(String, bool)> {
        let (known, row) = (self.known.get(&email)?, self.rows.get(&email)?);
        let own = message_id(email, &event.domain);
        let kept = *event.message_id.as_ref()? == own;
        let in_batch = match &row.provider_id {
            Some(answered) => *answered != own,
            None => !kept,
        };
        (known.batched && in_batch && !event.domain.is_empty()).then(|| (event.domain.clone(), kept))
    }

    /// What an event means for the address it is about: also where the email is not ours.
    pub fn suppression(
        &self,
        sandbox: bool,
        id: Uuid,
        event: &Event,
        about: &About,
        now: DateTime<Utc>,
    ) -> Option<suppression_fact::Model> {
        let Consequence::Suppress(entry) = consequence(&event.kind) else { return None };
        let email = about.email.and_then(|id| self.known.get(&id));
        Some(suppression_fact::Model {
            id,
            target: about.recipient.clone()?,
            reason: entry.reason,
            sandbox: email.map_or(sandbox, |email| email.sandbox),
            lift: false,
            occurred_at: event.occurred_at,
            recorded_at: now,
            expires_at: entry.lasts.map(|lasts| event.occurred_at + lasts),
            bounce_type: entry.bounce_type,
            source: entry.source,
            note: event.why(),
            event_id: Some(id),
        })
    }

    /// Tells an email's story anew: `old` is what its events said, `new` what they say now, both in their order. Those in
    /// `said` are said to the ledger.
    pub fn retell(
        &mut self,
        email: Uuid,
        old: &[delivery_event::Model],
        new: &[delivery_event::Model],
        said: &HashSet<i64>,
    ) {
        let Some(known) = self.known.get_mut(&email) else { return };
        let (mut counted, mut facts) = (Counts::default(), email_facts::Model::none(email));
        for row in old.iter().filter(|row| !row.copy) {
            facts::add(&mut facts, known.scope, &events::event(row), &mut counted);
        }
        self.counts.subtract(counted);
        known.facts = email_facts::Model::none(email);
        known.changed = true;
        for row in new {
            let event = events::event(row);
            let report = if row.copy {
                facts::of_copy(&event)
            } else {
                Some(facts::add(&mut known.facts, known.scope, &event, &mut self.counts))
            };
            let report = report.filter(|_| said.contains(&row.seq));
            self.moves.extend(report.map(|report| Move { email, cause: Cause::Report(report) }));
        }
    }

    /// Moves the emails, and stores facts and counts.
    pub async fn store(self, tx: &DatabaseTransaction, ctx: &Context) -> Result<()> {
        if !self.moves.is_empty() {
            ledger::apply_to(tx, ctx, Shard::Record, &self.rows, &self.moves).await?;
        }
        let changed: Vec<&email_facts::Model> =
            self.known.values().filter(|known| known.changed).map(|known| &known.facts).collect();
        let mut batch = Batch::new(&ctx.store);
        keep_facts(&mut batch, &changed);
        self.counts.add_to(&mut batch, Shard::Record.of(ctx));
        batch.run(tx).await
    }
}

fn keep_facts(batch: &mut Batch<'_>, facts: &[&email_facts::Model]) {
    if facts.is_empty() {
        return;
    }
    let columns = "deferrals, deferred_at, last_deferred_at, rejected_at, delivered_at, bounced_at, hard_bounced_at, \
         complained_at, unsubscribed_at, opens, opened_at, clicks, clicked_at, machine_opens, machine_opened_at, \
         machine_clicks, machine_clicked_at";
    let new: Vec<String> = columns.split(", ").map(|column| format!("{column} = excluded.{column}")).collect();
    let text = format!(
        "INSERT INTO email_facts (email_id, {columns}) SELECT v.email_id, v.{} FROM {{rows}} AS v WHERE true \
         ON CONFLICT (email_id) DO UPDATE SET {}",
        columns.replace(", ", ", v."),
        new.join(", ")
    );
    let all = || facts.iter();
    let values = Rows::new()
        .uuid("email_id", all().map(|f| f.email_id))
        .int("deferrals", all().map(|f| f.deferrals))
        .time("deferred_at", all().map(|f| f.deferred_at))
        .time("last_deferred_at", all().map(|f| f.last_deferred_at))
        .time("rejected_at", all().map(|f| f.rejected_at))
        .time("delivered_at", all().map(|f| f.delivered_at))
        .time("bounced_at", all().map(|f| f.bounced_at))
        .time("hard_bounced_at", all().map(|f| f.hard_bounced_at))
        .time("complained_at", all().map(|f| f.complained_at))
        .time("unsubscribed_at", all().map(|f| f.unsubscribed_at))
        .int("opens", all().map(|f| f.opens))
        .time("opened_at", all().map(|f| f.opened_at))
        .int("clicks", all().map(|f| f.clicks))
        .time("clicked_at", all().map(|f| f.clicked_at))
        .int("machine_opens", all().map(|f| f.machine_opens))
        .time("machine_opened_at", all().map(|f| f.machine_opened_at))
        .int("machine_clicks", all().map(|f| f.machine_clicks))
        .time("machine_clicked_at", all().map(|f| f.machine_clicked_at));
    batch.add(&text, [], values);
}

#[cfg(test)]
mod tests;

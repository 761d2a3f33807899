//! An email as it comes to the gate: its row, locked, with all that the gate and a hand-over need of it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::address::Mailbox;
use entity::{Status, content, email};
use sea_orm::{ActiveEnum, DatabaseTransaction, QueryResult, Value};
use uuid::Uuid;

use super::{Claimed, Shared};
use crate::context::Context;
use crate::error::Result;
use crate::ledger;
use crate::send::personal::Personal;
use crate::store::{Dialect, rows};

/// A row at the gate, with what the gate asks.
pub(super) struct Candidate {
    pub(super) claimed: Claimed,
    /// Of each copy its key, whether it is blind, and where it goes.
    pub(super) copies: Vec<(String, bool, Mailbox)>,
    pub(super) sandbox: bool,
    pub(super) campaign_cancelled: bool,
}

/// What a hand-over needs besides a [`Row`](ledger::Row), of the email as `q`, its content as `c` and its recipient as `r`.
const MAIL: &str = "q.campaign_id, q.sender, q.recipient, q.recipient_key, q.cc, q.bcc, q.reply_to, q.test_mode, \
     q.transactional, q.sandbox, r.id AS recipient_id, r.variables";

/// The content, where it is not known already.
const CONTENT: &str = "c.id AS content_id, c.key_id, c.wrapped_key, c.head, c.html, c.text, c.attachments, c.template, c.emails, \
     c.created_at AS content_at";

/// Where they are. The recipient is looked for only where the content is rendered: no row is found by a NULL.
pub(super) const TABLES: &str = "JOIN email_contents c ON c.id = q.content_id \
     LEFT JOIN campaign_recipients r ON r.campaign_id = CASE WHEN c.template THEN q.campaign_id END \
     AND r.address_key = q.recipient_key AND r.email_id = q.id";

/// What is read of each email, besides a [`Row`](ledger::Row).
pub(super) fn columns(shared: Shared<'_>) -> String {
    if shared.is_some() { MAIL.to_owned() } else { format!("{MAIL}, {CONTENT}") }
}

/// Locks the rows that may be claimed, in the order of their ids, and reads all that a hand-over needs with them.
///
/// # Errors
/// The database's own.
pub(super) async fn lock(
    tx: &DatabaseTransaction,
    ctx: &Context,
    now: DateTime<Utc>,
    ids: &[Uuid],
    shared: Shared<'_>,
) -> Result<(Vec<Candidate>, bool)> {
    let lock = match ctx.store.dialect() {
        Dialect::Postgres => "FOR UPDATE OF q SKIP LOCKED",
        Dialect::Sqlite => "",
    };
    let text = format!(
        "SELECT {}, {}, \
         (EXISTS (SELECT 1 FROM email_holds h WHERE h.until IS NULL OR h.until > $1) \
          OR EXISTS (SELECT 1 FROM email_breakers b WHERE b.open)) AS any_hold, \
         EXISTS (SELECT 1 FROM campaigns k WHERE k.id = q.campaign_id AND k.cancelled_at IS NOT NULL) AS campaign_cancelled \
         FROM email_queue q {TABLES} \
         WHERE q.id {{ids}} AND q.status = $2 AND q.due_at <= $1 ORDER BY q.id {lock}",
        ledger::COLUMNS,
        columns(shared)
    );
    let values = [Value::from(now), Value::from(Status::Queued.to_value())];
    let asked = ctx.store.sql_ids(&text, values, ids.iter().copied());
    let mut candidates = Vec::with_capacity(ids.len());
    let mut any_hold = false;
    for row in rows(tx, asked).await? {
        any_hold = row.try_get("", "any_hold")?;
        let campaign_cancelled = row.try_get("", "campaign_cancelled")?;
        candidates.push(Candidate { campaign_cancelled, ..read(tx, ctx, &row, shared).await? });
    }
    Ok((candidates, any_hold))
}

/// An email as it was claimed.
///
/// # Errors
/// The database's own.
pub(super) async fn read(
    tx: &DatabaseTransaction,
    ctx: &Context,
    row: &QueryResult,
    shared: Shared<'_>,
) -> Result<Candidate> {
    let whole = ledger::read_row(row)?;
    let scope = ctx.scopes.get(tx, &ctx.store, whole.scope).await?;
    let text = |name: &str| row.try_get::<Option<String>>("", name);
    let (cc, bcc) = (email::Model::mailboxes(text("cc")?.as_deref()), email::Model::mailboxes(text("bcc")?.as_deref()));
    let keyed = |blind: bool| move |text: &String| Mailbox::parse(text).ok().map(|m| (m.address.key(), blind, m));
    let copies = cc.iter().filter_map(keyed(false)).chain(bcc.iter().filter_map(keyed(true))).collect();
    Ok(Candidate {
        copies,
        sandbox: row.try_get("", "sandbox")?,
        campaign_cancelled: false,
        claimed: Claimed {
            row: whole,
            sending_domain: scope.domain.clone(),
            campaign: row.try_get("", "campaign_id")?,
            sender: row.try_get("", "sender")?,
            recipient: row.try_get("", "recipient")?,
            recipient_key: row.try_get("", "recipient_key")?,
            cc,
            bcc,
            reply_to: text("reply_to")?,
            test_mode: row.try_get("", "test_mode")?,
            transactional: row.try_get("", "transactional")?,
            content: match shared {
                Some(known) => known.clone(),
                None => Arc::new(content_of(row)?),
            },
            personal: personal(row)?,
            probe: false,
        },
    })
}

fn content_of(row: &QueryResult) -> Result<content::Model> {
    Ok(content::Model {
        id: row.try_get("", "content_id")?,
        key_id: row.try_get("", "key_id")?,
        wrapped_key: row.try_get("", "wrapped_key")?,
        head: row.try_get("", "head")?,
        html: row.try_get("", "html")?,
        text: row.try_get("", "text")?,
        attachments: row.try_get("", "attachments")?,
        template: row.try_get("", "template")?,
        emails: row.try_get("", "emails")?,
        created_at: row.try_get("", "content_at")?,
    })
}

fn personal(row: &QueryResult) -> Result<Option<Personal>> {
    let (recipient, variables) = (row.try_get("", "recipient_id")?, row.try_get("", "variables")?);
    let both = Option::zip(recipient, variables);
    Ok(both.map(|(recipient, variables)| Personal { recipient, variables }))
}

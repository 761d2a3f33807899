//! `email_queue`: one row is one email, from its acceptance to its end and after.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::{Policy, Priority, Status};

/// One email. What it says (subject, bodies, headers, attachments) stands sealed in [`crate::content`].
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_queue")]
pub struct Model {
    /// UUIDv7; also the local part of the Message-Id and the value of `v:email-id`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The small id of its campaign × sending domain: what the feeder takes turns among ([`crate::scope`]).
    pub scope: i32,
    pub lane: Priority,
    pub status: Status,
    /// When it may be handed over; NULL once nothing is to be done about it by time.
    pub due_at: Option<DateTime<Utc>>,
    /// Counts claims; only grows; guards every settle.
    pub fence: i32,
    /// Tries spent, against `MAILGUN_MAX_RETRIES`.
    pub attempts: i32,
    /// Until when the worker that claimed it may hand it over.
    pub lease_until: Option<DateTime<Utc>>,
    /// When the feeder last rang for it.
    pub fed_at: Option<DateTime<Utc>>,
    /// When to look at it again while UNCONFIRMED.
    pub resolve_at: Option<DateTime<Utc>>,
    pub send_at: DateTime<Utc>,
    pub deliver_by: Option<DateTime<Utc>>,
    /// Nil once the content was deleted.
    pub content_id: Uuid,
    /// When its content was given up: its time was over, or its recipient was erased.
    pub content_deleted_at: Option<DateTime<Utc>>,
    pub campaign_id: Option<Uuid>,
    pub lead_id: Option<Uuid>,
    /// The From mailbox, ready for the header.
    pub sender: String,
    /// The To mailbox, ready for the header.
    pub recipient: String,
    /// The key suppressions are looked up by: lower-cased local part @ ASCII domain.
    pub recipient_key: String,
    /// What would stand for the recipient's address once they were erased: the gate asks for it as well. NULL where it was not
    /// known when the email was accepted.
    pub recipient_mark: Option<String>,
    /// Copies as a JSON array of mailboxes.
    pub cc: Option<String>,
    /// Blind copies as a JSON array of mailboxes.
    pub bcc: Option<String>,
    pub reply_to: Option<String>,
    /// Copies left out because they are suppressed, as a JSON array.
    pub omitted: Option<String>,
    pub on_unconfirmed: Policy,
    pub transactional: bool,
    pub test_mode: bool,
    /// Fixed at acceptance; the gate never hands a row to the other mode.
    pub sandbox: bool,
    pub cancel_requested: bool,
    /// How often Mailgun proved to have accepted it; more than one is a double.
    pub acceptances: i32,
    /// That it was accepted is known from an event or a person alone: the hand-over's own report, if it comes, speaks of the
    /// same acceptance.
    pub heard: bool,
    /// Mailgun rejected it after taking it: it reads FAILED until something better is heard, and is not sent again.
    pub rejected: bool,
    /// Why it stands where it stands, in Mailgun's words or ours.
    pub last_error: Option<String>,
    /// Mailgun's id of the accepted message.
    pub provider_id: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub first_try_at: Option<DateTime<Utc>>,
    pub sent_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The mailboxes of a JSON list column.
    pub fn mailboxes(list: Option<&str>) -> Vec<String> {
        list.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

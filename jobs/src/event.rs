//! What Mailgun reports, read into our own words. Pure, and nothing that is truly signed is lost: what can't be read becomes
//! [`Kind::Unknown`], with the payload kept as it came.
//!
//! A webhook goes `Envelope::read` → `Keys::verify` → [`Signed`]; an item of Mailgun's log goes through [`LogItem::read`] to
//! the same [`Event`]. Facts: Mailgun's "Webhook payloads", "Events" and "Logs" pages.

mod age;
mod consequence;
mod field;
mod parse;
mod signature;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use entity::delivery_event::Kind as Stored;
use serde::Serialize;
use sha2::Digest;
use uuid::Uuid;

pub use age::{Quarantine, quarantine};
pub use consequence::{Consequence, Entry, consequence};
pub use parse::{Envelope, LogItem, MOST_BYTES, Unreadable};
pub(crate) use parse::{enhanced_of, reread};
pub use signature::{Keys, Signed, Triple, Unsigned};

/// One event, whatever way it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    pub kind: Kind,
    /// Mailgun's id; "unique within a day" only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub occurred_at: DateTime<Utc>,
    /// Whom it is about, in key form ([`entity::EmailAddress::key`]). Rejections and inbound events name nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// The sending domain; empty where the payload does not say.
    pub domain: String,
    /// Without angle brackets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Which email it says it is about: `v:email-id`, else the local part of our Message-Id. Nobody has looked yet whether
    /// there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Uuid>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Mailgun took the email in.
    Accepted,
    /// The recipient's server took it.
    Delivered,
    /// The recipient's server refused it for now; Mailgun tries on.
    Deferred(Failure),
    /// It will not be delivered: refused for good, given up, or kept back by Mailgun.
    Bounced(Failure),
    Opened(Client),
    Clicked {
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        #[serde(flatten)]
        client: Client,
    },
    /// The recipient reported it as spam.
    Complained,
    /// The recipient asked for no more.
    Unsubscribed,
    /// Mailgun refused it after taking it in.
    Rejected {
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Something else, in Mailgun's word for it; empty where there is none.
    Unknown {
        name: String,
    },
}

/// Why an email was not delivered. All of it is Mailgun's or the recipient's server's word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// One of Mailgun's own words: bounce, espblock, suppress-bounce, old, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The SMTP reply code, or one of Mailgun's own above 600.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The enhanced status code (RFC 3463), such as 5.1.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enhanced: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Mailgun's `bounce-type`: hard or soft.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounce_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<i32>,
}

/// Who opened or clicked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Client {
    /// Mailgun knows it for a machine: apple, gmail, generic. Opens by machines are no engagement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bot: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
}

impl Event {
    /// What makes it the same event, whichever way and however often it comes: domain, id, kind and recipient. No date, since
    /// the log rounds across midnight; that an id may be used again after a day is for whoever keeps the keys.
    ///
    /// `payload` stands in for the id where there is neither id nor Message-Id.
    pub fn key(&self, payload: &[u8]) -> Uuid {
        let time = self.occurred_at.timestamp_micros().to_be_bytes();
        let (id, at) = match (&self.id, &self.message_id) {
            (Some(id), _) => (id.as_bytes(), &[][..]),
            (None, Some(message)) => (message.as_bytes(), &time[..]),
            (None, None) => (payload, &time[..]),
        };
        let recipient = self.recipient.as_deref().unwrap_or_default();
        digest(&[self.domain.as_bytes(), id, at, self.kind.word().as_bytes(), recipient.as_bytes()])
    }

    /// The same without Mailgun's and the receiving server's words, which may name the recipient.
    pub fn nameless(&self) -> Self {
        let mut event = self.clone();
        match &mut event.kind {
            Kind::Bounced(failure) | Kind::Deferred(failure) => failure.message = None,
            Kind::Rejected { reason } => *reason = None,
            Kind::Clicked { url, .. } => *url = None,
            Kind::Accepted | Kind::Delivered | Kind::Opened(_) => {}
            Kind::Complained | Kind::Unsubscribed | Kind::Unknown { .. } => {}
        }
        event
    }

    /// In a few words why it is bad news, where it is.
    pub fn why(&self) -> Option<String> {
        match &self.kind {
            Kind::Bounced(failure) | Kind::Deferred(failure) => Some(failure.words()),
            Kind::Rejected { reason } => {
                Some(reason.clone().unwrap_or_else(|| "Mailgun rejected it without a reason".to_owned()))
            }
            Kind::Complained => Some("its recipient reported it as spam".to_owned()),
            Kind::Accepted | Kind::Delivered | Kind::Opened(_) | Kind::Clicked { .. } => None,
            Kind::Unsubscribed | Kind::Unknown { .. } => None,
        }
    }
}

impl Kind {
    /// Mailgun's own word for it: the same for a kind we learn to read later.
    pub fn word(&self) -> &str {
        match self {
            Kind::Accepted => "accepted",
            Kind::Delivered => "delivered",
            Kind::Deferred(_) | Kind::Bounced(_) => "failed",
            Kind::Opened(_) => "opened",
            Kind::Clicked { .. } => "clicked",
            Kind::Complained => "complained",
            Kind::Unsubscribed => "unsubscribed",
            Kind::Rejected { .. } => "rejected",
            Kind::Unknown { name } => name,
        }
    }

    /// As the table of events has it.
    pub fn stored(&self) -> Stored {
        match self {
            Kind::Accepted => Stored::Accepted,
            Kind::Delivered => Stored::Delivered,
            Kind::Deferred(_) => Stored::Deferred,
            Kind::Bounced(_) => Stored::Bounced,
            Kind::Opened(_) => Stored::Opened,
            Kind::Clicked { .. } => Stored::Clicked,
            Kind::Complained => Stored::Complained,
            Kind::Unsubscribed => Stored::Unsubscribed,
            Kind::Rejected { .. } => Stored::Rejected,
            Kind::Unknown { .. } => Stored::Unknown,
        }
    }
}

impl Failure {
    /// Why, in their words.
    pub(crate) fn words(&self) -> String {
        let reason = self.reason.as_deref().unwrap_or("no reason given");
        match (self.code, &self.message) {
            (Some(code), Some(message)) if !message.starts_with(&code.to_string()) => {
                format!("{reason}: {code} {message}")
            }
            (_, Some(message)) => format!("{reason}: {message}"),
            (Some(code), None) => format!("{reason}: {code}"),
            (None, None) => reason.to_owned(),
        }
    }
}

impl Client {
    /// A person, as far as Mailgun can tell.
    pub fn is_human(&self) -> bool {
        self.bot.is_none()
    }
}

/// 128 bits of SHA-256 over parts, each with its length before it: as good as unique, and as small as an id.
pub(crate) fn digest(parts: &[&[u8]]) -> Uuid {
    let mut sha = sha2::Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_be_bytes());
        sha.update(part);
    }
    let all: [u8; 32] = sha.finalize().into();
    let mut half = [0; 16];
    half.copy_from_slice(&all[..16]);
    Uuid::from_bytes(half)
}

//! Handing one email to Mailgun: exactly one POST, and a truthful answer about what became of it.
//!
//! Kept true here: nothing is posted on a lease that has become short; `Connect` and `NotHandedOver` are said only when the
//! request cannot have been accepted; nothing is repeated.

pub mod access;
mod body;
mod form;
mod lease;
mod mailgun;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

pub use lease::Lease;
pub(crate) use mailgun::read_answer;
pub use mailgun::{Mailgun, MailgunError, PostLimits};

/// Whoever takes an email.
pub trait Mailer: Send + Sync + 'static {
    /// Hands `mail` over once, unless `lease` is too short for it, and says what came of it.
    fn post<'a>(&'a self, mail: &'a Mail, lease: Lease) -> BoxFuture<'a, Answer>;

    /// The same for many recipients in one call. The answer is about all of them.
    fn post_batch<'a>(&'a self, batch: &'a Batch, lease: Lease) -> BoxFuture<'a, Answer>;
}

/// What many recipients get in one call, each alone ("Batch Sending" in Mailgun's manual). Its texts hold placeholders such as
/// `%recipient.v0%`.
#[derive(Clone, Debug)]
pub struct Batch {
    /// What is the same for all; who it is for and its Message-Id are each recipient's own.
    pub mail: Mail,
    /// 1,000 at most, no address twice.
    pub addressees: Vec<Addressee>,
}

/// One recipient of a [`Batch`].
#[derive(Clone)]
pub struct Addressee {
    /// The email's id.
    pub email_id: Uuid,
    /// The recipient, ready for the header.
    pub to: String,
    /// The bare address, as it stands in `to`.
    pub address: String,
    /// What stands for the placeholders `%recipient.name%`, besides those of the email's ids.
    pub variables: Map<String, Json>,
}

impl fmt::Debug for Addressee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Addressee").field("email_id", &self.email_id).finish_non_exhaustive()
    }
}

/// Everything that one POST needs. Addresses and header values are ready to stand in a header.
#[derive(Clone)]
pub struct Mail {
    /// The email's id: `v:email-id`, and with the sending domain its Message-Id.
    pub email_id: Uuid,
    /// The campaign's id: `v:campaign-id`.
    pub campaign_id: Option<Uuid>,
    /// The Mailgun domain that it is sent through.
    pub sending_domain: String,
    /// The From header.
    pub from: String,
    /// The recipient.
    pub to: String,
    /// Recipients of visible copies.
    pub cc: Vec<String>,
    /// Recipients of hidden copies.
    pub bcc: Vec<String>,
    /// Where answers go, if not to From.
    pub reply_to: Option<String>,
    /// The subject.
    pub subject: String,
    /// The HTML body.
    pub html: Option<String>,
    /// The text body.
    pub text: Option<String>,
    /// The sender's own headers: name and value.
    pub headers: Vec<(String, String)>,
    /// Where the recipient can unsubscribe with one click: both headers of RFC 8058 name it.
    pub unsubscribe: Option<String>,
    /// Mailgun's tags.
    pub tags: Vec<String>,
    /// Whether Mailgun counts opens and clicks; `None` leaves it to the domain's settings.
    pub tracking: Option<Tracking>,
    /// Accepted and not delivered (`o:testmode`).
    pub test_mode: bool,
    /// How long Mailgun may try to deliver, brought into its bounds of 5 minutes and 24 hours.
    pub deliver_within: Option<Duration>,
    /// Files.
    pub attachments: Vec<Attachment>,
}

/// What Mailgun tracks for one email.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracking {
    /// A pixel in the HTML.
    pub opens: bool,
    /// Rewritten links.
    pub clicks: bool,
}

/// A file that travels with an email.
#[derive(Clone)]
pub struct Attachment {
    /// Its name; what stands before a slash is dropped.
    pub filename: String,
    /// Its media type.
    pub content_type: String,
    /// Its content.
    pub bytes: Bytes,
    /// Shown in the HTML through `cid:filename`, not listed.
    pub inline: bool,
}

/// What became of one POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Mailgun, or something in its place, answered.
    Response {
        /// The HTTP status.
        status: u16,
        /// What its headers say about the time to wait.
        retry: RetryHint,
        /// The first 16 KiB of the body; what is not UTF-8 is replaced.
        body: String,
        /// The Content-Type header.
        content_type: Option<String>,
    },
    /// A status came, and then the connection broke or the time ran out.
    BodyCut {
        /// The HTTP status.
        status: u16,
    },
    /// No connection came about (name, route, refusal, TLS, time), so that no part of the content left.
    Connect(String),
    /// The content left, and no answer came in time.
    Timeout,
    /// Some of the content left, and the connection broke.
    Cut(String),
    /// The lease was too short; Mailgun was given no complete request.
    NotHandedOver,
}

impl Answer {
    /// The HTTP status, where there was one.
    pub fn http_status(&self) -> Option<u16> {
        match self {
            Self::Response { status, .. } | Self::BodyCut { status } => Some(*status),
            Self::Connect(_) | Self::Timeout | Self::Cut(_) | Self::NotHandedOver => None,
        }
    }
}

/// The headers that may say when to try again, as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetryHint {
    /// `Retry-After`: seconds or a date.
    pub retry_after: Option<String>,
    /// `X-RateLimit-Reset`: see `verdict`.
    pub rate_limit_reset: Option<String>,
}

impl Mail {
    /// Its Message-Id: see [`message_id`].
    pub fn message_id(&self) -> String {
        message_id(self.email_id, &self.sending_domain)
    }
}

/// An email's Message-Id without its angle brackets, as Mailgun's events name it.
pub fn message_id(email: Uuid, sending_domain: &str) -> String {
    format!("{email}@{sending_domain}")
}

/// Ids alone: an email's content belongs in no log.
impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("email_id", &self.email_id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

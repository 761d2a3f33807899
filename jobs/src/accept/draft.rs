//! What a sender asks for, and whether it may be asked: everything that a person can mend is found here, before the queue.

mod attachments;
mod headers;
#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};
use entity::address::Mailbox;
use entity::content::{Attachment, Head};
use entity::{Policy, Priority};
use serde::Serialize;
use uuid::Uuid;

use crate::context::Settings;
pub use attachments::MOST_ATTACHED;
pub use headers::MOST_HEADERS;

/// An email as it was asked for, nothing checked.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Draft {
    pub from: Option<String>,
    pub to: String,
    pub cc: Vec<String>,
    pub bcc: Vec<String>,
    pub reply_to: Option<String>,
    pub subject: String,
    pub html: Option<String>,
    pub text: Option<String>,
    /// What subject, html and text are rendered from, which then are not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateContent>,
    pub headers: Option<serde_json::Value>,
    pub tags: Vec<String>,
    pub metadata: Option<serde_json::Value>,
    pub attachments: Vec<Attachment>,
    pub campaign: Option<Uuid>,
    pub lead: Option<Uuid>,
    pub priority: Option<Priority>,
    pub send_at: Option<DateTime<Utc>>,
    pub deliver_by: Option<DateTime<Utc>>,
    pub test_mode: bool,
    pub transactional: bool,
    #[serde(skip)]
    pub idempotency_key: Option<String>,
    pub policy: Option<Policy>,
    pub track_opens: Option<bool>,
    pub track_clicks: Option<bool>,
}

/// A stored template, and what to render it with.
#[derive(Clone, Debug, Serialize)]
pub struct TemplateContent {
    pub id: Uuid,
    /// An object.
    pub variables: Option<serde_json::Value>,
}

/// What is wrong with a draft, for the person who wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The way to the field, as the sender named it.
    pub path: Vec<String>,
    pub message: String,
}

/// A draft that passed. `head`, `html`, `text` and `attachments` are its content; the rest is its row.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    pub sender: Mailbox,
    pub sending_domain: String,
    pub to: Mailbox,
    pub cc: Vec<Mailbox>,
    pub bcc: Vec<Mailbox>,
    pub reply_to: Option<Mailbox>,
    pub head: Head,
    pub html: Option<String>,
    pub text: Option<String>,
    pub attachments: Vec<Attachment>,
    pub campaign: Option<Uuid>,
    pub lead: Option<Uuid>,
    pub priority: Priority,
    pub send_at: DateTime<Utc>,
    pub deliver_by: Option<DateTime<Utc>>,
    pub test_mode: bool,
    pub transactional: bool,
    pub policy: Policy,
}

/// All recipients together.
pub const MOST_RECIPIENTS: usize = 50;
/// One body.
pub const MOST_BODY: usize = 2 * 1024 * 1024;
/// Metadata as JSON.
pub const MOST_METADATA: usize = 16 * 1024;
/// A subject, in characters: RFC 5322's longest line.
pub const MOST_SUBJECT: usize = 998;
/// An idempotency key, in characters.
pub const MOST_KEY: usize = 255;
/// A tag, in characters (Mailgun's limit).
pub const MOST_TAG: usize = 128;
/// A time this little in the past means now.
const PAST_IS_NOW: TimeDelta = TimeDelta::minutes(5);
/// Nobody means a time this far off.
const FURTHEST: TimeDelta = TimeDelta::days(2 * 365);

/// What is gathered while a draft is read.
struct Reading {
    complaints: Vec<Complaint>,
}

impl Reading {
    fn complain(&mut self, path: &[&str], message: impl Into<String>) {
        self.complaints.push(Complaint { path: path.iter().map(|&p| p.to_owned()).collect(), message: message.into() });
    }

    fn mailbox(&mut self, path: &[&str], text: &str) -> Option<Mailbox> {
        match Mailbox::parse(text) {
            Ok(mailbox) => Some(mailbox),
            Err(error) => {
                self.complain(path, error.to_string());
                None
            }
        }
    }
}

impl Draft {
    /// Reads the draft at `now`.
    ///
    /// # Errors
    /// Everything a person can mend, each with the way to its field.
    pub fn check(mut self, settings: &Settings, now: DateTime<Utc>) -> Result<Checked, Vec<Complaint>> {
        self.replace_nul();
        let mut reading = Reading { complaints: Vec::new() };
        let sender = match &self.from {
            Some(from) => reading.mailbox(&["from"], from),
            None => Mailbox::parse(&format!("noreply@{}", settings.domains[0])).ok(),
        };
        let to = reading.mailbox(&["to"], &self.to);
        let (cc, bcc) = self.copies(&mut reading, to.as_ref());
        let reply_to = self.reply_to.as_deref().and_then(|text| reading.mailbox(&["replyTo"], text));
        self.check_content(&mut reading);
        let headers = self.check_headers(&mut reading);
        self.check_labels(&mut reading, settings);
        if self.campaign.is_some() && !self.transactional && settings.public_url.is_none() {
            let why =
                "needs PUBLIC_URL to be set: campaign mail carries a link to unsubscribe, which nobody could follow";
            reading.complain(&["campaignId"], why);
        }
        let attached = self.check_attachments(&mut reading);
        let send_at = self.check_times(&mut reading, now);
        let (Some(sender), Some(to), true) = (sender, to, reading.complaints.is_empty()) else {
            return Err(reading.complaints);
        };
        let priority = self.priority.unwrap_or(Priority::Normal);
        Ok(Checked {
            sending_domain: sending_domain(sender.address.domain(), &settings.domains).to_owned(),
            sender,
            to,
            cc,
            bcc,
            reply_to,
            head: Head {
                subject: self.subject,
                headers,
                tags: self.tags,
                metadata: self.metadata,
                track_opens: self.track_opens,
                track_clicks: self.track_clicks,
                attachments: attached,
            },
            html: self.html,
            text: self.text,
            attachments: self.attachments,
            campaign: self.campaign,
            lead: self.lead,
            priority,
            send_at,
            deliver_by: self.deliver_by,
            test_mode: self.test_mode,
            transactional: self.transactional,
            policy: self.policy.unwrap_or(settings.policy(priority)),
        })
    }

    /// PostgreSQL keeps no NUL in a text, and no reader shows one.
    fn replace_nul(&mut self) {
        let texts = [Some(&mut self.subject), self.html.as_mut(), self.text.as_mut()];
        for text in texts.into_iter().flatten().filter(|t| t.contains('\0')) {
            *text = text.replace('\0', "\u{FFFD}");
        }
    }

    /// The copies; an address in more than one of to, cc and bcc counts once, in that order.
    fn copies(&self, reading: &mut Reading, to: Option<&Mailbox>) -> (Vec<Mailbox>, Vec<Mailbox>) {
        if 1 + self.cc.len() + self.bcc.len() > MOST_RECIPIENTS {
            let all = 1 + self.cc.len() + self.bcc.len();
            reading.complain(
                &["to"],
                format!("to, cc and bcc have {all} addresses together; {MOST_RECIPIENTS} are allowed"),
            );
            return (Vec::new(), Vec::new());
        }
        let mut seen: std::collections::HashSet<String> = to.iter().map(|m| m.address.key()).collect();
        let mut list = |name: &str, texts: &[String]| {
            let mut boxes = Vec::new();
            for (i, text) in texts.iter().enumerate() {
                if let Some(mailbox) = reading.mailbox(&[name, &i.to_string()], text)
                    && seen.insert(mailbox.address.key())
                {
                    boxes.push(mailbox);
                }
            }
            boxes
        };
        (list("cc", &self.cc), list("bcc", &self.bcc))
    }

    fn check_content(&self, reading: &mut Reading) {
        if self.subject.chars().count() > MOST_SUBJECT {
            reading.complain(&["content", "inline", "subject"], format!("is longer than {MOST_SUBJECT} characters"));
        }
        if self.subject.contains(['\r', '\n']) {
            reading.complain(&["content", "inline", "subject"], "must not hold a line break");
        }
        let bodies = [("html", &self.html), ("text", &self.text)];
        if bodies.iter().all(|(_, body)| body.as_deref().is_none_or(str::is_empty)) {
            reading.complain(&["content", "inline"], "needs html or text");
        }
        for (name, body) in bodies {
            if body.as_ref().is_some_and(|b| b.len() > MOST_BODY) {
                reading.complain(&["content", "inline", name], format!("is larger than {} MiB", MOST_BODY >> 20));
            }
        }
    }

    fn check_labels(&self, reading: &mut Reading, settings: &Settings) {
        if self.tags.len() > settings.most_tags {
            reading.complain(&["tags"], format!("{} tags are allowed", settings.most_tags));
        }
        for (i, tag) in self.tags.iter().enumerate() {
            if tag.is_empty() || tag.len() > MOST_TAG || !tag.bytes().all(|b| (32..=126).contains(&b)) {
                reading
                    .complain(&["tags", &i.to_string()], format!("must be 1 to {MOST_TAG} printable ASCII characters"));
            }
        }
        match &self.metadata {
            None | Some(serde_json::Value::Null) => {}
            Some(value @ serde_json::Value::Object(_)) => {
                if value.to_string().len() > MOST_METADATA {
                    reading.complain(&["metadata"], format!("is larger than {} KiB", MOST_METADATA >> 10));
                }
            }
            Some(_) => reading.complain(&["metadata"], "must be an object"),
        }
        if let Some(key) = &self.idempotency_key
            && (key.is_empty() || key.chars().count() > MOST_KEY || key.chars().any(char::is_control))
        {
            reading.complain(
                &["idempotencyKey"],
                format!("must be 1 to {MOST_KEY} characters without control characters"),
            );
        }
    }

    fn check_times(&self, reading: &mut Reading, now: DateTime<Utc>) -> DateTime<Utc> {
        let send_at = match self.send_at {
            Some(at) if at > now + FURTHEST => {
                reading.complain(&["sendAt"], "is more than two years away");
                now
            }
            Some(at) if at > now => at,
            Some(at) if at < now - PAST_IS_NOW => {
                reading.complain(&["sendAt"], "is in the past");
                now
            }
            Some(_) | None => now,
        };
        if let Some(end) = self.deliver_by {
            if end <= now {
                reading.complain(&["deliverBy"], "is in the past");
            } else if end <= send_at {
                reading.complain(&["deliverBy"], "is not after sendAt");
            }
        }
        send_at
    }

    /// SHA-256 over everything that was asked for but the idempotency key.
    pub fn hash(&self) -> Vec<u8> {
        use sha2::Digest;
        let text = serde_json::to_vec(self).unwrap_or_default();
        sha2::Sha256::digest(&text).to_vec()
    }
}

/// The two domains are equal, or one is the other's parent or child.
pub fn is_related(a: &str, b: &str) -> bool {
    let below = |a: &str, b: &str| a.strip_suffix(b).is_some_and(|rest| rest.ends_with('.'));
    a == b || below(a, b) || below(b, a)
}

/// The sending domain of a From domain: the longest entry that equals it, or is its parent or child; else the first.
pub fn sending_domain<'a>(from: &str, domains: &'a [String]) -> &'a str {
    domains
        .iter()
        .filter(|domain| is_related(from, domain))
        // The first of the longest: `max_by_key` would take the last.
        .rev()
        .max_by_key(|domain| domain.len())
        .unwrap_or(&domains[0])
}

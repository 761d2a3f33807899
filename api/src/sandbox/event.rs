//! One event of one recipient: when it happened, its name, and what Mailgun's log and webhooks say of it.

mod reading;
mod status;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use self::reading::{clicked, read};
use self::status::Status;
use super::fate::{Event, Failure, Reader, Step};
use super::store::Accepted;

/// Beyond it Mailgun says of the variables only that it could not load them.
const MOST_VARIABLES: usize = 4_096;
const NO_VARIABLES: &str = "Could not load user-variables. They were either truncated or invalid JSON";

/// An event that happened, or will.
#[derive(Clone)]
pub(super) struct Occurrence {
    pub(super) message: Arc<Accepted>,
    pub(super) place: Place,
    pub(super) step: Step,
}

/// Where an event stands in the log: by time, and among those of one time in an order that stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Place {
    /// Microseconds since the epoch.
    pub(super) at: i64,
    pub(super) message: u64,
    pub(super) recipient: usize,
    pub(super) step: usize,
}

impl Occurrence {
    /// The event `step` at the recipient `recipient`, if there is one.
    pub(super) fn of(message: &Arc<Accepted>, recipient: usize, step: usize) -> Option<Self> {
        let (what, at) = message.step(recipient, step)?;
        let place = Place { at: at.timestamp_micros(), message: message.number, recipient, step };
        Some(Self { message: message.clone(), place, step: what })
    }

    pub(super) fn at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.place.at).unwrap_or_default()
    }

    pub(super) fn recipient(&self) -> &str {
        self.message.recipients().nth(self.place.recipient).map_or("", String::as_str)
    }

    /// As in the field `event`.
    pub(super) fn name(&self) -> &'static str {
        match self.step.event {
            Event::Accepted => "accepted",
            Event::Delivered | Event::Discarded => "delivered",
            Event::Failed(_) => "failed",
            Event::Rejected => "rejected",
            Event::Opened(_) => "opened",
            Event::Clicked => "clicked",
            Event::Unsubscribed => "unsubscribed",
            Event::Complained => "complained",
        }
    }

    /// Of a failure: whether Mailgun tries again.
    pub(super) fn severity(&self) -> Option<&'static str> {
        let Event::Failed(failure) = self.step.event else { return None };
        Some(if failure == Failure::Deferred { "temporary" } else { "permanent" })
    }

    /// The Message-Id without its angle brackets, as events carry it.
    pub(super) fn message_id(&self) -> String {
        self.message.message_id_of(self.recipient()).trim_matches(['<', '>']).to_owned()
    }

    /// 22 characters, the same whenever it is asked for.
    pub(super) fn id(&self) -> String {
        let Place { at, message, recipient, step } = self.place;
        let hash = Sha256::digest(format!("{at} {message} {recipient} {step} {}", self.message.message_id));
        URL_SAFE_NO_PAD.encode(&hash[..16])
    }

    /// The `event-data` of a webhook, and an item of the Events API. `base` is where the sandbox answers.
    pub(super) fn data(&self, base: &str) -> Value {
        let mut data = self.common();
        let own = match self.step.event {
            Event::Accepted => self.accepted(),
            Event::Delivered => self.attempted(&Status::DELIVERED, None),
            Event::Discarded => self.attempted(&Status::DISCARDED, None),
            Event::Failed(failure) => self.attempted(&failure.status(), Some(failure.reason())),
            Event::Rejected => rejected(),
            Event::Opened(reader) => read(reader),
            Event::Clicked => clicked(),
            Event::Unsubscribed => read(Reader::Person),
            Event::Complained => json!({ "flags": { "is-test-mode": false } }),
        };
        if let Value::Object(own) = own {
            data.extend(own);
        }
        match self.step.event {
            Event::Accepted | Event::Delivered | Event::Discarded | Event::Failed(_) => {
                data.insert("storage".to_owned(), self.storage(base));
            }
            Event::Rejected => {
                data.remove("recipient");
                data.remove("recipient-domain");
            }
            Event::Opened(_) | Event::Clicked | Event::Unsubscribed | Event::Complained => {}
        }
        Value::Object(data)
    }

    fn common(&self) -> Map<String, Value> {
        let recipient = self.recipient();
        let level = match self.step.event {
            Event::Failed(Failure::Deferred) | Event::Rejected | Event::Complained => "warn",
            Event::Failed(_) => "error",
            Event::Accepted
            | Event::Delivered
            | Event::Discarded
            | Event::Opened(_)
            | Event::Clicked
            | Event::Unsubscribed => "info",
        };
        let mut common = Map::new();
        let mut put = |name: &str, value: Value| drop(common.insert(name.to_owned(), value));
        put("event", self.name().into());
        put("id", self.id().into());
        put("timestamp", (self.place.at as f64 / 1e6).into());
        put("log-level", level.into());
        put("recipient", recipient.into());
        put("recipient-domain", recipient.rsplit_once('@').map_or("", |(_, domain)| domain).into());
        put("tags", json!(self.message.tags()));
        put("campaigns", json!([]));
        put("user-variables", self.variables());
        put("message", self.headers());
        common
    }

    fn headers(&self) -> Value {
        let id = self.message_id();
        if matches!(self.step.event, Event::Opened(_) | Event::Clicked | Event::Unsubscribed) {
            return json!({ "headers": { "message-id": id } });
        }
        let to = match self.message.recipient_variables {
            Some(_) => self.recipient().to_owned(),
            None => self.message.to.join(", "),
        };
        let subject = self.message.subject.as_deref().map(|subject| self.filled_in(subject));
        let headers = json!({ "to": to, "from": self.message.from, "subject": subject, "message-id": id });
        let files = self.message.files.iter();
        let attachments: Vec<Value> = files
            .map(|file| json!({ "filename": file.name, "content-type": file.content_type, "size": file.size }))
            .collect();
        json!({ "headers": headers, "attachments": attachments, "size": self.size() })
    }

    /// About what the message would measure on its way.
    fn size(&self) -> usize {
        500 + self.message.body_sizes.sum() + self.message.files.iter().map(|file| file.size).sum::<usize>()
    }

    fn variables(&self) -> Value {
        let variables = &self.message.variables;
        if variables.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > MOST_VARIABLES {
            return NO_VARIABLES.into();
        }
        variables.iter().map(|(name, value)| (name.clone(), Value::from(self.filled_in(value)))).collect()
    }

    fn filled_in(&self, text: &str) -> String {
        self.message.said_to(self.recipient(), text)
    }

    fn flags(&self) -> Value {
        json!({
            "is-routed": false,
            "is-authenticated": true,
            "is-system-test": false,
            "is-test-mode": self.step.event == Event::Discarded,
        })
    }

    fn envelope(&self) -> Map<String, Value> {
        let sender = super::address::list(&self.message.from).and_then(|all| all.into_iter().next());
        let mut envelope = Map::new();
        envelope.insert("sender".to_owned(), sender.unwrap_or_default().into());
        envelope.insert("transport".to_owned(), "smtp".into());
        envelope.insert("targets".to_owned(), self.recipient().into());
        envelope
    }

    fn accepted(&self) -> Value {
        json!({ "method": "HTTP", "envelope": self.envelope(), "flags": self.flags() })
    }

    /// What came of an attempt to deliver.
    fn attempted(&self, status: &Status, reason: Option<&str>) -> Value {
        let mut envelope = self.envelope();
        let recipient = self.recipient();
        let host = recipient.rsplit_once('@').map_or("", |(_, domain)| domain);
        let mut told = status.json(self.step.attempt);
        if status.code < 600 {
            envelope.insert("sending-ip".to_owned(), "192.0.2.10".into());
            told.insert("mx-host".to_owned(), format!("mx.{host}").into());
            told.insert("tls".to_owned(), true.into());
            told.insert("certificate-verified".to_owned(), true.into());
            told.insert("utf8".to_owned(), true.into());
        }
        let mut data = Map::new();
        data.insert("envelope".to_owned(), envelope.into());
        data.insert("flags".to_owned(), self.flags());
        data.insert("delivery-status".to_owned(), told.into());
        if let (Some(reason), Some(severity)) = (reason, self.severity()) {
            data.insert("severity".to_owned(), severity.into());
            data.insert("reason".to_owned(), reason.into());
        }
        data.into()
    }

    fn storage(&self, base: &str) -> Value {
        let key = self.message.number.to_string();
        let url = format!("{base}/_sandbox/messages/{key}");
        json!({ "url": url, "key": key, "region": "sandbox", "env": "sandbox" })
    }
}

fn rejected() -> Value {
    let reason = "Sandbox subdomains are for test purposes only. Please add your own domain or add the address to \
                  authorized recipients in Account Settings.";
    json!({ "flags": { "is-test-mode": false }, "reject": { "reason": reason, "description": "" } })
}

//! Webhooks as Mailgun makes them: its events and its signature.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use jobs::event::{Envelope, Keys, LogItem, Signed};
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

/// The key that tests sign with.
pub const SIGNING_KEY: &str = "signing-key-of-the-tests";

/// The domain that tests send from, where an event names none.
pub const DOMAIN: &str = "mg.example.com";

/// An event of Mailgun's, with an id of its own.
#[derive(Clone, Debug)]
pub struct Told(pub Value);

impl Told {
    /// About `recipient` of an email, at a time.
    pub fn new(event: &str, email: Uuid, recipient: &str, at: DateTime<Utc>) -> Self {
        Self(json!({
            "event": event,
            "id": Uuid::from_u128(u128::from_ne_bytes(entity::clock::random_bytes())).simple().to_string(),
            "timestamp": at.timestamp_micros() as f64 / 1e6,
            "recipient": recipient,
            "domain": { "name": DOMAIN },
            "user-variables": { "email-id": email.to_string() },
            "message": { "headers": { "message-id": format!("{email}@{DOMAIN}") } },
        }))
    }

    /// A failure for good, for this reason and with this enhanced code.
    pub fn bounced(email: Uuid, recipient: &str, at: DateTime<Utc>, reason: &str, enhanced: &str) -> Self {
        let status = json!({ "code": 550, "enhanced-code": enhanced, "message": "the server's words" });
        Self::new("failed", email, recipient, at)
            .with("severity", "permanent")
            .with("reason", reason)
            .with("delivery-status", status)
    }

    /// With another field.
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0[field] = value.into();
        self
    }

    /// The body of a webhook, signed at a time with this token.
    pub fn body(&self, signed_at: DateTime<Utc>, token: &str) -> Bytes {
        let timestamp = signed_at.timestamp().to_string();
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SIGNING_KEY.as_bytes()).expect("any length will do");
        mac.update(timestamp.as_bytes());
        mac.update(token.as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        let signature = json!({ "timestamp": timestamp, "token": token, "signature": signature });
        Bytes::from(json!({ "signature": signature, "event-data": self.0 }).to_string())
    }

    /// A webhook, signed at a time with this token.
    pub fn signed(&self, signed_at: DateTime<Utc>, token: &str) -> Signed {
        let envelope = Envelope::read(self.body(signed_at, token)).expect("it is JSON");
        Keys::new([&SecretString::from(SIGNING_KEY)]).verify(envelope).expect("it is signed")
    }

    /// A webhook, signed when the event says it happened, with a token of its own.
    pub fn webhook(&self) -> Signed {
        let at = self.0["timestamp"].as_f64().unwrap_or_default();
        let token: [u8; 25] = entity::clock::random_bytes();
        self.signed(DateTime::from_timestamp(at as i64, 0).unwrap_or_default(), &hex::encode(token))
    }

    /// As Mailgun's log has it.
    pub fn logged(&self) -> LogItem {
        LogItem::read(&self.0, DOMAIN, DateTime::UNIX_EPOCH)
    }
}

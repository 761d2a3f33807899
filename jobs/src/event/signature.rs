//! Whether Mailgun sent it: HMAC-SHA256 over timestamp and token, as its "Securing webhooks" page has it. The body is not
//! covered, which is why a token is bound to its event when that is recorded.

use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::{Envelope, Event};

/// The HTTP webhook signing keys: several while one is being replaced.
#[derive(Clone, Default)]
pub struct Keys(Vec<Hmac<Sha256>>);

/// What Mailgun signs with, as it stands in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Triple {
    /// Seconds since the epoch, as text: the very bytes are signed.
    pub timestamp: String,
    pub token: String,
    /// In hexadecimal.
    pub signature: String,
}

/// A webhook that Mailgun sent. Nothing else can be recorded as one.
#[derive(Clone, Debug)]
pub struct Signed {
    pub(crate) event: Event,
    pub(crate) token: String,
    pub(crate) signed_at: DateTime<Utc>,
    pub(crate) body: Bytes,
}

/// Why a webhook is not believed. All of them are 401: Mailgun tries again for 8 hours, so that a mistyped key costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    #[error("no signing key is configured")]
    NoKey,
    #[error("it carries no signature")]
    Missing,
    #[error("its timestamp is no number of seconds")]
    NoTime,
    #[error("its signature is not of any configured key")]
    Wrong,
}

impl Keys {
    /// Takes the keys as they are configured; blank ones are none.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let bytes = keys.into_iter().map(|key| key.expose_secret().trim().as_bytes()).filter(|key| !key.is_empty());
        // HMAC takes a key of any length.
        Self(bytes.filter_map(|key| Hmac::new_from_slice(key).ok()).collect())
    }

    /// There is none: nothing can be verified.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the event of an envelope that Mailgun signed.
    ///
    /// # Errors
    /// When it did not, or nobody can tell.
    pub fn verify(&self, envelope: Envelope) -> Result<Signed, Unsigned> {
        let triple = envelope.triple.as_ref().ok_or(Unsigned::Missing)?;
        self.signed(triple)?;
        let signed_at = triple.at().ok_or(Unsigned::NoTime)?;
        let token = triple.token.clone();
        Ok(Signed { event: envelope.event(signed_at), token, signed_at, body: envelope.body })
    }

    /// Compares in constant time.
    fn signed(&self, triple: &Triple) -> Result<(), Unsigned> {
        if self.is_empty() {
            return Err(Unsigned::NoKey);
        }
        let signature = hex::decode(&triple.signature).map_err(|_| Unsigned::Wrong)?;
        let fits = |key: &Hmac<Sha256>| {
            let mut mac = key.clone();
            mac.update(triple.timestamp.as_bytes());
            mac.update(triple.token.as_bytes());
            mac.verify_slice(&signature).is_ok()
        };
        if self.0.iter().any(fits) { Ok(()) } else { Err(Unsigned::Wrong) }
    }
}

impl Triple {
    /// When it was signed. Digits alone: a signature may be right over anything.
    fn at(&self) -> Option<DateTime<Utc>> {
        let digits = !self.timestamp.is_empty() && self.timestamp.bytes().all(|b| b.is_ascii_digit());
        DateTime::from_timestamp(self.timestamp.parse().ok().filter(|_| digits)?, 0)
    }
}

impl Signed {
    /// The event, as far as it could be read.
    pub fn event(&self) -> &Event {
        &self.event
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

//! Webhooks' signatures, and the key they are made with: hex HMAC-SHA256 over timestamp and token, nothing between.

use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use chrono::{DateTime, Utc};
use entity::clock;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::json;
use sha2::Sha256;

use super::Mailgun;
use super::answer::ok;

pub(super) fn routes() -> Router<Arc<Mailgun>> {
    Router::new().route("/v5/accounts/http_signing_key", get(show).post(regenerate))
}

/// What stands in `signature` of a webhook. Mailgun's retries carry the one of the first attempt.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Signature {
    /// Seconds since the epoch.
    timestamp: String,
    /// Fifty characters.
    token: String,
    signature: String,
}

/// The key in force.
pub(super) struct SigningKey(RwLock<SecretString>);

impl SigningKey {
    pub(super) fn new(key: SecretString) -> Self {
        Self(RwLock::new(key))
    }

    /// A signature of its own for an event that is told now.
    pub(super) fn sign(&self, now: DateTime<Utc>) -> Signature {
        let (timestamp, token) = (now.timestamp().to_string(), hex::encode(clock::random_bytes::<25>()));
        let key = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let signature = hmac(key.expose_secret(), &timestamp, &token);
        Signature { timestamp, token, signature }
    }
}

fn hmac(key: &str, timestamp: &str, token: &str) -> String {
    // Of any length is a key for HMAC.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    hex::encode(mac.chain_update(timestamp).chain_update(token).finalize().into_bytes())
}

async fn show(State(mailgun): State<Arc<Mailgun>>) -> Response {
    let key = mailgun.signing_key.0.read().unwrap_or_else(PoisonError::into_inner);
    ok(&json!({ "http_signing_key": key.expose_secret() }))
}

async fn regenerate(State(mailgun): State<Arc<Mailgun>>) -> Response {
    let fresh = format!("key-{}", hex::encode(clock::random_bytes::<16>()));
    *mailgun.signing_key.0.write().unwrap_or_else(PoisonError::into_inner) = fresh.clone().into();
    ok(&json!({ "http_signing_key": fresh }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2, its data cut in two.
    #[test]
    fn the_signature_is_over_timestamp_and_token_as_one() {
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hmac("Jefe", "what do ya want ", "for nothing?"), expected);
    }

    #[test]
    fn a_token_has_fifty_characters_and_is_never_the_same() {
        let key = SigningKey::new("k".into());
        let (one, other) = (key.sign(DateTime::UNIX_EPOCH), key.sign(DateTime::UNIX_EPOCH));
        assert_eq!((one.token.len(), one.timestamp.as_str()), (50, "0"));
        assert!(one.token != other.token && one.signature != other.signature);
    }
}

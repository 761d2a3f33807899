//! Who may speak: HTTP basic auth, user `api`, the key as password.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

/// The one credential, `api:key`, as it stands in the header before base64.
pub(super) struct Key(SecretString);

impl Key {
    pub(super) fn new(api_key: SecretString) -> Self {
        Self(format!("api:{}", api_key.expose_secret()).into())
    }

    /// Whether the request carries this credential; takes as long for a wrong key as for the right one.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        credential(headers).is_some_and(|given| given.ct_eq(self.0.expose_secret().as_bytes()).into())
    }
}

/// `user:password` of the Authorization header.
fn credential(headers: &HeaderMap) -> Option<Vec<u8>> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(encoded.trim()).ok())?
}

//! Addresses of pages: absolute, as Mailgun's are, and at the host that the client asked.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// `http://host:port` as the client addressed it.
pub(super) fn base(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    format!("http://{host}")
}

/// A page as the opaque word in an address.
pub(super) fn word(page: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(page).unwrap_or_default())
}

/// The page that [`word`] was made of.
pub(super) fn page<T: DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(word).ok()?).ok()
}

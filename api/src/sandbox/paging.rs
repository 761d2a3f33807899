//! What stands behind the `?`, and addresses of pages: absolute, as Mailgun's are, and at the host that the client asked.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The parameters behind the `?`, in their order. Of one that is repeated the first counts, as a client that asks for a
/// further page repeats what it asked the first with.
pub(super) struct Params(pub(super) Vec<(String, String)>);

impl Params {
    /// The value of one that is there and not empty.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// The same as a number; what is none is passed over.
    pub(super) fn number(&self, name: &str) -> Option<usize> {
        self.first(name)?.parse().ok()
    }
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

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

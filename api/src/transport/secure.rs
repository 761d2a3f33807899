//! What every answer tells browsers, unless whoever made it knows better: to guess no type, to show it in no frame, to run and
//! load nothing of it, to keep no copy, and to give its address to nobody.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

static ALWAYS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    // A page elsewhere has no use for it, unless it asks by CORS (`cross_origin`), which this leaves alone.
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// A year. Other hosts below this one's name may be without TLS.
const TLS: &str = "max-age=31536000";

/// Whether the service is reached by TLS.
#[derive(Clone, Copy, Debug)]
pub struct Secured(bool);

impl Secured {
    /// As the service's own address says.
    pub fn new(public_url: Option<&str>) -> Self {
        Self(public_url.is_some_and(|url| url.starts_with("https://")))
    }
}

/// Adds it to an answer.
pub async fn head(State(Secured(by_tls)): State<Secured>, request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let tls = by_tls.then_some((header::STRICT_TRANSPORT_SECURITY, TLS));
    for (name, value) in ALWAYS.iter().cloned().chain(tls) {
        answer.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    answer
}

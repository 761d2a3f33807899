//! Mailgun's answers, in the words and with the headers that were recorded from it.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde_json::json;

/// What the sandbox refuses by itself. The texts are those of Mailgun's list of error codes, where a recording exists
/// as recorded.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("Forbidden")]
    Forbidden,
    #[error("Domain not found: {0}")]
    UnknownDomain(String),
    #[error("{0} parameter is missing")]
    Missing(&'static str),
    #[error("{0} parameter is not a valid address. please check documentation")]
    Address(&'static str),
    #[error("Need at least one of 'text', 'html', 'amp-html' or 'template' parameters specified")]
    NoBody,
    #[error("Only one parameters 'html' or 'template' is allowed")]
    HtmlAndTemplate,
    #[error("Too many recipients, max is 1000")]
    TooManyRecipients,
    #[error("Send options (parameters starting with o:, h:, or v:) are limited to 16 kB total")]
    OptionsTooLarge,
    #[error("Header name must be pure ASCII: {0}")]
    HeaderName(String),
    #[error("{0} is not an RFC-2822 compliant date")]
    Date(String),
    #[error("'recipient-variables' parameter is not a valid JSON")]
    RecipientVariables,
    #[error("Invalid request content type. Expecting 'multipart/form-data' but got '{0}'")]
    ContentType(String),
    #[error("malformed multipart/form-data request")]
    Multipart,
    #[error("unable to parse request: invalid URL escape")]
    Escape,
    #[error("unable to parse request: unexpected EOF")]
    UnexpectedEof,
    #[error("request size exceeds 52.4MiB limit")]
    TooLarge,
    #[error("'message' parameter is not a file")]
    NotAFile,
    #[error(
        "Domain {0} is not allowed to send: The domain is unverified and requires DNS configuration. Log in to your \
         control panel to view required DNS records."
    )]
    Unverified(String),
    /// At all endpoints but those below a domain.
    #[error("Invalid private key")]
    PrivateKey,
    #[error("Domain not found")]
    NoDomain,
    /// What is asked for does not exist.
    #[error("{0}")]
    NoSuch(&'static str),
    /// Any other mistake in a request.
    #[error("{0}")]
    Bad(String),
    #[error("{0}")]
    Conflict(&'static str),
    /// Ours: Mailgun's words for it were never recorded.
    #[error("the sandbox takes no Content-Encoding but gzip")]
    Encoding,
    /// Ours: what Mailgun keeps in a database, the sandbox keeps in bounded memory.
    #[error("the sandbox holds no more of them")]
    Full,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Forbidden | Self::PrivateKey => StatusCode::UNAUTHORIZED,
            Self::Unverified(_) => StatusCode::FORBIDDEN,
            Self::UnknownDomain(_) | Self::NoDomain | Self::NoSuch(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Missing(_)
            | Self::Address(_)
            | Self::NoBody
            | Self::HtmlAndTemplate
            | Self::TooManyRecipients
            | Self::OptionsTooLarge
            | Self::HeaderName(_)
            | Self::Date(_)
            | Self::RecipientVariables
            | Self::ContentType(_)
            | Self::Multipart
            | Self::Escape
            | Self::UnexpectedEof
            | Self::NotAFile
            | Self::Bad(_)
            | Self::Full => StatusCode::BAD_REQUEST,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Forbidden => forbidden(),
            other => refused(other.status(), &other.to_string()),
        }
    }
}

/// 200 for a message taken.
pub(super) fn queued(message_id: &str) -> Response {
    ok(&json!({ "id": message_id, "message": QUEUED }))
}

/// 200 with what was asked for.
pub(super) fn ok(value: &serde_json::Value) -> Response {
    with(StatusCode::OK, JSON, line(value))
}

/// 200 that says what was done.
pub(super) fn done(message: &str) -> Response {
    ok(&json!({ "message": message }))
}

/// The words of [`queued`].
pub(super) const QUEUED: &str = "Queued. Thank you.";

/// `{"message": …}` and a line feed, as Mailgun ends its JSON.
pub(super) fn refused(status: StatusCode, message: &str) -> Response {
    with(status, JSON, line(&json!({ "message": message })))
}

/// A date as Mailgun writes it in lists.
pub(super) fn date(at: DateTime<Utc>) -> String {
    at.format("%a, %d %b %Y %H:%M:%S UTC").to_string()
}

/// 401: plain text, though most else is JSON.
pub(super) fn forbidden() -> Response {
    let mut answer = with(StatusCode::UNAUTHORIZED, TEXT, "Forbidden");
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"MG API\""));
    answer
}

/// 200 that took nothing: what Mailgun says at a wrong base URL.
pub(super) fn magnificent() -> Response {
    with(StatusCode::OK, TEXT, "Mailgun Magnificent API")
}

/// 404 for paths nobody serves.
pub(super) fn page_not_found() -> Response {
    let page = "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 3.2 Final//EN\">\n<title>404 Not Found</title>\n\
                <h1>Not Found</h1>\n<p>The requested URL was not found on the server. If you entered the URL manually \
                please check your spelling and try again.</p>\n";
    with(StatusCode::NOT_FOUND, HTML, page)
}

/// What a proxy in front of Mailgun says when there is nobody behind it.
pub(super) fn gateway(status: StatusCode, words: &str) -> Response {
    let title = format!("{} {words}", status.as_u16());
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    );
    with(status, HTML, page)
}

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// The headers that every answer recorded since 2023 carries.
const STANDING: [(HeaderName, HeaderValue); 5] = [
    (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true")),
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000; includeSubDomains")),
    (header::X_XSS_PROTECTION, HeaderValue::from_static("1; mode=block")),
];

/// An answer with Mailgun's standing headers.
pub(super) fn with(status: StatusCode, content_type: HeaderValue, body: impl Into<Body>) -> Response {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, content_type);
    answer.headers_mut().extend(STANDING);
    answer
}

/// JSON on one line, ended by a line feed.
pub(super) fn line(value: &serde_json::Value) -> String {
    format!("{value}\n")
}

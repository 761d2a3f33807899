//! Why a request never comes to the schema: each reason with its status, its code and its words.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{body, refused};

/// Why a request is not taken to the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `Accept` names nothing that we have.
    #[error("this answers application/graphql-response+json or application/json")]
    NotAcceptable,
    /// A browser says that a page elsewhere asks.
    #[error("a page from elsewhere may not ask this; see ALLOWED_ORIGINS")]
    FromElsewhere,
    /// Neither GET nor POST.
    #[error("please GET or POST")]
    Method,
    /// Something else than a query in a GET.
    #[error("a GET runs queries alone; please POST this")]
    OnlyQueries,
    /// A body that is not said to be JSON.
    #[error("please send application/json")]
    NoJson,
    /// A body that was packed.
    #[error("please send the body as it is: no Content-Encoding is taken")]
    Packed,
    /// Parameters that are none.
    #[error("this is no GraphQL request: a JSON object, or parameters of a GET, with a query")]
    NoRequest,
    /// A body of more bytes than this caller may send.
    #[error("the body is larger than {0} bytes, the most that may be sent with this key")]
    TooLarge(usize),
    /// A body that took too long to come.
    #[error("the body did not come in {} s", body::TIME.as_secs())]
    Slow,
    /// A body that ended before its end.
    #[error("the body could not be read")]
    Broken,
    /// An upgrade that is none to a WebSocket of version 13.
    #[error("this is no WebSocket handshake")]
    Handshake,
    /// The others take all the room for bodies, or all the sockets.
    #[error("too much is under way; please try again")]
    Full,
}

impl Refusal {
    fn status(self) -> StatusCode {
        match self {
            Refusal::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Refusal::FromElsewhere => StatusCode::FORBIDDEN,
            Refusal::Method | Refusal::OnlyQueries => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::NoJson | Refusal::Packed => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::NoRequest | Refusal::Broken | Refusal::Handshake => StatusCode::BAD_REQUEST,
            Refusal::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Slow => StatusCode::REQUEST_TIMEOUT,
            Refusal::Full => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn header(self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Refusal::Method => Some((header::ALLOW, HeaderValue::from_static("GET, POST"))),
            Refusal::OnlyQueries => Some((header::ALLOW, HeaderValue::from_static("POST"))),
            // RFC 9110, section 15.5.16: so that the client knows what it was.
            Refusal::Packed => Some((header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))),
            Refusal::Full => Some((header::RETRY_AFTER, HeaderValue::from_static("1"))),
            _ => None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = match self {
            Refusal::FromElsewhere => "FORBIDDEN",
            Refusal::Full => "UNAVAILABLE",
            _ => "BAD_REQUEST",
        };
        let mut answer = refused(self.status(), code, &self.to_string());
        answer.headers_mut().extend(self.header());
        answer
    }
}

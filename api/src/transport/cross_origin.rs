//! Pages from the places that the operator listed (ALLOWED_ORIGINS) may ask by `fetch` as well (the Fetch standard, "CORS protocol").
//! A key goes with each request, in a header that the page has to know: no cookie is there to be used behind its back, so none
//! is allowed for. A page from elsewhere is told nothing, and its browser keeps the answer from it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Graphql;

const METHODS: &str = "GET, POST, DELETE";
const HEADERS: &str = "authorization, content-type, idempotency-key";
/// What the page may read beside the body.
const SHOWN: &str = "ratelimit, ratelimit-policy, retry-after, location";
/// Seconds for which a browser remembers: two hours is the most that Chromium takes.
const REMEMBERED: &str = "7200";

/// Answers what a browser asks beforehand, and adds to other answers what it has to know.
pub async fn share(State(graphql): State<Arc<Graphql>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let origin = headers.get(header::ORIGIN).filter(|_| graphql.origins.list(headers)).cloned();
    let asks = request.method() == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut answer = if asks && origin.is_some() {
        let told = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, REMEMBERED),
        ];
        (StatusCode::NO_CONTENT, told).into_response()
    } else {
        next.run(request).await
    };
    let to = answer.headers_mut();
    // Another origin would be told something else, so nothing in between may keep this for it.
    to.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        to.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        to.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(SHOWN));
    }
    answer
}

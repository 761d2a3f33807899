//! GraphQL over HTTP, as its specification and the audits of graphql-http have it: one operation in a POST of JSON, or one query
//! in a GET. No batches, and no kind of body that a page elsewhere could make a browser send.

use std::sync::Arc;

use async_graphql::http::parse_query_string;
use async_graphql::parser::types::OperationType;
use async_graphql::{Request, Response, ServerError, Value};
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response as HttpResponse};
use serde::Serialize;

use super::body::Held;
use super::media::{self, Media};
use super::operation::{self, Operation};
use super::parameters::Parameters;
use super::{Graphql, refused};
use crate::auth::Principal;
use crate::schema::fault::Fault;

/// Does the operation that a request holds.
pub async fn answer(
    State(graphql): State<Arc<Graphql>>,
    Extension(principal): Extension<Principal>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> HttpResponse {
    let Some(media) = Media::negotiate(&headers) else {
        let words = "this answers application/graphql-response+json or application/json";
        return refused(StatusCode::NOT_ACCEPTABLE, "BAD_REQUEST", words);
    };
    // A browser says it when a page elsewhere asks; the key is in no cookie, so there is nothing such a page could use.
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return refused(StatusCode::FORBIDDEN, "FORBIDDEN", "a page from elsewhere may not ask this");
    }
    let is_get = method == Method::GET || method == Method::HEAD;
    let read = if is_get { from_uri(&uri) } else { graphql.from_body(&headers, body, principal).await };
    // What the body takes of the room is given back when the answer is there.
    let (request, _room) = match read {
        Ok(read) => read,
        Err(refusal) => return refusal,
    };
    let operation = Operation::of(graphql.request(request, principal));
    match operation.kind() {
        Some(OperationType::Mutation | OperationType::Subscription) if is_get => not_by_get(),
        Some(OperationType::Subscription) => {
            let words = "a subscription needs a WebSocket (graphql-transport-ws) at this address";
            respond(media, &Fault::Refused(words.to_owned()).response())
        }
        Some(OperationType::Query | OperationType::Mutation) | None => {
            respond(media, &operation.execute(graphql.app.schema.clone(), operation::LIMIT).await)
        }
    }
}

type Read = Result<(Request, Option<Held>), HttpResponse>;

fn from_uri(uri: &Uri) -> Read {
    match parse_query_string(uri.query().unwrap_or_default()) {
        Ok(request) if request.query.is_empty() => Err(bad_request("there is no query")),
        Ok(request) => Ok((request, None)),
        Err(_) => Err(bad_request("the parameters are no GraphQL request")),
    }
}

impl Graphql {
    async fn from_body(&self, headers: &HeaderMap, body: Body, principal: Principal) -> Read {
        if !media::sends_json(headers) {
            return Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "BAD_REQUEST", "please send application/json"));
        }
        let held = self.read(headers, body, principal).await?;
        match Parameters::from_json(&held.bytes) {
            Some(parameters) => Ok((parameters.into(), Some(held))),
            None => Err(bad_request("the body is no GraphQL request: a JSON object with a query")),
        }
    }
}

fn bad_request(words: &str) -> HttpResponse {
    refused(StatusCode::BAD_REQUEST, "BAD_REQUEST", words)
}

fn not_by_get() -> HttpResponse {
    let answer = refused(StatusCode::METHOD_NOT_ALLOWED, "BAD_REQUEST", "a GET runs queries alone; please POST this");
    ([(header::ALLOW, "POST")], answer).into_response()
}

/// The answer to a method that is neither.
pub async fn no_such_method() -> HttpResponse {
    let answer = refused(StatusCode::METHOD_NOT_ALLOWED, "BAD_REQUEST", "please GET or POST");
    ([(header::ALLOW, "GET, POST")], answer).into_response()
}

/// What a GraphQL answer's status is. graphql-http's audits (1.23) and GraphQL over HTTP agree on these; where the specification
/// of September 2026 goes on (422 for what does not validate, 294 for data beside errors) the audits have not followed, and
/// clients know the old ones.
fn status(media: Media, response: &Response) -> StatusCode {
    match media {
        // For clients who look into the answer alone: anything but 200 would be the word of something on the way.
        Media::Json => StatusCode::OK,
        Media::GraphQl if !is_request_error(response) => StatusCode::OK,
        Media::GraphQl => match code(&response.errors) {
            Some("UNAVAILABLE") => StatusCode::SERVICE_UNAVAILABLE,
            Some("FORBIDDEN") => StatusCode::FORBIDDEN,
            Some("INTERNAL_SERVER_ERROR") => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        },
    }
}

/// Nothing was executed: there is no data, and no error is about a field's.
pub fn is_request_error(response: &Response) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

fn code(errors: &[ServerError]) -> Option<&str> {
    match errors.first()?.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        _ => None,
    }
}

/// The answer to a request error: it has no `data`, not even null.
#[derive(Serialize)]
struct RequestError<'a> {
    errors: &'a [ServerError],
}

fn respond(media: Media, response: &Response) -> HttpResponse {
    let body = if is_request_error(response) {
        serde_json::to_vec(&RequestError { errors: &response.errors })
    } else {
        serde_json::to_vec(response)
    };
    let content_type: HeaderValue = media.content_type();
    match body {
        Ok(body) => (status(media, response), [(header::CONTENT_TYPE, content_type)], body).into_response(),
        Err(error) => {
            tracing::error!(cause = %error, "An answer could not be written");
            refused(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR", "internal error")
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::PathSegment;

    use super::*;

    #[test]
    fn a_status_speaks_only_to_those_who_listen_to_it() {
        let refused = || Fault::Refused("too deep".to_owned()).response();
        let mut failed = Fault::bad_input("no").response();
        failed.errors[0].path = vec![PathSegment::Field("a".into())];
        let cases = [
            (Media::Json, refused(), 200),
            (Media::GraphQl, refused(), 400),
            (Media::GraphQl, Fault::Unparsable("{".to_owned()).response(), 400),
            (Media::GraphQl, Fault::TooLong(operation::LIMIT).response(), 503),
            (Media::Json, Fault::TooLong(operation::LIMIT).response(), 200),
            (Media::GraphQl, Fault::Forbidden(entity::ApiScope::Admin).response(), 403),
            (Media::GraphQl, Fault::Unattended.response(), 500),
            (Media::GraphQl, failed, 200),
            (Media::GraphQl, Response::new(1), 200),
        ];
        for (media, response, expected) in cases {
            assert_eq!(status(media, &response), expected, "{media:?} {response:?}");
        }
    }
}

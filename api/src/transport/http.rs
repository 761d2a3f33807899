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

use super::body::{self, Held};
use super::media::{self, Media};
use super::operation::Operation;
use super::parameters::Parameters;
use super::refusal::Refusal;
use super::whence::{By, Client, Whence};
use super::{Graphql, refused};
use crate::auth::Principal;
use crate::limit::Tab;
use crate::schema::fault::Fault;

/// Who asks, what their limits are told on, and from where they ask: what the guard has left.
type Caller = (Extension<Principal>, Extension<Tab>, Extension<Client>);

/// Does the operation that a request holds.
pub async fn answer(
    State(graphql): State<Arc<Graphql>>,
    (Extension(principal), Extension(tab), Extension(Client(address))): Caller,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<HttpResponse, Refusal> {
    let media = Media::negotiate(&headers).ok_or(Refusal::NotAcceptable)?;
    // Browsers say it. The key is in no cookie, so there is nothing such a page could use; nor shall it try.
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") && !graphql.origins.list(&headers) {
        return Err(Refusal::FromElsewhere);
    }
    let is_get = method == Method::GET || method == Method::HEAD;
    // What the body takes of the room is given back when the answer is there.
    let (request, _room) = if is_get {
        (in_uri(&uri)?, None)
    } else {
        let (request, room) = graphql.in_body(&headers, body, principal).await?;
        (request, Some(room))
    };
    let whence = Whence { address, by: By::Http };
    let operation = Operation::of(graphql.request(request, principal, whence));
    let response = match operation.kind() {
        Some(OperationType::Mutation | OperationType::Subscription) if is_get => return Err(Refusal::OnlyQueries),
        Some(OperationType::Subscription) => {
            let words = "a subscription needs a WebSocket (graphql-transport-ws) at this address";
            Fault::Refused(words.to_owned()).response()
        }
        Some(OperationType::Query | OperationType::Mutation) | None => graphql.done(operation, principal, &tab).await,
    };
    Ok(respond(media, &response))
}

fn in_uri(uri: &Uri) -> Result<Request, Refusal> {
    match parse_query_string(uri.query().unwrap_or_default()) {
        Ok(request) if !request.query.is_empty() => Ok(request),
        Ok(_) | Err(_) => Err(Refusal::NoRequest),
    }
}

impl Graphql {
    async fn in_body(&self, headers: &HeaderMap, body: Body, principal: Principal) -> Result<(Request, Held), Refusal> {
        if !media::sends_json(headers) {
            return Err(Refusal::NoJson);
        }
        let held = self.room.read(headers, body, body::most(principal.scopes)).await?;
        let parameters = Parameters::from_json(&held.bytes).ok_or(Refusal::NoRequest)?;
        Ok((parameters.into(), held))
    }
}

/// The answer to a method that is neither.
pub async fn no_such_method() -> Refusal {
    Refusal::Method
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
            Some("RATE_LIMITED") => StatusCode::TOO_MANY_REQUESTS,
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

    use crate::transport::operation;

    use super::*;

    #[test]
    fn a_status_speaks_only_to_those_who_listen_to_it() {
        let refused = || Fault::Refused("too deep".to_owned()).response();
        let limited = || Fault::RateLimited { words: "too much".to_owned(), wait: None }.response();
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
            (Media::GraphQl, limited(), 429),
            (Media::Json, limited(), 200),
            (Media::GraphQl, failed, 200),
            (Media::GraphQl, Response::new(1), 200),
        ];
        for (media, response, expected) in cases {
            assert_eq!(status(media, &response), expected, "{media:?} {response:?}");
        }
    }
}

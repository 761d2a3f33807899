//! The REST paths under `/api/email-reliability`, for whoever would rather not speak GraphQL. Each is a row of one table
//! ([`OPERATIONS`]) that names a document of the schema: the same operations, checks and keys, with statuses and
//! `application/problem+json` (RFC 9457) in place of `errors` and `userErrors`.

mod input;
mod openapi;
mod operation;
mod problem;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_graphql::Response as Answered;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, get, on};
use axum::{Extension, Json, Router};
use serde_json::{Map, Value};

use crate::auth::Principal;
use crate::limit::Tab;
use crate::transport::whence::{By, Client, Whence};
use crate::transport::{Graphql, Words, refused};

pub use operation::{OPERATIONS, Operation};
use problem::Problem;

/// What all paths begin with.
pub const BASE: &str = "/api/email-reliability";

/// What stands in a path, where it takes something.
type Parameter = Option<Path<String>>;

/// A request but for its body.
struct Asked {
    principal: Principal,
    tab: Tab,
    whence: Whence,
    parameter: Option<String>,
    query: Option<String>,
    headers: HeaderMap,
}

/// The paths of the table, and its description.
pub fn router() -> Router<Arc<Graphql>> {
    let described = Router::new().route("/openapi.json", get(openapi::show));
    let paths = OPERATIONS.iter().fold(described, |router, operation| {
        let answer = async move |State(graphql): State<Arc<Graphql>>,
                                 Extension(principal): Extension<Principal>,
                                 Extension(tab): Extension<Tab>,
                                 Extension(Client(address)): Extension<Client>,
                                 parameter: Parameter,
                                 RawQuery(query): RawQuery,
                                 headers: HeaderMap,
                                 body: Body| {
            let whence = Whence { address, by: By::Path(operation) };
            let asked = Asked { principal, tab, whence, parameter: parameter.map(|Path(text)| text), query, headers };
            operation.answer(&graphql, asked, body).await.unwrap_or_else(|refusal| refusal)
        };
        router.route(operation.path, on(operation.filter(), answer))
    });
    let nothing =
        async || refused(StatusCode::NOT_FOUND, "NOT_FOUND", "there is no such path; openapi.json names them all");
    let otherwise =
        async || refused(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "this path has other methods");
    Router::new().nest(BASE, paths.fallback(nothing).method_not_allowed_fallback(otherwise))
}

/// Says a refusal of the transport, which speaks GraphQL, as a problem.
pub async fn in_our_form(answer: Response) -> Response {
    match answer.extensions().get::<Words>() {
        Some(words) => Problem::new(answer.status(), words.code, &*words.message).instead_of(answer),
        None => answer,
    }
}

impl Operation {
    async fn answer(&self, graphql: &Graphql, asked: Asked, body: Body) -> Result<Response, Response> {
        let Asked { principal, tab, whence, parameter, query, headers } = asked;
        if !principal.scopes.allow(self.scope) {
            return Err(Problem::forbidden(self.scope).into_response());
        }
        let held = graphql.read(&headers, body, principal).await?;
        let done = async {
            let variables =
                self.variables(parameter.as_deref(), query.as_deref().unwrap_or_default(), &headers, &held.bytes)?;
            let request = async_graphql::Request::new(self.document).variables(variables);
            self.shape(graphql.execute(request, principal, whence, &tab).await)
        };
        done.await.map_err(IntoResponse::into_response)
    }

    /// What the schema answered, as this path answers it: its one field's value, in which the mistakes are gone.
    fn shape(&self, answered: Answered) -> Result<Response, Problem> {
        let data = answered.data.into_json().unwrap_or_default();
        let root = data.as_object().and_then(|data| data.values().next()).cloned().unwrap_or_default();
        if let Value::Object(mut payload) = root {
            let errors = payload.remove("userErrors").unwrap_or_default();
            return match Problem::mistakes(&errors, self.takes.root()) {
                Some(problem) => Err(problem),
                None => Ok(self.found(payload)),
            };
        }
        // A field that may be null and is: nothing failed, and there is no such thing.
        Err(answered.errors.first().map_or_else(Problem::no_email, Problem::of))
    }

    fn found(&self, payload: Map<String, Value>) -> Response {
        let place = payload.get("email").and_then(|email| email["id"].as_str());
        let place = place.filter(|_| self.status == StatusCode::ACCEPTED);
        let place = place.and_then(|id| HeaderValue::from_str(&format!("{BASE}/queue/job/{id}")).ok());
        let mut answer = (self.status, Json(payload)).into_response();
        if let Some(place) = place {
            answer.headers_mut().insert(header::LOCATION, place);
        }
        answer
    }

    /// The method, as the router takes one.
    fn filter(&self) -> MethodFilter {
        // All that the table has are standard methods.
        MethodFilter::try_from(self.method.clone()).unwrap_or(MethodFilter::GET)
    }
}

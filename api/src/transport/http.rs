//! GraphQL over HTTP: one operation in a POST of JSON.

use std::time::Duration;

use async_graphql::Request;
use async_graphql::http::GraphiQLSource;
use async_graphql_axum::GraphQLResponse;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::{Extension, Json};
use tokio::time::timeout;

use super::refused;
use crate::app::App;
use crate::auth::{Principal, Refused};

/// How long an operation may take. What it began is finished all the same.
const LIMIT: Duration = Duration::from_secs(30);

/// Executes an operation.
pub async fn execute(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    request: Result<Json<Request>, JsonRejection>,
) -> Response {
    let request = match request {
        Ok(Json(request)) => request.data(principal).data(app.clone()),
        Err(rejection) => return refused(rejection.status(), "BAD_REQUEST", &rejection.body_text()),
    };
    match timeout(LIMIT, app.schema.execute(request)).await {
        Ok(response) => GraphQLResponse::from(response).into_response(),
        Err(_) => refused(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "the operation took too long"),
    }
}

/// A page to try the API with. It loads GraphiQL from its makers' servers, so only a process that is tried out serves it, and
/// to browsers alone.
pub async fn playground(headers: HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT).and_then(|kinds| kinds.to_str().ok()).unwrap_or_default();
    if !accepted.contains("text/html") {
        return Refused::Nothing.into_response();
    }
    Html(GraphiQLSource::build().endpoint("/graphql").title("MailMind Reliability").finish()).into_response()
}

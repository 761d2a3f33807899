//! How requests come in: which path leads where, and what stands before it.

mod http;
mod index;
pub mod routes;

use axum::Json;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::App;

/// Every path of the service.
pub fn router(app: App) -> Router {
    routes::guarded(&app).fallback(nowhere).with_state(app)
}

async fn nowhere() -> Response {
    refused(StatusCode::NOT_FOUND, "NOT_FOUND", "nothing is here; the API is at /graphql")
}

/// An answer to a request that never reached the schema, in the shape of a GraphQL error.
pub fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "errors": [{ "message": message, "extensions": { "code": code } }] });
    (status, Json(body)).into_response()
}

//! How requests come in: which path leads where, and which need a key.

mod http;
mod index;

use axum::Json;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;

use crate::app::App;
use crate::{auth, health};

/// The largest body: attachments of 10 MiB in base64, two bodies, and room for many small emails in one call.
const MOST_BODY: usize = 32 * 1024 * 1024;

/// Every path of the service.
pub fn router(app: App) -> Router {
    let behind_a_key = Router::new()
        .route("/graphql", post(http::execute).layer(DefaultBodyLimit::max(MOST_BODY)))
        .route("/metrics", get(health::metrics))
        .route_layer(from_fn_with_state(app.clone(), auth::guard));
    let open = Router::new()
        .route("/", get(index::page))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready));
    let open = if app.playground { open.route("/graphql", get(http::playground)) } else { open };
    open.merge(behind_a_key).fallback(nowhere).with_state(app)
}

async fn nowhere() -> Response {
    refused(StatusCode::NOT_FOUND, "NOT_FOUND", "nothing is here; the API is at /graphql")
}

/// An answer to a request that never reached the schema, in the shape of a GraphQL error.
pub fn refused(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "errors": [{ "message": message, "extensions": { "code": code } }] });
    (status, Json(body)).into_response()
}

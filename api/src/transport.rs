//! How requests come in: which path leads where, and which need a key.

mod http;
mod index;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde_json::json;

use crate::app::App;
use crate::{auth, health, rest};

/// The largest body: attachments of 10 MiB in base64, two bodies, and room for many small emails in one call.
const MOST_BODY: usize = 32 * 1024 * 1024;

/// Every path of the service.
pub fn router(app: App) -> Router {
    let behind_a_key = Router::new()
        .route("/graphql", post(http::execute).layer(DefaultBodyLimit::max(MOST_BODY)))
        .route("/metrics", get(health::metrics))
        .route_layer(from_fn_with_state(app.clone(), auth::guard));
    let rest =
        rest::router().layer(from_fn_with_state(app.clone(), auth::guard)).layer(map_response(rest::in_our_form));
    let open = Router::new()
        .route("/", get(index::page))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready));
    let open = if app.playground { open.route("/graphql", get(http::playground)) } else { open };
    open.merge(behind_a_key).merge(rest).fallback(nowhere).with_state(app)
}

async fn nowhere() -> Response {
    refused(StatusCode::NOT_FOUND, "NOT_FOUND", "nothing is here; the API is at /graphql")
}

/// An answer to a request that never reached the schema, in the shape of a GraphQL error.
pub fn refused(status: StatusCode, code: &'static str, message: &str) -> Response {
    let body = json!({ "errors": [{ "message": message, "extensions": { "code": code } }] });
    let words = Words { code, message: message.to_owned() };
    (status, Extension(words), Json(body)).into_response()
}

/// What a refusal says, kept beside its body for whoever says it in another form.
#[derive(Clone, Debug)]
pub struct Words {
    /// The code in a GraphQL error.
    pub code: &'static str,
    /// Why, for a person.
    pub message: String,
}

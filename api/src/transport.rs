//! How requests come in: which path leads where, and what stands before it.

mod http;
mod index;
pub mod routes;

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

/// Every path of the service, all behind the guard, who looks up in [`routes`] what each needs.
pub fn router(app: App) -> Router {
    let guard = from_fn_with_state(app.clone(), auth::guard);
    let guarded = Router::new()
        .route("/", get(index::page))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/graphql", post(http::execute).layer(DefaultBodyLimit::max(MOST_BODY)))
        .route_layer(guard.clone());
    let rest = rest::router().layer(guard).layer(map_response(rest::in_our_form));
    let guarded = guarded.merge(rest);
    let all = if app.playground { guarded.route("/graphql", get(http::playground)) } else { guarded };
    all.fallback(nowhere).with_state(app)
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

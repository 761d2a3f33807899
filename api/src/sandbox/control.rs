//! The control surface under `/_sandbox/`: what was received, the faults in force, and the webhooks.

mod webhooks;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::Mailgun;
use super::answer::{Refusal, refused};
use super::faults::{Fault, Shown};
use super::store::{Accepted, Stats, Wanted};
use super::submission::Bodies;

/// The routes, relative to `/_sandbox`.
pub(super) fn routes(mailgun: &Arc<Mailgun>) -> Router<Arc<Mailgun>> {
    Router::new()
        .route("/messages", get(messages).delete(forget))
        .route("/messages/{number}", get(message))
        .route("/stats", get(stats))
        .route("/faults", get(faults).put(set_faults).delete(clear_faults))
        .merge(webhooks::routes())
        .layer(from_fn_with_state(mailgun.clone(), authorize))
}

async fn authorize(State(mailgun): State<Arc<Mailgun>>, request: Request, next: Next) -> Response {
    if mailgun.key.admits(request.headers()) { next.run(request).await } else { Refusal::Forbidden.into_response() }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    limit: Option<usize>,
    email_id: Option<String>,
    message_id: Option<String>,
}

#[derive(Serialize)]
struct Listed<'a> {
    messages: Vec<&'a Accepted>,
}

async fn messages(
    State(mailgun): State<Arc<Mailgun>>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Response, Response> {
    let Query(Filter { limit, email_id, message_id }) = filter.map_err(|error| bad(&error.body_text()))?;
    let newest = mailgun.store.newest(&Wanted { email_id, message_id }, limit.unwrap_or(100));
    Ok(Json(Listed { messages: newest.iter().map(Arc::as_ref).collect() }).into_response())
}

/// A record with its bodies; null once these are forgotten.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    record: &'a Accepted,
    bodies: Option<&'a Bodies>,
}

async fn message(
    State(mailgun): State<Arc<Mailgun>>,
    number: Result<Path<u64>, PathRejection>,
) -> Result<Response, Response> {
    let Path(number) = number.map_err(|error| bad(&error.body_text()))?;
    let (record, bodies) = mailgun
        .store
        .find(number)
        .ok_or_else(|| refused(StatusCode::NOT_FOUND, &format!("message {number} is not, or no longer, kept")))?;
    Ok(Json(Whole { record: &record, bodies: bodies.as_deref() }).into_response())
}

async fn forget(State(mailgun): State<Arc<Mailgun>>) -> StatusCode {
    mailgun.store.clear();
    mailgun.outbox.clear();
    StatusCode::NO_CONTENT
}

async fn stats(State(mailgun): State<Arc<Mailgun>>) -> Json<Stats> {
    Json(mailgun.store.stats())
}

async fn faults(State(mailgun): State<Arc<Mailgun>>) -> Json<Vec<Shown>> {
    Json(mailgun.faults.show())
}

/// Whatever its `Content-Type` says, the body is JSON; an error names the entry and its field.
async fn set_faults(State(mailgun): State<Arc<Mailgun>>, body: Bytes) -> Result<Json<Vec<Shown>>, Response> {
    let Json(faults) = Json::<Vec<Fault>>::from_bytes(&body).map_err(|error| bad(&error.body_text()))?;
    mailgun.faults.replace(faults).map_err(|invalid| bad(&invalid.to_string()))?;
    Ok(Json(mailgun.faults.show()))
}

async fn clear_faults(State(mailgun): State<Arc<Mailgun>>) -> Result<StatusCode, Response> {
    mailgun.faults.replace(Vec::new()).map_err(|invalid| bad(&invalid.to_string()))?;
    Ok(StatusCode::NO_CONTENT)
}

fn bad(why: &str) -> Response {
    refused(StatusCode::BAD_REQUEST, why)
}

//! `/_sandbox/webhooks`: how webhooks are told, and what came of them.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bad;
use crate::sandbox::Mailgun;
use crate::sandbox::outbox::{Counts, Delivery, Listed, Settings, State as Progress};

pub(super) fn routes() -> Router<Arc<Mailgun>> {
    Router::new()
        .route("/webhooks", get(show).put(set).delete(reset))
        .route("/webhooks/deliveries", get(deliveries))
        .route("/webhooks/redeliver", post(redeliver))
}

/// The settings in force, and how much there is to do.
#[derive(Serialize)]
struct Shown {
    settings: Settings,
    #[serde(flatten)]
    counts: Counts,
}

impl Shown {
    fn of(mailgun: &Mailgun) -> Self {
        Self { settings: Settings::clone(&mailgun.outbox.settings()), counts: mailgun.outbox.counts() }
    }
}

async fn show(State(mailgun): State<Arc<Mailgun>>) -> Json<Shown> {
    Json(Shown::of(&mailgun))
}

/// Whatever its `Content-Type` says, the body is JSON.
async fn set(State(mailgun): State<Arc<Mailgun>>, body: Bytes) -> Result<Json<Shown>, Response> {
    let Json(settings) = Json::<Settings>::from_bytes(&body).map_err(|error| bad(&error.body_text()))?;
    settings.check().map_err(bad)?;
    mailgun.outbox.set(settings);
    Ok(Json(Shown::of(&mailgun)))
}

async fn reset(State(mailgun): State<Arc<Mailgun>>) -> StatusCode {
    mailgun.outbox.set(Settings::default());
    StatusCode::NO_CONTENT
}

/// Which deliveries are meant; an absent field asks nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    limit: Option<usize>,
    number: Option<u64>,
    /// As subscribed to: `permanent_fail`.
    event: Option<String>,
    /// With or without angle brackets.
    message_id: Option<String>,
    recipient: Option<String>,
    state: Option<Progress>,
}

impl Wanted {
    fn includes(&self, delivery: &Delivery) -> bool {
        self.number.is_none_or(|number| number == delivery.number)
            && self.event.as_ref().is_none_or(|event| event == delivery.hook())
            && self.message_id.as_ref().is_none_or(|id| id.trim_matches(['<', '>']) == delivery.message_id())
            && self.recipient.as_ref().is_none_or(|address| address == delivery.recipient())
            && self.state.is_none_or(|state| state == delivery.state())
    }

    fn newest(&self, mailgun: &Mailgun) -> Vec<Arc<Delivery>> {
        mailgun.outbox.newest(|delivery| self.includes(delivery), self.limit.unwrap_or(100))
    }
}

async fn deliveries(
    State(mailgun): State<Arc<Mailgun>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Response> {
    let Query(wanted) = wanted.map_err(|error| bad(&error.body_text()))?;
    let listed: Vec<Listed> = wanted.newest(&mailgun).iter().map(|delivery| delivery.listed()).collect();
    Ok(Json(json!({ "deliveries": listed })).into_response())
}

/// Once more and under the same signatures, as Mailgun does when its own first call was answered too late.
async fn redeliver(State(mailgun): State<Arc<Mailgun>>, body: Bytes) -> Result<Json<Value>, Response> {
    let Json(wanted) = Json::<Wanted>::from_bytes(&body).map_err(|error| bad(&error.body_text()))?;
    let count = mailgun.outbox.redeliver(wanted.newest(&mailgun), mailgun.clock.now());
    Ok(Json(json!({ "redelivered": count })))
}

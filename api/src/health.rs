//! How the process stands, for whoever watches over it: alive, ready, and in numbers.

pub mod ask;
mod gauges;

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jobs::lane::Carrier;
use jobs::live::news::Way;
use serde::Serialize;
use tokio::time::timeout;

use crate::app::App;

/// How long the database may take to answer before the process is not ready.
const PATIENCE: Duration = Duration::from_secs(2);

/// What `/health/ready` says.
#[derive(Serialize)]
struct Readiness {
    /// `ready`, `degraded` (email goes, by a detour) or `not ready`.
    status: &'static str,
    /// `live` or `sandbox`.
    mode: &'static str,
    database: Part,
    /// How work travels: `redis` or `in process`; nothing while the process stops.
    lanes: Option<&'static str>,
    redis: Part,
    /// How events that other processes record become known here: `redis`, or by asking the database.
    news: Option<&'static str>,
    /// This process hands emails over itself.
    works: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Part {
    Ok,
    Away,
    MigrationsPending,
    NotConfigured,
}

/// The process runs.
pub async fn live() -> &'static str {
    "alive\n"
}

/// The process can take emails: 200, or 503 while it can't. Without Redis, where one is configured, it still can.
pub async fn ready(State(app): State<App>) -> Response {
    let database = database(&app).await;
    let lanes = app.lanes().await;
    let redis = match &lanes {
        _ if !app.redis => Part::NotConfigured,
        Some(health) if !health.degraded => Part::Ok,
        Some(_) | None => Part::Away,
    };
    let status = match (database, &lanes, redis) {
        (Part::Ok, Some(_), Part::Ok | Part::NotConfigured) => "ready",
        (Part::Ok, Some(_), Part::Away | Part::MigrationsPending) => "degraded",
        _ => "not ready",
    };
    let code = if status == "not ready" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let mode = if app.ctx.settings.sandbox { "sandbox" } else { "live" };
    let news = lanes.as_ref().map(|health| match health.news {
        Way::Redis => "redis",
        Way::Alone | Way::Asking => "database",
    });
    let lanes = lanes.map(|health| match health.carrier {
        Carrier::InProcess => "in process",
        Carrier::Redis => "redis",
    });
    (code, Json(Readiness { status, mode, database, lanes, redis, news, works: app.works })).into_response()
}

async fn database(app: &App) -> Part {
    match timeout(PATIENCE, migration::pending(app.ctx.store.read())).await {
        Ok(Ok(0)) => Part::Ok,
        Ok(Ok(_)) => Part::MigrationsPending,
        Ok(Err(error)) => {
            tracing::warn!(cause = %error, "The database did not answer the readiness check");
            Part::Away
        }
        Err(_) => Part::Away,
    }
}

/// What was counted, and how the queue stands at this moment, in Prometheus' text format.
pub async fn metrics(State(app): State<App>) -> Response {
    let Some(handle) = &app.metrics else { return StatusCode::NOT_FOUND.into_response() };
    if let Err(error) = gauges::read(&app).await {
        tracing::warn!(cause = %error, "The queue's gauges could not be read");
    }
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, handle.render()).into_response()
}

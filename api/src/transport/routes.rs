//! Every path of the service, and what stands before it: one table, which a test walks without a credential.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use entity::ApiScope;

use super::{http, index};
use crate::app::App;
use crate::auth::{self, Door};
use crate::health;

/// The largest body: attachments of 10 MiB in base64, two bodies, and room for many small emails in one call.
const MOST_BODY: usize = 32 * 1024 * 1024;

/// A method of a path.
pub struct Route {
    pub method: Method,
    pub path: &'static str,
    /// What stands before it.
    pub door: Door,
    handler: MethodRouter<App>,
}

/// The routes; `playground` adds the page to try the API with.
pub fn all(playground: bool) -> Vec<Route> {
    let route = |method, path, door, handler| Route { method, path, door, handler };
    let mut routes = vec![
        route(Method::GET, "/", Door::Open, get(index::page)),
        route(Method::GET, "/health/live", Door::Open, get(health::live)),
        route(Method::GET, "/health/ready", Door::Open, get(health::ready)),
        route(Method::GET, "/metrics", Door::Scope(ApiScope::Read), get(health::metrics)),
        // Each field of the schema has a guard of its own.
        route(Method::POST, "/graphql", Door::Credential, post(http::execute).layer(DefaultBodyLimit::max(MOST_BODY))),
    ];
    if playground {
        routes.push(route(Method::GET, "/graphql", Door::Open, get(http::playground)));
    }
    routes
}

/// The routes, each behind its door.
pub fn guarded(app: &App) -> Router<App> {
    all(app.playground).into_iter().fold(Router::new(), |router, Route { path, door, handler, .. }| {
        router.route(path, handler.route_layer(from_fn_with_state((app.clone(), door), auth::guard)))
    })
}

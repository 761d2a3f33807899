//! How requests come in: which path leads where, and what stands before it.

pub(crate) mod body;
mod cross_origin;
mod graphiql;
mod http;
pub(crate) mod index;
mod media;
mod operation;
mod origin;
mod parameters;
pub(crate) mod refusal;
pub mod routes;
mod secure;
pub mod whence;
mod ws;

use std::net::SocketAddr;
use std::sync::Arc;

use async_graphql::{Request as GraphqlRequest, Response as GraphqlResponse};
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use entity::ApiScope;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::auth::{self, Principal, Refused};
use crate::dashboard::{self, link};
use crate::limit::count::Cost;
use crate::limit::{Tab, What};
use crate::schema::fault::Fault;
use crate::{health, rest, unsubscribe, webhook};

use self::refusal::Refusal;
use self::whence::Whence;

pub use origin::Origins;
pub use ws::Pace;

/// What `/graphql` is answered from, on either transport.
pub struct Graphql {
    app: App,
    room: body::Room,
    origins: Origins,
    sockets: ws::Sockets,
}

impl Graphql {
    /// Over this app, for pages from these places, until `stop`.
    pub fn new(app: App, origins: Origins, pace: Pace, stop: CancellationToken) -> Arc<Self> {
        let sockets = ws::Sockets::new(pace, stop);
        Arc::new(Self { app, room: body::Room::default(), origins, sockets })
    }

    /// Waits until every socket is closed, which they begin when the process stops.
    pub async fn closed(&self) {
        self.sockets.closed().await;
    }

    /// A request with what its resolvers look for, and with introspection where the caller may have it: whoever has a key where
    /// the API is tried out, elsewhere an ADMIN, since only people at work on a client need it.
    fn request(&self, request: GraphqlRequest, principal: Principal, whence: Whence) -> GraphqlRequest {
        let request = request.data(principal).data(whence).data(self.app.clone());
        let introspects = self.app.playground || principal.scopes.allow(ApiScope::Admin);
        if introspects { request } else { request.disable_introspection() }
    }

    /// Does one operation for this caller, in the time that one has. What it takes of their limits goes on the tab.
    pub async fn execute(
        &self,
        request: GraphqlRequest,
        principal: Principal,
        whence: Whence,
        tab: &Tab,
    ) -> GraphqlResponse {
        let operation = operation::Operation::of(self.request(request, principal, whence));
        self.done(operation, principal, tab).await
    }

    async fn done(&self, operation: operation::Operation, principal: Principal, tab: &Tab) -> GraphqlResponse {
        let Cost { mutations, emails } = operation.cost();
        let asked = [(What::Mutations, mutations), (What::Emails, emails)];
        match tab.note(self.app.limits.take(principal.key, &asked).await) {
            Ok(()) => {
                let _turn = match operation.turn(&self.app.limits, principal).await {
                    Ok(turn) => turn,
                    Err(fault) => return fault.response(),
                };
                operation.execute(self.app.schema.clone(), operation::LIMIT).await
            }
            Err(excess) => Fault::from(excess).response(),
        }
    }

    /// Reads what this caller sends, as far as they may.
    ///
    /// # Errors
    /// Why it is not read, as an answer.
    pub async fn read(&self, headers: &HeaderMap, body: Body, principal: Principal) -> Result<body::Held, Response> {
        let most = body::most(principal.scopes);
        self.room.read(headers, body, most).await.map_err(IntoResponse::into_response)
    }
}

/// Every path of the service, all behind the guard, who looks up in [`routes`] what each needs.
pub fn router(graphql: &Arc<Graphql>) -> Router {
    let app = graphql.app.clone();
    let guard = from_fn_with_state(app.clone(), auth::guard);
    let api = Router::new()
        .route("/graphql", get(http::answer).post(http::answer).fallback(http::no_such_method))
        .route_layer(guard.clone())
        .route_layer(from_fn_with_state(graphql.clone(), before_the_guard))
        .with_state(graphql.clone());
    let screens = dashboard::PAGES.into_iter();
    let pages = screens
        .fold(Router::new(), |router, path| router.route(path, get(dashboard::page)))
        .route(dashboard::ASSETS, get(dashboard::asset))
        .route(link::PATH, post(link::exchange))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route(webhook::PATH, post(webhook::take))
        .route(webhook::PATH_BELOW_API, post(webhook::take))
        .route(
            unsubscribe::PATH,
            get(unsubscribe::ask).post(unsubscribe::act).layer(from_fn_with_state(app.clone(), unsubscribe::gate)),
        )
        .route_layer(guard.clone())
        .with_state(app);
    let rest = rest::router().layer(guard).layer(map_response(rest::in_our_form)).with_state(graphql.clone());
    let all = pages.merge(api).merge(rest).fallback(nowhere);
    let secured = secure::Secured::new(graphql.app.ctx.settings.public_url.as_deref());
    all.layer(from_fn_with_state(graphql.clone(), cross_origin::share)).layer(from_fn_with_state(secured, secure::head))
}

/// What is answered at `/graphql` without a key in the request's head: a socket says its key when it is open, a page has a field
/// for it, and a body too large for strangers is refused by its length, while its sender still listens.
async fn before_the_guard(
    State(graphql): State<Arc<Graphql>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let (headers, is_get) = (request.headers(), request.method() == Method::GET);
    if is_get && headers.contains_key(header::UPGRADE) {
        let from = graphql.app.doorkeeper.address(peer.ip(), headers);
        return match graphql.app.limits.take_from_address(What::AddressRequests, from) {
            Ok(()) => ws::upgrade(graphql, from, request).await.into_response(),
            Err(excess) => Refused::Limited(excess).into_response(),
        };
    }
    if is_get && graphql.app.playground && request.uri().query().is_none() && media::wants_page(headers) {
        let from = graphql.app.doorkeeper.address(peer.ip(), headers);
        let counted = graphql.app.limits.take_from_address(What::AddressRequests, from);
        return counted.map_or_else(|excess| Refused::Limited(excess).into_response(), |()| graphiql::page());
    }
    let stranger = !headers.contains_key(header::AUTHORIZATION);
    if stranger && body::declared(headers).is_some_and(|length| length > body::OF_A_STRANGER) {
        return Refusal::TooLarge(body::OF_A_STRANGER).into_response();
    }
    next.run(request).await
}

/// The answer where nothing is.
pub async fn nowhere() -> Response {
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

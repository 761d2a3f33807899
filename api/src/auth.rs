//! Who asks, and what they may do: by an API key, looked up by its hash, or by a token that somebody signed whom the
//! configuration trusts. Without either nothing is answered but how the process lives.

mod command;
mod doorkeeper;
mod form;
mod jwt;
pub mod keys;
mod memory;
mod network;

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use entity::{ApiScope, ApiScopes};
use uuid::Uuid;

use crate::app::App;
use crate::connection::Visitor;
use crate::limit::{Excess, Tab, What};
use crate::schema::Fault;
use crate::transport::whence::Client;
use crate::transport::{refused, routes};

pub use command::{Expiry, execute, from, scope};
pub use doorkeeper::Doorkeeper;
pub use jwt::{TokenError, Tokens};
pub use network::{Networks, Proxies};

/// The id that ADMIN_API_KEY goes by, in no row: the same in every process and after every restart, so that idempotency keys
/// used with it stay bound.
pub const ADMIN: Uuid = Uuid::from_u128(1);

/// Who asks, and what they may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The key's id, or [`ADMIN`], or what stands for the subject of a token.
    pub key: Uuid,
    /// What they may do.
    pub scopes: ApiScopes,
    /// When the permission ends; what was begun before, such as a subscription, ends with it.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Principal {
    /// The holder of ADMIN_API_KEY.
    pub const ADMIN: Principal = Principal { key: ADMIN, scopes: ApiScopes::ADMIN, expires_at: None };

    /// Whether addresses are shown to them in full, and contents at all.
    pub fn sees_addresses(&self) -> bool {
        self.scopes.see_addresses()
    }
}

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There is no credential.
    #[error("a bearer key is needed")]
    Nothing,
    /// It is nobody's.
    #[error("the key is not known, or no longer valid")]
    Unknown,
    /// It is a token that does not hold.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// It is good, elsewhere.
    #[error("this key may not be used from this address")]
    Elsewhere,
    /// Too much was asked for, or too many keys from this address were nobody's.
    #[error("{0}")]
    Limited(#[from] Excess),
    /// It can't be looked up.
    #[error("keys can't be looked up at the moment")]
    Away(#[source] jobs::Error),
}

impl Refused {
    /// The status of an HTTP answer, and the code in a GraphQL error.
    pub fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Refused::Nothing | Refused::Unknown | Refused::Token(_) => (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"),
            Refused::Elsewhere => (StatusCode::FORBIDDEN, "FORBIDDEN"),
            Refused::Limited(_) => (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED"),
            Refused::Away(_) => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
        }
    }
}

impl IntoResponse for Refused {
    /// RFC 6750 §3: a 401 names the scheme, and says so where a credential came and was not good.
    fn into_response(self) -> Response {
        if let Refused::Away(cause) = &self {
            tracing::error!(%cause, "A key could not be looked up");
        }
        let (status, code) = self.status();
        let mut answer = refused(status, code, &self.to_string());
        match self {
            Refused::Nothing => challenge(&mut answer, "Bearer realm=\"mailmind\""),
            Refused::Unknown | Refused::Token(_) => {
                challenge(&mut answer, "Bearer realm=\"mailmind\", error=\"invalid_token\"");
            }
            Refused::Limited(excess) => {
                if let Some(seconds) = excess.seconds() {
                    answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
                }
            }
            Refused::Elsewhere | Refused::Away(_) => {}
        }
        answer
    }
}

fn challenge(answer: &mut Response, text: &'static str) {
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(text));
}

/// What stands before a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Anybody may come in.
    Open,
    /// Anybody may come in, and those from one address only so often.
    Counted,
    /// The request carries its proof in itself, a signature, which whoever answers it checks.
    Signed,
    /// A credential is needed; what it allows is asked further in, field by field.
    Credential,
    /// A credential with this scope is needed.
    Scope(ApiScope),
}

/// Lets a request through that may pass the door of its path, with its [`Principal`] and its [`Tab`] where one is needed. Who has
/// no key that is known is counted by their address, others by their key.
pub async fn guard(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    path: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let from = app.doorkeeper.address(peer.ip(), request.headers());
    let needed = match routes::door(request.method(), path.as_ref().map(MatchedPath::as_str)) {
        Door::Open | Door::Signed => return next.run(request).await,
        Door::Counted => {
            return match app.limits.take_from_address(What::AddressRequests, from) {
                Ok(()) => next.run(request).await,
                Err(excess) => Refused::Limited(excess).into_response(),
            };
        }
        Door::Credential => None,
        Door::Scope(scope) => Some(scope),
    };
    let from = app.doorkeeper.address(peer.ip(), request.headers());
    let asked = match bearer(request.headers()) {
        Some(credential) => app.doorkeeper.ask(credential, from).await,
        None => Err(Refused::Nothing),
    };
    let principal = match asked {
        Ok(principal) => principal,
        Err(refusal) => {
            let counted = app.limits.take_from_address(What::AddressRequests, from);
            return counted.map_or_else(Refused::Limited, |()| refusal).into_response();
        }
    };
    if let Some(visitor) = request.extensions().get::<Visitor>() {
        visitor.is_known();
    }
    let tab = Tab::default();
    let mut answer = match (tab.note(app.limits.take(principal.key, &[(What::Requests, 1)]).await), needed) {
        (Err(excess), _) => Refused::Limited(excess).into_response(),
        (Ok(()), Some(scope)) if !principal.scopes.allow(scope) => {
            refused(StatusCode::FORBIDDEN, "FORBIDDEN", &Fault::Forbidden(scope).to_string())
        }
        (Ok(()), _) => {
            request.extensions_mut().insert(principal);
            request.extensions_mut().insert(tab.clone());
            request.extensions_mut().insert(Client(from));
            next.run(request).await
        }
    };
    tab.say(answer.headers_mut());
    answer
}

/// The bearer credential of a request.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim()).filter(|key| !key.is_empty())
}

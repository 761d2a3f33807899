//! Who asks: a bearer key is looked up by its hash, and what was found is remembered for a few seconds. Without a key nothing
//! is answered but how the process lives.

pub mod keys;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use entity::{ApiScopes, api_key};
use jobs::Context;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::app::App;
use crate::transport::refused;

/// The id that ADMIN_API_KEY goes by, in no row: the same in every process and after every restart, so that idempotency keys
/// used with it stay bound.
pub const ADMIN: Uuid = Uuid::from_u128(1);

/// For how long a look-up is remembered; a revoked key may open the door this much longer.
const REMEMBERED: Duration = Duration::from_secs(5);
/// More look-ups than this are not remembered: somebody is guessing.
const MOST_REMEMBERED: usize = 10_000;

/// Who asks, and what they may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The key's id, or [`ADMIN`].
    pub key: Uuid,
    /// What they may do.
    pub scopes: ApiScopes,
    /// When the permission ends; what was begun before, such as a subscription, ends with it.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Principal {
    /// The holder of ADMIN_API_KEY.
    pub const ADMIN: Principal = Principal { key: ADMIN, scopes: ApiScopes::ADMIN, expires_at: None };
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
    /// It can't be looked up.
    #[error("keys can't be looked up at the moment")]
    Away(#[source] jobs::Error),
}

type Hash = [u8; 32];

/// Opens to those with a key.
pub struct Doorkeeper {
    ctx: Arc<Context>,
    admin: Option<Hash>,
    known: Mutex<HashMap<Hash, Known>>,
}

/// What a look-up found, and until when it holds.
#[derive(Clone, Copy)]
struct Known {
    principal: Option<Principal>,
    until: Duration,
}

impl Doorkeeper {
    /// A doorkeeper who also lets `admin` in, whatever the table says.
    pub fn new(ctx: Arc<Context>, admin: Option<&SecretString>) -> Self {
        let admin = admin.map(|key| hash(key.expose_secret()));
        Self { ctx, admin, known: Mutex::default() }
    }

    /// Who it is that shows this key, from this address.
    ///
    /// # Errors
    /// Why they are not let in.
    pub async fn ask(&self, key: &str, _from: IpAddr) -> Result<Principal, Refused> {
        let hash = hash(key);
        // Hashes of equal length, compared in constant time: neither tells how much of a guess was right.
        if self.admin.is_some_and(|admin| bool::from(admin.ct_eq(&hash))) {
            return Ok(Principal::ADMIN);
        }
        if let Some(known) = self.remembered(&hash) {
            return known.ok_or(Refused::Unknown);
        }
        let now = self.ctx.clock.now();
        let asked = api_key::Entity::find().filter(api_key::Column::Hash.eq(hash.to_vec()));
        let found = asked.one(self.ctx.store.read()).await.map_err(|error| Refused::Away(error.into()))?;
        let principal = found.as_ref().filter(|key| key.valid_at(now)).map(principal);
        self.remember(hash, principal);
        if let Some(key) = found.filter(|_| principal.is_some()) {
            keys::note_use(&self.ctx, key);
        }
        principal.ok_or(Refused::Unknown)
    }

    fn remembered(&self, hash: &Hash) -> Option<Option<Principal>> {
        let now = self.ctx.clock.elapsed();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(hash).filter(|known| known.until > now).map(|known| known.principal)
    }

    fn remember(&self, hash: Hash, principal: Option<Principal>) {
        let now = self.ctx.clock.elapsed();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_REMEMBERED {
            known.retain(|_, known| known.until > now);
        }
        if known.len() < MOST_REMEMBERED {
            known.insert(hash, Known { principal, until: now + REMEMBERED });
        }
    }
}

fn principal(key: &api_key::Model) -> Principal {
    Principal { key: key.id, scopes: ApiScopes::ADMIN, expires_at: key.expires_at }
}

/// What a key is stored and looked up by.
pub fn hash(key: &str) -> Hash {
    Sha256::digest(key.as_bytes()).into()
}

/// Lets a request through that carries a key, with its [`Principal`].
pub async fn guard(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let asked = match bearer(request.headers()) {
        Some(key) => app.doorkeeper.ask(key, peer.ip()).await,
        None => Err(Refused::Nothing),
    };
    match asked {
        Ok(principal) => {
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        Err(refusal) => refuse(&refusal),
    }
}

/// The answer to somebody who is not let in.
fn refuse(refusal: &Refused) -> Response {
    match refusal {
        Refused::Nothing | Refused::Unknown => {
            let headers = [(header::WWW_AUTHENTICATE, "Bearer realm=\"mailmind\"")];
            let answer = refused(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", &refusal.to_string());
            (headers, answer).into_response()
        }
        Refused::Away(cause) => {
            tracing::error!(%cause, "A key could not be looked up");
            refused(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", &refusal.to_string())
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim()).filter(|key| !key.is_empty())
}

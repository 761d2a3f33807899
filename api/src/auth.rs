//! Who asks: a bearer key is looked up by its hash, and what was found is remembered for a few seconds. Without a key nothing
//! is answered but how the process lives.

pub mod keys;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use entity::api_key;
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

/// Whose key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The key's id, or [`ADMIN`].
    pub key: Uuid,
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

    /// Whose key this is; `None` when nobody's.
    ///
    /// # Errors
    /// When the table can't be asked.
    pub async fn ask(&self, key: &str) -> jobs::Result<Option<Principal>> {
        let hash = hash(key);
        // Hashes of equal length, compared in constant time: neither tells how much of a guess was right.
        if self.admin.is_some_and(|admin| bool::from(admin.ct_eq(&hash))) {
            return Ok(Some(Principal { key: ADMIN }));
        }
        if let Some(known) = self.remembered(&hash) {
            return Ok(known);
        }
        let now = self.ctx.clock.now();
        let found =
            api_key::Entity::find().filter(api_key::Column::Hash.eq(hash.to_vec())).one(self.ctx.store.read()).await?;
        let principal = found.as_ref().filter(|key| key.valid_at(now)).map(|key| Principal { key: key.id });
        self.remember(hash, principal);
        if let Some(key) = found.filter(|_| principal.is_some()) {
            keys::note_use(&self.ctx, key);
        }
        Ok(principal)
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

/// What a key is stored and looked up by.
pub fn hash(key: &str) -> Hash {
    Sha256::digest(key.as_bytes()).into()
}

/// Lets a request through that carries a key, with its [`Principal`].
pub async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let Some(key) = bearer(request.headers()) else { return unauthenticated("a bearer key is needed") };
    match app.doorkeeper.ask(key).await {
        Ok(Some(principal)) => {
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        Ok(None) => unauthenticated("the key is not known, or no longer valid"),
        Err(error) => {
            tracing::error!(cause = %error, "A key could not be looked up");
            refused(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "keys can't be looked up at the moment")
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim()).filter(|key| !key.is_empty())
}

fn unauthenticated(why: &str) -> Response {
    let headers = [(header::WWW_AUTHENTICATE, "Bearer realm=\"mailmind\"")];
    (headers, refused(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", why)).into_response()
}

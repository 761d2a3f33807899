//! Opens to those with a key or a token. A guess costs its guesser more than it costs the database: what can't be a key is
//! not looked up, look-ups are remembered, few strange keys are looked up at a time, and an address from which too many came
//! has to wait. Keys that were good before are not held up by that, whoever else calls from their address.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use entity::api_key;
use jobs::Context;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::memory::{Hash, Memory, Recalled};
use super::{Networks, Principal, Proxies, Refused, Tokens, form, keys};
use crate::limit::{Limits, What};

/// As many strange keys are looked up at a time.
const AT_A_TIME: usize = 8;

/// Who holds a key, and from where it may be used.
#[derive(Debug)]
pub struct Holder {
    pub principal: Principal,
    pub from: Networks,
}

/// Opens to those with a key or a token.
pub struct Doorkeeper {
    ctx: Arc<Context>,
    admin: Option<Hash>,
    tokens: Option<Tokens>,
    proxies: Proxies,
    memory: Mutex<Memory>,
    limits: Arc<Limits>,
    strange: Semaphore,
}

impl Doorkeeper {
    /// A doorkeeper who knows the keys of the database, lets `admin` in whatever the table says, and takes `tokens`. How many may
    /// be guessed is the limits' to say.
    pub fn new(
        ctx: Arc<Context>,
        admin: Option<&SecretString>,
        tokens: Option<Tokens>,
        proxies: Proxies,
        limits: Arc<Limits>,
    ) -> Self {
        Self {
            ctx,
            admin: admin.map(|key| hash(key.expose_secret())),
            tokens,
            proxies,
            memory: Mutex::default(),
            limits,
            strange: Semaphore::new(AT_A_TIME),
        }
    }

    /// Where a request comes from, by its connection and its headers.
    pub fn address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.proxies.address(peer, headers)
    }

    /// Whether this is one of our own proxies.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.proxies.0.contain(peer)
    }

    /// Who it is that shows this key or token, from this address.
    ///
    /// # Errors
    /// Why they are not let in.
    pub async fn ask(&self, key: &str, from: IpAddr) -> Result<Principal, Refused> {
        let now = self.ctx.clock.now();
        if let Some(tokens) = self.tokens.as_ref().filter(|_| Tokens::may_be(key)) {
            return Ok(tokens.read(key, now)?);
        }
        let holder = self.holder(key, from, now).await?.ok_or(Refused::Unknown)?;
        let Holder { principal, from: networks } = &*holder;
        if principal.expires_at.is_some_and(|end| end <= now) {
            return Err(Refused::Unknown);
        }
        if !networks.is_empty() && !networks.contain(from) {
            return Err(Refused::Elsewhere);
        }
        Ok(*principal)
    }

    /// Forgets what it remembers of a key that was revoked.
    pub fn forget(&self, key: Uuid) {
        lock(&self.memory).forget(key);
    }

    async fn holder(&self, key: &str, from: IpAddr, now: DateTime<Utc>) -> Result<Option<Arc<Holder>>, Refused> {
        let hash = hash(key);
        let recalled = self.recall(&hash);
        let _turn = match recalled {
            Recalled::Fresh(holder) => return Ok(holder),
            Recalled::Familiar => None,
            // The semaphore is never closed.
            Recalled::Strange => self.strange.acquire().await.ok(),
        };
        // Others may have asked for the same key, or guessed from the same address, while this one waited for its turn.
        match self.recall(&hash) {
            Recalled::Fresh(holder) => return Ok(holder),
            Recalled::Familiar => {}
            Recalled::Strange => {
                self.limits.look_at_address(What::AddressGuesses, from)?;
            }
        }
        let holder = self.look_up(key, &hash, now).await?.map(Arc::new);
        let elapsed = self.ctx.clock.elapsed();
        if holder.is_none() {
            // Those that were looked up beside the last one that there was: no less is left for that.
            self.limits.take_from_address(What::AddressGuesses, from).ok();
        }
        lock(&self.memory).keep(hash, holder.clone(), elapsed);
        Ok(holder)
    }

    async fn look_up(&self, key: &str, hash: &Hash, now: DateTime<Utc>) -> Result<Option<Holder>, Refused> {
        // Hashes of equal length, compared in constant time: neither tells how much of a guess was right.
        if self.admin.is_some_and(|admin| bool::from(admin.ct_eq(hash))) {
            return Ok(Some(Holder { principal: Principal::ADMIN, from: Networks::default() }));
        }
        if !form::is_key(key) {
            return Ok(None);
        }
        let asked = api_key::Entity::find().filter(api_key::Column::Hash.eq(hash.to_vec()));
        let found = asked.one(self.ctx.store.read()).await.map_err(|error| Refused::Away(error.into()))?;
        let Some(found) = found.filter(|key| key.valid_at(now)) else { return Ok(None) };
        let Some(holder) = holder(&found) else { return Ok(None) };
        keys::note_use(&self.ctx, found);
        Ok(Some(holder))
    }

    fn recall(&self, hash: &Hash) -> Recalled {
        lock(&self.memory).recall(hash, self.ctx.clock.elapsed())
    }
}

/// Whoever holds this key. Nobody, where its addresses can't be read: it must not be good from everywhere for that.
fn holder(key: &api_key::Model) -> Option<Holder> {
    let principal = Principal { key: key.id, scopes: key.scopes, expires_at: key.expires_at };
    match Networks::parse(key.allowed()) {
        Ok(from) => Some(Holder { principal, from }),
        Err((_, why)) => {
            tracing::error!(api_key.id = %key.id, "An entry of a key's allowed addresses {why}");
            None
        }
    }
}

/// What a key is stored and looked up by.
pub fn hash(key: &str) -> Hash {
    Sha256::digest(key.as_bytes()).into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Who may call: the key of the configuration itself, whose tokens and whose webhooks are taken, and whose word on where a call
//! comes from.

use secrecy::{ExposeSecret, SecretString};

use super::{Config, Nonsense, given, nonsense, secret};
use crate::auth::{Networks, Proxies, Tokens};

impl Config {
    pub(super) fn admin_key(&self) -> Result<Option<SecretString>, Nonsense> {
        let Some(key) = secret(&self.admin_api_key) else { return Ok(None) };
        let text = key.expose_secret();
        if text.len() < 16 || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(nonsense("ADMIN_API_KEY", "must be 16 or more visible ASCII characters without a blank"));
        }
        Ok(Some(key))
    }

    pub(super) fn tokens(&self) -> Result<Option<Tokens>, Nonsense> {
        let audience = self.jwt_audience.trim();
        if audience.is_empty() {
            return Err(nonsense(
                "JWT_AUDIENCE",
                "must not be empty: a token for another service must not open this one",
            ));
        }
        let issuer = given(&self.jwt_issuer);
        match (secret(&self.jwt_secret), given(&self.jwt_public_key)) {
            (None, None) => Ok(None),
            (Some(secret), None) => {
                let tokens = Tokens::by_secret(&secret, audience, issuer);
                tokens.map(Some).map_err(|why| nonsense("JWT_SECRET", why))
            }
            (None, Some(pem)) => {
                let tokens = Tokens::by_public_key(pem, audience, issuer);
                tokens.map(Some).map_err(|why| nonsense("JWT_PUBLIC_KEY", why))
            }
            (Some(_), Some(_)) => Err(nonsense(
                "JWT_SECRET",
                "is set beside JWT_PUBLIC_KEY: tokens are signed one way or the other, so take one of them away",
            )),
        }
    }

    /// The keys of MAILGUN_WEBHOOK_SIGNING_KEY: none, one, or several while one is being replaced.
    pub fn webhook_keys(&self) -> Vec<SecretString> {
        let Some(keys) = secret(&self.mailgun_webhook_signing_key) else { return Vec::new() };
        let keys = keys.expose_secret().split(',').map(str::trim);
        keys.filter(|key| !key.is_empty()).map(SecretString::from).collect()
    }

    pub(super) fn proxies(&self) -> Result<Proxies, Nonsense> {
        networks("TRUSTED_PROXIES", &self.trusted_proxies).map(Proxies)
    }

    /// Where endpoints may lie besides the public Internet.
    pub(super) fn outbound_networks(&self) -> Result<jobs::dispatch::address::Networks, Nonsense> {
        let allowed = networks("OUTBOUND_PRIVATE_NETWORKS", &self.outbound_private_networks)?;
        Ok(jobs::dispatch::address::Networks(allowed.into_list()))
    }
}

fn networks(variable: &'static str, list: &Option<String>) -> Result<Networks, Nonsense> {
    let list = given(list).unwrap_or_default();
    let entries: Vec<&str> = list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect();
    Networks::parse(entries.iter().copied())
        .map_err(|(place, why)| nonsense(variable, format!("has the entry {:?}, which {why}", entries[place])))
}

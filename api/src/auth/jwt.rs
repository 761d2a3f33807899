//! Tokens (JWT, RFC 7519) of whoever the configuration trusts, for dashboards with a login of their own. The algorithm is the
//! configured key's, never the token's word; a token can't be called back, so its life is short.

#[cfg(test)]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};
use entity::{ApiScope, ApiScopes};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Principal;

/// Two clocks that should agree may differ by this.
const LEEWAY: TimeDelta = TimeDelta::seconds(30);
/// The longest that a token may still be good for.
const LONGEST: TimeDelta = TimeDelta::hours(24);
/// HS256 wants as many bytes as its hash has (RFC 7518 §3.2).
const SHORTEST_SECRET: usize = 32;
/// The sizes in which RSA keys are taken: at least 2048 bits (RFC 7518 §3.3), at most what the implementation reads. In bytes
/// of their DER form, which is the modulus and a few bytes more.
const RSA_DER: std::ops::RangeInclusive<usize> = 256..=550;
const ED25519: usize = 32;

/// How tokens are read.
pub struct Tokens {
    key: DecodingKey,
    algorithm: Algorithm,
    validation: Validation,
}

/// Why a token is not taken. Nothing of it is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no token, or not signed with the configured key in its algorithm.
    #[error("the token is not signed as it should be")]
    Signature,
    /// A claim that is needed is not there, or is of another kind.
    #[error("the token lacks a claim: sub, exp and aud are needed, and scope or scopes")]
    Claims,
    /// `exp` is over.
    #[error("the token is expired")]
    Expired,
    /// `nbf` is still to come.
    #[error("the token is not valid yet")]
    Early,
    /// `exp` is too far off.
    #[error("the token is valid for more than 24 hours from now")]
    Long,
    /// `aud` does not name this service.
    #[error("the token is for another audience")]
    Audience,
    /// `iss` is not whom the configuration names.
    #[error("the token is of another issuer")]
    Issuer,
    /// A scope is none of READ, SEND, MANAGE and ADMIN.
    #[error("the token names an unknown scope")]
    Scope,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    iss: Option<String>,
    /// As RFC 8693 §4.2 has it: names, with blanks between them.
    scope: Option<Names>,
    /// As some issuers have it: a list.
    scopes: Option<Names>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    Text(String),
    List(Vec<String>),
}

impl Tokens {
    /// Takes tokens signed by HS256 with this secret.
    ///
    /// # Errors
    /// Why the secret can't be used, in words that follow its name.
    pub fn by_secret(secret: &SecretString, audience: &str, issuer: Option<&str>) -> Result<Self, String> {
        let secret = secret.expose_secret().as_bytes();
        if secret.len() < SHORTEST_SECRET {
            return Err(format!("must be {SHORTEST_SECRET} bytes at least"));
        }
        Ok(Self::new(DecodingKey::from_secret(secret), Algorithm::HS256, audience, issuer))
    }

    /// Takes tokens signed by EdDSA (Ed25519) or RS256 with the private half of this key, by what it is.
    ///
    /// # Errors
    /// Why the key can't be used, in words that follow its name.
    pub fn by_public_key(pem: &str, audience: &str, issuer: Option<&str>) -> Result<Self, String> {
        // On one line in an environment file, as some write it.
        let pem = pem.trim().replace("\\n", "\n");
        if pem.contains("PRIVATE KEY") {
            return Err("is a private key; its public half is needed, and the private one belongs to the issuer".into());
        }
        if !["-----BEGIN PUBLIC KEY-----", "-----BEGIN RSA PUBLIC KEY-----"].iter().any(|line| pem.starts_with(line)) {
            return Err("must be a public key in PEM, beginning with -----BEGIN PUBLIC KEY-----".into());
        }
        let size = |key: &DecodingKey| key.try_get_as_bytes().map_or(0, <[u8]>::len);
        if let Ok(key) = DecodingKey::from_ed_pem(pem.as_bytes())
            && size(&key) == ED25519
        {
            return Ok(Self::new(key, Algorithm::EdDSA, audience, issuer));
        }
        match DecodingKey::from_rsa_pem(pem.as_bytes()) {
            Ok(key) if RSA_DER.contains(&size(&key)) => Ok(Self::new(key, Algorithm::RS256, audience, issuer)),
            Ok(_) => Err("is an RSA key that is not 2048 to 4096 bits long".into()),
            Err(_) => Err("is no readable Ed25519 or RSA key".into()),
        }
    }

    fn new(key: DecodingKey, algorithm: Algorithm, audience: &str, issuer: Option<&str>) -> Self {
        let mut validation = Validation::new(algorithm);
        // Times are compared below, with the clock that everything else follows.
        validation.validate_exp = false;
        validation.set_required_spec_claims(&["sub", "exp", "aud"]);
        validation.set_audience(&[audience]);
        if let Some(issuer) = issuer {
            validation.required_spec_claims.insert("iss".to_owned());
            validation.set_issuer(&[issuer]);
        }
        Self { key, algorithm, validation }
    }

    /// Whether this looks like a token: three parts, the first a JSON object in base64.
    pub fn may_be(credential: &str) -> bool {
        credential.starts_with("eyJ") && credential.split('.').count() == 3
    }

    /// The algorithm that tokens are signed by.
    pub fn algorithm(&self) -> &'static str {
        match self.algorithm {
            Algorithm::HS256 => "HS256",
            Algorithm::EdDSA => "EdDSA",
            _ => "RS256",
        }
    }

    /// Whose token this is and what it allows, at this time.
    ///
    /// # Errors
    /// Why it does not hold.
    pub fn read(&self, token: &str, now: DateTime<Utc>) -> Result<Principal, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Signature)?;
        // What stands in `crit` must be understood (RFC 7515 §4.1.11), and we understand nothing of the kind.
        if header.crit.is_some() {
            return Err(TokenError::Signature);
        }
        let read = decode::<Claims>(token, &self.key, &self.validation);
        let claims = read.map_err(|error| why(error.kind()))?.claims;
        if claims.sub.is_empty() {
            return Err(TokenError::Claims);
        }
        let expires_at = time(claims.exp)? + LEEWAY;
        if expires_at <= now {
            return Err(TokenError::Expired);
        }
        if expires_at > now + LONGEST + LEEWAY {
            return Err(TokenError::Long);
        }
        if let Some(begin) = claims.nbf
            && time(begin)? > now + LEEWAY
        {
            return Err(TokenError::Early);
        }
        let scopes = scopes(&claims)?;
        Ok(Principal { key: subject(claims.iss.as_deref(), &claims.sub), scopes, expires_at: Some(expires_at) })
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({})", self.algorithm())
    }
}

fn why(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) | ErrorKind::Json(_) => {
            TokenError::Claims
        }
        ErrorKind::InvalidAudience => TokenError::Audience,
        ErrorKind::InvalidIssuer => TokenError::Issuer,
        _ => TokenError::Signature,
    }
}

/// A NumericDate: seconds since the epoch, with a fraction or without. Years that no calendar has are no time.
fn time(seconds: f64) -> Result<DateTime<Utc>, TokenError> {
    let time = DateTime::from_timestamp_millis((seconds * 1_000.0) as i64);
    time.filter(|time| time.timestamp().unsigned_abs() < 1 << 40).ok_or(TokenError::Claims)
}

fn scopes(claims: &Claims) -> Result<ApiScopes, TokenError> {
    let names: Vec<&str> = match (&claims.scope, &claims.scopes) {
        (Some(names), None) | (None, Some(names)) => names.iter().collect(),
        // Which of the two would hold?
        (Some(_), Some(_)) | (None, None) => return Err(TokenError::Claims),
    };
    if names.is_empty() {
        return Err(TokenError::Claims);
    }
    names.into_iter().map(|name| ApiScope::parse(name).ok_or(TokenError::Scope)).collect()
}

impl Names {
    fn iter(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Names::Text(text) => Box::new(text.split_whitespace()),
            Names::List(list) => Box::new(list.iter().map(String::as_str)),
        }
    }
}

/// The id that a subject goes by, the same for all its tokens, so that idempotency keys used with one stay bound. Version 8:
/// no key's id is one.
fn subject(issuer: Option<&str>, sub: &str) -> Uuid {
    let mut hash = Sha256::new();
    for part in [issuer.unwrap_or_default(), sub] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Uuid::new_v8(bytes)
}

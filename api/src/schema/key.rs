//! API keys: who has one, making one, ending one.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::{ApiScope, ApiScopes, api_key};

use super::asked::Asked;
use super::audit::trail;
use super::fault::Fault;
use super::guard::Needs;
use super::node::Kind;
use super::refusal::{UserError, UserErrorCode};
use crate::auth::Networks;
use crate::auth::keys::{self, Made, NewKey};

/// As many addresses and networks may be named.
const MOST_ADDRESSES: usize = 100;

/// A key to the API. The key itself is shown once, when it is made.
#[derive(Clone, Debug, SimpleObject)]
pub struct ApiKey {
    /// Names it in the whole service.
    pub id: ID,
    /// Who or what it is for.
    name: String,
    /// How it begins, to recognise it by.
    prefix: String,
    /// What it was given; MANAGE includes READ, and ADMIN includes all.
    scopes: Vec<ApiScope>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it ends by itself; null for never.
    expires_at: Option<DateTime<Utc>>,
    /// When somebody ended it.
    revoked_at: Option<DateTime<Utc>>,
    /// When it was used last, to the minute.
    last_used_at: Option<DateTime<Utc>>,
    /// From which addresses and networks it may be used; empty for anywhere.
    allowed_addresses: Vec<String>,
}

impl From<api_key::Model> for ApiKey {
    fn from(row: api_key::Model) -> Self {
        let allowed_addresses = row.allowed().map(str::to_owned).collect();
        let api_key::Model { id, name, prefix, created_at, expires_at, revoked_at, last_used_at, scopes, .. } = row;
        Self {
            id: Kind::ApiKey.id(id),
            name,
            prefix,
            scopes: scopes.given().collect(),
            created_at,
            expires_at,
            revoked_at,
            last_used_at,
            allowed_addresses,
        }
    }
}

/// A key to make.
#[derive(Debug, InputObject)]
pub struct ApiKeyInput {
    /// Who or what it is for.
    name: String,
    /// What it is to allow; nothing that you may not do yourself.
    scopes: Vec<ApiScope>,
    /// When it ends by itself; without it, when it is revoked.
    expires_at: Option<DateTime<Utc>>,
    /// From which addresses and networks (`10.0.0.0/8`) it may be used; without any, from anywhere.
    allowed_addresses: Option<Vec<String>>,
}

impl ApiKeyInput {
    /// The key it describes, for a caller who may do `own`.
    ///
    /// # Errors
    /// What to mend.
    fn read(self, own: ApiScopes, now: DateTime<Utc>) -> Result<NewKey, Vec<UserError>> {
        let mut errors = Vec::new();
        let mut wrong = |path: &[&str], message: String| {
            errors.push(UserError::at(path, UserErrorCode::Invalid, message).under(&["input"]));
        };
        let name = keys::name(&self.name).map_err(|why| wrong(&["name"], why)).unwrap_or_default();
        if self.scopes.is_empty() {
            wrong(&["scopes"], "is empty: a key must allow something".to_owned());
        }
        if let Some(scope) = self.scopes.iter().find(|scope| !own.allow(**scope)) {
            wrong(&["scopes"], format!("has {scope}, which you may not give as you don't have it"));
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            wrong(&["expiresAt"], "is in the past".to_owned());
        }
        let list = self.allowed_addresses.unwrap_or_default();
        if list.len() > MOST_ADDRESSES {
            wrong(&["allowedAddresses"], format!("has {} entries; {MOST_ADDRESSES} are allowed", list.len()));
        }
        let from = Networks::parse(list.iter().map(String::as_str))
            .map_err(|(place, why)| wrong(&["allowedAddresses", &place.to_string()], why))
            .unwrap_or_default();
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(NewKey { name, scopes: self.scopes.into_iter().collect(), expires_at: self.expires_at, from })
    }
}

/// What became of the wish for a key.
#[derive(SimpleObject)]
pub struct CreateApiKeyPayload {
    /// What is known of the key; null where it was refused.
    api_key: Option<ApiKey>,
    /// The key itself: here, and never again.
    secret: Option<String>,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// What became of the wish to end a key.
#[derive(SimpleObject)]
pub struct RevokeApiKeyPayload {
    /// The key as it stands now; null where there is none.
    api_key: Option<ApiKey>,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// API keys.
#[derive(Default)]
pub struct KeyQueries;

#[Object]
impl KeyQueries {
    /// Every API key, the oldest first; those that ended too. ADMIN_API_KEY and tokens are not among them. Requires the scope
    /// ADMIN.
    #[graphql(guard = "Needs(ApiScope::Admin)")]
    async fn api_keys(&self, ctx: &Context<'_>) -> Result<Vec<ApiKey>, Fault> {
        let keys = keys::all(&ctx.app()?.ctx.store).await.map_err(jobs::Error::from)?;
        Ok(keys.into_iter().map(ApiKey::from).collect())
    }
}

/// Making and ending API keys.
#[derive(Default)]
pub struct KeyMutations;

#[Object]
impl KeyMutations {
    /// Makes an API key. Its secret is answered once and stored nowhere. Requires the scope ADMIN.
    #[graphql(guard = "Needs(ApiScope::Admin)")]
    async fn create_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The key.")] input: ApiKeyInput,
    ) -> Result<CreateApiKeyPayload, Fault> {
        let (jobs, principal) = (&ctx.app()?.ctx, ctx.principal()?);
        let new = match input.read(principal.scopes, jobs.clock.now()) {
            Ok(new) => new,
            Err(user_errors) => return Ok(CreateApiKeyPayload { api_key: None, secret: None, user_errors }),
        };
        let made = keys::create(&jobs.store, &jobs.clock, jobs.settings.sandbox, new).await;
        let Made { row, secret } = made.map_err(jobs::Error::from)?;
        trail::subject(&Kind::ApiKey.id(row.id));
        trail::after(keys::state(&row));
        tracing::info!(api_key.id = %row.id, by = %principal.key, "An API key was made");
        let secret = secrecy::ExposeSecret::expose_secret(&secret).to_owned();
        Ok(CreateApiKeyPayload { api_key: Some(row.into()), secret: Some(secret), user_errors: Vec::new() })
    }

    /// Ends an API key. Other processes may take it for a few seconds more. Requires the scope ADMIN.
    #[graphql(guard = "Needs(ApiScope::Admin)")]
    async fn revoke_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The key.")] id: ID,
    ) -> Result<RevokeApiKeyPayload, Fault> {
        let (app, principal) = (ctx.app()?, ctx.principal()?);
        let found = match Kind::ApiKey.read(&id) {
            Some(id) => keys::find(&app.ctx.store, id).await.map_err(jobs::Error::from)?,
            None => None,
        };
        let Some(key) = found else {
            let error = UserError::at(&["id"], UserErrorCode::NotFound, "is no API key's id");
            return Ok(RevokeApiKeyPayload { api_key: None, user_errors: vec![error] });
        };
        trail::subject(&Kind::ApiKey.id(key.id));
        trail::before(keys::state(&key));
        let key = keys::revoke(&app.ctx.store, &app.ctx.clock, key).await.map_err(jobs::Error::from)?;
        trail::after(keys::state(&key));
        app.doorkeeper.forget(key.id);
        tracing::info!(api_key.id = %key.id, by = %principal.key, "An API key was revoked");
        Ok(RevokeApiKeyPayload { api_key: Some(key.into()), user_errors: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(input: ApiKeyInput, own: &[ApiScope]) -> Vec<String> {
        let read = input.read(own.iter().copied().collect(), DateTime::UNIX_EPOCH);
        let errors = read.err().unwrap_or_default().into_iter();
        errors.map(|error| error.field.unwrap_or_default().join(".")).collect()
    }

    fn input(scopes: &[ApiScope]) -> ApiKeyInput {
        ApiKeyInput { name: "the shop".to_owned(), scopes: scopes.to_vec(), expires_at: None, allowed_addresses: None }
    }

    #[test]
    fn nobody_gives_what_they_lack() {
        use ApiScope::{Admin, Manage, Read, Send};
        assert_eq!(mistakes(input(&[Read, Send, Manage, Admin]), &[Admin]), Vec::<String>::new());
        assert_eq!(mistakes(input(&[Read]), &[Manage]), Vec::<String>::new());
        for (scopes, own) in [(&[Send], Manage), (&[Admin], Manage), (&[Manage], Read), (&[Read], Send)] {
            assert_eq!(mistakes(input(scopes), &[own]), ["input.scopes"], "{scopes:?} by {own}");
        }
    }

    #[test]
    fn mistakes_are_named_by_their_place() {
        let wrong = ApiKeyInput {
            name: " \n".to_owned(),
            scopes: Vec::new(),
            expires_at: Some(DateTime::UNIX_EPOCH),
            allowed_addresses: Some(vec!["::1".to_owned(), "localhost".to_owned()]),
        };
        let expected = ["input.name", "input.scopes", "input.expiresAt", "input.allowedAddresses.1"];
        assert_eq!(mistakes(wrong, &[ApiScope::Admin]), expected);
        let many = ApiKeyInput {
            allowed_addresses: Some(vec!["::1".to_owned(); MOST_ADDRESSES + 1]),
            ..input(&[ApiScope::Read])
        };
        assert_eq!(mistakes(many, &[ApiScope::Admin]), ["input.allowedAddresses"]);
    }
}

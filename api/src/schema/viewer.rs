//! What a caller may want to know about the service before anything else.

use async_graphql::{ComplexObject, Context, Object, SimpleObject};
use entity::ApiScope;

use super::asked::Asked;
use super::count::int;
use super::fault::Fault;
use super::guard::Needs;
use super::key::ApiKey;
use crate::auth::keys;

/// The service as its caller sees it.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct Viewer {
    /// What you may do, what other scopes include as well.
    scopes: Vec<ApiScope>,
    /// The service's version.
    version: &'static str,
    /// Emails go to the built-in sandbox, which delivers nothing.
    sandbox: bool,
    /// What is switched on: `workers` (this process sends), `redis`, `playground`.
    features: Vec<&'static str>,
    /// How long things are kept.
    retention: Retention,
}

#[ComplexObject]
impl Viewer {
    /// The key you ask with; null for ADMIN_API_KEY and for a token.
    async fn key(&self, ctx: &Context<'_>) -> Option<Result<ApiKey, Fault>> {
        own_key(ctx).await.transpose()
    }
}

async fn own_key(ctx: &Context<'_>) -> Result<Option<ApiKey>, Fault> {
    let found = keys::find(&ctx.app()?.ctx.store, ctx.principal()?.key).await.map_err(jobs::Error::from)?;
    Ok(found.map(ApiKey::from))
}

/// How long things are kept.
#[derive(SimpleObject)]
pub struct Retention {
    /// Days that a finished email is kept.
    email_days: i32,
}

/// The caller's view.
#[derive(Default)]
pub struct ViewerQueries;

#[Object]
impl ViewerQueries {
    /// The service as you see it. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer, Fault> {
        let (app, scopes) = (ctx.app()?, ctx.principal()?.scopes);
        let features = [("workers", app.works), ("redis", app.redis), ("playground", app.playground)];
        Ok(Viewer {
            scopes: ApiScope::ALL.into_iter().filter(|scope| scopes.allow(*scope)).collect(),
            version: env!("CARGO_PKG_VERSION"),
            sandbox: app.ctx.settings.sandbox,
            features: features.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect(),
            retention: Retention { email_days: int(app.ctx.settings.retention.emails.num_days()) },
        })
    }
}

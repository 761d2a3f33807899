//! What a caller may want to know about the service before anything else.

use async_graphql::{Context, Object, SimpleObject};
use entity::ApiScope;

use super::asked::Asked;
use super::count::int;
use super::fault::Fault;
use super::guard::Needs;

/// The service as its caller sees it.
#[derive(SimpleObject)]
pub struct Viewer {
    /// The service's version.
    version: &'static str,
    /// Emails go to the built-in sandbox, which delivers nothing.
    sandbox: bool,
    /// What is switched on: `workers` (this process sends), `redis`, `playground`.
    features: Vec<&'static str>,
    /// How long things are kept.
    retention: Retention,
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
    /// The service as you see it.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer, Fault> {
        let app = ctx.app()?;
        let features = [("workers", app.works), ("redis", app.redis), ("playground", app.playground)];
        Ok(Viewer {
            version: env!("CARGO_PKG_VERSION"),
            sandbox: app.ctx.settings.sandbox,
            features: features.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect(),
            retention: Retention { email_days: int(app.ctx.settings.retention.num_days()) },
        })
    }
}

//! The audit log: an entry for each mutation, whoever asks and whatever comes of it. It is written around the fields of the root
//! and not by them, so that none can be forgotten; what they know besides, such as how a thing stood before, they [`trail`].

mod arguments;
mod list;
mod reveal;
pub mod trail;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextPrepareRequest, NextResolve, ResolveInfo,
};
use async_graphql::{PathSegment, Request, ServerError, ServerResult, Value, async_trait};
use entity::audit_entry::{Model, Outcome};
use jobs::audit::SENDS;

use super::fault::Fault;
use crate::app::App;
use crate::auth::Principal;
use crate::transport::whence::Whence;

pub use list::{AuditEntry, AuditQueries, with_ids};
pub use reveal::RevealMutations;
use trail::Trail;

/// Writes the log.
pub struct Audited;

impl ExtensionFactory for Audited {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Auditor::default())
    }
}

/// Of one request: what its mutations ask for, by the keys of the answer.
#[derive(Default)]
struct Auditor(Mutex<HashMap<String, String>>);

#[async_trait::async_trait]
impl Extension for Auditor {
    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        let mut request = next.run(ctx, request).await?;
        let asked = arguments::of(&ctx.schema_env.registry, &mut request)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = asked;
        Ok(request)
    }

    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let is_mutation = info.path_node.parent.is_none()
            && ctx.schema_env.registry.mutation_type.as_deref() == Some(info.parent_type);
        // Without a process there is nothing that could be done.
        let (true, Some(app)) = (is_mutation, ctx.data_opt::<App>()) else { return next.run(ctx, info).await };
        let entry = self.begun(ctx, app, &info);
        // An email that is sent brings its call's entry along; of everything else there is one before it is done.
        if !SENDS.contains(&info.name)
            && let Err(error) = app.audit.put(Arc::new(entry.clone())).await
        {
            let path = vec![PathSegment::Field(info.path_node.field_name().to_owned())];
            return Err(ServerError { path, ..Fault::from(error).at(Some(info.field.name.pos)) });
        }
        let trail = Trail::of(entry);
        let answer = trail.follow(next.run(ctx, info)).await;
        if let Some(entry) = trail.end(&answer) {
            store(app, entry).await;
        }
        answer
    }
}

impl Auditor {
    fn begun(&self, ctx: &ExtensionContext<'_>, app: &App, info: &ResolveInfo<'_>) -> Model {
        let whence = ctx.data_opt::<Whence>();
        let via = whence.map_or_else(|| "in process".to_owned(), |whence| whence.by.to_string());
        let key = info.path_node.field_name();
        let asked = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        Model {
            actor: ctx.data_opt::<Principal>().map(|principal| principal.key),
            origin: whence.map(|whence| whence.address.to_string()),
            arguments: asked,
            ..Model::new(app.ctx.clock.id(), info.name, via)
        }
    }
}

/// Stores what became of it. Where the database is away, what was begun stays so: that its end is not known is true.
async fn store(app: &App, entry: Model) {
    let (id, failed) = (entry.id, entry.outcome == Outcome::Failed);
    let audit = app.audit.clone();
    let stored = async move {
        if let Err(error) = audit.put(Arc::new(entry)).await {
            tracing::error!(cause = %error, audit.id = %id, "What became of an operation could not be written to the audit log");
        }
    };
    // Whoever hears that the database is away need not wait for it twice.
    if failed { drop(tokio::spawn(stored)) } else { stored.await }
}

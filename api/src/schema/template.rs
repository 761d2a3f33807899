//! Templates: what they are, how they are written, and what they would say.

mod control;
mod list;

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use jobs::find::Opened;
use jobs::template::{self, Model};
use uuid::Uuid;

use super::asked::Asked;
use super::fault::Fault;
use super::loader::Contents;
use super::node::Kind;
pub use control::TemplateMutations;
pub use list::TemplateQueries;

/// A content with a name, which emails and campaigns are rendered from. Written anew, it changes nothing that was accepted or
/// launched before.
#[derive(Clone, Debug)]
pub struct Template {
    id: ID,
    row: Model,
}

impl Template {
    /// The template of this row.
    pub fn new(row: Model) -> Self {
        Self { id: Kind::Template.id(row.id), row }
    }

    async fn opened(&self, ctx: &Context<'_>) -> Result<Option<Arc<Opened>>, Fault> {
        let contents = ctx.data_opt::<DataLoader<Contents>>().ok_or(Fault::Unattended)?;
        contents.load_one(self.row.content_id).await
    }
}

/// A content with a name, which emails and campaigns are rendered from. Written anew, it changes nothing that was accepted or
/// launched before.
#[Object]
impl Template {
    /// Names it in the whole service.
    pub async fn id(&self) -> &ID {
        &self.id
    }

    /// Its name, which no other has.
    async fn name(&self) -> &str {
        &self.row.name
    }

    /// How often it was written: 1 at first.
    async fn version(&self) -> i32 {
        self.row.version
    }

    /// The subject as it was written; null when it was written anew at this moment.
    async fn subject(&self, ctx: &Context<'_>) -> Option<Result<String, Fault>> {
        self.opened(ctx).await.map(|opened| Some(opened?.head.subject.clone())).transpose()
    }

    /// The HTML body as it was written.
    async fn html(&self, ctx: &Context<'_>) -> Option<Result<String, Fault>> {
        self.opened(ctx).await.map(|opened| opened?.html.clone()).transpose()
    }

    /// The text body as it was written.
    async fn text(&self, ctx: &Context<'_>) -> Option<Result<String, Fault>> {
        self.opened(ctx).await.map(|opened| opened?.text.clone()).transpose()
    }

    /// The variables it uses, by their full names, such as `order.total`; not those of `recipient`.
    async fn variables(&self, ctx: &Context<'_>) -> Option<Result<Vec<String>, Fault>> {
        let read = async || Ok(template::ready(&ctx.app()?.ctx, &[self.row.id]).await?.remove(&self.row.id));
        let named = |prepared: Arc<jobs::render::Prepared>| {
            let template = prepared.template.as_ref().ok()?;
            Some(template.variables().into_iter().collect())
        };
        read().await.map(|prepared| prepared.and_then(named)).transpose()
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }

    /// When it was last written.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.row.updated_at
    }
}

/// Templates by id.
pub struct Templates(pub Arc<jobs::Context>);

impl Loader<Uuid> for Templates {
    type Value = Model;
    type Error = Fault;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Model>, Fault> {
        Ok(template::with_ids(&self.0, ids).await?)
    }
}

/// The template with this id, asked together with others.
pub async fn by_id(ctx: &Context<'_>, id: Uuid) -> Result<Option<Template>, Fault> {
    let templates = ctx.data_opt::<DataLoader<Templates>>().ok_or(Fault::Unattended)?;
    Ok(templates.load_one(id).await?.map(Template::new))
}

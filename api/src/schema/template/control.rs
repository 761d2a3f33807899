//! Writing templates.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::ApiScope;
use jobs::template::{self, Draft, Model, Refusal};
use serde_json::{Value, json};

use super::Template;
use crate::schema::asked::Asked;
use crate::schema::audit::trail;
use crate::schema::email::InlineContentInput;
use crate::schema::fault::Fault;
use crate::schema::guard::Needs;
use crate::schema::node::Kind;
use crate::schema::refusal::{UserError, UserErrorCode};

/// A template as it is to be.
#[derive(Debug, InputObject)]
pub struct TemplateInput {
    /// Its name, up to 200 characters, which no other has.
    name: String,
    /// What it says, with `{{ variables }}`.
    content: InlineContentInput,
}

/// What became of the wish to write a template.
#[derive(SimpleObject)]
pub struct TemplatePayload {
    /// The template as it stands; null where it was refused.
    template: Option<Template>,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// Writing templates.
#[derive(Default)]
pub struct TemplateMutations;

#[Object]
impl TemplateMutations {
    /// Stores a template. What can't be compiled is refused with its line. Requires the scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn create_template(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The template.")] input: TemplateInput,
    ) -> Result<TemplatePayload, Fault> {
        Ok(template::create(&ctx.app()?.ctx, input.read()).await?.into())
    }

    /// Writes a template anew, as a whole; its version rises. What was accepted or launched before keeps what it said then.
    /// Requires the scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn update_template(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The template's id.")] id: ID,
        #[graphql(desc = "The template as it is to be.")] input: TemplateInput,
    ) -> Result<TemplatePayload, Fault> {
        let Some(uuid) = Kind::Template.read(&id) else { return Ok(Err(Refusal::NotFound).into()) };
        let ctx = &ctx.app()?.ctx;
        trail::subject(&id);
        if let Some(row) = template::with_ids(ctx, &[uuid]).await?.get(&uuid) {
            trail::before(state(row));
        }
        Ok(template::update(ctx, uuid, input.read()).await?.into())
    }
}

fn state(row: &Model) -> Value {
    json!({ "name": row.name, "version": row.version })
}

impl TemplateInput {
    fn read(self) -> Draft {
        let InlineContentInput { subject, html, text } = self.content;
        Draft { name: self.name, subject, html, text }
    }
}

impl From<Result<Model, Refusal>> for TemplatePayload {
    fn from(done: Result<Model, Refusal>) -> Self {
        let user_errors = match done {
            Ok(row) => {
                trail::subject(&Kind::Template.id(row.id));
                trail::after(state(&row));
                return Self { template: Some(Template::new(row)), user_errors: Vec::new() };
            }
            Err(Refusal::NotFound) => vec![UserError::at(&["id"], UserErrorCode::NotFound, "is no template's id")],
            Err(Refusal::NameTaken) => {
                vec![UserError::at(&["input", "name"], UserErrorCode::Conflict, "is the name of another template")]
            }
            Err(Refusal::Complaints(complaints)) => {
                complaints.into_iter().map(|complaint| UserError::complaint(complaint).under(&["input"])).collect()
            }
        };
        Self { template: None, user_errors }
    }
}

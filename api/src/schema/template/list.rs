//! Templates by id, all of them, and what one would say.

use async_graphql::{Context, ID, Object, SimpleObject};
use entity::address::Mailbox;
use entity::{ApiScope, EmailAddress};
use futures::FutureExt;
use jobs::filter::Order;
use jobs::render::{RenderError, Said};
use jobs::template;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Template;
use crate::schema::asked::Asked;
use crate::schema::fault::Fault;
use crate::schema::guard::Needs;
use crate::schema::node::Kind;
use crate::schema::page::{Connection, List, Slice, Totals};
use crate::schema::refusal::{UserError, UserErrorCode};

/// What a template says to somebody.
#[derive(Default, SimpleObject)]
pub struct RenderedContent {
    /// The subject; null where it can't be rendered.
    subject: Option<String>,
    /// The HTML body.
    html: Option<String>,
    /// The text body.
    text: Option<String>,
    /// What to mend.
    user_errors: Vec<UserError>,
}

impl RenderedContent {
    fn refused(field: &str, code: UserErrorCode, why: impl Into<String>) -> Self {
        Self { user_errors: vec![UserError::at(&[field], code, why)], ..Self::default() }
    }
}

/// Templates.
#[derive(Default)]
pub struct TemplateQueries;

#[Object]
impl TemplateQueries {
    /// The template with this id; null when there is none. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn template(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Option<Result<Template, Fault>> {
        super::by_id(ctx, Kind::Template.read(&id)?).await.transpose()
    }

    /// Templates, the newest first. 25 at a time unless asked otherwise, 100 at most. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn templates(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the beginning, or after `after`.")] first: Option<i32>,
        #[graphql(desc = "A cursor to go on after.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "A cursor to go back from.")] before: Option<String>,
    ) -> Result<Connection<Template>, Fault> {
        let page = Slice { first, after, last, before }.page(List::Templates)?;
        let found = template::list(&ctx.app()?.ctx, page, Order::Descending).await?;
        let totals = Totals::of((), |ctx, ()| template::count(ctx).boxed());
        let wrap = |row: template::Model| (row.id, Template::new(row));
        Ok(Connection::looked(List::Templates, page, found, totals, wrap))
    }

    /// What a template says with these variables. A lead's address is masked for a key that may only read. Requires the scope
    /// READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn render_template(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The template.")] template_id: ID,
        #[graphql(desc = "Whose address `recipient.address` is; without it, what `variables` say of `recipient`.")]
        lead_id: Option<ID>,
        #[graphql(desc = "An object with the template's variables.")] variables: Option<Value>,
    ) -> Result<RenderedContent, Fault> {
        let none = |field, why: &str| Ok(RenderedContent::refused(field, UserErrorCode::NotFound, why));
        let id = Kind::Template.read(&template_id).unwrap_or_default();
        let Some(prepared) = template::ready(&ctx.app()?.ctx, &[id]).await?.remove(&id) else {
            return none("templateId", "is no template's id");
        };
        let recipient = match lead_id {
            None => None,
            Some(lead) => match address(ctx, Kind::Lead.read(&lead).unwrap_or_default()).await? {
                Some(address) => Some(Mailbox { name: None, address }),
                None => return none("leadId", "is no lead's id"),
            },
        };
        let variables = match variables {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(variables)) => variables,
            Some(_) => return Ok(RenderedContent::refused("variables", UserErrorCode::Invalid, "must be an object")),
        };
        let template = match &prepared.template {
            Ok(template) => template,
            Err(flaws) => {
                let why = flaws.first().map(ToString::to_string).unwrap_or_default();
                return Ok(RenderedContent::refused("templateId", UserErrorCode::Invalid, why));
            }
        };
        Ok(template.render(variables, recipient.as_ref()).into())
    }
}

impl From<Result<Said, RenderError>> for RenderedContent {
    fn from(rendered: Result<Said, RenderError>) -> Self {
        match rendered {
            Ok(Said { subject, html, text, .. }) => {
                Self { subject: Some(subject), html, text, user_errors: Vec::new() }
            }
            Err(error) => Self::refused("variables", UserErrorCode::Invalid, error.to_string()),
        }
    }
}

/// The address of a lead, as far as the caller may see it.
async fn address(ctx: &Context<'_>, lead: Uuid) -> Result<Option<EmailAddress>, Fault> {
    let found = jobs::lead::with_ids(&ctx.app()?.ctx, &[lead]).await?.remove(&lead);
    // A stored address is one.
    let address = found.and_then(|lead| EmailAddress::parse(&lead.row.address_key).ok());
    if ctx.principal()?.sees_addresses() {
        return Ok(address);
    }
    Ok(address.and_then(|address| EmailAddress::parse(&address.masked()).ok()))
}

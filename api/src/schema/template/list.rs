//! Templates by id, all of them, and what one would say.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use entity::address::Mailbox;
use entity::{ApiScope, EmailAddress};
use futures::FutureExt;
use jobs::filter::Order;
use jobs::render::{Part, Said};
use jobs::template::{self, Filter};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Template;
use crate::schema::asked::Asked;
use crate::schema::email::InlineContentInput;
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
    /// The variables that it uses, by their full names, such as `order.total`; not those of `recipient`. None where it can't be
    /// compiled.
    variables: Vec<String>,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// Templates that meet every part that is given.
#[derive(Debug, Default, InputObject)]
pub struct TemplateFilter {
    /// Whose name contains this, in capitals or not.
    name: Option<String>,
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

    /// Templates, the newest first. 25 at a time unless asked otherwise, 100 at most. Where few of many meet the filter, a page may
    /// hold fewer than asked for, or none, while `pageInfo` says that there is more: go on from its cursor. Requires the scope
    /// READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn templates(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many from the beginning, or after `after`.")] first: Option<i32>,
        #[graphql(desc = "A cursor to go on after.")] after: Option<String>,
        #[graphql(desc = "At most so many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "A cursor to go back from.")] before: Option<String>,
        #[graphql(desc = "Which templates; without it, all.")] filter: Option<TemplateFilter>,
    ) -> Result<Connection<Template>, Fault> {
        let page = Slice { first, after, last, before }.page(List::Templates)?;
        let name = filter.unwrap_or_default().name.map(|text| text.trim().to_owned());
        let filter = Filter { name: name.filter(|text| !text.is_empty()) };
        let found = template::list(&ctx.app()?.ctx, &filter, page, Order::Descending).await?;
        let totals = Totals::of(filter, |ctx, filter| template::count(ctx, filter).boxed());
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
        let id = Kind::Template.read(&template_id).unwrap_or_default();
        let Some(prepared) = template::ready(&ctx.app()?.ctx, &[id]).await?.remove(&id) else {
            return Ok(UserError::at(&["templateId"], UserErrorCode::NotFound, "is no template's id").into());
        };
        let template = match &prepared.template {
            Ok(template) => template,
            Err(flaws) => {
                let why = flaws.first().map(ToString::to_string).unwrap_or_default();
                return Ok(UserError::at(&["templateId"], UserErrorCode::Invalid, why).into());
            }
        };
        said(ctx, template, lead_id, variables, |_| vec!["templateId"]).await
    }

    /// What a content would say with these variables, as it stands here and nowhere else: for whoever writes a template. A lead's
    /// address is masked for a key that may only read. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn render_content(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What it says, with `{{ variables }}`.")] content: InlineContentInput,
        #[graphql(desc = "Whose address `recipient.address` is; without it, what `variables` say of `recipient`.")]
        lead_id: Option<ID>,
        #[graphql(desc = "An object with the content's variables.")] variables: Option<Value>,
    ) -> Result<RenderedContent, Fault> {
        let InlineContentInput { subject, html, text } = content;
        match template::compile(Said { subject, html, text, headers: Vec::new() }) {
            Ok(template) => said(ctx, &template, lead_id, variables, |part| vec!["content", part]).await,
            Err(complaints) => {
                let complained = |complaint| UserError::complaint(complaint).under(&["content"]);
                let user_errors = complaints.into_iter().map(complained).collect();
                Ok(RenderedContent { user_errors, ..RenderedContent::default() })
            }
        }
    }
}

/// What a template says to this lead; `way` leads to a part of it.
async fn said<'a>(
    ctx: &Context<'_>,
    template: &jobs::render::Template,
    lead_id: Option<ID>,
    variables: Option<Value>,
    way: impl Fn(&'a str) -> Vec<&'a str>,
) -> Result<RenderedContent, Fault> {
    let recipient = match lead_id {
        None => None,
        Some(lead) => match address(ctx, Kind::Lead.read(&lead).unwrap_or_default()).await? {
            Some(address) => Some(Mailbox { name: None, address }),
            None => return Ok(UserError::at(&["leadId"], UserErrorCode::NotFound, "is no lead's id").into()),
        },
    };
    let given = match variables {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(variables)) => variables,
        Some(_) => return Ok(UserError::at(&["variables"], UserErrorCode::Invalid, "must be an object").into()),
    };
    let variables = template.variables().into_iter().collect();
    Ok(match template.render(given, recipient.as_ref()) {
        Ok(Said { subject, html, text, .. }) => {
            RenderedContent { subject: Some(subject), html, text, variables, user_errors: Vec::new() }
        }
        Err(error) => {
            let field = error.part().and_then(Part::field).map_or_else(|| vec!["variables"], way);
            let error = UserError::at(&field, UserErrorCode::Invalid, error.to_string());
            RenderedContent { variables, ..error.into() }
        }
    })
}

impl From<UserError> for RenderedContent {
    fn from(error: UserError) -> Self {
        Self { user_errors: vec![error], ..Self::default() }
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

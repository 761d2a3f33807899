//! Drafts that name a template become what it says to their recipient, at once: what a person can mend is told before the
//! queue, and what was accepted is not changed by a later version.

use std::collections::HashMap;
use std::sync::Arc;

use entity::address::Mailbox;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::draft::{Complaint, Draft, TemplateContent};
use crate::context::Context;
use crate::error::Result;
use crate::render::{Prepared, RenderError};
use crate::template;

/// The drafts with their contents written out, each at its place.
///
/// # Errors
/// The database's own; a template that the keyring can't open.
pub(super) async fn written(ctx: &Context, drafts: Vec<Draft>) -> Result<Vec<Result<Draft, Vec<Complaint>>>> {
    let mut ids: Vec<Uuid> = drafts.iter().filter_map(|draft| Some(draft.template.as_ref()?.id)).collect();
    ids.sort_unstable();
    ids.dedup();
    let ready = template::ready(ctx, &ids).await?;
    Ok(drafts.into_iter().map(|draft| write(draft, &ready)).collect())
}

fn write(mut draft: Draft, ready: &HashMap<Uuid, Arc<Prepared>>) -> Result<Draft, Vec<Complaint>> {
    let Some(TemplateContent { id, variables }) = draft.template.take() else { return Ok(draft) };
    let within = |field: &str, message: String| {
        let path = ["content", "template", field].map(str::to_owned).to_vec();
        vec![Complaint { path, message }]
    };
    let prepared = ready.get(&id).ok_or_else(|| within("templateId", "is no such template".to_owned()))?;
    let template = prepared.template.as_ref().map_err(|flaws| {
        let told: Vec<String> = flaws.iter().map(|flaw| format!("{} {flaw}", flaw.part)).collect();
        within("templateId", told.join("; "))
    })?;
    let variables = match variables {
        None | Some(Json::Null) => Map::new(),
        Some(Json::Object(variables)) => variables,
        Some(_) => return Err(within("variables", "must be an object of names and values".to_owned())),
    };
    let recipient = Mailbox::parse(&draft.to)
        .map_err(|why| vec![Complaint { path: vec!["to".to_owned()], message: why.to_string() }])?;
    let said =
        template.render(variables, Some(&recipient)).map_err(|error| within(field(&error), error.to_string()))?;
    (draft.subject, draft.html, draft.text) = (said.subject, said.html, said.text);
    Ok(draft)
}

/// Where to mend it: what depends on the values is told of them, though a template may be at fault all the same.
fn field(error: &RenderError) -> &'static str {
    match error {
        RenderError::OutOfFuel { .. } => "templateId",
        RenderError::Missing { .. }
        | RenderError::Failed { .. }
        | RenderError::Link { .. }
        | RenderError::Control { .. }
        | RenderError::NoSubject
        | RenderError::NoBody
        | RenderError::TooLong { .. }
        | RenderError::TooLarge { .. }
        | RenderError::HeadersTooLarge => "variables",
    }
}

//! Stored templates: contents with a name, written anew as a whole. Whatever was made from one before it was written anew (an
//! email, a launched campaign) keeps what it said then.

use std::collections::HashMap;
use std::sync::Arc;

use entity::content::Head;
use entity::{content, template};
use sea_orm::{DatabaseTransaction, EntityTrait, FromQueryResult, SqlErr, Value};
use uuid::Uuid;

pub use entity::template::Model;

use crate::Context;
use crate::accept::Complaint;
use crate::accept::draft::{MOST_BODY, MOST_SUBJECT};
use crate::content::{Parts, give_up, insert, prepared};
use crate::control::repeat;
use crate::error::{Error, Result};
use crate::filter::Order;
use crate::find::{Page, models};
use crate::look::{self, Looked, Run};
use crate::render::{Prepared, Said, Template};
use crate::store::{Store, execute, rows};

/// A name, in characters.
const MOST_NAME: usize = 200;

/// A template as it is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    pub name: String,
    pub subject: String,
    pub html: Option<String>,
    pub text: Option<String>,
}

/// Why a template is not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is none with this id.
    NotFound,
    /// Another has this name.
    NameTaken,
    /// What to mend; the ways are `name`, `content.subject`, `content.html`, `content.text` and `content`.
    Complaints(Vec<Complaint>),
}

/// Stores a new template.
///
/// # Errors
/// The database's own.
pub async fn create(ctx: &Context, draft: Draft) -> Result<Result<Model, Refusal>> {
    let (name, parts) = match draft.check() {
        Ok(checked) => checked,
        Err(complaints) => return Ok(Err(Refusal::Complaints(complaints))),
    };
    let now = ctx.clock.now();
    let content = parts.seal(ctx, now)?;
    let id = ctx.clock.id();
    let row = Model { id, name, content_id: content.id, version: 1, created_at: now, updated_at: now };
    repeat(async || store(ctx, &row, &content).await).await
}

async fn store(ctx: &Context, row: &Model, content: &content::Model) -> Result<Result<Model, Refusal>> {
    let tx = ctx.store.begin().await?;
    let text = "INSERT INTO email_templates (id, name, content_id, version, created_at, updated_at) \
                VALUES ($1, $2, $3, $4, $5, $5) ON CONFLICT DO NOTHING";
    let values =
        [row.id.into(), row.name.clone().into(), row.content_id.into(), row.version.into(), row.created_at.into()];
    if execute(&tx, ctx.store.sql(text, values)).await?.rows_affected() == 1 {
        insert(&tx, content.clone()).await?;
        tx.commit().await?;
        return Ok(Ok(row.clone()));
    }
    // Its own row may be there already, where a commit's answer was lost.
    let stored = template::Entity::find_by_id(row.id).one(&tx).await?;
    Ok(stored.ok_or(Refusal::NameTaken))
}

/// Writes a template anew: its name and all that it says.
///
/// # Errors
/// The database's own.
pub async fn update(ctx: &Context, id: Uuid, draft: Draft) -> Result<Result<Model, Refusal>> {
    let (name, parts) = match draft.check() {
        Ok(checked) => checked,
        Err(complaints) => return Ok(Err(Refusal::Complaints(complaints))),
    };
    let content = parts.seal(ctx, ctx.clock.now())?;
    match repeat(async || replace(ctx, id, &name, &content).await).await {
        Err(Error::Database(error)) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
            Ok(Err(Refusal::NameTaken))
        }
        done => done,
    }
}

async fn replace(ctx: &Context, id: Uuid, name: &str, content: &content::Model) -> Result<Result<Model, Refusal>> {
    let tx = ctx.store.begin().await?;
    let Some(row) = lock(&tx, &ctx.store, id).await? else { return Ok(Err(Refusal::NotFound)) };
    if row.content_id == content.id {
        // It is done already, and the commit's answer was lost.
        return Ok(Ok(row));
    }
    let text =
        "UPDATE email_templates SET name = $2, content_id = $3, version = version + 1, updated_at = $4 WHERE id = $1";
    let values = [id.into(), name.into(), content.id.into(), content.created_at.into()];
    execute(&tx, ctx.store.sql(text, values)).await?;
    insert(&tx, content.clone()).await?;
    give_up(&tx, ctx, row.content_id).await?;
    tx.commit().await?;
    let (version, updated_at) = (row.version + 1, content.created_at);
    Ok(Ok(Model { name: name.to_owned(), content_id: content.id, version, updated_at, ..row }))
}

async fn lock(tx: &DatabaseTransaction, store: &Store, id: Uuid) -> Result<Option<Model>> {
    let text = format!("SELECT t.* FROM email_templates t WHERE t.id = $1 {}", store.for_update());
    Ok(models(&rows(tx, store.sql(text, [Value::from(id)])).await?)?.pop())
}

impl Draft {
    /// The name and the content to store.
    fn check(self) -> Result<(String, Parts), Vec<Complaint>> {
        let mut complaints = Vec::new();
        let name = self.name.trim().to_owned();
        if name.is_empty() || name.chars().count() > MOST_NAME || name.chars().any(char::is_control) {
            let message = format!("must be 1 to {MOST_NAME} characters without control characters");
            complaints.push(Complaint { path: vec!["name".to_owned()], message });
        }
        let said = Said { subject: self.subject, html: self.html, text: self.text, headers: Vec::new() };
        complaints.extend(compile(said.clone()).err().unwrap_or_default().into_iter().map(|complaint| {
            let path = ["content".to_owned()].into_iter().chain(complaint.path).collect();
            Complaint { path, ..complaint }
        }));
        let head = Head { subject: said.subject, ..Head::default() };
        let parts = Parts { head, html: said.html, text: said.text };
        if complaints.is_empty() { Ok((name, parts)) } else { Err(complaints) }
    }
}

/// Compiles what somebody wrote, as it would be compiled once it is stored. It has no headers.
///
/// # Errors
/// What to mend; the ways are `subject`, `html`, `text`, and none where it is the whole.
pub fn compile(said: Said) -> Result<Template, Vec<Complaint>> {
    let mut complaints = unfit(&said);
    let compiled = Template::checked(said);
    complaints.extend(
        compiled.as_ref().err().into_iter().flatten().map(|flaw| complaint(flaw.part.field(), flaw.to_string())),
    );
    compiled.ok().filter(|_| complaints.is_empty()).ok_or(complaints)
}

fn complaint(field: Option<&str>, message: String) -> Complaint {
    Complaint { path: field.map(str::to_owned).into_iter().collect(), message }
}

/// What is missing, or too long.
fn unfit(said: &Said) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut complain = |field: Option<&str>, message: String| complaints.push(complaint(field, message));
    if said.subject.trim().is_empty() {
        complain(Some("subject"), "is empty".to_owned());
    }
    if said.subject.chars().count() > MOST_SUBJECT {
        complain(Some("subject"), format!("is longer than {MOST_SUBJECT} characters"));
    }
    let bodies = [("html", &said.html), ("text", &said.text)];
    if bodies.iter().all(|(_, body)| body.as_deref().is_none_or(str::is_empty)) {
        complain(None, "needs html or text".to_owned());
    }
    for (field, body) in bodies {
        if body.as_ref().is_some_and(|body| body.len() > MOST_BODY) {
            complain(Some(field), format!("is larger than {} MiB", MOST_BODY >> 20));
        }
    }
    complaints
}

/// These templates, by id.
///
/// # Errors
/// The database's own.
pub async fn with_ids(ctx: &Context, ids: &[Uuid]) -> Result<HashMap<Uuid, Model>> {
    let asked = ctx.store.sql_ids("SELECT t.* FROM email_templates t WHERE t.id {ids}", [], ids.iter().copied());
    let found = models::<Model>(&rows(ctx.store.read(), asked).await?)?;
    Ok(found.into_iter().map(|row| (row.id, row)).collect())
}

/// These templates ready to be rendered, by id.
///
/// # Errors
/// The database's own; [`Error::Sealed`] when the keyring can't open one.
pub async fn ready(ctx: &Context, ids: &[Uuid]) -> Result<HashMap<Uuid, Arc<Prepared>>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let text = "SELECT t.id AS of_template, c.* FROM email_templates t JOIN email_contents c ON c.id = t.content_id \
                WHERE t.id {ids}";
    let asked = ctx.store.sql_ids(text, [], ids.iter().copied());
    let found = rows(ctx.store.by_key(), asked).await?;
    found
        .iter()
        .map(|row| Ok((row.try_get("", "of_template")?, prepared(ctx, &content::Model::from_query_result(row, "")?)?)))
        .collect()
}

/// Templates that meet every part that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The name contains this, in whatever case.
    pub name: Option<String>,
}

/// A page of templates, in the order of their ids, which is that of their making.
///
/// # Errors
/// The database's own.
pub async fn list(ctx: &Context, filter: &Filter, page: Page, order: Order) -> Result<Looked<Model>> {
    look::page(&Templates { ctx, filter }, page, order).await
}

/// How many templates are meant, and whether there may be more than one looks at.
///
/// # Errors
/// The database's own.
pub async fn count(ctx: &Context, filter: &Filter) -> Result<(u64, bool)> {
    look::count(&Templates { ctx, filter }).await
}

struct Templates<'a> {
    ctx: &'a Context,
    filter: &'a Filter,
}

impl Run for Templates<'_> {
    type Row = Model;
    type Place = Uuid;

    fn id(row: &Model) -> Uuid {
        row.id
    }

    fn place(row: &Model) -> Uuid {
        row.id
    }

    async fn find(&self, id: Uuid) -> Result<Option<Uuid>> {
        Ok(Some(id))
    }

    async fn next(&self, from: Option<&Uuid>, order: Order, n: u64) -> Result<Vec<Model>> {
        let (beyond, word, end) = match order {
            Order::Ascending => (">=", "ASC", Uuid::nil()),
            Order::Descending => ("<=", "DESC", Uuid::max()),
        };
        let beyond = if from.is_some() { &beyond[..1] } else { beyond };
        let text = format!("SELECT t.* FROM email_templates t WHERE t.id {beyond} $1 ORDER BY t.id {word} LIMIT $2");
        let values = [from.copied().unwrap_or(end).into(), i64::try_from(n).unwrap_or(i64::MAX).into()];
        models(&rows(self.ctx.store.read(), self.ctx.store.sql(text, values)).await?)
    }

    async fn keep(&self, mut rows: Vec<Model>) -> Result<Vec<Model>> {
        if let Some(name) = self.filter.name.as_ref().map(|name| name.to_lowercase()) {
            rows.retain(|row| row.name.to_lowercase().contains(&name));
        }
        Ok(rows)
    }
}

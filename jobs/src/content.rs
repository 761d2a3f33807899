//! Contents that stand by themselves before any email uses them, as a template's and a campaign's do: sealed, stored, opened and
//! given up. Those of emails are stored with them ([`crate::accept`]).

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::content::{self, Head};
use entity::sealed::{DataKey, Wrapped};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, Value};
use uuid::Uuid;

use crate::Context;
use crate::error::Result;
use crate::render::Prepared;
use crate::store::execute;

/// A content in the clear, without its attachments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub head: Head,
    pub html: Option<String>,
    pub text: Option<String>,
}

impl Parts {
    /// What a row holds.
    ///
    /// # Errors
    /// [`crate::Error::Sealed`] when the keyring can't open it.
    pub fn open(ctx: &Context, row: &content::Model) -> Result<Self> {
        let key = key(ctx, row)?;
        let body = |column: &str, sealed: Option<&Vec<u8>>| -> Result<Option<String>> {
            let Some(sealed) = sealed else { return Ok(None) };
            let plain = key.open(content::TABLE, row.id, column, sealed)?;
            Ok(Some(String::from_utf8_lossy(&plain).into_owned()))
        };
        Ok(Self {
            head: serde_json::from_slice(&key.open(content::TABLE, row.id, "head", &row.head)?)?,
            html: body("html", row.html.as_ref())?,
            text: body("text", row.text.as_ref())?,
        })
    }

    /// The row of a new content that is rendered, with one user so far.
    ///
    /// # Errors
    /// None that is to be expected.
    pub fn seal(&self, ctx: &Context, now: DateTime<Utc>) -> Result<content::Model> {
        let id = ctx.clock.id();
        let (key, wrapped) = DataKey::generate(&ctx.keyring, content::TABLE, id);
        let seal = |column: &str, part: &[u8]| key.seal(content::TABLE, id, column, part);
        Ok(content::Model {
            id,
            head: seal("head", &serde_json::to_vec(&self.head)?),
            html: self.html.as_deref().map(|body| seal("html", body.as_bytes())),
            text: self.text.as_deref().map(|body| seal("text", body.as_bytes())),
            attachments: None,
            template: true,
            key_id: wrapped.key_id,
            wrapped_key: wrapped.wrapped,
            emails: 1,
            created_at: now,
        })
    }
}

/// A row's data key.
pub(crate) fn key(ctx: &Context, row: &content::Model) -> Result<DataKey> {
    let wrapped = Wrapped { key_id: row.key_id.clone(), wrapped: row.wrapped_key.clone() };
    Ok(ctx.keyring.unwrap(&wrapped, content::TABLE, row.id)?)
}

/// The content ready to be rendered; one that was met lately costs nothing.
pub(crate) fn prepared(ctx: &Context, row: &content::Model) -> Result<Arc<Prepared>> {
    ctx.prepared.get(row.id, || {
        let Parts { head, html, text } = Parts::open(ctx, row)?;
        // What is sealed is a little longer than what it hides.
        let bytes = [Some(&row.head), row.html.as_ref(), row.text.as_ref()].into_iter().flatten().map(Vec::len).sum();
        Ok((Prepared::new(head, html.as_deref(), text.as_deref()), bytes))
    })
}

/// Stores a content; once more is once.
pub(crate) async fn insert(db: &impl ConnectionTrait, row: content::Model) -> Result<()> {
    let once = OnConflict::column(content::Column::Id).do_nothing().to_owned();
    content::Entity::insert(row.into_active_model()).on_conflict(once).exec_without_returning(db).await?;
    Ok(())
}

/// One user of a content less; the last one takes it along.
pub(crate) async fn give_up(tx: &DatabaseTransaction, ctx: &Context, id: Uuid) -> Result<()> {
    for text in [
        "UPDATE email_contents SET emails = emails - 1 WHERE id = $1",
        "DELETE FROM email_contents WHERE id = $1 AND emails <= 0",
    ] {
        execute(tx, ctx.store.sql(text, [Value::from(id)])).await?;
    }
    Ok(())
}

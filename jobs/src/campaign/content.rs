//! What a campaign says: sealed as any content, rendered for each recipient when its email is handed over.

use chrono::{DateTime, Utc};
use entity::content::{self, Head};
use entity::sealed::{DataKey, Wrapped};
use minijinja::Environment;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, Value};
use uuid::Uuid;

use crate::Context;
use crate::accept::Complaint;
use crate::error::Result;
use crate::store::execute;

/// A content in the clear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub head: Head,
    pub html: Option<String>,
    pub text: Option<String>,
}

impl Parts {
    /// What a row holds.
    pub fn open(ctx: &Context, row: &content::Model) -> Result<Self> {
        let wrapped = Wrapped { key_id: row.key_id.clone(), wrapped: row.wrapped_key.clone() };
        let key = ctx.keyring.unwrap(&wrapped, content::TABLE, row.id)?;
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

    /// The row of a content that the campaign alone uses so far.
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

    /// What can't be compiled, each with the way to its field.
    pub fn complaints(&self) -> Vec<Complaint> {
        let inline = |field: &str| ["content", "inline", field].map(str::to_owned).to_vec();
        let own = [
            (inline("subject"), Some(self.head.subject.as_str())),
            (inline("html"), self.html.as_deref()),
            (inline("text"), self.text.as_deref()),
        ];
        let headers = self.head.headers.iter();
        let headers = headers.map(|(name, value)| (vec!["headers".to_owned(), name.clone()], Some(value.as_str())));
        let environment = Environment::new();
        let complaint = |(path, text): (Vec<String>, Option<&str>)| {
            let error = environment.template_from_str(text?).err()?;
            let line = error.line().unwrap_or(1);
            let why = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
            Some(Complaint { path, message: format!("can't be compiled: {why}, in line {line}") })
        };
        own.into_iter().chain(headers).filter_map(complaint).collect()
    }
}

/// Stores a content; once more is once.
pub(super) async fn insert(db: &impl ConnectionTrait, row: content::Model) -> Result<()> {
    let once = OnConflict::column(content::Column::Id).do_nothing().to_owned();
    content::Entity::insert(row.into_active_model()).on_conflict(once).exec_without_returning(db).await?;
    Ok(())
}

/// One user of a content less; the last one takes it along.
pub(super) async fn give_up(tx: &DatabaseTransaction, ctx: &Context, id: Uuid) -> Result<()> {
    for text in [
        "UPDATE email_contents SET emails = emails - 1 WHERE id = $1",
        "DELETE FROM email_contents WHERE id = $1 AND emails <= 0",
    ] {
        execute(tx, ctx.store.sql(text, [Value::from(id)])).await?;
    }
    Ok(())
}

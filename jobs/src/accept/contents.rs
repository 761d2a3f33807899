//! Sealing what emails say: what is the same within a call is sealed and stored once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::sealed::DataKey;
use entity::{content, email};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use super::draft::Checked;
use crate::context::Context;
use crate::error::Result;
use crate::rows::Rows;
use crate::store::execute;

/// Contents of one call: what is the same is sealed and stored once.
#[derive(Default)]
pub(super) struct Contents(HashMap<[u8; 32], Arc<content::Model>>);

impl Contents {
    pub(super) fn seal(&mut self, ctx: &Context, mail: &Checked, now: DateTime<Utc>) -> Result<Arc<content::Model>> {
        use sha2::Digest;
        let head = serde_json::to_vec(&mail.head)?;
        let attachments = if mail.attachments.is_empty() { None } else { Some(serde_json::to_vec(&mail.attachments)?) };
        let mut digest = sha2::Sha256::new();
        let parts = [
            Some(head.as_slice()),
            mail.html.as_deref().map(str::as_bytes),
            mail.text.as_deref().map(str::as_bytes),
            attachments.as_deref(),
        ];
        for part in parts {
            digest.update(part.map_or(u64::MAX, |bytes| bytes.len() as u64).to_le_bytes());
            digest.update(part.unwrap_or_default());
        }
        let digest: [u8; 32] = digest.finalize().into();
        if let Some(known) = self.0.get(&digest) {
            return Ok(known.clone());
        }
        let id = ctx.clock.id();
        let (key, wrapped) = DataKey::generate(&ctx.keyring, content::TABLE, id);
        let seal = |column: &str, part: &[u8]| key.seal(content::TABLE, id, column, part);
        let content = Arc::new(content::Model {
            id,
            head: seal("head", &head),
            html: mail.html.as_deref().map(|body| seal("html", body.as_bytes())),
            text: mail.text.as_deref().map(|body| seal("text", body.as_bytes())),
            attachments: attachments.as_deref().map(|list| seal("attachments", list)),
            template: false,
            key_id: wrapped.key_id,
            wrapped_key: wrapped.wrapped,
            emails: 0,
            created_at: now,
        });
        self.0.insert(digest, content.clone());
        Ok(content)
    }
}

/// Stores each content once, counting the emails that use it.
pub(super) async fn insert(
    tx: &DatabaseTransaction,
    ctx: &Context,
    fresh: &[(email::Model, Arc<content::Model>)],
) -> Result<()> {
    let mut used: BTreeMap<Uuid, (&content::Model, i32)> = BTreeMap::new();
    for (_, content) in fresh {
        used.entry(content.id).or_insert((content, 0)).1 += 1;
    }
    if used.is_empty() {
        return Ok(());
    }
    let text = "INSERT INTO email_contents (id, key_id, wrapped_key, head, html, text, attachments, template, emails, created_at) \
                SELECT v.id, v.key_id, v.wrapped_key, v.head, v.html, v.text, v.attachments, v.template, v.emails, v.created_at \
                FROM {rows} AS v WHERE true ON CONFLICT (id) DO UPDATE SET emails = email_contents.emails + excluded.emails";
    let all = || used.values().map(|(content, _)| content);
    let values = Rows::new()
        .uuid("id", used.keys().copied())
        .text("key_id", all().map(|c| c.key_id.clone()))
        .bytes("wrapped_key", all().map(|c| c.wrapped_key.clone()))
        .bytes("head", all().map(|c| c.head.clone()))
        .bytes("html", all().map(|c| c.html.clone()))
        .bytes("text", all().map(|c| c.text.clone()))
        .bytes("attachments", all().map(|c| c.attachments.clone()))
        .flag("template", all().map(|c| c.template))
        .int("emails", used.values().map(|(_, n)| *n))
        .time("created_at", all().map(|c| c.created_at));
    execute(tx, ctx.store.sql_rows(text, [], values)).await?;
    Ok(())
}

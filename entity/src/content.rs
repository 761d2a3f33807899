//! `email_contents`: what emails say, sealed at rest and stored once where many emails share it.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// What the parts of a content are bound to when they are sealed, besides the row's id and the column's name.
pub const TABLE: &str = "email_contents";

/// The sealed parts of one content. Each is nonce and ciphertext under the row's own data key ([`crate::sealed`]).
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_contents")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Which key of the keyring wraps this row's data key.
    pub key_id: String,
    pub wrapped_key: Vec<u8>,
    /// A sealed [`Head`] as JSON.
    pub head: Vec<u8>,
    pub html: Option<Vec<u8>>,
    pub text: Option<Vec<u8>>,
    /// A sealed list of [`Attachment`] in JSON, bytes in base64.
    pub attachments: Option<Vec<u8>>,
    /// Subject, bodies and headers are rendered for each recipient when its email is handed over.
    pub template: bool,
    /// How many emails of `email_queue`, campaigns and templates still use it; the last one takes it along.
    pub emails: i32,
    pub created_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What a content holds besides its bodies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub subject: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track_opens: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track_clicks: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<AttachmentHead>,
}

/// What is shown of an attachment without opening it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentHead {
    pub filename: String,
    pub content_type: String,
    /// In bytes, decoded.
    pub size: u64,
}

/// An attachment as it is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub filename: String,
    pub content_type: String,
    /// The file, in base64.
    pub base64: String,
}

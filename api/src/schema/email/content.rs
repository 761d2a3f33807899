//! What an email says.

use std::sync::Arc;

use async_graphql::{Object, SimpleObject};
use jobs::find::Opened;

/// What an email says.
pub struct EmailContent(pub Arc<Opened>);

/// What an email says.
#[Object]
impl EmailContent {
    /// Its HTML body.
    async fn html(&self) -> Option<&str> {
        self.0.html.as_deref()
    }

    /// Its text body.
    async fn text(&self) -> Option<&str> {
        self.0.text.as_deref()
    }

    /// Headers the sender added.
    async fn headers(&self) -> Vec<Header> {
        let header = |(name, value): &(String, String)| Header { name: name.clone(), value: value.clone() };
        self.0.head.headers.iter().map(header).collect()
    }

    /// Files that go with it.
    async fn attachments(&self) -> Vec<Attachment> {
        let attachment = |file: &entity::content::AttachmentHead| Attachment {
            filename: file.filename.clone(),
            content_type: file.content_type.clone(),
            size: super::int(file.size),
        };
        self.0.head.attachments.iter().map(attachment).collect()
    }
}

/// A header.
#[derive(SimpleObject)]
#[graphql(name = "EmailHeader")]
pub struct Header {
    /// Its name.
    name: String,
    /// Its value.
    value: String,
}

/// A file that goes with an email.
#[derive(SimpleObject)]
pub struct Attachment {
    /// Its name.
    filename: String,
    /// Its media type.
    content_type: String,
    /// Its size in bytes.
    size: i32,
}

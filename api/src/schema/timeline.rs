//! What happened to an email, as one story in order.

use async_graphql::SimpleObject;
use chrono::{DateTime, Utc};
use entity::email;

use super::fault::Fault;

/// Something that happened to an email.
#[derive(Clone, Debug, SimpleObject)]
pub struct TimelineEntry {
    /// When.
    at: DateTime<Utc>,
    /// What, in words.
    text: String,
}

impl TimelineEntry {
    /// The story of this email.
    pub async fn all(_ctx: &jobs::Context, _email: &email::Model) -> Result<Vec<Self>, Fault> {
        Ok(Vec::new())
    }
}

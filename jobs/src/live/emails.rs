//! Emails as they change, for those who follow them.

use std::collections::HashMap;

use entity::email;
use uuid::Uuid;

use super::each::{Each, Followed};
use crate::Context;
use crate::error::Result;
use crate::find;
use crate::store::rows;

/// Rows asked for in one statement.
const GROUP: usize = 500;

/// The emails that somebody follows. Clones are the same.
pub type Emails = Each<email::Model>;

impl Followed for email::Model {
    async fn look(ctx: &Context, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Self>> {
        let mut seen = HashMap::with_capacity(ids.len());
        for group in ids.chunks(GROUP) {
            let asked = ctx.store.sql_ids("SELECT q.* FROM email_queue q WHERE q.id {ids}", [], group.iter().copied());
            let found = find::models::<email::Model>(&rows(ctx.store.read(), asked).await?)?;
            seen.extend(found.into_iter().map(|row| (row.id, row)));
        }
        Ok(seen)
    }

    fn differs(&self, last: &Self) -> bool {
        let shown = |email: &email::Model| (email.status, email.updated_at, email.cancel_requested);
        shown(self) != shown(last)
    }
}

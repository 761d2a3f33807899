//! The audit log: who did what, from where, and what came of it. What changes something begins its entry before it does and ends it
//! afterwards, so that no change is without one, whenever a process dies; emails that are sent carry theirs into their own
//! transaction. An entry holds nobody's address, only a keyed hash to find it by.

mod list;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use entity::audit_entry::Model;
use futures::FutureExt;
use sea_orm::{ActiveEnum, ConnectionTrait};
use uuid::Uuid;

use crate::Context;
use crate::batch::Batch;
use crate::error::Result;
use crate::group::{Group, Manner};
use crate::rows::Rows;
use crate::store::{Store, execute};

pub use list::{Filter, SENDS, count, list, statement, with_ids};

/// For how long an entry waits for a database that is away, before nothing is done without it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Writing entries, as a group commit.
#[derive(Clone)]
pub struct Audit(Group<Arc<Model>, ()>);

impl Audit {
    /// Starts writing.
    pub fn start(ctx: Arc<Context>) -> Self {
        let manner = Manner { name: "audit", flights: 1, patience: Some(PATIENCE), stop: ctx.stop.clone() };
        let fly = move |members: Arc<Vec<Arc<Model>>>| {
            let ctx = ctx.clone();
            async move {
                write(ctx.store.write(), &ctx.store, members.iter().map(|entry| &**entry)).await?;
                Ok(members.iter().map(|_| ()).collect())
            }
            .boxed()
        };
        Self(Group::start(manner, Arc::new(fly)))
    }

    /// Stores an entry, or what became of it since: its id is its own for good. What is answered is stored.
    ///
    /// # Errors
    /// The database's own.
    pub async fn put(&self, entry: Arc<Model>) -> Result<()> {
        self.0.put(entry).await
    }
}

/// Stores entries, or what became of them since. How many things one did never becomes fewer: [`add_to`] may have counted already.
///
/// # Errors
/// The database's own.
pub async fn write<'a>(
    db: &impl ConnectionTrait,
    store: &Store,
    entries: impl IntoIterator<Item = &'a Model>,
) -> Result<()> {
    // The begin and the end of one may meet in a group: the later word counts, and one statement can't change a row twice.
    let latest: BTreeMap<Uuid, &Model> = entries.into_iter().map(|entry| (entry.id, entry)).collect();
    let end = "outcome = excluded.outcome, code = excluded.code, subject = excluded.subject, recipient = excluded.recipient, \
               done = CASE WHEN excluded.done > audit_log.done THEN excluded.done ELSE audit_log.done END, \
               reason = excluded.reason, state_before = excluded.state_before, state_after = excluded.state_after";
    if latest.is_empty() {
        return Ok(());
    }
    let (text, values) = insert(latest.values().copied(), end);
    execute(db, store.sql_rows(&text, [], values)).await?;
    Ok(())
}

/// Stores entries with what they did, or adds that to what they did before; `entries` are in the order of their ids.
pub(crate) fn add_to<'a>(batch: &mut Batch<'_>, entries: impl ExactSizeIterator<Item = &'a Model>) {
    if entries.len() > 0 {
        let (text, values) = insert(entries, "done = audit_log.done + excluded.done");
        batch.add(&text, [], values);
    }
}

/// In the order of their ids, as everybody locks them.
fn insert<'a>(entries: impl Iterator<Item = &'a Model>, again: &str) -> (String, Rows) {
    let entries: Vec<&Model> = entries.collect();
    let all = || entries.iter();
    let values = Rows::new()
        .uuid("id", all().map(|e| e.id))
        .uuid("actor", all().map(|e| e.actor))
        .text("operation", all().map(|e| e.operation.clone()))
        .text("origin", all().map(|e| e.origin.clone()))
        .text("via", all().map(|e| e.via.clone()))
        .int("outcome", all().map(|e| e.outcome.to_value()))
        .text("code", all().map(|e| e.code.clone()))
        .text("subject", all().map(|e| e.subject.clone()))
        .text("recipient", all().map(|e| e.recipient.clone()))
        .int("done", all().map(|e| e.done))
        .text("reason", all().map(|e| e.reason.clone()))
        .text("arguments", all().map(|e| e.arguments.clone()))
        .text("state_before", all().map(|e| e.state_before.clone()))
        .text("state_after", all().map(|e| e.state_after.clone()));
    let text = format!(
        "INSERT INTO audit_log (id, actor, operation, origin, via, outcome, code, subject, recipient, done, reason, arguments, \
         state_before, state_after) SELECT v.id, v.actor, v.operation, v.origin, v.via, v.outcome, v.code, v.subject, v.recipient, \
         v.done, v.reason, v.arguments, v.state_before, v.state_after FROM {{rows}} AS v WHERE true ORDER BY v.id \
         ON CONFLICT (id) DO UPDATE SET {again}"
    );
    (text, values)
}

/// What stands for an address, given in its key form: the same for the same address, and nobody's who has not the keyring.
///
/// # Errors
/// The database's own; a key that the keyring can't open.
pub async fn recipient(ctx: &Context, address_key: &str) -> Result<String> {
    Ok(ctx.audit_marks.make(ctx).await?.digest(address_key))
}

/// The same where any entry is about an address.
///
/// # Errors
/// As [`recipient`].
pub async fn known_recipient(ctx: &Context, address_key: &str) -> Result<Option<String>> {
    Ok(ctx.audit_marks.read(ctx).await?.map(|key| key.digest(address_key)))
}

/// How an entry names the email with this id.
pub fn email(id: Uuid) -> String {
    format!("email:{id}")
}

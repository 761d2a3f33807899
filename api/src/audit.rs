//! Commands in the audit log: what changes something or hands it out has its entry before it begins, and what came of it afterwards.
//! Who sits at the command line is not known here, only that they do.

use entity::audit_entry::{Model, Outcome};
use entity::{Clock, api_key};
use jobs::Store;
use serde_json::Value;

use crate::failure::Failure;
use crate::{auth, schema};

/// Does the work of a command, and writes down that it was begun and how it ended. What it tells besides, it tells the entry:
/// without a number it did one thing.
///
/// # Errors
/// The work's own; the database's, before anything was done or after all was.
pub async fn noted<T>(
    store: &Store,
    clock: &Clock,
    command: &'static str,
    arguments: Value,
    work: impl AsyncFnOnce(&mut Model) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut entry = Model::new(clock.id(), command, "command line");
    entry.arguments = arguments.as_object().is_some_and(|given| !given.is_empty()).then(|| arguments.to_string());
    jobs::audit::write(store.write(), store, [&entry]).await?;
    entry.done = 1;
    let done = work(&mut entry).await;
    entry.outcome = if done.is_ok() { Outcome::Done } else { Outcome::Failed };
    if done.is_err() {
        entry.done = 0;
    }
    jobs::audit::write(store.write(), store, [&entry]).await?;
    done
}

/// Writes down that the service made its first key by itself.
///
/// # Errors
/// The database's own.
pub async fn first_key(store: &Store, clock: &Clock, key: &api_key::Model) -> Result<(), jobs::Error> {
    let mut entry = Model::new(clock.id(), "key create", "first start");
    entry.outcome = Outcome::Done;
    entry.done = 1;
    about_key(&mut entry, key);
    jobs::audit::write(store.write(), store, [&entry]).await
}

/// The entry is about this key, which stands so since.
pub fn about_key(entry: &mut Model, key: &api_key::Model) {
    entry.subject = Some(schema::id_of_key(key.id));
    entry.state_after = Some(auth::keys::state(key).to_string());
}

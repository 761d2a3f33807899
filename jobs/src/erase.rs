//! Erasing a recipient. What emails said to them is shredded, and a mark takes the place of their address everywhere: in emails,
//! events and the suppression list, where it goes on blocking. Numbers stay: counts, facts and metrics name nobody.
//!
//! What is under way can't be changed: it is asked to stop, and erased once it has ended. Until then the address is kept,
//! sealed; the hourly run of [`crate::retention`] goes on.

mod copies;
mod emails;
mod events;
pub mod export;
mod mark;

use std::collections::BTreeSet;

use entity::erasure::{self, Model, TABLE};
use entity::sealed::{DataKey, Wrapped};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Value};
use uuid::Uuid;

pub(crate) use events::strip;
pub(crate) use mark::erased;
pub use mark::{Marks, is_mark, marks_of};

use crate::Context;
use crate::control::repeat;
use crate::error::Result;
use crate::find::events::last;
use crate::store::{execute, rows};
use crate::suppress::facts;

/// What the address is sealed for.
const COLUMN: &str = "address";

/// Rows changed in one transaction.
const GROUP: i64 = 500;

/// Erasures that one run goes on with.
const MOST: u64 = 1_000;

/// What an erasure came to, this time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Emails that waited and were cancelled.
    pub cancelled: u64,
    /// Emails to the address that were erased.
    pub emails: u64,
    /// Emails of which it had a copy.
    pub copies: u64,
    pub events: u64,
    /// Entries of the suppression list that go on blocking under the mark.
    pub suppressions: u64,
    pub leads: u64,
    /// Campaigns that had it as a recipient who had no email yet.
    pub recipients: u64,
    /// Emails that are SENDING or UNCONFIRMED: they were asked to stop, and are erased when they have ended. What Mailgun's own
    /// lists are still to be told of the address counts as well.
    pub under_way: u64,
}

/// One erasure with the address it is about.
struct Erasure {
    id: Uuid,
    address: String,
    mark: String,
    email_reach: Uuid,
    event_reach: i64,
}

/// Erases an address, given in its key form, from everything there is of it by now. Done again, it erases what came since.
///
/// # Errors
/// The database's own; what was done by then stays done, and the rest follows by itself.
pub async fn erase(ctx: &Context, address_key: &str) -> Result<Erased> {
    let mark = ctx.marks.make(ctx).await?.mark(address_key);
    let erasure = Erasure {
        id: ctx.clock.id(),
        address: address_key.to_owned(),
        mark,
        // Ids are made in order: what is accepted from now on has a higher one.
        email_reach: ctx.clock.id(),
        event_reach: last(ctx).await?,
    };
    let erasure = repeat(|| note(ctx, &erasure)).await?;
    erasure.go_on(ctx).await
}

/// Goes on with what could not be erased when somebody asked. Answers how many emails and events followed.
///
/// # Errors
/// The database's own.
pub async fn carry_on(ctx: &Context) -> Result<u64> {
    let open = erasure::Entity::find()
        .filter(erasure::Column::FinishedAt.is_null())
        .order_by_asc(erasure::Column::AskedAt)
        .limit(MOST)
        .all(ctx.store.by_key())
        .await?;
    let mut done = 0;
    for row in open {
        if ctx.stop.is_cancelled() {
            break;
        }
        if let Some(erasure) = Erasure::open(ctx, row)? {
            let erased = erasure.go_on(ctx).await?;
            done += erased.emails + erased.copies + erased.events;
        }
    }
    Ok(done)
}

/// Notes the erasure, so that it will be finished whatever happens to this request. One of the same address is opened again,
/// and reaches further.
async fn note(ctx: &Context, new: &Erasure) -> Result<Erasure> {
    let (key, wrapped) = DataKey::generate(&ctx.keyring, TABLE, new.id);
    let sealed = key.seal(TABLE, new.id, COLUMN, new.address.as_bytes());
    let tx = ctx.store.begin().await?;
    // The row's id goes with what is sealed for it.
    let text = "INSERT INTO recipient_erasures (id, mark, key_id, wrapped_key, address, email_reach, event_reach, asked_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (mark) DO UPDATE SET id = excluded.id, key_id = excluded.key_id, \
         wrapped_key = excluded.wrapped_key, address = excluded.address, email_reach = excluded.email_reach, \
         event_reach = excluded.event_reach, asked_at = excluded.asked_at, finished_at = NULL";
    let values = [
        Value::from(new.id),
        Value::from(new.mark.clone()),
        Value::from(wrapped.key_id),
        Value::from(wrapped.wrapped),
        Value::from(sealed),
        Value::from(new.email_reach),
        Value::from(new.event_reach),
        Value::from(ctx.clock.now()),
    ];
    execute(&tx, ctx.store.sql(text, values)).await?;
    tx.commit().await?;
    Ok(Erasure { address: new.address.clone(), mark: new.mark.clone(), ..*new })
}

impl Erasure {
    /// From its row; `None` where it is done.
    fn open(ctx: &Context, row: Model) -> Result<Option<Self>> {
        let Some(sealed) = row.address else { return Ok(None) };
        let wrapped = Wrapped { key_id: row.key_id, wrapped: row.wrapped_key };
        let plain = ctx.keyring.unwrap(&wrapped, TABLE, row.id)?.open(TABLE, row.id, COLUMN, &sealed)?;
        let address = String::from_utf8_lossy(&plain).into_owned();
        let Model { id, mark, email_reach, event_reach, .. } = row;
        Ok(Some(Self { id, address, mark, email_reach, event_reach }))
    }

    /// Does what can be done now. The list comes first, so that the address is blocked at every moment if it was before.
    async fn go_on(&self, ctx: &Context) -> Result<Erased> {
        let mut erased = Erased { suppressions: repeat(|| self.suppressions(ctx)).await?, ..Erased::default() };
        erased.cancelled = emails::cancel(ctx, self).await?;
        erased.recipients = emails::forget_pending(ctx, self).await?;
        erased.emails = emails::erase(ctx, self).await?;
        emails::forget_marks(ctx, self).await?;
        let (copies, open_copies) = copies::erase(ctx, self).await?;
        erased.copies = copies;
        erased.leads = repeat(|| self.leads(ctx)).await?;
        erased.events = events::erase(ctx, self).await?;
        repeat(|| self.operations(ctx)).await?;
        // What was reported of emails under way since.
        erased.suppressions += repeat(|| self.suppressions(ctx)).await?;
        let orders = repeat(|| self.orders(ctx)).await?;
        erased.under_way = emails::under_way(ctx, self).await? + open_copies + orders;
        if erased.under_way == 0 {
            repeat(|| self.finish(ctx)).await?;
        }
        Ok(erased)
    }

    /// The facts of the address become those of its mark, and the list with them, in one commit. Answers how many entries.
    async fn suppressions(&self, ctx: &Context) -> Result<u64> {
        let tx = ctx.store.begin().await?;
        let text = "SELECT DISTINCT s.target, s.reason, s.sandbox FROM email_suppression_list s WHERE s.target = $1";
        let mut keys: BTreeSet<facts::Key> = BTreeSet::new();
        for row in rows(&tx, ctx.store.sql(text, [Value::from(self.address.clone())])).await? {
            let (reason, sandbox) = (row.try_get("", "reason")?, row.try_get("", "sandbox")?);
            keys.insert((self.address.clone(), reason, sandbox));
        }
        if keys.is_empty() {
            return Ok(0);
        }
        facts::rename(&tx, ctx, &keys, &self.mark).await?;
        tx.commit().await?;
        Ok(keys.len() as u64)
    }

    async fn leads(&self, ctx: &Context) -> Result<u64> {
        let text = "DELETE FROM leads WHERE address_key = $1 AND email_id <= $2";
        let values = [Value::from(self.address.clone()), Value::from(self.email_reach)];
        Ok(execute(ctx.store.write(), ctx.store.sql(text, values)).await?.rows_affected())
    }

    /// Finished operations that name the address have nothing left to tell.
    async fn operations(&self, ctx: &Context) -> Result<u64> {
        let quoted = serde_json::to_string(&self.address)?;
        let text = "SELECT b.id, b.filter FROM bulk_operations b WHERE b.finished_at IS NOT NULL";
        let mut named = Vec::new();
        for row in rows(ctx.store.write(), ctx.store.sql(text, [])).await? {
            if row.try_get::<String>("", "filter")?.contains(&quoted) {
                named.push(row.try_get::<Uuid>("", "id")?);
            }
        }
        let text = "DELETE FROM bulk_operations WHERE id {ids}";
        Ok(execute(ctx.store.write(), ctx.store.sql_ids(text, [], named)).await?.rows_affected())
    }

    /// Forgets what Mailgun's lists were told of the address. Answers what they are still to be told.
    async fn orders(&self, ctx: &Context) -> Result<u64> {
        let text = "DELETE FROM email_provider_orders WHERE target = $1 AND done_at IS NOT NULL";
        execute(ctx.store.write(), ctx.store.sql(text, [Value::from(self.address.clone())])).await?;
        let text = "SELECT count(*) AS n FROM email_provider_orders o WHERE o.target = $1";
        let found = rows(ctx.store.write(), ctx.store.sql(text, [Value::from(self.address.clone())])).await?;
        let n: i64 = found.first().map(|row| row.try_get("", "n")).transpose()?.unwrap_or_default();
        Ok(n.max(0) as u64)
    }

    /// The address itself goes.
    async fn finish(&self, ctx: &Context) -> Result<u64> {
        let text = "UPDATE recipient_erasures SET address = NULL, finished_at = $1 WHERE id = $2";
        let values = [Value::from(ctx.clock.now()), Value::from(self.id)];
        Ok(execute(ctx.store.write(), ctx.store.sql(text, values)).await?.rows_affected())
    }

    /// The ids that `text` finds for its first `$1` the address and `$2` the last email meant, locked where it says so.
    async fn ids(&self, tx: &DatabaseTransaction, ctx: &Context, text: &str) -> Result<Vec<Uuid>> {
        let values = [Value::from(self.address.clone()), Value::from(self.email_reach), Value::from(GROUP)];
        let found = rows(tx, ctx.store.sql(text, values)).await?;
        Ok(found.iter().map(|row| row.try_get("", "id")).collect::<Result<_, _>>()?)
    }
}

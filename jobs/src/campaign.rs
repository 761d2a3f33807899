//! Campaigns: one content for many recipients. `create` makes one, `recipients` says whom it is for, `launch` freezes it,
//! `expand` makes an email of each recipient, `cancel` ends it; `standing` and `list` tell how it stands.
//!
//! A recipient is counted in the tallies from the transaction that adds it to the end of its email and after, so the ledger of a
//! campaign adds up at every commit. Locks are taken in the order: recipients that are added, campaign, recipients that have no
//! email, emails, leads, contents, tallies.

pub mod cancel;
mod content;
pub mod create;
pub mod expand;
pub mod launch;
pub mod list;
pub mod recipients;
pub mod standing;

use sea_orm::{DatabaseTransaction, FromQueryResult, Value};
use uuid::Uuid;

pub use cancel::cancel;
pub use create::{Content, Draft, create};
use entity::campaign::Model;
pub use launch::launch;
pub use list::{Filter, count, list};
pub use standing::{Campaign, find};

use crate::Context;
use crate::error::Result;
use crate::store::rows;

/// Why a campaign can't be changed as asked, for the person who asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is none with this id.
    #[error("there is no such campaign")]
    NotFound,
    /// It takes no recipients and no launch any more.
    #[error("the campaign is cancelled")]
    Cancelled,
    /// There is nothing left to cancel.
    #[error("the campaign is completed: nothing of it is open")]
    Completed,
    /// Its `sendAt` has passed.
    #[error("the campaign is launched and under way")]
    Launched,
    /// More recipients than one call takes.
    #[error("{} recipients are allowed in one call", recipients::MOST)]
    TooMany,
    /// Nobody could unsubscribe.
    #[error(
        "the campaign needs PUBLIC_URL to be set: campaign mail carries a link to unsubscribe, which nobody could follow"
    )]
    NeedsPublicUrl,
    /// Its emails could never be handed over.
    #[error("{0}")]
    OtherMode(&'static str),
    /// The time to begin makes no sense.
    #[error("{0}")]
    SendAt(&'static str),
    /// It would begin when its `deliverBy` is over.
    #[error("the campaign's deliverBy is not after sendAt")]
    DeadlineOver,
    /// Its template was removed.
    #[error("the campaign's template is gone")]
    NoTemplate,
    /// Its template can't be read.
    #[error("{0}")]
    Template(String),
}

/// The campaign, locked until the commit: it waits for batches under way, and none begins meanwhile.
async fn lock(tx: &DatabaseTransaction, ctx: &Context, id: Uuid) -> Result<Option<Model>> {
    let text = format!("SELECT * FROM campaigns WHERE id = $1 {}", ctx.store.for_update());
    let found = rows(tx, ctx.store.sql(text, [Value::from(id)])).await?;
    Ok(found.first().map(|row| Model::from_query_result(row, "")).transpose()?)
}

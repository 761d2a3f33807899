//! How Mailgun's own lists and ours are kept alike.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use async_graphql::{Context, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::ApiScope;
use entity::provider_list::List;
use entity::provider_order::Lift;
use jobs::sync::mark::{self, Standing};
use jobs::sync::{self, Lifted};

use crate::schema::asked::Asked;
use crate::schema::count::int;
use crate::schema::fault::Fault;
use crate::schema::guard::Needs;
use crate::schema::mask::Words;
use crate::schema::refusal::{UserError, UserErrorCode};

/// How one of Mailgun's own lists for a sending domain is kept like ours.
#[derive(SimpleObject)]
pub struct SuppressionSync {
    /// The sending domain.
    domain: String,
    /// Which of its lists.
    list: List,
    /// It is being read: a pass has begun and not come to the end of the list.
    running: bool,
    /// When the pass under way began, or the last one; null before the first.
    started_at: Option<DateTime<Utc>>,
    /// When a pass last came to the end of the list; null when none did yet.
    finished_at: Option<DateTime<Utc>>,
    /// From when on it is read next, or read on.
    due_at: DateTime<Utc>,
    /// Entries that the pass under way met so far, or that the last one met.
    seen: i32,
    /// Of them, those that were news: they suppress here now, with the source PROVIDER.
    added: i32,
    /// Of them, those that stood here already, or were lifted here since.
    known: i32,
    /// Of them, those that suppress nobody here: from single tags alone, refused for the sender's sake, over, or unreadable.
    skipped: i32,
    /// Entries of ours that Mailgun's list is still to be told; counted up to 100,000 over all lists.
    pending_entries: i32,
    /// Lifts that it has still to follow; counted up to 100,000 over all lists.
    pending_lifts: i32,
    /// Of `pendingEntries` and `pendingLifts`, those that failed five times and more. They go on being tried.
    failing: i32,
    /// Since when it can't be read; null while it can.
    failing_since: Option<DateTime<Utc>>,
    /// Mailgun's words when it could last not be read to its end; null when it could.
    last_error: Option<Words>,
    /// Mailgun's words when it could last not be told something, and is left alone for a while; null otherwise.
    push_error: Option<Words>,
}

impl From<Standing> for SuppressionSync {
    fn from(Standing { mark, pushes, lifts, failing }: Standing) -> Self {
        Self {
            running: mark.under_way(),
            domain: mark.domain,
            list: mark.list,
            started_at: mark.started_at,
            finished_at: mark.finished_at,
            due_at: mark.due_at,
            seen: int(mark.seen),
            added: int(mark.added),
            known: int(mark.known),
            skipped: int(mark.skipped),
            pending_entries: int(pushes),
            pending_lifts: int(lifts),
            failing: int(failing),
            failing_since: mark.failing_since,
            last_error: mark.last_error.map(Words),
            push_error: mark.push_error.map(Words),
        }
    }
}

/// What became of the wish to read Mailgun's lists.
#[derive(Default, SimpleObject)]
pub struct SyncSuppressionsPayload {
    /// The lists that are read now, or as soon as a process with workers looks, within a second. None where nothing is kept alike.
    syncs: Vec<SuppressionSync>,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// Keeping lists alike.
#[derive(Default)]
pub struct SyncQueries;

#[Object]
impl SyncQueries {
    /// How Mailgun's own lists are kept like ours: bounces, complaints and unsubscribes of each sending domain. Empty where nothing
    /// is kept alike (SUPPRESSION_SYNC is off), and before a process with workers has started. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn suppression_sync(&self, ctx: &Context<'_>) -> Result<Vec<SuppressionSync>, Fault> {
        let standings = mark::standings(&ctx.app()?.ctx).await?;
        Ok(standings.into_iter().map(SuppressionSync::from).collect())
    }
}

/// Keeping lists alike.
#[derive(Default)]
pub struct SyncMutations;

#[Object]
impl SyncMutations {
    /// Has Mailgun's lists be read now, though their time has not come; it is done by itself every six hours. A pass that is under way
    /// goes on. Requires the scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn sync_suppressions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Those of this sending domain; without it, of all.")] domain: Option<String>,
    ) -> Result<SyncSuppressionsPayload, Fault> {
        let app = &ctx.app()?.ctx;
        let domain = domain.map(|domain| domain.trim().to_lowercase());
        if domain.as_ref().is_some_and(|domain| !app.settings.domains.contains(domain)) {
            let message = "is none of the sending domains (MAILGUN_DOMAIN)";
            let user_errors = vec![UserError::at(&["domain"], UserErrorCode::NotFound, message)];
            return Ok(SyncSuppressionsPayload { user_errors, ..SyncSuppressionsPayload::default() });
        }
        let standings = mark::request(app, domain.as_deref()).await?;
        let syncs = standings.into_iter().map(SuppressionSync::from).collect();
        Ok(SyncSuppressionsPayload { syncs, user_errors: Vec::new() })
    }
}

/// How far Mailgun's lists have followed lifts, by address, list and mode.
pub struct Lifts(pub Arc<jobs::Context>);

impl Loader<Lifted> for Lifts {
    type Value = Lift;
    type Error = Fault;

    async fn load(&self, asked: &[Lifted]) -> Result<HashMap<Lifted, Lift>, Fault> {
        Ok(sync::lifts(&self.0, asked).await?)
    }
}

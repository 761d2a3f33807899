//! What is asked of many emails at once.

use async_graphql::{Context, Object, SimpleObject};
use entity::ApiScope;
use jobs::bulk;
use serde_json::json;

use super::EmailFilter;
use crate::schema::asked::Asked;
use crate::schema::audit::trail;
use crate::schema::count::int;
use crate::schema::fault::Fault;
use crate::schema::guard::Needs;
use crate::schema::refusal::{UserError, UserErrorCode};

/// As many emails as one call retries.
const MOST: i32 = 100_000;

/// What became of the wish to cancel many.
#[derive(SimpleObject)]
pub struct CancelEmailsPayload {
    /// Emails that were cancelled.
    cancelled: i32,
    /// Emails under way that were asked to stop: they end CANCELLED if they turn out not to have left.
    asked: i32,
    /// Emails still to be cancelled or asked; the work on them goes on in the background. In a dry run, all that would be.
    remaining: i32,
    /// There may be more than `remaining` says.
    remaining_is_capped: bool,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// What became of the wish to retry many.
#[derive(SimpleObject)]
pub struct RetryFailedEmailsPayload {
    /// Emails that were queued anew.
    retried: i32,
    /// FAILED emails that are left, those included that can't be retried. In a dry run, all there are.
    remaining: i32,
    /// There may be more than `remaining` says.
    remaining_is_capped: bool,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// Control over many emails.
#[derive(Default)]
pub struct BulkMutations;

#[Object]
impl BulkMutations {
    /// Cancels all emails that wait and meet the filter, and asks those under way to stop. Requires the scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn cancel_emails(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which emails; an empty one means all.")] filter: EmailFilter,
        #[graphql(desc = "Only count them.", default = false)] dry_run: bool,
    ) -> Result<CancelEmailsPayload, Fault> {
        let progress = bulk::cancel_many(&ctx.app()?.ctx, &filter.read()?, dry_run).await?;
        trail::did(progress.done);
        trail::after(json!({ "asked": progress.asked, "remaining": progress.remaining }));
        Ok(CancelEmailsPayload {
            cancelled: int(progress.done),
            asked: int(progress.asked),
            remaining: int(progress.remaining),
            remaining_is_capped: progress.remaining_is_capped,
            user_errors: Vec::new(),
        })
    }

    /// Queues FAILED emails anew, each with all its tries, the oldest first. Requires the scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn retry_failed_emails(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which of them; without it, all.")] filter: Option<EmailFilter>,
        #[graphql(desc = "At most so many, up to 100,000.", default = 1_000)] limit: i32,
        #[graphql(desc = "Only count them.", default = false)] dry_run: bool,
    ) -> Result<RetryFailedEmailsPayload, Fault> {
        let Some(most) = u64::try_from(limit).ok().filter(|_| (1..=MOST).contains(&limit)) else {
            let message = format!("must be between 1 and {MOST}");
            return Ok(RetryFailedEmailsPayload {
                retried: 0,
                remaining: 0,
                remaining_is_capped: false,
                user_errors: vec![UserError::at(&["limit"], UserErrorCode::Invalid, message)],
            });
        };
        let filter = filter.map(EmailFilter::read).transpose()?;
        let progress = bulk::retry_failed(&ctx.app()?.ctx, filter.as_ref(), most, dry_run).await?;
        trail::did(progress.done);
        trail::after(json!({ "remaining": progress.remaining }));
        Ok(RetryFailedEmailsPayload {
            retried: int(progress.done),
            remaining: int(progress.remaining),
            remaining_is_capped: progress.remaining_is_capped,
            user_errors: Vec::new(),
        })
    }
}

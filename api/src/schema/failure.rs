//! What keeps emails from being sent.

use async_graphql::{Context, Object, SimpleObject};
use entity::{ApiScope, Status};
use jobs::stats;

use super::asked::Asked;
use super::count::int;
use super::email::{Email, EmailFilter};
use super::fault::Fault;
use super::guard::Needs;
use super::mask::Words;
use super::page;

/// Emails that stand still for one cause.
#[derive(SimpleObject)]
pub struct FailureGroup {
    /// What they failed of, in Mailgun's words without what is particular to one email, or what holds them.
    cause: Words,
    /// FAILED, or QUEUED for those that wait.
    status: Status,
    /// How many there are.
    count: i32,
    /// One of them.
    sample: Email,
}

impl From<stats::FailureGroup> for FailureGroup {
    fn from(group: stats::FailureGroup) -> Self {
        let stats::FailureGroup { cause, status, count, sample } = group;
        Self { cause: Words(cause), status, count: int(count), sample: Email::new(sample) }
    }
}

/// Failures.
#[derive(Default)]
pub struct FailureQueries;

#[Object]
impl FailureQueries {
    /// Failed emails, and waiting ones that something holds, by cause; the most frequent first. With a filter by address or by
    /// time the failed alone. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn failures(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Among which emails; without it, all.")] filter: Option<EmailFilter>,
        #[graphql(desc = "At most so many causes, up to 100.", default = 20)] first: i32,
    ) -> Result<Vec<FailureGroup>, Fault> {
        let first = page::number("first", first)?;
        let filter = filter.map(EmailFilter::read).transpose()?;
        let groups = stats::failures(&ctx.app()?.ctx, filter.as_ref(), first).await?;
        Ok(groups.into_iter().map(FailureGroup::from).collect())
    }
}

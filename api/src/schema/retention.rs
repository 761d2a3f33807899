//! How long things are kept, and what was forgotten.

use async_graphql::{Context, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::ApiScope;
use jobs::retention::{self, Standing};

use super::asked::Asked;
use super::count::int;
use super::fault::Fault;
use super::guard::Needs;

/// Something that is kept for a time.
#[derive(SimpleObject)]
pub struct RetentionRule {
    /// What it is called, such as `bodies`.
    name: &'static str,
    /// What goes, in words.
    what: &'static str,
    /// After how many seconds; 0 where another time decides.
    after_seconds: i32,
    /// The variable that says so; null where nobody can change it.
    variable: Option<&'static str>,
    /// When it was last followed to its end; null before the first time.
    last_run_at: Option<DateTime<Utc>>,
    /// How many went then.
    removed: i32,
    /// How many went in all.
    removed_in_all: i32,
}

impl From<Standing> for RetentionRule {
    fn from(Standing { rule, after, run }: Standing) -> Self {
        let (removed, total) = run.as_ref().map_or((0, 0), |run| (run.removed, run.total));
        Self {
            name: rule.name,
            what: rule.what,
            after_seconds: int(after.num_seconds()),
            variable: rule.variable,
            last_run_at: run.and_then(|run| run.ran_at),
            removed: int(removed),
            removed_in_all: int(total),
        }
    }
}

/// How long things are kept.
#[derive(Default)]
pub struct RetentionQueries;

#[Object]
impl RetentionQueries {
    /// What is kept for how long, and what the hourly run has removed. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn retention(&self, ctx: &Context<'_>) -> Result<Vec<RetentionRule>, Fault> {
        Ok(retention::standing(&ctx.app()?.ctx).await?.into_iter().map(RetentionRule::from).collect())
    }
}

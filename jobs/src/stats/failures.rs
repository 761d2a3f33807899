//! What keeps emails from being sent: the failed by what they failed of, the waiting by what holds them, each with a count and
//! one email to look at.

use std::collections::BTreeMap;

use entity::{Status, email};
use sea_orm::{ActiveEnum, ConnectionTrait, FromQueryResult, Value};

use super::{Waiting, waiting};
use crate::Context;
use crate::error::Result;
use crate::filter::Filter;
use crate::hold::{Holds, Leave};
use crate::scope::Scope;
use crate::store::rows;

/// Emails that stand still for one cause.
#[derive(Clone, Debug, PartialEq)]
pub struct FailureGroup {
    /// Mailgun's words without what is particular to one email, or what holds them.
    pub cause: String,
    /// FAILED, or QUEUED for those that wait.
    pub status: Status,
    pub count: i64,
    /// One of them: of the failed the newest, of the waiting one that has been due for long.
    pub sample: email::Model,
}

/// At most `first` groups, the largest first. What waits is counted by the tallies, so a filter by address or time sees the
/// failed alone.
///
/// # Errors
/// The database's own.
pub async fn failures(ctx: &Context, filter: Option<&Filter>, first: u64) -> Result<Vec<FailureGroup>> {
    let all = Filter::default();
    let filter = filter.unwrap_or(&all);
    let mut groups = Vec::new();
    if let Some(failed) = filter.within(&[Status::Failed]) {
        groups = by_cause(ctx, &failed, first).await?;
    }
    if filter.is_tallied() && filter.allows(Status::Queued) {
        groups.extend(by_hold(ctx, filter).await?);
    }
    groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.cause.cmp(&b.cause)));
    groups.truncate(first as usize);
    Ok(groups)
}

async fn by_cause(ctx: &Context, failed: &Filter, first: u64) -> Result<Vec<FailureGroup>> {
    let asked = failed.clauses().over(
        &ctx.store,
        "SELECT q.*, g.cause AS group_cause, g.n AS group_n FROM \
         (SELECT f.email_id, f.cause, count(*) OVER (PARTITION BY f.cause) AS n, \
          row_number() OVER (PARTITION BY f.cause ORDER BY f.email_id DESC) AS place",
        "email_failures f JOIN email_queue q ON q.id = f.email_id",
        ") AS g JOIN email_queue q ON q.id = g.email_id WHERE g.place = 1 ORDER BY g.n DESC, g.cause LIMIT ?",
        first as i64,
    );
    let found = rows(ctx.store.read(), asked).await?;
    let group = |row: &sea_orm::QueryResult| {
        Ok(FailureGroup {
            cause: row.try_get("", "group_cause")?,
            status: Status::Failed,
            count: row.try_get("", "group_n")?,
            sample: email::Model::from_query_result(row, "")?,
        })
    };
    found.iter().map(group).collect()
}

async fn by_hold(ctx: &Context, filter: &Filter) -> Result<Vec<FailureGroup>> {
    let now = ctx.clock.now();
    let holds = Holds::load(ctx.store.read(), now).await?;
    if holds.holds.is_empty() && holds.breakers.is_empty() {
        return Ok(Vec::new());
    }
    let transport = ctx.settings.transport();
    let mut held: BTreeMap<String, Vec<Waiting>> = BTreeMap::new();
    for one in waiting(ctx).await?.into_iter().filter(|w| means(filter, w)) {
        let why = match holds.over(one.lane, &one.scope, &transport, now) {
            Leave::Open => continue,
            Leave::Held { why, .. } => why,
            // One may go and look; the others still wait for what it finds.
            Leave::Probe(key) => probed(&holds, &key),
        };
        held.entry(why).or_default().push(one);
    }
    let mut groups = Vec::new();
    for (cause, scopes) in held {
        let count = scopes.iter().map(|w| w.n).sum();
        // The tallies and the rows are asked one after the other: the last of them may just have gone.
        if let Some(sample) = sample(ctx, &scopes).await? {
            groups.push(FailureGroup { cause, status: Status::Queued, count, sample });
        }
    }
    Ok(groups)
}

fn means(filter: &Filter, waiting: &Waiting) -> bool {
    let Scope { campaign, domain, .. } = &*waiting.scope;
    filter.priority.is_none_or(|lane| lane == waiting.lane)
        && filter.campaign.is_none_or(|id| *campaign == Some(id))
        && filter.domain.as_ref().is_none_or(|name| name == domain)
}

fn probed(holds: &Holds, key: &str) -> String {
    let breaker = holds.breakers.iter().find(|b| b.key == key);
    let reason = breaker.and_then(|b| b.reason.as_deref()).unwrap_or("no answer");
    format!("held while Mailgun does not take it: {reason}")
}

/// The email due longest in the first of the scopes that still has one.
async fn sample(ctx: &Context, scopes: &[Waiting]) -> Result<Option<email::Model>> {
    let text = "SELECT q.* FROM email_queue q WHERE q.lane = $1 AND q.scope = $2 AND q.due_at IS NOT NULL AND q.status = $3 \
                ORDER BY q.due_at LIMIT 1";
    for Waiting { lane, scope, .. } in scopes {
        let values = [Value::from(lane.to_value()), Value::from(scope.id), Value::from(Status::Queued.to_value())];
        if let Some(row) = ctx.store.read().query_one_raw(ctx.store.sql(text, values)).await? {
            return Ok(Some(email::Model::from_query_result(&row, "")?));
        }
    }
    Ok(None)
}

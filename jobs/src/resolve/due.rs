//! Which emails in doubt are to be looked at, and by whom.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{Policy, Status};
use sea_orm::{ActiveEnum, QueryResult, Value};
use uuid::Uuid;

use super::rule::{self, Doubt};
use crate::Context;
use crate::error::Result;
use crate::rows::Rows;
use crate::store::{execute, rows};
use crate::timing::delta;

/// Emails looked at at once.
const GROUP: i64 = 500;

/// An email in doubt whose time has come.
#[derive(Clone, Debug)]
pub struct Doubtful {
    pub id: Uuid,
    /// The claim that is in doubt.
    pub fence: i32,
    pub domain: String,
    pub doubt: Doubt,
    resolve_at: DateTime<Utc>,
}

/// Takes the emails that are to be looked for now; others leave them alone until their claim is over.
///
/// # Errors
/// The database's own.
pub async fn due(ctx: &Context) -> Result<Vec<Doubtful>> {
    let now = ctx.clock.now();
    let mut found = read(ctx, now).await?;
    found.retain(|email| rule::resend_at(&email.doubt, &ctx.timing).is_none_or(|at| at > now));
    let taken = take(ctx, &found, now + claim(ctx)).await?;
    Ok(taken)
}

/// Emails of policy RESEND that go again, proof or no proof.
///
/// # Errors
/// The database's own.
pub async fn resends(ctx: &Context) -> Result<Vec<Uuid>> {
    let now = ctx.clock.now();
    let over = |email: &Doubtful| rule::resend_at(&email.doubt, &ctx.timing).is_some_and(|at| at <= now);
    Ok(read(ctx, now).await?.into_iter().filter(over).map(|email| email.id).collect())
}

/// How long whoever took them may be silent.
fn claim(ctx: &Context) -> TimeDelta {
    delta(ctx.timing.lease)
}

async fn read(ctx: &Context, now: DateTime<Utc>) -> Result<Vec<Doubtful>> {
    // The outcome of the claim in doubt says since when.
    let text = "SELECT q.id, q.fence, q.scope, q.attempts, q.on_unconfirmed, q.cancel_requested, q.resolve_at, q.batched, \
                q.first_try_at, a.finished_at AS since FROM (SELECT d.id FROM email_queue d WHERE d.resolve_at <= $1 \
                AND d.status = $2 AND d.sandbox = $3 ORDER BY d.resolve_at LIMIT $4) f JOIN email_queue q ON q.id = f.id \
                LEFT JOIN email_attempts a ON a.email_id = q.id AND a.fence = q.fence ORDER BY q.id";
    let values = [
        Value::from(now),
        Value::from(Status::Unconfirmed.to_value()),
        Value::from(ctx.settings.sandbox),
        Value::from(GROUP),
    ];
    let found = rows(ctx.store.by_key(), ctx.store.sql(text, values)).await?;
    let mut emails = Vec::with_capacity(found.len());
    for row in &found {
        emails.push(doubtful(ctx, row).await?);
    }
    Ok(emails)
}

async fn doubtful(ctx: &Context, row: &QueryResult) -> Result<Doubtful> {
    let scope = ctx.scopes.get(ctx.store.by_key(), &ctx.store, row.try_get("", "scope")?).await?;
    let (policy, attempts): (Policy, i32) = (row.try_get("", "on_unconfirmed")?, row.try_get("", "attempts")?);
    let resolve_at: DateTime<Utc> = row.try_get("", "resolve_at")?;
    let since: Option<DateTime<Utc>> = row.try_get("", "since")?;
    let since = since.unwrap_or(resolve_at);
    let first_try: Option<DateTime<Utc>> = row.try_get("", "first_try_at")?;
    let doubt = Doubt {
        policy: rule::in_force(policy, attempts, ctx.settings.max_tries),
        cancel: row.try_get("", "cancel_requested")?,
        since,
        first_try: first_try.unwrap_or(since).min(since),
        batched: row.try_get("", "batched")?,
    };
    let domain = scope.domain.clone();
    Ok(Doubtful { id: row.try_get("", "id")?, fence: row.try_get("", "fence")?, domain, doubt, resolve_at })
}

/// Puts their time ahead, where nobody else did. An email that will go again is due by then at the latest.
async fn take(ctx: &Context, found: &[Doubtful], until: DateTime<Utc>) -> Result<Vec<Doubtful>> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let until = |email: &Doubtful| rule::resend_at(&email.doubt, &ctx.timing).unwrap_or(until).min(until);
    // Whatever somebody else holds now moves; what it still needs is asked in the next round.
    let text = format!(
        "UPDATE email_queue AS q SET resolve_at = v.until FROM {{rows}} AS v \
         WHERE q.id = v.email AND q.resolve_at = v.due AND q.status = $1 \
         AND q.id IN (SELECT e.id FROM email_queue e WHERE e.id IN (SELECT w.email FROM {{rows}} AS w) \
         ORDER BY e.id {}) RETURNING id",
        ctx.store.skip_locked()
    );
    let values = Rows::new()
        .uuid("email", found.iter().map(|email| email.id))
        .time("due", found.iter().map(|email| email.resolve_at))
        .time("until", found.iter().map(until));
    let statement = ctx.store.sql_rows(&text, [Value::from(Status::Unconfirmed.to_value())], values);
    let taken = rows(ctx.store.write(), statement).await?;
    let taken = taken.iter().map(|row| row.try_get("", "id")).collect::<Result<Vec<Uuid>, _>>()?;
    let mine = found.iter().filter(|email| taken.contains(&email.id));
    Ok(mine.map(|email| Doubtful { resolve_at: until(email), ..email.clone() }).collect())
}

/// A claim on emails while their log is read.
pub struct Claim {
    ids: Vec<Uuid>,
    until: Option<DateTime<Utc>>,
}

impl Claim {
    /// Those that `due` has taken.
    pub fn of(ctx: &Context, emails: &[Doubtful]) -> Self {
        // An email that will go again keeps its time.
        let verified = emails.iter().filter(|email| rule::resend_at(&email.doubt, &ctx.timing).is_none());
        let until = verified.clone().map(|email| email.resolve_at).max();
        Self { ids: verified.map(|email| email.id).collect(), until }
    }

    /// Whoever reads is alive.
    pub async fn renew(&mut self, ctx: &Context) -> Result<()> {
        let Some(was) = self.until else { return Ok(()) };
        let until = ctx.clock.now() + claim(ctx);
        // In the order of their ids, as everybody else who locks several.
        let text = format!(
            "UPDATE email_queue SET resolve_at = $1 WHERE id IN (SELECT q.id FROM email_queue q \
             WHERE q.status = $2 AND q.resolve_at = $3 AND q.id {{ids}} ORDER BY q.id {})",
            ctx.store.for_update()
        );
        let values = [Value::from(until), Value::from(Status::Unconfirmed.to_value()), Value::from(was)];
        execute(ctx.store.write(), ctx.store.sql_ids(&text, values, self.ids.iter().copied())).await?;
        self.until = Some(until);
        Ok(())
    }
}

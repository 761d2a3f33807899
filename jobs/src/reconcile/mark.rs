//! The marks: one row for each sending domain, claimed and settled by guarded statements.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use entity::reconcile_mark;
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, Value};

use crate::Context;
use crate::error::Result;
use crate::rows::Rows;
use crate::store::{execute, rows};
use crate::timing::delta;

/// For how long other Message-Ids than ours are held against a domain.
const FOREIGN_FOR: TimeDelta = TimeDelta::days(30);

/// How far the log of a domain was read, for whoever asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub domain: String,
    /// Everything up to here was read whole.
    pub checked_through: DateTime<Utc>,
    /// Events that no webhook had brought.
    pub recovered: u64,
    /// Since when webhooks are silent while events happen.
    pub silent_since: Option<DateTime<Utc>>,
    /// Since when the log can't be read.
    pub failing_since: Option<DateTime<Utc>>,
}

/// How far the log of each configured domain was read.
///
/// # Errors
/// The database's own.
pub async fn standings(ctx: &Context) -> Result<Vec<Standing>> {
    let marks = reconcile_mark::Entity::find()
        .filter(reconcile_mark::Column::Domain.is_in(&ctx.settings.domains))
        .order_by_asc(reconcile_mark::Column::Domain)
        .all(ctx.store.read())
        .await?;
    Ok(marks
        .into_iter()
        .map(|mark| Standing {
            domain: mark.domain,
            checked_through: mark.checked_through,
            recovered: mark.recovered.unsigned_abs(),
            silent_since: mark.silent_since,
            failing_since: mark.failing_since,
        })
        .collect())
}

/// The configured domains whose log is to be read now. One that has no mark yet gets it, and begins as far back as the log may
/// still have grown.
pub(super) async fn due(ctx: &Context) -> Result<Vec<String>> {
    let now = Value::from(ctx.clock.now());
    let text = "SELECT v.domain, m.due_at <= $1 AS due FROM {rows} AS v LEFT JOIN email_reconcile_marks m ON m.domain = v.domain";
    let asked = Rows::new().text("domain", ctx.settings.domains.iter().cloned());
    let (mut due, mut new) = (Vec::new(), Vec::new());
    for row in rows(ctx.store.by_key(), ctx.store.sql_rows(text, [now], asked)).await? {
        let domain: String = row.try_get("", "domain")?;
        match row.try_get::<Option<bool>>("", "due")? {
            Some(true) => due.push(domain),
            Some(false) => {}
            None => new.push(domain),
        }
    }
    ensure(ctx, &new).await?;
    due.extend(new);
    Ok(due)
}

async fn ensure(ctx: &Context, domains: &[String]) -> Result<()> {
    if domains.is_empty() {
        return Ok(());
    }
    let now = ctx.clock.now();
    let first = now - TimeDelta::from_std(ctx.timing.trust).unwrap_or_default();
    let text = "INSERT INTO email_reconcile_marks (domain, checked_through, read_to, due_at, recovered, missed) \
                SELECT v.domain, $1, $1, $2, 0, 0 FROM {rows} AS v WHERE true ORDER BY v.domain ON CONFLICT (domain) DO NOTHING";
    let new = Rows::new().text("domain", domains.iter().cloned());
    execute(ctx.store.write(), ctx.store.sql_rows(text, [Value::from(first), Value::from(now)], new)).await?;
    Ok(())
}

/// The right to read a domain's log, until its mark's `due_at`.
pub(super) struct Claim {
    pub(super) mark: reconcile_mark::Model,
}

impl Claim {
    /// Takes it, where nobody else has it and it is time.
    pub(super) async fn take(ctx: &Context, domain: &str) -> Result<Option<Self>> {
        let now = ctx.clock.now();
        let text = "UPDATE email_reconcile_marks SET due_at = $1 WHERE domain = $2 AND due_at <= $3 RETURNING *";
        let values = [Value::from(now + lease(ctx)), Value::from(domain), Value::from(now)];
        let taken = rows(ctx.store.write(), ctx.store.sql(text, values)).await?;
        let mark = taken.first().map(|row| reconcile_mark::Model::from_query_result(row, "")).transpose()?;
        Ok(mark.map(|mark| Self { mark }))
    }

    /// Whoever reads is alive. `false` where the claim was over and somebody else took it.
    pub(super) async fn renew(&mut self, ctx: &Context) -> Result<bool> {
        let until = ctx.clock.now() + lease(ctx);
        let text = "UPDATE email_reconcile_marks SET due_at = $1 WHERE domain = $2 AND due_at = $3";
        let values = [Value::from(until), Value::from(self.mark.domain.clone()), Value::from(self.mark.due_at)];
        let held = execute(ctx.store.write(), ctx.store.sql(text, values)).await?.rows_affected() == 1;
        self.mark.due_at = until;
        Ok(held)
    }

    /// Stores what was found out and gives the claim back. One that was lost changes nothing.
    pub(super) async fn settle(self, ctx: &Context, mark: reconcile_mark::Model, due_at: DateTime<Utc>) -> Result<()> {
        let text = "UPDATE email_reconcile_marks SET checked_through = $1, read_to = $2, due_at = $3, recovered = $4, \
                    missed = $5, silent_since = $6, failing_since = $7, last_error = $8 WHERE domain = $9 AND due_at = $10";
        let values = [
            Value::from(mark.checked_through),
            Value::from(mark.read_to),
            Value::from(due_at),
            Value::from(mark.recovered),
            Value::from(mark.missed),
            Value::from(mark.silent_since),
            Value::from(mark.failing_since),
            Value::from(mark.last_error),
            Value::from(mark.domain),
            Value::from(self.mark.due_at),
        ];
        execute(ctx.store.write(), ctx.store.sql(text, values)).await?;
        Ok(())
    }
}

/// How long whoever reads may be silent.
fn lease(ctx: &Context) -> TimeDelta {
    delta(ctx.timing.lease)
}

/// Mailgun answered hand-overs of this domain with other Message-Ids than ours, not long ago.
pub(crate) async fn has_foreign_ids(ctx: &Context, domain: &str) -> Result<bool> {
    let mark = reconcile_mark::Entity::find_by_id(domain).one(ctx.store.write()).await?;
    let since = ctx.clock.now() - FOREIGN_FOR;
    Ok(mark.and_then(|mark| mark.foreign_id_at).is_some_and(|at| at >= since))
}

/// Whether Mailgun keeps our Message-Ids where it takes many emails in one call: an event of one of them has borne its own, and
/// none has borne another not long ago.
pub(crate) async fn keeps_batch_ids(ctx: &Context, domain: &str) -> Result<bool> {
    let mark = reconcile_mark::Entity::find_by_id(domain).one(ctx.store.write()).await?;
    let since = ctx.clock.now() - FOREIGN_FOR;
    Ok(mark.is_some_and(|mark| mark.batch_id_at.is_some() && mark.batch_foreign_at.is_none_or(|at| at < since)))
}

/// What this process has noted of domains and their batches: once is enough.
#[derive(Default)]
pub struct BatchIds(Mutex<HashSet<(String, bool)>>);

impl BatchIds {
    /// Notes that an event of an email that was handed over in a batch bears its own Message-Id, or another.
    ///
    /// # Errors
    /// The database's own; then the next such event notes it.
    pub(crate) async fn note(&self, ctx: &Context, domain: &str, own: bool) -> Result<()> {
        let key = (domain.to_owned(), own);
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&key) {
            return Ok(());
        }
        ensure(ctx, &[domain.to_owned()]).await?;
        let column = if own { "batch_id_at" } else { "batch_foreign_at" };
        let text = format!("UPDATE email_reconcile_marks SET {column} = $1 WHERE domain = $2");
        let values = [Value::from(ctx.clock.now()), Value::from(domain)];
        execute(ctx.store.write(), ctx.store.sql(text, values)).await?;
        if !own {
            tracing::error!(domain, "Mailgun gives emails of a batch other Message-Ids than ours");
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        Ok(())
    }
}

/// Domains that this process has noted to have other Message-Ids than ours: once is enough.
#[derive(Default)]
pub struct ForeignIds(Mutex<HashSet<String>>);

impl ForeignIds {
    /// Notes that Mailgun gave an email of this domain another Message-Id.
    ///
    /// # Errors
    /// The database's own; then the next such email notes it.
    pub(crate) async fn note(&self, ctx: &Context, domain: &str) -> Result<()> {
        if self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(domain) {
            return Ok(());
        }
        ensure(ctx, &[domain.to_owned()]).await?;
        let text = "UPDATE email_reconcile_marks SET foreign_id_at = $1 WHERE domain = $2";
        let values = [Value::from(ctx.clock.now()), Value::from(domain)];
        execute(ctx.store.write(), ctx.store.sql(text, values)).await?;
        tracing::error!(
            domain,
            "Mailgun gives emails of this domain other Message-Ids than ours: its log can't prove that one is absent"
        );
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(domain.to_owned());
        Ok(())
    }
}

//! What is kept for how long: one table of rules, run by the hour. Each goes through what has had its time in groups of a few
//! hundred rows with a pause between, touches nothing that may still be sent, and writes down what it did.

mod bodies;
mod payloads;
mod prefix;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::retention_run as run;
use futures::future::{BoxFuture, FutureExt};
use sea_orm::{EntityTrait, Value};

pub(crate) use bodies::{Had, give_up};
pub(crate) use payloads::{GONE, is_gone};

use crate::control::repeat;
use crate::error::Result;
use crate::filter::first_id;
use crate::store::execute;
use crate::{Context, alert, bulk, erase, hold, stats};

/// For how long what is set by the user is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periods {
    /// `RETENTION_BODIES`
    pub bodies: TimeDelta,
    /// `RETENTION_WEBHOOKS`
    pub webhooks: TimeDelta,
    /// `RETENTION_EVENTS`
    pub events: TimeDelta,
    /// `EMAIL_RETENTION_DAYS`
    pub emails: TimeDelta,
    /// `RETENTION_TOKENS`
    pub tokens: TimeDelta,
    /// `RETENTION_KEYS`
    pub keys: TimeDelta,
    /// `RETENTION_AUDIT`
    pub audit: TimeDelta,
}

impl Default for Periods {
    fn default() -> Self {
        Self {
            bodies: TimeDelta::days(30),
            webhooks: TimeDelta::days(7),
            events: TimeDelta::days(400),
            emails: TimeDelta::days(400),
            tokens: TimeDelta::hours(13),
            keys: TimeDelta::days(7),
            audit: TimeDelta::days(400),
        }
    }
}

/// Something that is kept for a time.
pub struct Rule {
    pub name: &'static str,
    /// What goes, in words.
    pub what: &'static str,
    /// The variable that says after how long; `None` where nobody can.
    pub variable: Option<&'static str>,
    /// After how long.
    pub after: fn(&Periods) -> TimeDelta,
    how: How,
}

/// How it goes.
enum How {
    /// By a statement that deletes up to `$2` rows from before `$1`, the oldest first, found by an index.
    Delete(&'static str),
    /// The same of rows whose ids tell their times: `$1` is the first id of that time.
    DeleteIds(&'static str),
    /// By a walk of its own, from before the time given. Answers how many went.
    Walk(fn(&Context, DateTime<Utc>) -> BoxFuture<'_, Result<u64>>),
}

/// All rules.
pub const RULES: &[Rule] = &[
    Rule {
        name: "bodies",
        what: "contents and variables of emails that were finished before",
        variable: Some("RETENTION_BODIES"),
        after: |periods| periods.bodies,
        how: How::Walk(|ctx, before| bodies::run(ctx, before).boxed()),
    },
    Rule {
        name: "webhooks",
        what: "raw payloads of events that were recorded before",
        variable: Some("RETENTION_WEBHOOKS"),
        after: |periods| periods.webhooks,
        how: How::Walk(|ctx, before| payloads::run(ctx, before).boxed()),
    },
    Rule {
        name: "events",
        what: "delivery events that were recorded before",
        variable: Some("RETENTION_EVENTS"),
        after: |periods| periods.events,
        how: How::Walk(|ctx, before| prefix::run(ctx, before).boxed()),
    },
    Rule {
        name: "emails",
        what: "emails that were finished before, with their tries",
        variable: Some("EMAIL_RETENTION_DAYS"),
        after: |periods| periods.emails,
        how: How::Walk(|ctx, before| async move { Ok(bulk::clean(ctx, before).await?.done) }.boxed()),
    },
    Rule {
        name: "webhook tokens",
        what: "tokens of webhooks: a signature older than 12 hours has no effect anyway",
        variable: Some("RETENTION_TOKENS"),
        after: |periods| periods.tokens,
        how: How::Delete(
            "DELETE FROM webhook_tokens WHERE token IN \
             (SELECT t.token FROM webhook_tokens t WHERE t.created_at < $1 ORDER BY t.created_at LIMIT $2)",
        ),
    },
    Rule {
        name: "idempotency keys",
        what: "idempotency keys, whatever became of their emails",
        variable: Some("RETENTION_KEYS"),
        after: |periods| periods.keys,
        how: How::Delete(
            "DELETE FROM idempotency_keys WHERE (api_key_id, key) IN (SELECT k.api_key_id, k.key \
             FROM idempotency_keys k WHERE k.created_at < $1 ORDER BY k.created_at LIMIT $2)",
        ),
    },
    Rule {
        name: "audit log",
        what: "entries of the audit log that were made before",
        variable: Some("RETENTION_AUDIT"),
        after: |periods| periods.audit,
        how: How::DeleteIds(
            "DELETE FROM audit_log WHERE id IN \
             (SELECT a.id FROM audit_log a WHERE a.id < $1 ORDER BY a.id LIMIT $2)",
        ),
    },
    Rule {
        name: "unconfirmed events",
        what: "events in quarantine: Mailgun's log reaches back no further",
        variable: None,
        after: |_| TimeDelta::days(30),
        how: How::Delete(
            "DELETE FROM email_event_quarantine WHERE id IN \
             (SELECT e.id FROM email_event_quarantine e WHERE e.recorded_at < $1 ORDER BY e.recorded_at LIMIT $2)",
        ),
    },
    Rule {
        name: "ended holds",
        what: "holds that ended so long ago that no email's age counts from them any more (EMAIL_MAX_AGE and an hour)",
        variable: None,
        after: |_| TimeDelta::zero(),
        how: How::Walk(|ctx, _| hold::clean(ctx).boxed()),
    },
    Rule {
        name: "bulk operations",
        what: "bulk operations that were finished before",
        variable: None,
        after: |_| TimeDelta::days(7),
        how: How::Delete(
            "DELETE FROM bulk_operations WHERE id IN \
             (SELECT b.id FROM bulk_operations b WHERE b.finished_at < $1 ORDER BY b.id LIMIT $2)",
        ),
    },
    Rule {
        name: "runs",
        what: "what schedules did",
        variable: None,
        after: |_| TimeDelta::days(90),
        how: How::Delete(
            "DELETE FROM cron_runs WHERE (name, tick) IN \
             (SELECT c.name, c.tick FROM cron_runs c WHERE c.tick < $1 ORDER BY c.name, c.tick LIMIT $2)",
        ),
    },
    Rule {
        name: "rates",
        what: "how many emails went in each minute",
        variable: None,
        after: |_| TimeDelta::hours(2),
        how: How::Walk(|ctx, _| stats::forget_rates(ctx).boxed()),
    },
    Rule {
        name: "alerts",
        what: "alerts that were over before",
        variable: None,
        after: |_| TimeDelta::days(90),
        how: How::Delete(
            "DELETE FROM alerts WHERE id IN \
             (SELECT a.id FROM alerts a WHERE a.resolved_at < $1 ORDER BY a.resolved_at LIMIT $2)",
        ),
    },
    Rule {
        name: "alert counts",
        what: "what alerts counted in each minute",
        variable: None,
        after: |_| TimeDelta::hours(1),
        how: How::Walk(|ctx, _| alert::count::forget(ctx).boxed()),
    },
    Rule {
        name: "dispatches",
        what: "what endpoints took: their counts stay",
        variable: None,
        after: |_| TimeDelta::days(3),
        how: How::Delete(
            "DELETE FROM event_dispatches WHERE id IN (SELECT d.id FROM event_dispatches d \
             WHERE d.state = 1 AND d.tried_at < $1 ORDER BY d.tried_at LIMIT $2)",
        ),
    },
    Rule {
        name: "dead letters",
        what: "what endpoints did not take, counted from its last try",
        variable: None,
        after: |_| TimeDelta::days(30),
        how: How::Delete(
            "DELETE FROM event_dispatches WHERE id IN (SELECT d.id FROM event_dispatches d \
             WHERE d.state IN (0, 2) AND d.tried_at < $1 ORDER BY d.tried_at LIMIT $2)",
        ),
    },
    Rule {
        name: "replays",
        what: "replays that were finished before",
        variable: None,
        after: |_| TimeDelta::days(30),
        how: How::Delete(
            "DELETE FROM event_replays WHERE id IN (SELECT r.id FROM event_replays r \
             WHERE r.finished_at < $1 ORDER BY r.finished_at LIMIT $2)",
        ),
    },
    Rule {
        name: "endpoint secrets",
        what: "secrets that sign nothing any more",
        variable: None,
        after: |_| TimeDelta::days(1),
        how: How::Delete(
            "DELETE FROM event_endpoint_secrets WHERE id IN (SELECT s.id FROM event_endpoint_secrets s \
             WHERE s.expires_at < $1 ORDER BY s.expires_at LIMIT $2)",
        ),
    },
    Rule {
        name: "erasures",
        what: "what was left of erased recipients when somebody asked: emails that were under way",
        variable: None,
        after: |_| TimeDelta::zero(),
        how: How::Walk(|ctx, _| erase::carry_on(ctx).boxed()),
    },
];

/// Rows changed in one transaction.
const GROUP: i64 = 500;

/// Between two groups, so that others' statements come first.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs every rule; trouble with one keeps none of the others. Answers what it did.
///
/// # Errors
/// The first rule's that failed; what was done by then stays done.
pub async fn run(ctx: &Context) -> Result<String> {
    let mut told = Vec::new();
    let mut failed = None;
    for rule in RULES {
        match rule.run(ctx).await {
            Ok(0) => {}
            Ok(n) => told.push(format!("{n} {}", rule.name)),
            Err(error) => {
                tracing::warn!(rule = rule.name, cause = %error, "A rule of retention could not be followed");
                failed = failed.or(Some(error));
            }
        }
    }
    match failed {
        Some(error) => Err(error),
        None if told.is_empty() => Ok("forgot nothing".to_owned()),
        None => Ok(format!("forgot {}", told.join(", "))),
    }
}

impl Rule {
    async fn run(&self, ctx: &Context) -> Result<u64> {
        begin(ctx, self.name).await?;
        let now = ctx.clock.now();
        let before = now - (self.after)(&ctx.settings.retention);
        let removed = match self.how {
            How::Walk(walk) => walk(ctx, before).await?,
            How::Delete(text) => delete(ctx, text, before.into()).await?,
            How::DeleteIds(text) => delete(ctx, text, first_id(before).into()).await?,
        };
        let text = "UPDATE retention_runs SET ran_at = $1, removed = $2, total = total + $2 WHERE rule = $3";
        let n = i64::try_from(removed).unwrap_or(i64::MAX);
        repeat(|| async {
            let values = [Value::from(now), Value::from(n), Value::from(self.name)];
            Ok(execute(ctx.store.write(), ctx.store.sql(text, values)).await?)
        })
        .await?;
        metrics::counter!("mailmind_retention_removed_total", "rule" => self.name).increment(removed);
        Ok(removed)
    }
}

/// Deletes what was made before, group after group.
async fn delete(ctx: &Context, text: &'static str, before: Value) -> Result<u64> {
    in_groups(ctx, || async {
        let statement = ctx.store.sql(text, [before.clone(), Value::from(GROUP)]);
        let met = execute(ctx.store.write(), statement).await?.rows_affected();
        Ok(Group { removed: met, more: met == GROUP.unsigned_abs() })
    })
    .await
}

/// The rule has its row.
async fn begin(ctx: &Context, rule: &str) -> Result<()> {
    let text = "INSERT INTO retention_runs (rule, removed, total) VALUES ($1, 0, 0) ON CONFLICT (rule) DO NOTHING";
    repeat(|| async { Ok(execute(ctx.store.write(), ctx.store.sql(text, [Value::from(rule)])).await?) }).await?;
    Ok(())
}

/// What one transaction came to.
struct Group {
    removed: u64,
    /// There may be more.
    more: bool,
}

/// Group after group, with a pause between, until there is no more or the process is to stop. Answers how many went.
async fn in_groups<F: Future<Output = Result<Group>>>(ctx: &Context, mut group: impl FnMut() -> F) -> Result<u64> {
    let mut sum = 0;
    loop {
        let Group { removed, more } = repeat(&mut group).await?;
        sum += removed;
        if !more || ctx.stop.is_cancelled() {
            return Ok(sum);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A rule, and what it did so far; `None` before its first run.
pub struct Standing {
    pub rule: &'static Rule,
    pub after: TimeDelta,
    pub run: Option<run::Model>,
}

/// How all rules stand, in the order of the table.
///
/// # Errors
/// The database's own.
pub async fn standing(ctx: &Context) -> Result<Vec<Standing>> {
    let mut runs = run::Entity::find().all(ctx.store.read()).await?;
    let stand = |rule: &'static Rule| {
        let at = runs.iter().position(|run| run.rule == rule.name);
        Standing { rule, after: (rule.after)(&ctx.settings.retention), run: at.map(|at| runs.swap_remove(at)) }
    };
    Ok(RULES.iter().map(stand).collect())
}

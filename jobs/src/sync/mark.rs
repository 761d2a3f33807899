//! The marks: one row for each list of each sending domain, claimed for reading and for telling by guarded statements.

use chrono::{DateTime, TimeDelta, Utc};
use entity::provider_list::{List, Model};
use sea_orm::{ActiveEnum, ConnectionTrait, Value};

use super::provider::Place;
use super::{Direction, rule};
use crate::Context;
use crate::control::repeat;
use crate::error::Result;
use crate::find::models;
use crate::rows::Rows;
use crate::store::{execute, rows};
use crate::timing::delta;

/// Orders that are counted at most.
pub const COUNTED: i64 = 100_000;

/// How a list of a domain is kept, for whoever asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub mark: Model,
    /// Entries that it is still to be told.
    pub pushes: u64,
    /// Lifts that it is still to follow.
    pub lifts: u64,
    /// Of both, those that failed [`rule::MANY`] times and more.
    pub failing: u64,
}

/// How each list is kept, by domain; none where nothing is kept alike.
///
/// # Errors
/// The database's own.
pub async fn standings(ctx: &Context) -> Result<Vec<Standing>> {
    if ctx.settings.suppression_sync == Direction::Off {
        return Ok(Vec::new());
    }
    let text = "SELECT o.domain, o.list, o.lift, count(*) AS n, \
                CAST(coalesce(sum(CASE WHEN o.tries >= $2 THEN 1 ELSE 0 END), 0) AS bigint) AS failing FROM \
                (SELECT p.domain, p.list, p.lift, p.tries FROM email_provider_orders p \
                 WHERE p.done_at IS NULL AND p.sandbox = $1 LIMIT $3) AS o GROUP BY o.domain, o.list, o.lift";
    let values = [Value::from(ctx.settings.sandbox), Value::from(rule::MANY), Value::from(COUNTED)];
    let mut standings: Vec<Standing> =
        all(ctx).await?.into_iter().map(|mark| Standing { mark, pushes: 0, lifts: 0, failing: 0 }).collect();
    for row in rows(ctx.store.read(), ctx.store.sql(text, values)).await? {
        let (domain, list): (String, List) = (row.try_get("", "domain")?, row.try_get("", "list")?);
        let Some(of) = standings.iter_mut().find(|of| of.mark.domain == domain && of.mark.list == list) else {
            continue;
        };
        let n = row.try_get::<i64>("", "n")?.unsigned_abs();
        of.failing += row.try_get::<i64>("", "failing")?.unsigned_abs();
        if row.try_get("", "lift")? { of.lifts += n } else { of.pushes += n }
    }
    Ok(standings)
}

/// The marks of the configured domains in this process' mode. Those that are new are made.
///
/// # Errors
/// The database's own.
pub(super) async fn kept(ctx: &Context) -> Result<Vec<Model>> {
    let found = all(ctx).await?;
    if found.len() == ctx.settings.domains.len() * List::ALL.len() {
        return Ok(found);
    }
    let text = "INSERT INTO email_provider_lists (domain, list, sandbox, due_at, seen, added, known, skipped, failures) \
                SELECT v.domain, v.list, $2, $1, 0, 0, 0, 0, 0 FROM {rows} AS v WHERE true ORDER BY v.domain, v.list \
                ON CONFLICT (domain, list, sandbox) DO NOTHING";
    let values = [Value::from(ctx.clock.now()), Value::from(ctx.settings.sandbox)];
    let new: Vec<(String, List)> =
        ctx.settings.domains.iter().flat_map(|domain| List::ALL.map(|list| (domain.clone(), list))).collect();
    let new = Rows::new()
        .text("domain", new.iter().map(|(domain, _)| domain.clone()))
        .int("list", new.iter().map(|(_, list)| list.to_value()));
    execute(ctx.store.write(), ctx.store.sql_rows(text, values, new)).await?;
    all(ctx).await
}

async fn all(ctx: &Context) -> Result<Vec<Model>> {
    let text = "SELECT m.* FROM email_provider_lists m WHERE m.sandbox = $1 ORDER BY m.domain, m.list";
    let found = rows(ctx.store.by_key(), ctx.store.sql(text, [Value::from(ctx.settings.sandbox)])).await?;
    Ok(configured(ctx, models(&found)?))
}

fn configured(ctx: &Context, mut marks: Vec<Model>) -> Vec<Model> {
    marks.retain(|mark| ctx.settings.domains.contains(&mark.domain));
    marks
}

/// Those lists that are to be told something now, and need not be left alone.
pub(super) async fn to_tell(ctx: &Context) -> Result<Vec<Model>> {
    // Both kinds by name, so that the index is walked to what is due of each.
    let text = "SELECT m.* FROM email_provider_lists m WHERE m.sandbox = $1 AND (m.push_until IS NULL OR m.push_until <= $2) \
                AND EXISTS (SELECT 1 FROM email_provider_orders o WHERE o.domain = m.domain AND o.list = m.list \
                AND o.lift IN (false, true) AND o.due_at <= $2 AND o.done_at IS NULL AND o.sandbox = m.sandbox) \
                ORDER BY m.domain, m.list";
    kept(ctx).await?;
    let values = [Value::from(ctx.settings.sandbox), Value::from(ctx.clock.now())];
    Ok(configured(ctx, models(&rows(ctx.store.by_key(), ctx.store.sql(text, values)).await?)?))
}

/// Has the lists of a domain, or of all, be read now, where nobody reads them yet. Answers how they are kept.
///
/// # Errors
/// The database's own.
pub async fn request(ctx: &Context, domain: Option<&str>) -> Result<Vec<Standing>> {
    if ctx.settings.suppression_sync == Direction::Off {
        return Ok(Vec::new());
    }
    let text = "UPDATE email_provider_lists SET due_at = $1 WHERE domain = $2 AND sandbox = $3 AND due_at > $1 \
                AND (pull_until IS NULL OR pull_until <= $1)";
    repeat(|| kept(ctx)).await?;
    for one in ctx.settings.domains.iter().filter(|one| domain.is_none_or(|domain| domain == one.as_str())) {
        let ask = || async {
            let now = Value::from(ctx.clock.now());
            let values = [now, Value::from(one.clone()), Value::from(ctx.settings.sandbox)];
            Ok(execute(ctx.store.write(), ctx.store.sql(text, values)).await?)
        };
        repeat(ask).await?;
    }
    let mut standings = standings(ctx).await?;
    standings.retain(|standing| domain.is_none_or(|domain| standing.mark.domain == domain));
    Ok(standings)
}

/// How long whoever holds a claim may be silent.
fn lease(ctx: &Context) -> TimeDelta {
    delta(ctx.timing.lease)
}

/// The right to read a list.
pub(super) struct Reading {
    pub(super) mark: Model,
}

impl Reading {
    /// Takes it, where nobody else has it and it is time.
    pub(super) async fn take(ctx: &Context, mark: &Model) -> Result<Option<Self>> {
        let now = ctx.clock.now();
        let text = "UPDATE email_provider_lists SET pull_until = $1 WHERE domain = $2 AND list = $3 AND sandbox = $4 \
                    AND due_at <= $5 AND (pull_until IS NULL OR pull_until <= $5) RETURNING *";
        let [domain, list, sandbox] = key(mark);
        let values = [Value::from(now + lease(ctx)), domain, list, sandbox, Value::from(now)];
        let taken = rows(ctx.store.write(), ctx.store.sql(text, values)).await?;
        Ok(models(&taken)?.pop().map(|mark| Self { mark }))
    }

    /// Which list.
    pub(super) fn place(&self) -> Place<'_> {
        Place { domain: &self.mark.domain, list: self.mark.list }
    }

    /// Stores where it stands, and holds it for longer. `false` where it was over and somebody else took it: then whatever the
    /// transaction does must not hold.
    pub(super) async fn go_on(&mut self, db: &impl ConnectionTrait, ctx: &Context, mark: Model) -> Result<bool> {
        let until = Some(ctx.clock.now() + lease(ctx));
        self.store(db, ctx, Model { pull_until: until, ..mark }).await
    }

    /// Stores where it stands and gives it back. One that was lost changes nothing.
    pub(super) async fn give_back(mut self, db: &impl ConnectionTrait, ctx: &Context, mark: Model) -> Result<bool> {
        self.store(db, ctx, Model { pull_until: None, ..mark }).await
    }

    async fn store(&mut self, db: &impl ConnectionTrait, ctx: &Context, mark: Model) -> Result<bool> {
        let text = "UPDATE email_provider_lists SET due_at = $5, pull_until = $6, page = $7, started_at = $8, \
                    finished_at = $9, seen = $10, added = $11, known = $12, skipped = $13, failures = $14, \
                    failing_since = $15, last_error = $16, offered = $17 \
                    WHERE domain = $1 AND list = $2 AND sandbox = $3 AND pull_until = $4";
        let [domain, list, sandbox] = key(&mark);
        let values = [
            domain,
            list,
            sandbox,
            Value::from(self.mark.pull_until),
            Value::from(mark.due_at),
            Value::from(mark.pull_until),
            Value::from(mark.page.clone()),
            Value::from(mark.started_at),
            Value::from(mark.finished_at),
            Value::from(mark.seen),
            Value::from(mark.added),
            Value::from(mark.known),
            Value::from(mark.skipped),
            Value::from(mark.failures),
            Value::from(mark.failing_since),
            Value::from(mark.last_error.clone()),
            Value::from(mark.offered),
        ];
        let held = execute(db, ctx.store.sql(text, values)).await?.rows_affected() == 1;
        if held {
            self.mark = mark;
        }
        Ok(held)
    }
}

fn key(mark: &Model) -> [Value; 3] {
    [Value::from(mark.domain.clone()), Value::from(mark.list.to_value()), Value::from(mark.sandbox)]
}

/// The right to tell a list something.
pub(super) struct Telling {
    pub(super) mark: Model,
    until: DateTime<Utc>,
}

impl Telling {
    /// Takes it, where nobody else has it by now.
    pub(super) async fn take(ctx: &Context, mark: Model) -> Result<Option<Self>> {
        let now = ctx.clock.now();
        let until = now + lease(ctx);
        let text = "UPDATE email_provider_lists SET push_until = $1 WHERE domain = $2 AND list = $3 AND sandbox = $4 \
                    AND (push_until IS NULL OR push_until <= $5)";
        let [domain, list, sandbox] = key(&mark);
        let values = [Value::from(until), domain, list, sandbox, Value::from(now)];
        let taken = execute(ctx.store.write(), ctx.store.sql(text, values)).await?.rows_affected() == 1;
        Ok(taken.then_some(Self { mark, until }))
    }

    /// Which list.
    pub(super) fn place(&self) -> Place<'_> {
        Place { domain: &self.mark.domain, list: self.mark.list }
    }

    /// Gives it back; it is to be left alone until then. One that was lost changes nothing.
    pub(super) async fn give_back(
        self,
        ctx: &Context,
        until: Option<DateTime<Utc>>,
        error: Option<String>,
    ) -> Result<()> {
        let text = "UPDATE email_provider_lists SET push_until = $5, push_error = $6 \
                    WHERE domain = $1 AND list = $2 AND sandbox = $3 AND push_until = $4";
        let [domain, list, sandbox] = key(&self.mark);
        let values = [domain, list, sandbox, Value::from(self.until), Value::from(until), Value::from(error)];
        execute(ctx.store.write(), ctx.store.sql(text, values)).await?;
        Ok(())
    }
}

//! Looking: each process tells what it counted; then whoever's turn it is reads the figures, has the rules judge them, and keeps
//! what came of it. That the database answers is found out by the same statements.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::alert;
use entity::alert_count::Count;
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, Value};
use tokio::time::timeout;

use super::course::{Step, steps};
use super::own::Outage;
use super::rule::{Wrong, wrong};
use super::table::{Name, named};
use super::{count, figures, message};
use crate::Context;
use crate::error::Result;
use crate::store::{execute, rows};
use crate::timing::delta;

/// How long the database may take for a round before it counts as away.
const PATIENCE: Duration = Duration::from_secs(10);

/// Two rounds that were missed are no gap yet; in more, nobody knows what lasted.
const GAP: u32 = 2;

/// Looks until the process is to stop. `redis_away` says whether this process misses a Redis that is configured.
pub(crate) async fn run(ctx: Arc<Context>, redis_away: impl Fn() -> bool + Send + Sync) {
    let rounds = async {
        loop {
            if redis_away() {
                ctx.alerts.count(Count::RedisAway, 1);
            }
            look(&ctx).await;
            tokio::time::sleep(ctx.timing.alert_round()).await;
        }
    };
    tokio::select! {
        () = rounds => {}
        () = ctx.stop.cancelled() => {}
    }
    // What was counted since; where it can't be stored, it is a quarter of a minute's.
    let _ = timeout(ctx.timing.alert_round().min(Duration::from_secs(1)), count::store(&ctx)).await;
}

async fn look(ctx: &Context) {
    let away = match timeout(PATIENCE, round(ctx)).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) if error.is_away() => Some(error.to_string()),
        Ok(Err(error)) => {
            tracing::warn!(cause = %error, "Alerts could not be looked at");
            None
        }
        Err(_) => Some("it did not answer in time".to_owned()),
    };
    let now = ctx.clock.now();
    match away {
        None => ctx.alerts.back(now),
        Some(cause) => {
            if ctx.alerts.away(now, &ctx.timing) {
                let alert = Name::DatabaseAway.rule().name;
                tracing::error!(alert, cause, "The database is away: nothing is accepted or sent");
            }
        }
    }
}

/// Tells what this process met, and looks where it is its turn.
///
/// # Errors
/// The database's own.
async fn round(ctx: &Context) -> Result<()> {
    count::store(ctx).await?;
    if let Some((outage, ended)) = ctx.alerts.over() {
        keep_outage(ctx, &outage, ended).await?;
        ctx.alerts.is_stored(&outage);
    }
    let Some(turn) = Turn::take(ctx).await? else { return Ok(()) };
    let now = turn.begun;
    let figures = figures::read(ctx, now).await?;
    let found = wrong(&figures, &ctx.settings.alerts.thresholds, &ctx.timing);
    let tx = ctx.store.begin().await?;
    if !turn.finish(&tx, ctx).await? {
        // It took so long that another process looks; what is known here is old.
        tx.rollback().await?;
        return Ok(());
    }
    let open = alert::Entity::find().filter(alert::Column::ResolvedAt.is_null()).all(&tx).await?;
    let steps = steps(open, found, now, turn.unwatched, &ctx.timing);
    for step in &steps {
        keep(&tx, ctx, step, now).await?;
    }
    tx.commit().await?;
    steps.iter().for_each(tell_log);
    Ok(())
}

/// The right to look, until its lease is over.
struct Turn {
    begun: DateTime<Utc>,
    until: DateTime<Utc>,
    /// Nobody looked for a while before.
    unwatched: bool,
}

impl Turn {
    async fn take(ctx: &Context) -> Result<Option<Self>> {
        let begun = ctx.clock.now();
        let until = begun + delta(ctx.timing.minute);
        let text = "UPDATE alert_rounds SET due_at = $1 WHERE due_at <= $2 RETURNING ran_at";
        let taken = rows(ctx.store.write(), ctx.store.sql(text, [Value::from(until), Value::from(begun)])).await?;
        let Some(row) = taken.first() else { return Ok(None) };
        let ran_at: Option<DateTime<Utc>> = row.try_get("", "ran_at")?;
        let unwatched = ran_at.is_none_or(|at| begun - at > ctx.timing.minutes(GAP));
        Ok(Some(Self { begun, until, unwatched }))
    }

    /// Gives it back for the next round, in the transaction that keeps what was found. `false` where it was over.
    async fn finish(&self, tx: &DatabaseTransaction, ctx: &Context) -> Result<bool> {
        let text = "UPDATE alert_rounds SET due_at = $1, ran_at = $2 WHERE due_at = $3";
        let next = self.begun + delta(ctx.timing.alert_round());
        let values = [Value::from(next), Value::from(self.begun), Value::from(self.until)];
        Ok(execute(tx, ctx.store.sql(text, values)).await?.rows_affected() == 1)
    }
}

async fn keep(tx: &DatabaseTransaction, ctx: &Context, step: &Step, now: DateTime<Utc>) -> Result<()> {
    match step {
        Step::Begin { wrong, fires } => begin(tx, ctx, wrong, fires.then_some(now), now).await,
        Step::Forget(alert) => {
            let text = "DELETE FROM alerts WHERE id = $1";
            execute(tx, ctx.store.sql(text, [Value::from(alert.id)])).await?;
            Ok(())
        }
        Step::Go(alert) => {
            let text = "UPDATE alerts SET since = $2, calm_since = $3, value = $4 WHERE id = $1";
            let values = [alert.id.into(), alert.since.into(), alert.calm_since.into(), alert.value.into()];
            execute(tx, ctx.store.sql(text, values)).await?;
            Ok(())
        }
        Step::Fire(alert) => {
            let text = "UPDATE alerts SET since = $2, fired_at = $3, calm_since = NULL, value = $4, tries = 0, tell_at = $3 \
                        WHERE id = $1";
            let values = [alert.id.into(), alert.since.into(), now.into(), alert.value.into()];
            execute(tx, ctx.store.sql(text, values)).await?;
            Ok(())
        }
        Step::Resolve(alert) => {
            // Who was never told that it began need not hear that it is over.
            let text = "UPDATE alerts SET calm_since = $2, resolved_at = $3, tries = 0, \
                        tell_at = CASE WHEN told_at IS NOT NULL OR tries > 0 THEN {now} END WHERE id = $1";
            let text = text.replace("{now}", time(ctx));
            let values = [alert.id.into(), alert.calm_since.into(), now.into()];
            execute(tx, ctx.store.sql(text, values)).await?;
            Ok(())
        }
    }
}

/// PostgreSQL infers no type for a parameter that stands in CASE.
fn time(ctx: &Context) -> &'static str {
    match ctx.store.dialect() {
        crate::store::Dialect::Postgres => "$3::timestamptz",
        crate::store::Dialect::Sqlite => "$3",
    }
}

async fn begin(
    tx: &DatabaseTransaction,
    ctx: &Context,
    wrong: &Wrong,
    fired_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<()> {
    let text = "INSERT INTO alerts (id, name, subject, since, fired_at, value, tries, tell_at) \
                VALUES ($1, $2, $3, $4, $5, $6, 0, $5)";
    let values = [
        ctx.clock.id().into(),
        wrong.name.rule().name.into(),
        wrong.subject.clone().into(),
        now.into(),
        fired_at.into(),
        wrong.value.into(),
    ];
    execute(tx, ctx.store.sql(text, values)).await?;
    Ok(())
}

/// Stores that the database was away, once for all processes that saw it, and has its end told if anybody heard of it.
async fn keep_outage(ctx: &Context, outage: &Outage, ended: DateTime<Utc>) -> Result<()> {
    let name = Name::DatabaseAway.rule().name;
    let tx = ctx.store.begin().await?;
    // One at a time: each looks for what the one before has stored.
    execute(&tx, ctx.store.sql("UPDATE alert_rounds SET id = id WHERE id = 0", [])).await?;
    let known = alert::Entity::find()
        .filter(alert::Column::Name.eq(name))
        .filter(alert::Column::ResolvedAt.gte(outage.since))
        .one(&tx)
        .await?;
    let tell_at = outage.heard.then_some(ended);
    match known {
        None => {
            let text = "INSERT INTO alerts (id, name, subject, since, fired_at, calm_since, resolved_at, value, tries, tell_at) \
                        VALUES ($1, $2, '', $3, $4, $5, $5, $6, 0, $7)";
            let values = [
                ctx.clock.id().into(),
                name.into(),
                outage.since.into(),
                outage.fired_at.into(),
                ended.into(),
                1.0.into(),
                tell_at.into(),
            ];
            execute(&tx, ctx.store.sql(text, values)).await?;
        }
        Some(known) => {
            let text = "UPDATE alerts SET tell_at = $1 WHERE id = $2 AND told_at IS NULL AND tell_at IS NULL";
            execute(&tx, ctx.store.sql(text, [tell_at.into(), known.id.into()])).await?;
        }
    }
    tx.commit().await?;
    tracing::info!(alert = name, "Over: the database answers again");
    Ok(())
}

/// The log has each beginning and each end.
fn tell_log(step: &Step) {
    match step {
        Step::Begin { wrong, fires: true } => {
            let rule = wrong.name.rule();
            raised(rule.name, &wrong.subject, wrong.value);
        }
        Step::Fire(alert) => raised(&alert.name, &alert.subject, alert.value),
        Step::Resolve(alert) => tracing::info!(alert = alert.name, subject = alert.subject, "Over"),
        Step::Begin { fires: false, .. } | Step::Forget(_) | Step::Go(_) => {}
    }
}

fn raised(name: &str, subject: &str, value: f64) {
    let Some(rule) = named(name) else { return };
    tracing::error!(alert = name, subject, value, "{}", message::words(rule, subject, value));
}

//! How many entries the list has, by counters that change with it. What has expired is counted by the index that cleaning goes
//! by: it is never more than what expired since.

use std::collections::BTreeMap;

use entity::suppression::{BounceType, Reason};
use sea_orm::{ActiveEnum, DatabaseTransaction, QueryResult, Value};

use crate::Context;
use crate::error::Result;
use crate::ledger::Shard;
use crate::rows::Rows;
use crate::store::{execute, rows};

/// What is counted apart. Archived entries are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    pub reason: Reason,
    pub soft: bool,
    pub lifted: bool,
    pub sandbox: bool,
}

impl Kind {
    /// From a row with reason, bounce_type, lifted_at and sandbox.
    pub(crate) fn read(row: &QueryResult) -> Result<Self> {
        let bounce_type: Option<BounceType> = row.try_get("", "bounce_type")?;
        let lifted_at: Option<chrono::DateTime<chrono::Utc>> = row.try_get("", "lifted_at")?;
        Ok(Self {
            reason: row.try_get("", "reason")?,
            soft: bounce_type == Some(BounceType::Soft),
            lifted: lifted_at.is_some(),
            sandbox: row.try_get("", "sandbox")?,
        })
    }
}

/// Changes of the counters.
#[derive(Debug, Default)]
pub(crate) struct Deltas(BTreeMap<Kind, i64>);

impl Deltas {
    pub fn add(&mut self, kind: Kind, n: i64) {
        *self.0.entry(kind).or_default() += n;
    }

    /// Stores them, the keys in order.
    pub async fn store(self, tx: &DatabaseTransaction, ctx: &Context) -> Result<()> {
        let deltas: Vec<(Kind, i64)> = self.0.into_iter().filter(|(_, n)| *n != 0).collect();
        if deltas.is_empty() {
            return Ok(());
        }
        let text = "INSERT INTO email_suppression_tallies (reason, soft, lifted, sandbox, shard, n) \
             SELECT v.reason, v.soft, v.lifted, v.sandbox, $1, v.n FROM {rows} AS v WHERE true \
             ORDER BY v.reason, v.soft, v.lifted, v.sandbox \
             ON CONFLICT (reason, soft, lifted, sandbox, shard) DO UPDATE SET n = email_suppression_tallies.n + excluded.n";
        let values = Rows::new()
            .int("reason", deltas.iter().map(|(kind, _)| kind.reason.to_value()))
            .flag("soft", deltas.iter().map(|(kind, _)| kind.soft))
            .flag("lifted", deltas.iter().map(|(kind, _)| kind.lifted))
            .flag("sandbox", deltas.iter().map(|(kind, _)| kind.sandbox))
            .int("n", deltas.iter().map(|(_, n)| *n));
        execute(tx, ctx.store.sql_rows(text, [Value::from(Shard::Record.of(ctx))], values)).await?;
        Ok(())
    }
}

/// How many entries there are that this process' mode is bound by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries that were not lifted, expired ones included until they are cleaned away.
    pub total: u64,
    pub hard_bounces: u64,
    pub soft_bounces: u64,
    pub complaints: u64,
    pub unsubscribes: u64,
    pub manual: u64,
    /// Those of `total` whose time is over.
    pub expired: u64,
}

/// How many entries there are by kind.
///
/// # Errors
/// The database's own.
pub async fn stats(ctx: &Context) -> Result<Stats> {
    let mut stats = Stats::default();
    for (kind, n) in counts(ctx).await?.into_iter().filter(|(kind, _)| !kind.lifted) {
        stats.total += n;
        match (kind.reason, kind.soft) {
            (Reason::Bounce, false) => stats.hard_bounces += n,
            (Reason::Bounce, true) => stats.soft_bounces += n,
            (Reason::Complaint, _) => stats.complaints += n,
            (Reason::Unsubscribe, _) => stats.unsubscribes += n,
            (Reason::Manual, _) => stats.manual += n,
        }
    }
    let text = "SELECT count(*) AS n FROM email_suppression_list s WHERE s.archived_at IS NULL \
                AND s.expires_at IS NOT NULL AND s.expires_at <= $1 AND s.lifted_at IS NULL AND (NOT s.sandbox OR $2)";
    let values = [Value::from(ctx.clock.now()), Value::from(ctx.settings.sandbox)];
    let found = rows(ctx.store.read(), ctx.store.sql(text, values)).await?;
    stats.expired = found.first().map(|row| row.try_get::<i64>("", "n")).transpose()?.unwrap_or_default().max(0) as u64;
    Ok(stats)
}

/// How many entries of each kind bind this process' mode.
pub(crate) async fn counts(ctx: &Context) -> Result<Vec<(Kind, u64)>> {
    let text = "SELECT t.reason, t.soft, t.lifted, t.sandbox, CAST(sum(t.n) AS bigint) AS n \
                FROM email_suppression_tallies t WHERE NOT t.sandbox OR $1 \
                GROUP BY t.reason, t.soft, t.lifted, t.sandbox";
    let found = rows(ctx.store.read(), ctx.store.sql(text, [Value::from(ctx.settings.sandbox)])).await?;
    found
        .iter()
        .map(|row| {
            let kind = Kind {
                reason: row.try_get("", "reason")?,
                soft: row.try_get("", "soft")?,
                lifted: row.try_get("", "lifted")?,
                sandbox: row.try_get("", "sandbox")?,
            };
            Ok((kind, row.try_get::<i64>("", "n")?.max(0) as u64))
        })
        .collect()
}

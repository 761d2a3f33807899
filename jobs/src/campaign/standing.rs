//! How campaigns stand at the moment: their ledgers, their status, how far they came and when they may be through.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use entity::campaign::{Model, Status};
use entity::campaign_metrics::Metric;
use sea_orm::{ActiveEnum, ConnectionTrait, Statement, Value};
use uuid::Uuid;

use crate::Context;
use crate::error::Result;
use crate::find::models;
use crate::hold::Holds;
use crate::metric::hour;
use crate::stats::Ledger;
use crate::store::{Store, rows};

/// A campaign as it stands: computed when it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Campaign {
    pub row: Model,
    /// Its recipients without an email, and its emails by status; the total is what was ever added to it.
    pub ledger: Ledger,
    pub status: Status,
    /// The share of the total that came to an end, 0 to 1.
    pub progress: f64,
    /// When nothing of it will be open if it goes on as in the last hour; `None` when nothing moves.
    pub estimated_finish: Option<DateTime<Utc>>,
}

/// These campaigns, by id.
///
/// # Errors
/// The database's own.
pub async fn find(ctx: &Context, ids: &[Uuid]) -> Result<HashMap<Uuid, Campaign>> {
    let asked = ctx.store.sql_ids("SELECT k.* FROM campaigns k WHERE k.id {ids}", [], ids.iter().copied());
    let found = models::<Model>(&rows(ctx.store.read(), asked).await?)?;
    Ok(standing(ctx, found).await?.into_iter().map(|campaign| (campaign.row.id, campaign)).collect())
}

/// This campaign.
pub(super) async fn of(ctx: &Context, row: Model) -> Result<Campaign> {
    let missing = || sea_orm::DbErr::RecordNotFound("the campaign just asked for".into());
    Ok(standing(ctx, vec![row]).await?.pop().ok_or_else(missing)?)
}

/// These campaigns, in their order.
pub(super) async fn standing(ctx: &Context, campaigns: Vec<Model>) -> Result<Vec<Campaign>> {
    if campaigns.is_empty() {
        return Ok(Vec::new());
    }
    let (db, now) = (ctx.store.read(), ctx.clock.now());
    let mut ledgers = ledgers(db, ctx, campaigns.iter().map(|row| row.id)).await?;
    let holds = Holds::load(db, now).await?;
    let mut standing = Vec::with_capacity(campaigns.len());
    for row in campaigns {
        let ledger = ledgers.remove(&row.id).unwrap_or_default();
        let scope = ctx.scopes.get(db, &ctx.store, row.scope).await?;
        let status = Status::of(&row, holds.is_paused(row.lane, &scope), ledger.open(), now);
        let progress = progress(&ledger, row.launched_at.is_some());
        standing.push(Campaign { row, ledger, status, progress, estimated_finish: None });
    }
    estimate(ctx, &mut standing, now).await?;
    Ok(standing)
}

/// What [`ledgers`] asks: each status of these campaigns, and how many stand there.
pub fn ledgers_asked(store: &Store, ids: impl IntoIterator<Item = Uuid>) -> Statement {
    // The tallies' key begins with the lane.
    let text = "SELECT s.campaign_id, t.status, CAST(sum(t.n) AS bigint) AS n FROM email_scopes s \
                JOIN email_tallies t ON t.lane IN (0, 1, 2) AND t.scope = s.id \
                WHERE s.campaign_id {ids} GROUP BY s.campaign_id, t.status";
    store.sql_ids(text, [], ids)
}

/// What Mailgun accepted of these campaigns since an hour of the clock, by the hour.
pub fn sent_asked(store: &Store, since: DateTime<Utc>, ids: impl IntoIterator<Item = Uuid>) -> Statement {
    let text = "SELECT s.campaign_id, m.hour, CAST(sum(m.n) AS bigint) AS n FROM email_scopes s \
                JOIN campaign_delivery_metrics m ON m.scope = s.id AND m.hour >= $1 AND m.metric = $2 \
                WHERE s.campaign_id {ids} GROUP BY s.campaign_id, m.hour";
    store.sql_ids(text, [Value::from(since), Value::from(Metric::Sent.to_value())], ids)
}

/// The ledgers of these campaigns, in one statement, so that each adds up. One that nothing was added to is missing.
pub(super) async fn ledgers(
    db: &impl ConnectionTrait,
    ctx: &Context,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Ledger>> {
    let mut ledgers: HashMap<Uuid, Ledger> = HashMap::new();
    for row in rows(db, ledgers_asked(&ctx.store, ids)).await? {
        let ledger = ledgers.entry(row.try_get("", "campaign_id")?).or_default();
        ledger.add(row.try_get("", "status")?, row.try_get("", "n")?);
    }
    Ok(ledgers)
}

/// The share that came to an end; of a launched campaign without recipients all of it.
fn progress(ledger: &Ledger, launched: bool) -> f64 {
    match ledger.total() {
        0 => f64::from(launched),
        total => ((total - ledger.open()) as f64 / total as f64).clamp(0.0, 1.0),
    }
}

/// Estimates when the running ones will be through, by what Mailgun accepted of them lately.
async fn estimate(ctx: &Context, campaigns: &mut [Campaign], now: DateTime<Utc>) -> Result<()> {
    let running: HashSet<Uuid> = campaigns.iter().filter(|c| c.status == Status::Running).map(|c| c.row.id).collect();
    if running.is_empty() {
        return Ok(());
    }
    let this_hour = hour(now);
    let asked = sent_asked(&ctx.store, this_hour - TimeDelta::hours(1), running);
    let mut sent: HashMap<Uuid, Sent> = HashMap::new();
    for row in rows(ctx.store.read(), asked).await? {
        let sent = sent.entry(row.try_get("", "campaign_id")?).or_default();
        let (of, n): (DateTime<Utc>, i64) = (row.try_get("", "hour")?, row.try_get("", "n")?);
        if of < this_hour {
            sent.last_hour += n;
        } else {
            sent.this_hour += n;
        }
    }
    let into_hour = f64::from(now.num_seconds_from_midnight() % 3_600) + f64::from(now.nanosecond()) / 1e9;
    for campaign in campaigns {
        let Some(sent) = sent.get(&campaign.row.id) else { continue };
        let began = campaign.row.launched_at.max(campaign.row.send_at).unwrap_or(now);
        let running = (now - began).as_seconds_f64();
        let left = sent.rate(running, into_hour).map(|rate| campaign.ledger.open() as f64 / rate);
        campaign.estimated_finish = left.and_then(|seconds| {
            let left = TimeDelta::try_milliseconds((seconds * 1e3) as i64)?;
            now.checked_add_signed(left)
        });
    }
    Ok(())
}

/// What Mailgun accepted of a campaign, by the hours of the clock.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    last_hour: i64,
    this_hour: i64,
}

impl Sent {
    /// How many a second went in the last hour, or since the campaign began `running` seconds ago; `into_hour` seconds of this
    /// hour have passed. Of the last hour's the share counts that lies within, as if they were spread evenly.
    fn rate(self, running: f64, into_hour: f64) -> Option<f64> {
        let window = running.min(3_600.0);
        let (within, covered) = (window - into_hour, (running - into_hour).min(3_600.0));
        let before = if within > 0.0 { self.last_hour as f64 * (within / covered).min(1.0) } else { 0.0 };
        let n = before + self.this_hour as f64;
        (n > 0.0 && window > 0.0).then(|| n / window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_hour_or_since_it_began() {
        for (last_hour, this_hour, running, into_hour, rate) in [
            // It began in this hour.
            (0, 120, 60.0, 600.0, Some(2.0)),
            // It began in the last one.
            (60, 60, 120.0, 60.0, Some(1.0)),
            (900, 1_800, 2_700.0, 1_800.0, Some(1.0)),
            // It has run for long: half of the last hour's lie within.
            (3_600, 1_800, 9_000.0, 1_800.0, Some(1.0)),
            (3_600, 0, 9_000.0, 0.0, Some(1.0)),
            // Nothing moves.
            (0, 0, 120.0, 60.0, None),
            (0, 0, 0.0, 0.0, None),
        ] {
            let found = Sent { last_hour, this_hour }.rate(running, into_hour);
            assert_eq!(found, rate, "{last_hour} {this_hour} {running} {into_hour}");
        }
    }

    #[test]
    fn progress_is_the_share_that_came_to_an_end() {
        let ledger = |pending, queued, sent, cleaned| {
            let mut ledger = Ledger { pending, cleaned, ..Ledger::default() };
            (ledger.by_status[1], ledger.by_status[4]) = (queued, sent);
            ledger
        };
        for (ledger, launched, expected) in [
            (ledger(0, 0, 0, 0), false, 0.0),
            (ledger(0, 0, 0, 0), true, 1.0),
            (ledger(4, 0, 0, 0), true, 0.0),
            (ledger(1, 1, 1, 1), true, 0.5),
            (ledger(0, 0, 3, 1), true, 1.0),
        ] {
            assert_eq!(progress(&ledger, launched), expected, "{ledger:?}");
        }
    }
}

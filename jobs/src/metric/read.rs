//! Reading what was counted. It costs as many rows as there are hours in which something happened, however many emails it
//! happened to: the key finds them by scope and hour.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::campaign_metrics::Metric;
use sea_orm::{Statement, Value};
use uuid::Uuid;

use super::counts::hour;
use super::{Figures, Point};
use crate::Context;
use crate::error::Result;
use crate::rows::Rows;
use crate::store::{Dialect, Store, rows};

/// As many points as a history has: 16 days of hours, or more days than emails are kept unless asked otherwise.
pub const MOST_POINTS: usize = 400;

/// Which emails' counters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Over {
    /// All there are.
    Everything,
    /// Those of a campaign.
    Campaign(Uuid),
    /// Those through a sending domain.
    Domain(String),
}

/// The hours from the one that `since` lies in to the one before `until`, or the one that `until` lies in. Each end is open
/// where it is not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Range {
    pub since: Option<DateTime<Utc>>,
    pub until: Option<DateTime<Utc>>,
}

/// How long the buckets of a history are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Granularity {
    /// An hour.
    Hour,
    /// A day of UTC.
    Day,
}

impl Range {
    /// The first hour, and the time before which the last one begins. Hours that nothing can have happened in stand for open
    /// ends, so that the text stays the same.
    fn bounds(&self) -> [Value; 2] {
        let last = DateTime::from_timestamp(253_402_214_400, 0).unwrap_or_default();
        [self.since.map_or(DateTime::UNIX_EPOCH, hour).into(), self.until.unwrap_or(last).into()]
    }
}

impl Over {
    /// The scopes, as a query whose parameter is `$1`.
    fn scopes(&self) -> &'static str {
        match self {
            Over::Everything => "SELECT s.id FROM email_scopes s WHERE $1 = 0",
            Over::Campaign(_) => "SELECT s.id FROM email_scopes s WHERE s.campaign_id = $1",
            Over::Domain(_) => "SELECT s.id FROM email_scopes s WHERE s.sending_domain = $1",
        }
    }

    fn value(&self) -> Value {
        match self {
            Over::Everything => Value::from(0i32),
            Over::Campaign(id) => Value::from(*id),
            Over::Domain(domain) => Value::from(domain.clone()),
        }
    }
}

/// What became of these emails in these hours.
///
/// # Errors
/// The database's own.
pub async fn of(ctx: &Context, over: &Over, range: Range) -> Result<Figures> {
    let mut figures = Figures::default();
    for row in rows(ctx.store.read(), of_asked(&ctx.store, over, range)).await? {
        figures.add(row.try_get("", "metric")?, row.try_get("", "n")?);
    }
    Ok(figures)
}

/// What [`of`] asks.
pub fn of_asked(store: &Store, over: &Over, range: Range) -> Statement {
    let text = format!(
        "SELECT m.metric, CAST(sum(m.n) AS bigint) AS n FROM campaign_delivery_metrics m \
         WHERE m.scope IN ({}) AND m.hour >= $2 AND m.hour < $3 GROUP BY m.metric",
        over.scopes()
    );
    store.sql(text, [over.value()].into_iter().chain(range.bounds()))
}

/// What became of a campaign's emails in these hours.
///
/// # Errors
/// The database's own.
pub async fn of_campaign(ctx: &Context, campaign: Uuid, range: Range) -> Result<Figures> {
    of(ctx, &Over::Campaign(campaign), range).await
}

/// The same of several campaigns, in one statement. One that nothing became of is not among them.
///
/// # Errors
/// The database's own.
pub async fn of_campaigns(ctx: &Context, campaigns: &[Uuid], range: Range) -> Result<HashMap<Uuid, Figures>> {
    let mut found: HashMap<Uuid, Figures> = HashMap::new();
    for row in rows(ctx.store.read(), of_campaigns_asked(&ctx.store, campaigns, range)).await? {
        let metric: Metric = row.try_get("", "metric")?;
        found.entry(row.try_get("", "campaign_id")?).or_default().add(metric, row.try_get("", "n")?);
    }
    Ok(found)
}

/// What [`of_campaigns`] asks.
pub fn of_campaigns_asked(store: &Store, campaigns: &[Uuid], range: Range) -> Statement {
    let text = "SELECT s.campaign_id, m.metric, CAST(sum(m.n) AS bigint) AS n FROM {rows} AS v \
         JOIN email_scopes s ON s.campaign_id = v.id JOIN campaign_delivery_metrics m ON m.scope = s.id \
         WHERE m.hour >= $1 AND m.hour < $2 GROUP BY s.campaign_id, m.metric";
    let mut ids = campaigns.to_vec();
    ids.sort_unstable();
    ids.dedup();
    store.sql_rows(text, range.bounds(), Rows::new().uuid("id", ids))
}

/// What became of these emails, bucket by bucket, the oldest first. Buckets in which nothing happened are left out; of more
/// than [`MOST_POINTS`] the latest are told.
///
/// # Errors
/// The database's own.
pub async fn history(ctx: &Context, over: &Over, range: Range, granularity: Granularity) -> Result<Vec<Point>> {
    let bucket = match (granularity, ctx.store.dialect()) {
        (Granularity::Hour, _) => "m.hour",
        (Granularity::Day, Dialect::Postgres) => "date_trunc('day', m.hour, 'UTC')",
        // As a time is written there, which is always in UTC.
        (Granularity::Day, Dialect::Sqlite) => "substr(m.hour, 1, 10) || 'T00:00:00+00:00'",
    };
    // At most so many rows are one bucket's: whatever is cut off is beyond the last bucket that is told.
    let most = MOST_POINTS * 18;
    let text = format!(
        "SELECT {bucket} AS at, m.metric, CAST(sum(m.n) AS bigint) AS n FROM campaign_delivery_metrics m \
         WHERE m.scope IN ({}) AND m.hour >= $2 AND m.hour < $3 GROUP BY {bucket}, m.metric HAVING sum(m.n) <> 0 \
         ORDER BY 1 DESC LIMIT {most}",
        over.scopes()
    );
    let values = [over.value()].into_iter().chain(range.bounds());
    let mut points: Vec<Point> = Vec::new();
    for row in rows(ctx.store.read(), ctx.store.sql(text, values)).await? {
        let at: DateTime<Utc> = row.try_get("", "at")?;
        if points.last().is_none_or(|point| point.at != at) {
            points.push(Point { at, figures: Figures::default() });
        }
        if let Some(point) = points.last_mut() {
            point.figures.add(row.try_get("", "metric")?, row.try_get("", "n")?);
        }
    }
    points.truncate(MOST_POINTS);
    points.reverse();
    Ok(points)
}

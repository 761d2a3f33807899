//! The alerts for whoever asks: those that are raised, and those that were until a while ago. While the database is away, what
//! was last read, and that it is away.

use chrono::{DateTime, TimeDelta, Utc};
use entity::alert::{self, Model};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::message;
use super::table::{Name, Rule, named};
use crate::Context;
use crate::error::Result;

/// For how long one that is over is told of.
const RECENTLY: TimeDelta = TimeDelta::hours(24);

/// At most so many.
const MOST: u64 = 200;

/// An alert that was raised.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    pub rule: &'static Rule,
    /// What it is about; `None` where it is about everything.
    pub subject: Option<String>,
    /// Since when it has been so.
    pub since: DateTime<Utc>,
    /// When it was raised.
    pub fired_at: DateTime<Utc>,
    /// When it was over; `None` while it is not.
    pub resolved_at: Option<DateTime<Utc>>,
    /// The figure that says so.
    pub value: f64,
    /// When whoever listens last took word of it.
    pub told_at: Option<DateTime<Utc>>,
}

impl Alert {
    pub(super) fn of(row: &Model) -> Option<Self> {
        Some(Self {
            rule: named(&row.name)?,
            subject: Some(row.subject.clone()).filter(|subject| !subject.is_empty()),
            since: row.since,
            fired_at: row.fired_at?,
            resolved_at: row.resolved_at,
            value: row.value,
            told_at: row.told_at,
        })
    }

    /// That the database is away.
    pub(super) fn of_outage(since: DateTime<Utc>, fired_at: DateTime<Utc>) -> Self {
        let rule = Name::DatabaseAway.rule();
        Self { rule, subject: None, since, fired_at, resolved_at: None, value: 1.0, told_at: None }
    }

    /// What is wrong, in a sentence.
    pub fn words(&self) -> String {
        message::words(self.rule, self.subject.as_deref().unwrap_or_default(), self.value)
    }

    /// It goes on.
    pub fn is_firing(&self) -> bool {
        self.resolved_at.is_none()
    }
}

/// Those that are raised, the gravest and then the newest first; then those that were over within a day, the latest first.
///
/// # Errors
/// The database's own, but that it is away.
pub async fn list(ctx: &Context) -> Result<Vec<Alert>> {
    match read(ctx).await {
        Ok(alerts) => {
            ctx.alerts.remember(&alerts);
            Ok(with_outage(ctx, alerts))
        }
        Err(error) if error.is_away() => {
            // So that it is known since when, before whoever looks every few seconds finds out.
            ctx.alerts.away(ctx.clock.now(), &ctx.timing);
            Ok(known(ctx))
        }
        Err(error) => Err(error),
    }
}

/// The same without asking a database that is known not to answer.
pub fn known(ctx: &Context) -> Vec<Alert> {
    let since = ctx.alerts.outage().map_or_else(|| ctx.clock.now(), |outage| outage.since);
    let mut alerts = ctx.alerts.remembered();
    alerts.insert(0, Alert::of_outage(since, since));
    alerts
}

fn with_outage(ctx: &Context, mut alerts: Vec<Alert>) -> Vec<Alert> {
    if let Some(outage) = ctx.alerts.outage()
        && let Some(fired_at) = outage.fired_at
    {
        alerts.insert(0, Alert::of_outage(outage.since, fired_at));
    }
    alerts
}

async fn read(ctx: &Context) -> Result<Vec<Alert>> {
    use alert::Column;
    let recently = ctx.clock.now() - RECENTLY;
    let told = Condition::any().add(Column::ResolvedAt.is_null()).add(Column::ResolvedAt.gte(recently));
    let rows = alert::Entity::find()
        .filter(Column::FiredAt.is_not_null())
        .filter(told)
        .order_by_desc(Column::FiredAt)
        .limit(MOST)
        .all(ctx.store.read())
        .await?;
    let mut alerts: Vec<Alert> = rows.iter().filter_map(Alert::of).collect();
    alerts.sort_by(|one, other| {
        let grave = other.rule.severity.cmp(&one.rule.severity);
        match (one.resolved_at, other.resolved_at) {
            (None, None) => grave.then(other.fired_at.cmp(&one.fired_at)),
            (one, other) => one.is_some().cmp(&other.is_some()).then(other.cmp(&one)),
        }
    });
    Ok(alerts)
}

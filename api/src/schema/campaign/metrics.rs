//! What became of a campaign's emails, in numbers and over time.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, Enum, SimpleObject};
use chrono::{DateTime, Utc};
use entity::campaign_metrics::Metric;
use jobs::metric::{self, Figures, Over, Point, Range};
use uuid::Uuid;

use crate::schema::asked::Asked;
use crate::schema::count::int;
use crate::schema::email::DateTimeRange;
use crate::schema::fault::Fault;

/// What became of emails. Each email is counted once, in the hour of the first time; `opened` and `clicked` each time. People
/// and machines are told apart as far as Mailgun can. Copies (cc, bcc) are not counted.
#[derive(SimpleObject)]
pub struct Metrics {
    /// Emails that Mailgun accepted, which is proven by its answer or by an event; in the hour in which that was learned.
    sent: i32,
    /// Emails delivered.
    delivered: i32,
    /// Emails that a recipient's server refused for a time.
    deferred: i32,
    /// Emails that bounced.
    bounced: i32,
    /// Emails that bounced for good.
    hard_bounced: i32,
    /// Emails that bounced and never for good.
    soft_bounced: i32,
    /// Emails reported as spam.
    complained: i32,
    /// Emails whose recipient unsubscribed by them.
    unsubscribed: i32,
    /// Opens by people.
    opened: i32,
    /// Emails opened by a person.
    unique_opened: i32,
    /// Clicks by people.
    clicked: i32,
    /// Emails with a click by a person.
    unique_clicked: i32,
    /// Opens by machines.
    machine_opened: i32,
    /// Emails opened by a machine.
    unique_machine_opened: i32,
    /// Clicks by machines.
    machine_clicked: i32,
    /// Emails with a click by a machine.
    unique_machine_clicked: i32,
    /// `delivered` of `sent`; null where nothing was sent. In a short range a rate may be above 1: what happens in it may be
    /// about emails that went before.
    delivery_rate: Option<f64>,
    /// `uniqueOpened` of `delivered`; null where nothing was delivered.
    open_rate: Option<f64>,
    /// `uniqueClicked` of `delivered`; null where nothing was delivered.
    click_rate: Option<f64>,
    /// `bounced` of `sent`; null where nothing was sent.
    bounce_rate: Option<f64>,
    /// `complained` of `delivered`; null where nothing was delivered.
    complaint_rate: Option<f64>,
}

impl From<Figures> for Metrics {
    fn from(figures: Figures) -> Self {
        let of = |metric| int(figures.of(metric));
        Self {
            sent: of(Metric::Sent),
            delivered: of(Metric::Delivered),
            deferred: of(Metric::Deferred),
            bounced: of(Metric::Bounced),
            hard_bounced: of(Metric::HardBounced),
            soft_bounced: of(Metric::SoftBounced),
            complained: of(Metric::Complained),
            unsubscribed: of(Metric::Unsubscribed),
            opened: of(Metric::Opened),
            unique_opened: of(Metric::UniqueOpened),
            clicked: of(Metric::Clicked),
            unique_clicked: of(Metric::UniqueClicked),
            machine_opened: of(Metric::MachineOpened),
            unique_machine_opened: of(Metric::UniqueMachineOpened),
            machine_clicked: of(Metric::MachineClicked),
            unique_machine_clicked: of(Metric::UniqueMachineClicked),
            delivery_rate: figures.delivery_rate(),
            open_rate: figures.open_rate(),
            click_rate: figures.click_rate(),
            bounce_rate: figures.bounce_rate(),
            complaint_rate: figures.complaint_rate(),
        }
    }
}

/// What became of emails in an hour or a day.
#[derive(SimpleObject)]
pub struct MetricsPoint {
    /// When it begins, in UTC.
    at: DateTime<Utc>,
    /// What became of emails in it.
    metrics: Metrics,
}

impl From<Point> for MetricsPoint {
    fn from(Point { at, figures }: Point) -> Self {
        Self { at, metrics: figures.into() }
    }
}

/// How much time a point stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "metric::Granularity")]
pub enum Granularity {
    /// An hour.
    Hour,
    /// A day, in UTC.
    Day,
}

/// What is counted of campaigns, by id and hours.
pub struct Counted(pub Arc<jobs::Context>);

impl Loader<(Uuid, Range)> for Counted {
    type Value = Figures;
    type Error = Fault;

    async fn load(&self, asked: &[(Uuid, Range)]) -> Result<HashMap<(Uuid, Range), Figures>, Fault> {
        let mut campaigns: HashMap<Range, Vec<Uuid>> = HashMap::new();
        for (campaign, range) in asked {
            campaigns.entry(*range).or_default().push(*campaign);
        }
        let mut found = HashMap::with_capacity(asked.len());
        for (range, campaigns) in campaigns {
            let figures = metric::of_campaigns(&self.0, &campaigns, range).await?;
            found.extend(figures.into_iter().map(|(campaign, figures)| ((campaign, range), figures)));
        }
        Ok(found)
    }
}

fn hours(range: Option<DateTimeRange>) -> Range {
    let DateTimeRange { since, until } = range.unwrap_or_default();
    Range { since, until }
}

/// What became of a campaign's emails.
pub async fn of(ctx: &Context<'_>, campaign: Uuid, range: Option<DateTimeRange>) -> Result<Metrics, Fault> {
    let counted = ctx.data_opt::<DataLoader<Counted>>().ok_or(Fault::Unattended)?;
    Ok(counted.load_one((campaign, hours(range))).await?.unwrap_or_default().into())
}

/// The same, point by point.
pub async fn history(
    ctx: &Context<'_>,
    campaign: Uuid,
    range: Option<DateTimeRange>,
    granularity: Granularity,
) -> Result<Vec<MetricsPoint>, Fault> {
    let over = Over::Campaign(campaign);
    let points = metric::history(&ctx.app()?.ctx, &over, hours(range), granularity.into()).await?;
    Ok(points.into_iter().map(MetricsPoint::from).collect())
}

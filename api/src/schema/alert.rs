//! What somebody should look at.

use async_graphql::{Context, Enum, Object, SimpleObject, Subscription};
use chrono::{DateTime, Utc};
use entity::ApiScope;
use futures::{Stream, StreamExt};
use jobs::alert::{self, Severity};

use super::asked::Asked;
use super::fault::Fault;
use super::guard::Needs;

/// How soon somebody should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Severity")]
pub enum AlertSeverity {
    /// Now: mail does not go, or what was promised is at stake.
    Page,
    /// In working hours.
    Warn,
}

/// Something that is wrong, or was until a while ago.
#[derive(SimpleObject)]
pub struct Alert {
    /// Which alert, such as `queue_stalled`: the name that metrics, messages and the rules of Prometheus have for it.
    name: &'static str,
    /// What it is about: a priority, a sending domain, an outcome; null where it is about everything.
    subject: Option<String>,
    /// How soon somebody should look.
    severity: AlertSeverity,
    /// What is wrong, in a sentence with its figure as it was last seen.
    summary: String,
    /// When this alert is raised, in a sentence.
    means: &'static str,
    /// What to do first.
    advice: &'static str,
    /// Where more stands in the documentation.
    runbook: String,
    /// Since when it has been so.
    since: DateTime<Utc>,
    /// When it had been so for long enough to be raised.
    raised_at: DateTime<Utc>,
    /// When it was over; null while it goes on.
    resolved_at: Option<DateTime<Utc>>,
    /// When whoever listens at ALERT_WEBHOOK_URL last took word of it; null where nobody did.
    told_at: Option<DateTime<Utc>>,
}

impl From<&alert::Alert> for Alert {
    fn from(alert: &alert::Alert) -> Self {
        let alert::Alert { rule, subject, since, fired_at, resolved_at, told_at, value: _ } = alert;
        Self {
            name: rule.name,
            subject: subject.clone(),
            severity: rule.severity.into(),
            summary: alert.words(),
            means: rule.means,
            advice: rule.advice,
            runbook: rule.runbook(),
            since: *since,
            raised_at: *fired_at,
            resolved_at: *resolved_at,
            told_at: *told_at,
        }
    }
}

fn all(alerts: &[alert::Alert]) -> Vec<Alert> {
    alerts.iter().map(Alert::from).collect()
}

/// What is alerted.
#[derive(Default)]
pub struct AlertQueries;

#[Object]
impl AlertQueries {
    /// What somebody should look at: the alerts that are raised, the gravest first, and then those that were over within the
    /// last day. While the database is away, what was last read, and that it is away. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn alerts(&self, ctx: &Context<'_>) -> Result<Vec<Alert>, Fault> {
        Ok(all(&alert::list(&ctx.app()?.ctx).await?))
    }
}

/// Following what is alerted.
#[derive(Default)]
pub struct AlertSubscriptions;

#[Subscription]
impl AlertSubscriptions {
    /// The alerts: at once, and then whenever they changed, at most twice a second. Requires the scope READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn alerts_updated(
        &self,
        ctx: &Context<'_>,
    ) -> Result<impl Stream<Item = Result<Vec<Alert>, Fault>> + use<>, Fault> {
        let alerts = ctx.app()?.alerts.follow();
        Ok(alerts.map(|alerts| Ok(all(&alerts?))))
    }
}

//! Whether anybody is told when something is wrong, and what is wrong now.

use std::time::Duration;

use entity::Clock;
use jobs::alert::{self, Alert, Receiver};

use crate::config::Setup;

/// How long whoever listens may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whom alerts reach; with `tries`, a test is posted there.
pub(super) async fn reach(setup: &Setup, tries: bool) -> Result<String, String> {
    let Some(url) = &setup.settings.alerts.url else {
        let nobody =
            "nobody is told: ALERT_WEBHOOK_URL is not set. Alerts are on the dashboard, in `alerts` and in /metrics";
        return if tries { Err(nobody.to_owned()) } else { Ok(nobody.to_owned()) };
    };
    if !tries {
        return Ok("alerts are posted to ALERT_WEBHOOK_URL; `mailmind check --alert` posts a test there".to_owned());
    }
    let receiver = Receiver::new(url, PATIENCE).map_err(|why| why.to_string())?;
    let test = alert::test(setup.settings.public_url.as_deref(), Clock::system().now());
    match receiver.tell(&test).await {
        Ok(()) => Ok("a test alert was taken at ALERT_WEBHOOK_URL".to_owned()),
        Err(why) => Err(format!("a test alert was not taken at ALERT_WEBHOOK_URL: {why}")),
    }
}

/// What is raised.
pub(super) fn raised(alerts: &[Alert]) -> Result<String, String> {
    let firing: Vec<String> = alerts
        .iter()
        .filter(|alert| alert.is_firing())
        .map(|alert| format!("{}: {} {}", alert.rule.name, alert.words(), alert.rule.advice))
        .collect();
    match (firing.is_empty(), alerts.len()) {
        (true, 0) => Ok("none is raised".to_owned()),
        (true, n) => Ok(format!("none is raised; {n} within the last day are over")),
        (false, _) => Err(firing.join("; ")),
    }
}

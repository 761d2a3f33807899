//! What is alerted from where on, and who is told.

use jobs::alert::{Settings, Thresholds};
use secrecy::ExposeSecret;

use super::{Config, Nonsense, nonsense, secret, values};

impl Config {
    pub(super) fn alerts(&self) -> Result<Settings, Nonsense> {
        let url = secret(&self.alert_webhook_url);
        if let Some(url) = &url {
            // The words say what such a URL looks like, and nothing of this one: who knows it can post.
            values::url(url.expose_secret().trim(), &["https", "http"])
                .map_err(|why| nonsense("ALERT_WEBHOOK_URL", why))?;
        }
        Ok(Settings {
            url,
            repeat: self.alert_repeat,
            thresholds: Thresholds {
                oldest: self.alert_oldest,
                failure_share: self.alert_failure_share,
                bounce_rate: self.alert_bounce_rate,
                complaint_rate: self.alert_complaint_rate,
            },
        })
    }
}

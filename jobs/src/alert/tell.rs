//! Telling whoever listens at `ALERT_WEBHOOK_URL`: when an alert is raised, again after a while, and when it is over. Of all
//! processes that know the address one tells each time: its claim is the alert's `tell_at`. One that dies amid it leaves it to
//! another, who may tell it a second time; nothing is told too seldom.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::alert::Model;
use reqwest::{Client, StatusCode, Url, redirect, retry};
use sea_orm::{FromQueryResult, Value};
use secrecy::{ExposeSecret, SecretString};

use super::list::Alert;
use super::message::{Occasion, body};
use crate::Context;
use crate::error::Result;
use crate::mailer::access::words;
use crate::store::{execute, rows};
use crate::timing::{Timing, delta};

/// Whoever listens.
pub struct Receiver {
    client: Client,
    url: Url,
}

/// Why nobody was told. The address, which is a secret as a rule, is in none of these words.
#[derive(Debug, thiserror::Error)]
pub enum Untold {
    /// No URL, or none of http and https.
    #[error("ALERT_WEBHOOK_URL is no http or https URL")]
    NoUrl,
    /// No answer.
    #[error("{0}")]
    NoAnswer(String),
    /// An answer that is no yes. Redirects are not followed: who is told is what stands in the configuration.
    #[error("it answered {0}")]
    Answered(StatusCode),
}

impl Receiver {
    /// Listens at `url`; an answer may take as long as `patience`.
    ///
    /// # Errors
    /// When that is no address.
    pub fn new(url: &SecretString, patience: Duration) -> Result<Self, Untold> {
        let url = Url::parse(url.expose_secret().trim()).map_err(|_| Untold::NoUrl)?;
        let host = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https")).ok_or(Untold::NoUrl)?;
        let mut client = Client::builder()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .timeout(patience)
            .user_agent(concat!("mailmind-reliability/", env!("CARGO_PKG_VERSION")));
        if matches!(host, "localhost" | "127.0.0.1" | "[::1]") {
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| Untold::NoAnswer(words(error)))?;
        Ok(Self { client, url })
    }

    /// Tells it.
    ///
    /// # Errors
    /// When it was not taken.
    pub async fn tell(&self, message: &serde_json::Value) -> Result<(), Untold> {
        let request = self.client.post(self.url.clone()).json(message);
        let answer = request.send().await.map_err(|error| Untold::NoAnswer(words(error)))?;
        if answer.status().is_success() { Ok(()) } else { Err(Untold::Answered(answer.status())) }
    }
}

/// Tells what is to be told, until the process is to stop.
pub(crate) async fn run(ctx: Arc<Context>, receiver: Receiver) {
    loop {
        while !ctx.stop.is_cancelled() && one(&ctx, &receiver).await {}
        tokio::select! {
            () = tokio::time::sleep(ctx.timing.alert_round()) => {}
            () = ctx.stop.cancelled() => return,
        }
    }
}

/// Tells one thing. Answers whether there was any, and it was taken: after a failure there is time.
async fn one(ctx: &Context, receiver: &Receiver) -> bool {
    if own(ctx, receiver).await {
        return true;
    }
    match stored(ctx, receiver).await {
        Ok(told) => told,
        Err(error) => {
            // That the database is away is told by whoever looks.
            tracing::debug!(cause = %error, "Whether somebody is to be told of an alert could not be read");
            false
        }
    }
}

/// What this process alone can tell.
async fn own(ctx: &Context, receiver: &Receiver) -> bool {
    let now = ctx.clock.now();
    let Some(outage) = ctx.alerts.to_tell(now) else { return false };
    let Some(fired_at) = outage.fired_at else { return false };
    let alert = Alert::of_outage(outage.since, fired_at);
    // It is told anew once it was taken.
    let occasion = if now - fired_at < ctx.settings.alerts.repeat { Occasion::Raised } else { Occasion::Still };
    let told = post(ctx, receiver, &alert, occasion).await;
    let after = if told { ctx.settings.alerts.repeat } else { later(outage.tries, &ctx.timing) };
    ctx.alerts.told(told, ctx.clock.now(), after);
    told
}

async fn stored(ctx: &Context, receiver: &Receiver) -> Result<bool> {
    let now = ctx.clock.now();
    let Some((row, claim)) = take(ctx, now).await? else { return Ok(false) };
    let Some(alert) = Alert::of(&row) else {
        // A later version's, which knows what to say of it.
        return Ok(false);
    };
    let occasion = match (row.resolved_at, row.told_at) {
        (Some(_), _) => Occasion::Over,
        (None, Some(_)) => Occasion::Still,
        (None, None) => Occasion::Raised,
    };
    let told = post(ctx, receiver, &alert, occasion).await;
    let now = ctx.clock.now();
    if told {
        let next = row.resolved_at.is_none().then(|| now + ctx.settings.alerts.repeat);
        let text = "UPDATE alerts SET told_at = $1, tries = 0, tell_at = $2 WHERE id = $3 AND tell_at = $4";
        let values = [now.into(), next.into(), row.id.into(), claim.into()];
        if execute(ctx.store.write(), ctx.store.sql(text, values)).await?.rows_affected() == 0 {
            // It was over meanwhile, and that is to be told.
            let text = "UPDATE alerts SET told_at = $1 WHERE id = $2";
            execute(ctx.store.write(), ctx.store.sql(text, [now.into(), row.id.into()])).await?;
        }
    } else {
        let next = now + later(row.tries.unsigned_abs(), &ctx.timing);
        let text = "UPDATE alerts SET tell_at = $1 WHERE id = $2 AND tell_at = $3";
        execute(ctx.store.write(), ctx.store.sql(text, [next.into(), row.id.into(), claim.into()])).await?;
    }
    Ok(told)
}

/// Takes what has been due for longest; nobody else tells it before the claim is over.
async fn take(ctx: &Context, now: DateTime<Utc>) -> Result<Option<(Model, DateTime<Utc>)>> {
    let claim = now + delta(ctx.timing.lease);
    let text = "UPDATE alerts SET tell_at = $1, tries = tries + 1 WHERE tell_at <= $2 AND id = \
                (SELECT a.id FROM alerts a WHERE a.tell_at <= $2 ORDER BY a.tell_at LIMIT 1) RETURNING *";
    let taken = rows(ctx.store.write(), ctx.store.sql(text, [Value::from(claim), Value::from(now)])).await?;
    let taken = taken.first().map(|row| Model::from_query_result(row, "")).transpose()?;
    Ok(taken.map(|row| (row, claim)))
}

async fn post(ctx: &Context, receiver: &Receiver, alert: &Alert, occasion: Occasion) -> bool {
    let message = body(alert, occasion, ctx.settings.public_url.as_deref(), ctx.clock.now());
    let told = receiver.tell(&message).await;
    let outcome = if told.is_ok() { "taken" } else { "failed" };
    metrics::counter!("mailmind_alert_posts_total", "outcome" => outcome).increment(1);
    if let Err(why) = &told {
        tracing::warn!(alert = alert.rule.name, cause = %why, "Nobody took word of an alert at ALERT_WEBHOOK_URL; it is told again");
    }
    told.is_ok()
}

/// After which time whoever did not listen is told again: 5 seconds, twice as long each time, up to 10 minutes.
fn later(tries: u32, timing: &Timing) -> TimeDelta {
    let doublings = tries.saturating_sub(1).min(16);
    delta((timing.minute / 12).saturating_mul(1 << doublings).min(timing.minute * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_does_not_listen_is_told_more_and_more_seldom() {
        let seconds = [1, 2, 3, 4, 7, 8, 40].map(|tries| later(tries, &Timing::default()).num_seconds());
        assert_eq!(seconds, [5, 10, 20, 40, 320, 600, 600]);
    }

    #[test]
    fn what_is_no_address_of_the_web_is_refused_without_repeating_it() {
        for url in ["", "hunter2", "ftp://hunter2.example.com/", "file:///hunter2", "mailto:hunter2@example.com"] {
            let refused = Receiver::new(&SecretString::from(url), Duration::from_secs(1));
            let why = refused.err().map(|why| why.to_string()).unwrap_or_default();
            assert!(why.contains("ALERT_WEBHOOK_URL") && !why.contains("hunter2"), "{url}: {why}");
        }
    }
}

//! What emails stand on, and how they stand: the database, the queue in it, Mailgun's log as it was read, and Redis.

use std::sync::Arc;
use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta};
use entity::sealed::Keyring;
use entity::{Clock, hold};
use jobs::hold::words;
use jobs::lane::RedisSettings;
use jobs::reconcile::mark::Standing;
use jobs::stats::{self, QueueStats};
use jobs::{Context, Store};
use redis::IntoConnectionInfo;
use secrecy::ExposeSecret;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Finding, alerts, found};
use crate::config::{Keys, Setup};

/// How long each of them may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long something may be due while nothing is sent before that looks like nobody sends.
const STALLED: TimeDelta = TimeDelta::minutes(1);

pub(super) async fn look(setup: &Setup) -> Vec<Finding> {
    let mut findings = Vec::new();
    match timeout(PATIENCE, database(setup)).await {
        Ok(Ok(Base::Ready(store))) => {
            findings.push(found("database", Ok("answers, up to date".to_owned())));
            let opens = timeout(PATIENCE, keyring(setup, &store)).await;
            findings.push(found("keyring", opens.unwrap_or_else(|_| Err("did not answer in time".to_owned()))));
            let stands = timeout(PATIENCE, stand(setup, *store)).await;
            findings.extend(stands.unwrap_or_else(|_| vec![found("queue", Err("did not answer in time".to_owned()))]));
        }
        Ok(Ok(Base::Not(said))) => findings.push(found("database", Ok(said))),
        Ok(Err(error)) => findings.push(found("database", Err(format!("{error} (DATABASE_URL)")))),
        Err(_) => findings.push(found("database", Err("did not answer in time (DATABASE_URL)".to_owned()))),
    }
    findings.push(found("redis", redis(setup.redis.as_ref()).await));
    findings
}

enum Base {
    Ready(Box<Store>),
    /// There is nothing to look at yet.
    Not(String),
}

async fn database(setup: &Setup) -> Result<Base, String> {
    if setup.database_file.as_ref().is_some_and(|file| !file.exists()) {
        return Ok(Base::Not("SQLite, a file that is made at the first start".to_owned()));
    }
    let store = Store::connect(&setup.database_url).await.map_err(|error| error.to_string())?;
    match migration::pending(store.read()).await.map_err(|error| error.to_string())? {
        0 => Ok(Base::Ready(Box::new(store))),
        pending => Ok(Base::Not(format!("answers; {pending} migrations are pending, `serve` and `migrate` run them"))),
    }
}

/// Whether what is stored can be opened.
async fn keyring(setup: &Setup, store: &Store) -> Result<String, String> {
    // A key file that is not there is told of by `keys`; none is made here.
    if matches!(&setup.keys, Keys::File(path) if !path.exists()) {
        return Ok("not looked at: there is no key yet".to_owned());
    }
    let keyring = setup.keys.open().map_err(|error| error.to_string())?;
    match jobs::keyring::missing(store, &keyring).await {
        Ok(missing) if missing.is_empty() => Ok("has every key that stored content needs".to_owned()),
        Ok(missing) => {
            Err(format!("CONTENT_KEYRING {}: put it back behind the first one", jobs::keyring::words(&missing)))
        }
        Err(error) => Err(error.to_string()),
    }
}

async fn stand(setup: &Setup, store: Store) -> Vec<Finding> {
    let clock = Clock::system();
    let now = match store.now().await {
        Ok(now) => now,
        Err(error) => return vec![found("queue", Err(error.to_string()))],
    };
    clock.align(now);
    // Nothing is opened with this keyring: only counts are read.
    let (keyring, stop) = (Keyring::generate(), CancellationToken::new());
    let ctx: Arc<Context> = Context::new(store, clock, setup.timing, setup.settings.clone(), keyring, 0.0, stop);
    match stats::queue(&ctx).await {
        Ok(stats) => {
            let alerts = jobs::alert::list(&ctx).await.map_err(|error| error.to_string());
            vec![
                found("queue", queue(&ctx, &stats)),
                found("log", log(&stats.reconciliation)),
                found("alerts", alerts.and_then(|alerts| alerts::raised(&alerts))),
            ]
        }
        Err(error) => vec![found("queue", Err(error.to_string()))],
    }
}

/// Whether what is due is sent, and if not, why.
fn queue(ctx: &Context, stats: &QueueStats) -> Result<String, String> {
    if let Some(closed) = stats.breakers.first() {
        let why = closed.reason.as_deref().unwrap_or("it gives no answer");
        return Err(format!(
            "{} emails wait, as the way to Mailgun ({}) is closed: {why}. It is tried again by itself, once a minute at the least",
            stats.waiting, closed.key
        ));
    }
    if let Some(pause) = stats.pauses.iter().find(|pause| pause.kind == hold::Kind::Queue) {
        return Err(format!("{} emails wait: {}. `resume` lets them go", stats.waiting, words(pause)));
    }
    let now = ctx.clock.now();
    match stats.oldest_waiting_at {
        Some(since) if now - since > STALLED && stats.sent_per_minute < 1.0 => Err(format!(
            "{} emails wait, one of them since {}, nothing holds it, and nothing was sent for a minute: no process sends. \
             Start `mailmind serve` or `mailmind work` on this database, or read the log of the one that runs",
            stats.waiting,
            since.to_rfc3339_opts(SecondsFormat::Secs, true)
        )),
        _ => {
            let paused = stats.pauses.iter().map(words).collect::<Vec<_>>().join("; ");
            let paused = if paused.is_empty() { paused } else { format!("; {paused}") };
            Ok(format!(
                "{} wait, {:.0} sent in the last minute, {} in doubt{paused}",
                stats.waiting, stats.sent_per_minute, stats.unconfirmed
            ))
        }
    }
}

/// Whether webhooks come, and whether Mailgun's log makes up for those that don't.
fn log(standings: &[Standing]) -> Result<String, String> {
    if let Some(silent) = standings.iter().find(|standing| standing.silent_since.is_some()) {
        return Err(format!(
            "events of {} happen and no webhook brings them: see `webhooks` and `signing` below, and whether Mailgun reaches this \
             service at all",
            silent.domain
        ));
    }
    if let Some(failing) = standings.iter().find(|standing| standing.failing_since.is_some()) {
        return Err(format!(
            "Mailgun's log of {} can't be read: missed webhooks are not recovered. MAILGUN_API_KEY must be the account's key",
            failing.domain
        ));
    }
    Ok(match standings.iter().map(|standing| standing.checked_through).min() {
        None => "Mailgun's log was not read yet".to_owned(),
        Some(through) => {
            format!("Mailgun's log was read up to {}", through.to_rfc3339_opts(SecondsFormat::Secs, true))
        }
    })
}

/// Email goes without Redis too, but whoever configured it wants to know.
async fn redis(settings: Option<&RedisSettings>) -> Result<String, String> {
    let Some(settings) = settings else { return Ok("not configured: work stays in the process".to_owned()) };
    let mut login = redis::RedisConnectionInfo::default().set_db(settings.db);
    if let Some(password) = &settings.password {
        login = login.set_password(password.expose_secret());
    }
    let asked = async {
        let address = redis::ConnectionAddr::Tcp(settings.host.clone(), settings.port).into_connection_info()?;
        let client = redis::Client::open(address.set_redis_settings(login))?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("PING").query_async::<()>(&mut connection).await
    };
    let advice = "(REDIS_HOST, REDIS_PORT, REDIS_PASSWORD). Email goes all the same, by a detour";
    match timeout(PATIENCE, asked).await {
        Ok(Ok(())) => Ok("answers".to_owned()),
        Ok(Err(error)) => Err(format!("{error} {advice}")),
        Err(_) => Err(format!("did not answer in time {advice}")),
    }
}

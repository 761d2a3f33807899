//! What the user sets: read from the environment, an `.env` or the command line, refused with the variable's name where it
//! makes no sense, and parsed once into a [`Setup`] that the rest trusts.

mod access;
mod alerts;
mod keys;
mod mode;
mod setup;
#[cfg(test)]
mod tests;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;

use chrono::TimeDelta;
use entity::Policy;
use jobs::alert::Limit;
use jobs::sync::Direction;
use secrecy::{ExposeSecret, SecretString};

use crate::limit::Table;

pub use keys::{KeyFileError, Keys};
pub use mode::Mode;
pub use setup::Setup;
pub use values::{ByLane, LogFormat, age, domain};

/// Every variable. Each is also an option of the command line, which wins; an `.env` in the working directory is read too,
/// and the environment wins over it.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    /// The address the API listens on. The sandbox starts by itself only on a loopback address.
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Where the embedded database and the key file lie when nothing else is set. Made if it is not there.
    #[arg(long, env = "DATA_DIR", default_value = "./data")]
    pub data_dir: PathBuf,

    /// The database: `postgres://user:password@host/name`, or `sqlite://path`. Without it, SQLite in DATA_DIR.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// The host of the Redis that carries work between processes. Without it, work stays in the process. When Redis is away,
    /// email still goes.
    #[arg(long, env = "REDIS_HOST")]
    pub redis_host: Option<String>,

    /// The port of Redis.
    #[arg(long, env = "REDIS_PORT", default_value_t = 6379)]
    pub redis_port: u16,

    /// The password of Redis, where it asks for one.
    #[arg(long, env = "REDIS_PASSWORD", hide_env_values = true)]
    pub redis_password: Option<SecretString>,

    /// The number of the database in Redis.
    #[arg(long, env = "REDIS_DB", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
    pub redis_db: i64,

    /// What all keys and channels in Redis begin with. Processes with the same prefix and database share their work.
    #[arg(long, env = "REDIS_PREFIX", default_value = "mailmind")]
    pub redis_prefix: String,

    /// The private API key of the Mailgun account. Without it nothing is sent for real: see MAILGUN_API_BASE.
    #[arg(long, env = "MAILGUN_API_KEY", hide_env_values = true)]
    pub mailgun_api_key: Option<SecretString>,

    /// The sending domains of the account, separated by commas. An email goes through the longest one that equals its From
    /// domain, or is its parent or child; else through the first.
    #[arg(long, env = "MAILGUN_DOMAIN")]
    pub mailgun_domain: Option<String>,

    /// Mailgun's address: `https://api.mailgun.net` (unless set), `https://api.eu.mailgun.net` for accounts in the EU, or the
    /// word `sandbox`: a built-in Mailgun takes everything and delivers nothing.
    #[arg(long, env = "MAILGUN_API_BASE")]
    pub mailgun_api_base: Option<String>,

    /// The key that Mailgun signs its webhooks with (its "HTTP webhook signing key"). Several, separated by commas, while one is
    /// being replaced. Without it nothing that Mailgun reports is believed.
    #[arg(long, env = "MAILGUN_WEBHOOK_SIGNING_KEY", hide_env_values = true)]
    pub mailgun_webhook_signing_key: Option<SecretString>,

    /// The keys that content is encrypted with at rest, `name:base64,name:base64`: the first for new content, all for what is
    /// stored. Without it a key file in DATA_DIR is used, which only its owner may read. Required with PostgreSQL, since
    /// several processes then share the content.
    #[arg(long, env = "CONTENT_KEYRING", hide_env_values = true)]
    pub content_keyring: Option<SecretString>,

    /// An API key that may do everything; 16 characters at least. Without it, one is made and printed once at the first start.
    #[arg(long, env = "ADMIN_API_KEY", hide_env_values = true)]
    pub admin_api_key: Option<SecretString>,

    /// The secret that tokens (JWT, HS256) are signed with, for a dashboard with a login of its own; 32 bytes at least. A token
    /// names `sub`, `exp` (at most 24 hours ahead), `aud`, and in `scope` what it allows, such as `READ MANAGE`.
    #[arg(long, env = "JWT_SECRET", hide_env_values = true)]
    pub jwt_secret: Option<SecretString>,

    /// The same for tokens that are signed with a private key: its public half in PEM, Ed25519 (EdDSA) or RSA (RS256). Instead
    /// of JWT_SECRET.
    #[arg(long, env = "JWT_PUBLIC_KEY")]
    pub jwt_public_key: Option<String>,

    /// What a token must name as its audience (`aud`).
    #[arg(long, env = "JWT_AUDIENCE", default_value = "mailmind")]
    pub jwt_audience: String,

    /// Who must have issued a token (`iss`). Without it, whoever has the key.
    #[arg(long, env = "JWT_ISSUER")]
    pub jwt_issuer: Option<String>,

    /// The addresses or networks of your own proxies, separated by commas: of these alone X-Forwarded-For is believed, where
    /// it matters from where a key is used.
    #[arg(long, env = "TRUSTED_PROXIES")]
    pub trusted_proxies: Option<String>,

    /// The address under which others reach this service, for links and webhooks.
    #[arg(long, env = "PUBLIC_URL")]
    pub public_url: Option<String>,

    /// Where pages come from that may use this service from a browser, by requests (CORS) and sockets, separated by commas
    /// (`https://board.example.com`), besides its own address and PUBLIC_URL.
    #[arg(long, env = "ALLOWED_ORIGINS")]
    pub allowed_origins: Option<String>,

    /// How often an email is tried in all before it is FAILED.
    #[arg(long, env = "MAILGUN_MAX_RETRIES", default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..=100))]
    pub mailgun_max_retries: i32,

    /// The first wait before an email is tried again, in milliseconds; it doubles with each try, up to 1.5 s.
    #[arg(long, env = "MAILGUN_RETRY_BASE_MS", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub mailgun_retry_base_ms: u64,

    /// How many emails one process hands to Mailgun at the same time.
    #[arg(long, env = "MAILGUN_BULK_CONCURRENCY", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub mailgun_bulk_concurrency: u16,

    /// How many batches of recipients a launched campaign prepares at the same time.
    #[arg(long, env = "EXECUTION_BATCH_CONCURRENCY", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub execution_batch_concurrency: u16,

    /// How many days a finished email is kept.
    #[arg(long, env = "EMAIL_RETENTION_DAYS", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub email_retention_days: u32,

    /// How long the content of a finished email is kept (`30d`); what became of the email stays for EMAIL_RETENTION_DAYS.
    #[arg(long, env = "RETENTION_BODIES", default_value = "30d", value_parser = values::period)]
    pub retention_bodies: TimeDelta,

    /// How long webhooks are kept as they came; the events that were read from them stay.
    #[arg(long, env = "RETENTION_WEBHOOKS", default_value = "7d", value_parser = values::period)]
    pub retention_webhooks: TimeDelta,

    /// How long delivery events are kept.
    #[arg(long, env = "RETENTION_EVENTS", default_value = "400d", value_parser = values::period)]
    pub retention_events: TimeDelta,

    /// How long the tokens of webhooks are remembered; 13 hours at least, since a signature has effect for 12.
    #[arg(long, env = "RETENTION_TOKENS", default_value = "13h", value_parser = values::period)]
    pub retention_tokens: TimeDelta,

    /// How long an idempotency key stands for its email.
    #[arg(long, env = "RETENTION_KEYS", default_value = "7d", value_parser = values::period)]
    pub retention_keys: TimeDelta,

    /// How long entries of the audit log are kept.
    #[arg(long, env = "RETENTION_AUDIT", default_value = "400d", value_parser = values::period)]
    pub retention_audit: TimeDelta,

    /// How long an email may wait on Mailgun (`90m`, `12h`, `3d`) before it is EXPIRED.
    #[arg(long, env = "EMAIL_MAX_AGE", default_value = "3d", value_parser = values::age)]
    pub email_max_age: TimeDelta,

    /// What becomes of a HIGH email when nobody knows whether Mailgun took it: `VERIFY` asks Mailgun's log, `RESEND` sends it
    /// again, `HOLD` leaves it to a person.
    #[arg(long, env = "UNCONFIRMED_HIGH", default_value = "RESEND", value_parser = values::policy)]
    pub unconfirmed_high: Policy,

    /// The same for NORMAL emails.
    #[arg(long, env = "UNCONFIRMED_NORMAL", default_value = "VERIFY", value_parser = values::policy)]
    pub unconfirmed_normal: Policy,

    /// The same for LOW emails.
    #[arg(long, env = "UNCONFIRMED_LOW", default_value = "VERIFY", value_parser = values::policy)]
    pub unconfirmed_low: Policy,

    /// How many tags an email may carry. Mailgun's plans differ: three are always allowed.
    #[arg(long, env = "MAILGUN_MAX_TAGS", default_value_t = 3, value_parser = clap::value_parser!(u16).range(0..=10))]
    pub mailgun_max_tags: u16,

    /// Which way suppressions go between Mailgun's own lists (bounces, complaints, unsubscribes) and ours: `both`, `pull` (Mailgun's
    /// are read, and it is told nothing), or `off`. Whoever unsubscribes here then stands on Mailgun's list as well, which keeps
    /// emails sent as transactional back too; `pull` lets those pass.
    #[arg(long, env = "SUPPRESSION_SYNC", default_value = "both", value_parser = values::direction)]
    pub suppression_sync: Direction,

    /// How much one caller may ask for.
    #[command(flatten)]
    pub limits: Table,

    /// Where alerts are posted: as JSON that Slack, Discord and whatever takes Alertmanager's webhooks understand. It is not
    /// shown again. Without it, alerts are shown on the dashboard, in the API and in `/metrics` alone.
    #[arg(long, env = "ALERT_WEBHOOK_URL", hide_env_values = true)]
    pub alert_webhook_url: Option<SecretString>,

    /// After how long an alert that goes on is posted again.
    #[arg(long, env = "ALERT_REPEAT", default_value = "4h", value_parser = values::age)]
    pub alert_repeat: TimeDelta,

    /// How long an email may be due that nothing holds, before `oldest_age` is raised: HIGH, NORMAL and LOW.
    #[arg(long, env = "ALERT_OLDEST", default_value = "5m/30m/6h", value_parser = values::by_lane)]
    pub alert_oldest: ByLane,

    /// Of at least so many hand-overs in half an hour, the share that Mailgun may refuse.
    #[arg(long, env = "ALERT_FAILURE_SHARE", default_value = "5%/100", value_parser = values::limit)]
    pub alert_failure_share: Limit,

    /// Of at least so many emails in six hours, the share that may bounce.
    #[arg(long, env = "ALERT_BOUNCE_RATE", default_value = "5%/200", value_parser = values::limit)]
    pub alert_bounce_rate: Limit,

    /// Of at least so many emails delivered in a day, the share that may be reported as spam.
    #[arg(long, env = "ALERT_COMPLAINT_RATE", default_value = "0.1%/1000", value_parser = values::limit)]
    pub alert_complaint_rate: Limit,

    /// Networks that are not public in which endpoints may lie that are told of events, separated by commas
    /// (`10.0.0.0/8,127.0.0.1`). Without it, only public addresses are told, and only over https.
    #[arg(long, env = "OUTBOUND_PRIVATE_NETWORKS")]
    pub outbound_private_networks: Option<String>,

    /// How log lines are written: `text` for people, `json` for machines. RUST_LOG says which.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// For tests: every duration of the protocol is divided by this.
    #[arg(long, env = "TIMING_DIVISOR", default_value_t = 1, hide = true, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub timing_divisor: u32,

    /// For tests: those of Mailgun's log by this instead, whose trust window is longer than everything else together.
    #[arg(long, env = "TIMING_LOG_DIVISOR", hide = true, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub timing_log_divisor: Option<u32>,

    /// For tests: how long a head, an answer and the next request may take is divided by this.
    #[arg(long, env = "TIMING_CONNECTION_DIVISOR", default_value_t = 1, hide = true, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub timing_connection_divisor: u32,

    /// For tests: the minutes of alerts by this instead.
    #[arg(long, env = "TIMING_ALERT_DIVISOR", hide = true, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub timing_alert_divisor: Option<u32>,
}

impl Config {
    /// MAILGUN_API_KEY, where it is set.
    pub fn mailgun_key(&self) -> Option<SecretString> {
        secret(&self.mailgun_api_key)
    }
}

/// Why a configuration makes no sense: which variable, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {problem}")]
pub struct Nonsense {
    variable: &'static str,
    problem: String,
}

fn nonsense(variable: &'static str, problem: impl Into<String>) -> Nonsense {
    Nonsense { variable, problem: problem.into() }
}

/// A text that is set and not empty: compose files pass on variables that nobody set as empty ones.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

fn secret(text: &Option<SecretString>) -> Option<SecretString> {
    text.clone().filter(|text| !text.expose_secret().trim().is_empty())
}

//! What the user sets: read from the environment, an `.env` or the command line, refused with the variable's name where it
//! makes no sense, and parsed once into a [`Setup`] that the rest trusts.

mod keys;
mod mode;
#[cfg(test)]
mod tests;
mod values;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use entity::Policy;
use jobs::Timing;
use jobs::lane::RedisSettings;
use secrecy::{ExposeSecret, SecretString};

pub use keys::{KeyFileError, Keys};
pub use mode::Mode;
pub use values::LogFormat;

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

    /// The key that Mailgun signs its webhooks with.
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

    /// The address under which others reach this service, for links and webhooks.
    #[arg(long, env = "PUBLIC_URL")]
    pub public_url: Option<String>,

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

    /// How log lines are written: `text` for people, `json` for machines. RUST_LOG says which.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// For tests: every duration of the protocol is divided by this.
    #[arg(long, env = "TIMING_DIVISOR", default_value_t = 1, hide = true, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub timing_divisor: u32,
}

/// A configuration that makes sense.
#[derive(Debug)]
pub struct Setup {
    pub listen: SocketAddr,
    pub data_dir: PathBuf,
    /// In a form that the database layer reads.
    pub database_url: String,
    /// The database's file, where it is SQLite.
    pub database_file: Option<PathBuf>,
    pub redis: Option<RedisSettings>,
    pub mode: Mode,
    pub keys: Keys,
    pub admin_key: Option<SecretString>,
    /// Without a slash at its end.
    pub public_url: String,
    pub timing: Timing,
    pub settings: jobs::Settings,
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

impl Config {
    /// Reads the whole.
    ///
    /// # Errors
    /// The first variable that makes no sense, alone or beside the others.
    pub fn check(&self) -> Result<Setup, Nonsense> {
        let mode = Mode::of(self)?;
        let (database_url, database_file) = self.database()?;
        Ok(Setup {
            listen: self.listen,
            data_dir: self.data_dir.clone(),
            keys: self.keys(&mode, database_file.is_some())?,
            database_url,
            database_file,
            redis: self.redis()?,
            admin_key: self.admin_key()?,
            public_url: self.public_url()?,
            timing: if self.timing_divisor == 1 { Timing::default() } else { Timing::divided(self.timing_divisor) },
            settings: self.settings(&mode)?,
            mode,
        })
    }

    fn settings(&self, mode: &Mode) -> Result<jobs::Settings, Nonsense> {
        let domains = match mode {
            Mode::Sandbox { .. } if given(&self.mailgun_domain).is_none() => jobs::Settings::default().domains,
            Mode::Sandbox { .. } | Mode::Live { .. } => self.domains()?,
        };
        Ok(jobs::Settings {
            domains,
            api_base: mode.api_base().to_owned(),
            sandbox: mode.is_sandbox(),
            slots: usize::from(self.mailgun_bulk_concurrency),
            max_tries: self.mailgun_max_retries,
            retry_base: Duration::from_millis(self.mailgun_retry_base_ms),
            max_age: self.email_max_age,
            retention: TimeDelta::days(i64::from(self.email_retention_days)),
            policies: [self.unconfirmed_high, self.unconfirmed_normal, self.unconfirmed_low],
            most_tags: usize::from(self.mailgun_max_tags),
        })
    }

    fn domains(&self) -> Result<Vec<String>, Nonsense> {
        let text = given(&self.mailgun_domain)
            .ok_or_else(|| nonsense("MAILGUN_DOMAIN", "is needed: the domain that your Mailgun account sends from"))?;
        let mut domains = Vec::new();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let domain = values::domain(entry)
                .map_err(|why| nonsense("MAILGUN_DOMAIN", format!("has the entry {entry:?}, which {why}")))?;
            if !domains.contains(&domain) {
                domains.push(domain);
            }
        }
        if domains.is_empty() { Err(nonsense("MAILGUN_DOMAIN", "names no domain")) } else { Ok(domains) }
    }

    /// The database's URL, and its file where it is one.
    fn database(&self) -> Result<(String, Option<PathBuf>), Nonsense> {
        match given(&self.database_url) {
            None => {
                let file = self.data_dir.join("mailmind.db");
                Ok((sqlite(&file), Some(file)))
            }
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                values::url(url, &["postgres", "postgresql"]).map_err(|why| nonsense("DATABASE_URL", why))?;
                Ok((url.to_owned(), None))
            }
            Some(url) => {
                let path = url.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest));
                match path.map(|path| path.split('?').next().unwrap_or_default()) {
                    None => Err(nonsense("DATABASE_URL", "must begin with postgres:// or sqlite://")),
                    Some("" | ":memory:") => {
                        Err(nonsense("DATABASE_URL", "must name a file: what is accepted is kept"))
                    }
                    Some(path) => Ok((url.to_owned(), Some(PathBuf::from(path)))),
                }
            }
        }
    }

    fn redis(&self) -> Result<Option<RedisSettings>, Nonsense> {
        let Some(host) = given(&self.redis_host) else { return Ok(None) };
        if host.contains("://") || host.contains(char::is_whitespace) {
            return Err(nonsense("REDIS_HOST", "must be a host's name or address; its port has a variable of its own"));
        }
        if self.redis_port == 0 {
            return Err(nonsense("REDIS_PORT", "must not be 0"));
        }
        let prefix = self.redis_prefix.as_str();
        if prefix.is_empty() || !prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b)) {
            return Err(nonsense("REDIS_PREFIX", "must be letters, digits and any of - _ . :"));
        }
        Ok(Some(RedisSettings {
            host: host.to_owned(),
            port: self.redis_port,
            password: secret(&self.redis_password),
            db: self.redis_db,
            prefix: prefix.to_owned(),
        }))
    }

    fn admin_key(&self) -> Result<Option<SecretString>, Nonsense> {
        let Some(key) = secret(&self.admin_api_key) else { return Ok(None) };
        let text = key.expose_secret();
        if text.len() < 16 || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(nonsense("ADMIN_API_KEY", "must be 16 or more visible ASCII characters without a blank"));
        }
        Ok(Some(key))
    }

    fn public_url(&self) -> Result<String, Nonsense> {
        match given(&self.public_url) {
            None => Ok(format!("http://{}", self.listen)),
            Some(url) => {
                values::url(url, &["http", "https"]).map_err(|why| nonsense("PUBLIC_URL", why))?;
                Ok(url.trim_end_matches('/').to_owned())
            }
        }
    }

    fn keys(&self, mode: &Mode, embedded: bool) -> Result<Keys, Nonsense> {
        match secret(&self.content_keyring) {
            Some(text) => Keys::parse(text.expose_secret()).map_err(|why| nonsense("CONTENT_KEYRING", why.to_string())),
            None if embedded || mode.is_sandbox() => Ok(Keys::File(self.data_dir.join("content.keyring"))),
            None => Err(nonsense(
                "CONTENT_KEYRING",
                "is needed with PostgreSQL: every process must open what another has stored, and a key file on one machine \
                 would be lost with it. `mailmind key content` makes one",
            )),
        }
    }
}

/// The URL of a file. Four characters have a meaning of their own in URLs.
fn sqlite(path: &Path) -> String {
    let path = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23").replace(' ', "%20");
    format!("sqlite://{path}?mode=rwc")
}

/// A text that is set and not empty: compose files pass on variables that nobody set as empty ones.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

fn secret(text: &Option<SecretString>) -> Option<SecretString> {
    text.clone().filter(|text| !text.expose_secret().trim().is_empty())
}

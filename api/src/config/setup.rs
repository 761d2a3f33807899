//! A configuration that makes sense: every part read, alone and beside the others.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::Uri;
use chrono::TimeDelta;
use jobs::Timing;
use jobs::lane::RedisSettings;
use jobs::retention::Periods;
use secrecy::{ExposeSecret, SecretString};

use crate::transport::{Origins, Pace};

use super::{Config, Keys, Mode, Nonsense, given, nonsense, secret, values};
use crate::auth::{Proxies, Tokens};
use crate::connection;
use crate::limit::Table;
use crate::serve::sandboxed;

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
    /// What webhooks are signed with: in the sandbox its own key, unless there are others.
    pub webhook_keys: Vec<SecretString>,
    /// How tokens are read, where any are taken.
    pub tokens: Option<Tokens>,
    pub proxies: Proxies,
    /// Without a slash at its end.
    pub public_url: String,
    /// Where pages that use the API may come from, this service's own among them.
    pub origins: Origins,
    pub timing: Timing,
    pub pace: Pace,
    pub connections: connection::Pace,
    /// How much one caller may ask for.
    pub limits: Table,
    pub settings: jobs::Settings,
}

impl Setup {
    /// The service listens at this address: its port may have been the system's to choose.
    pub fn listens(&mut self, at: SocketAddr) {
        let by_itself = format!("http://{}", self.listen);
        for url in [Some(&mut self.public_url), self.settings.public_url.as_mut()].into_iter().flatten() {
            if *url == by_itself {
                *url = format!("http://{at}");
            }
        }
    }

    /// Links in campaign mail lead over plain http to another machine than this: what stands in them could be read and changed on
    /// the way, and mailbox providers show no button for them (RFC 8058, 3.1 wants https).
    pub fn has_open_links(&self) -> bool {
        let Some(uri) = self.settings.public_url.as_ref().and_then(|url| url.parse::<Uri>().ok()) else { return false };
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let here = host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        uri.scheme_str() == Some("http") && !here
    }

    /// The database or the keys lie in DATA_DIR. A process that has both elsewhere needs no disk.
    pub fn uses_data_dir(&self) -> bool {
        let database = self.database_file.as_ref().is_some_and(|file| file.starts_with(&self.data_dir));
        database || matches!(self.keys, Keys::File(_))
    }
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
            webhook_keys: match self.webhook_keys() {
                none if none.is_empty() && mode.is_sandbox() => vec![sandboxed::SIGNING_KEY.into()],
                keys => keys,
            },
            tokens: self.tokens()?,
            proxies: self.proxies()?,
            public_url: self.public_url()?,
            origins: self.origins()?,
            timing: self.timing(),
            pace: Pace::divided(self.timing_divisor),
            connections: connection::Pace::divided(self.timing_connection_divisor),
            limits: self.limits.clone(),
            settings: self.settings(&mode)?,
            mode,
        })
    }

    fn timing(&self) -> Timing {
        let timing = Timing::divided(self.timing_divisor);
        let log = self.timing_log_divisor.map_or(timing, Timing::divided);
        let minute = self.timing_alert_divisor.map_or(timing, Timing::divided).minute;
        Timing { looks: log.looks, trust: log.trust, reconcile: log.reconcile, grace: log.grace, minute, ..timing }
    }

    fn settings(&self, mode: &Mode) -> Result<jobs::Settings, Nonsense> {
        let domains = match mode {
            Mode::Sandbox { .. } if given(&self.mailgun_domain).is_none() => jobs::Settings::default().domains,
            Mode::Sandbox { .. } | Mode::Live { .. } => self.domains()?,
        };
        Ok(jobs::Settings {
            domains,
            api_base: mode.api_base().to_owned(),
            public_url: match given(&self.public_url) {
                None if !self.listen.ip().is_loopback() => None,
                _ => Some(self.public_url()?),
            },
            sandbox: mode.is_sandbox(),
            slots: usize::from(self.mailgun_bulk_concurrency),
            batches: usize::from(self.execution_batch_concurrency),
            max_tries: self.mailgun_max_retries,
            retry_base: Duration::from_millis(self.mailgun_retry_base_ms),
            max_age: self.email_max_age,
            retention: self.periods()?,
            policies: [self.unconfirmed_high, self.unconfirmed_normal, self.unconfirmed_low],
            most_tags: usize::from(self.mailgun_max_tags),
            suppression_sync: self.suppression_sync,
            alerts: self.alerts()?,
            outbound_networks: self.outbound_networks()?,
        })
    }

    fn periods(&self) -> Result<Periods, Nonsense> {
        if self.retention_tokens < TimeDelta::hours(13) {
            return Err(nonsense("RETENTION_TOKENS", "must be at least 13h: a webhook's signature has effect for 12"));
        }
        Ok(Periods {
            bodies: self.retention_bodies,
            webhooks: self.retention_webhooks,
            events: self.retention_events,
            emails: TimeDelta::days(i64::from(self.email_retention_days)),
            tokens: self.retention_tokens,
            keys: self.retention_keys,
            audit: self.retention_audit,
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

    fn public_url(&self) -> Result<String, Nonsense> {
        match given(&self.public_url) {
            None => Ok(format!("http://{}", self.listen)),
            Some(url) => {
                values::url(url, &["http", "https"]).map_err(|why| nonsense("PUBLIC_URL", why))?;
                Ok(url.trim_end_matches('/').to_owned())
            }
        }
    }

    fn origins(&self) -> Result<Origins, Nonsense> {
        let listed = given(&self.allowed_origins).unwrap_or_default();
        let mut origins = vec![self.public_url()?];
        for entry in listed.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let uri = values::url(entry, &["http", "https"])
                .map_err(|why| nonsense("ALLOWED_ORIGINS", format!("has the entry {entry:?}, which {why}")))?;
            if !uri.path().trim_end_matches('/').is_empty() || uri.query().is_some() {
                let problem = format!("has the entry {entry:?}: an origin is a scheme, a host and perhaps a port");
                return Err(nonsense("ALLOWED_ORIGINS", problem));
            }
            origins.push(entry.to_owned());
        }
        Ok(Origins::of(origins.iter().map(String::as_str)))
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

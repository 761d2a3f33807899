//! Never quietly in a sandbox: who sends for real, and who only seems to.

use secrecy::SecretString;

use super::{Config, Nonsense, given, nonsense, values};

/// Mailgun's address, unless another is set.
const MAILGUN: &str = "https://api.mailgun.net";
/// What stands in MAILGUN_API_BASE to ask for the sandbox.
const SANDBOX: &str = "sandbox";

/// Where emails go.
#[derive(Clone, Debug)]
pub enum Mode {
    /// To the built-in Mailgun, which delivers nothing.
    Sandbox {
        /// Nobody asked for it: nothing at all is configured.
        by_itself: bool,
    },
    /// To Mailgun.
    Live {
        /// Its address, without a slash at the end.
        base: String,
        /// The account's key.
        key: SecretString,
    },
}

impl Mode {
    /// The sandbox starts by itself only when nothing names a database, a Redis or a Mailgun and nobody outside this machine
    /// can reach the service; everywhere else it must be asked for.
    pub(super) fn of(config: &Config) -> Result<Self, Nonsense> {
        let key = config.mailgun_key();
        match (given(&config.mailgun_api_base), key) {
            (Some(SANDBOX), Some(_)) => Err(nonsense(
                "MAILGUN_API_KEY",
                "is set although MAILGUN_API_BASE=sandbox, which sends nothing to Mailgun: take one of them away",
            )),
            (Some(SANDBOX), None) => Ok(Mode::Sandbox { by_itself: false }),
            (base, Some(key)) => Ok(Mode::Live { base: api_base(base.unwrap_or(MAILGUN))?, key }),
            (Some(_), None) => Err(needs_key("MAILGUN_API_BASE")),
            (None, None) => match first_sign_of_purpose(config) {
                None => Ok(Mode::Sandbox { by_itself: true }),
                Some(sign) => Err(needs_key(sign)),
            },
        }
    }

    /// Nothing is delivered.
    pub fn is_sandbox(&self) -> bool {
        matches!(self, Mode::Sandbox { .. })
    }

    /// Mailgun's address, or `sandbox`.
    pub fn api_base(&self) -> &str {
        match self {
            Mode::Sandbox { .. } => SANDBOX,
            Mode::Live { base, .. } => base,
        }
    }
}

/// What shows that somebody means it.
fn first_sign_of_purpose(config: &Config) -> Option<&'static str> {
    if given(&config.database_url).is_some() {
        Some("DATABASE_URL")
    } else if given(&config.redis_host).is_some() {
        Some("REDIS_HOST")
    } else if given(&config.mailgun_domain).is_some() {
        Some("MAILGUN_DOMAIN")
    } else if !config.listen.ip().is_loopback() {
        Some("LISTEN")
    } else {
        None
    }
}

fn needs_key(sign: &str) -> Nonsense {
    let why = match sign {
        "LISTEN" => "LISTEN is no loopback address".to_owned(),
        sign => format!("{sign} is set"),
    };
    nonsense(
        "MAILGUN_API_KEY",
        format!("is needed, since {why}. To deliver nothing and say so, set MAILGUN_API_BASE=sandbox instead"),
    )
}

fn api_base(text: &str) -> Result<String, Nonsense> {
    let uri = values::url(text, &["https", "http"])
        .map_err(|why| nonsense("MAILGUN_API_BASE", format!("{why}, or the word sandbox")))?;
    if uri.query().is_some() {
        return Err(nonsense("MAILGUN_API_BASE", "must be an address without a question mark"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

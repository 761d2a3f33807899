//! `mailmind check`: says what is configured and whether everything it names can be reached. Changes nothing.

use std::time::Duration;

use jobs::Store;
use jobs::lane::RedisSettings;
use redis::IntoConnectionInfo;
use secrecy::ExposeSecret;
use tokio::time::timeout;

use crate::config::{Config, Keys, Mode, Setup};
use crate::failure::Failure;

/// How long each of them may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was found about one thing.
struct Finding {
    name: &'static str,
    said: Result<String, String>,
}

/// Prints a line for each thing.
///
/// # Errors
/// When any of them needs attention.
pub async fn check(config: &Config) -> Result<(), Failure> {
    let setup = match config.check() {
        Ok(setup) => setup,
        Err(nonsense) => {
            print(&Finding { name: "config", said: Err(nonsense.to_string()) });
            return Err(Failure::Checked(1));
        }
    };
    let findings = [
        Finding { name: "config", said: Ok(format!("would listen on {}", setup.listen)) },
        Finding { name: "mode", said: Ok(mode(&setup.mode)) },
        Finding { name: "keys", said: setup.keys.look().map(str::to_owned).map_err(|error| error.to_string()) },
        Finding { name: "jwt", said: Ok(tokens(&setup, config)) },
        Finding { name: "database", said: database(&setup).await },
        Finding { name: "keyring", said: keyring(&setup).await },
        Finding { name: "redis", said: redis(setup.redis.as_ref()).await },
        Finding { name: "mailgun", said: mailgun(&setup).await },
        Finding { name: "webhooks", said: webhooks(&setup) },
        Finding { name: "links", said: links(&setup) },
    ];
    findings.iter().for_each(print);
    match findings.iter().filter(|finding| finding.said.is_err()).count() {
        0 => Ok(()),
        troubles => Err(Failure::Checked(troubles)),
    }
}

fn print(finding: &Finding) {
    let (mark, text) = match &finding.said {
        Ok(text) => ("ok", text),
        Err(text) => ("TROUBLE", text),
    };
    println!("{:<10}{mark:<9}{text}", finding.name);
}

fn mode(mode: &Mode) -> String {
    match mode {
        Mode::Sandbox { by_itself: true } => "sandbox, as nothing is configured: nothing would be delivered".to_owned(),
        Mode::Sandbox { by_itself: false } => {
            "sandbox, as MAILGUN_API_BASE asks: nothing would be delivered".to_owned()
        }
        Mode::Live { base, .. } => format!("live: emails would go to Mailgun at {base}"),
    }
}

fn tokens(setup: &Setup, config: &Config) -> String {
    match &setup.tokens {
        None => "not configured: API keys alone open the door".to_owned(),
        Some(tokens) => {
            format!("tokens signed by {} for the audience {}", tokens.algorithm(), config.jwt_audience.trim())
        }
    }
}

fn webhooks(setup: &Setup) -> Result<String, String> {
    match (&setup.mode, setup.webhook_keys.len()) {
        (_, 0) => {
            Err("MAILGUN_WEBHOOK_SIGNING_KEY is not set: whatever Mailgun reports is refused until it is".to_owned())
        }
        (Mode::Sandbox { .. }, _) => Ok("the sandbox reports what becomes of emails".to_owned()),
        (Mode::Live { .. }, 1) => Ok("believed with one signing key".to_owned()),
        (Mode::Live { .. }, n) => Ok(format!("believed with any of {n} signing keys")),
    }
}

/// Those to unsubscribe.
fn links(setup: &Setup) -> Result<String, String> {
    match &setup.settings.public_url {
        None => Ok("lead nowhere: campaign mail is refused until PUBLIC_URL is set".to_owned()),
        Some(url) if setup.has_open_links() => Err(format!(
            "PUBLIC_URL is {url}: links to unsubscribe could be read on the way, and mailbox providers want https"
        )),
        Some(url) => Ok(format!("to unsubscribe lead to {url}")),
    }
}

async fn database(setup: &Setup) -> Result<String, String> {
    if setup.database_file.as_ref().is_some_and(|file| !file.exists()) {
        return Ok("SQLite, a file that is made at the first start".to_owned());
    }
    let asked = async {
        let store = Store::connect(&setup.database_url).await.map_err(|error| error.to_string())?;
        migration::pending(store.read()).await.map_err(|error| error.to_string())
    };
    match timeout(PATIENCE, asked).await {
        Ok(Ok(0)) => Ok("answers, up to date".to_owned()),
        Ok(Ok(pending)) => Ok(format!("answers; {pending} migrations are pending, `serve` and `migrate` run them")),
        Ok(Err(error)) => Err(error),
        Err(_) => Err("did not answer in time".to_owned()),
    }
}

/// Whether what is stored can be opened. A database that is not there, or not up to date, is told of elsewhere.
async fn keyring(setup: &Setup) -> Result<String, String> {
    let nothing = || Ok("nothing is stored yet".to_owned());
    if setup.database_file.as_ref().is_some_and(|file| !file.exists()) || setup.keys.look().is_err() {
        return nothing();
    }
    if matches!(&setup.keys, Keys::File(path) if !path.exists()) {
        return nothing();
    }
    let keyring = setup.keys.open().map_err(|error| error.to_string())?;
    let asked = async {
        let store = Store::connect(&setup.database_url).await?;
        if migration::pending(store.read()).await? > 0 {
            return Ok(None);
        }
        jobs::keyring::missing(&store, &keyring).await.map(Some)
    };
    match timeout(PATIENCE, asked).await {
        Ok(Ok(Some(missing))) if missing.is_empty() => Ok("has every key that stored content needs".to_owned()),
        Ok(Ok(Some(missing))) => Err(format!("CONTENT_KEYRING {}", jobs::keyring::words(&missing))),
        Ok(Ok(None)) => Ok("not looked at: the database is not up to date".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the database did not answer in time".to_owned()),
    }
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
    match timeout(PATIENCE, asked).await {
        Ok(Ok(())) => Ok("answers".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("did not answer in time".to_owned()),
    }
}

/// Asks Mailgun for the state of each domain's sending queues: a small answer that needs the account's key.
async fn mailgun(setup: &Setup) -> Result<String, String> {
    let Mode::Live { base, key } = &setup.mode else { return Ok("not asked: the sandbox stands in for it".to_owned()) };
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build()
        .map_err(|error| error.to_string())?;
    let base = base.strip_suffix("/v3").unwrap_or(base);
    for domain in &setup.settings.domains {
        let asked = client
            .get(format!("{base}/v3/domains/{domain}/sending_queues"))
            .basic_auth("api", Some(key.expose_secret()))
            .send()
            .await;
        match asked.map_err(|error| error.without_url().to_string())?.status().as_u16() {
            200 => {}
            401 | 403 => {
                return Err(
                    "refuses MAILGUN_API_KEY. A domain's sending key is not enough: Mailgun's log, where unknown \
                            outcomes are looked up, needs the account's key"
                        .to_owned(),
                );
            }
            404 => {
                return Err(format!("does not know the domain {domain} (MAILGUN_DOMAIN, or another region's address)"));
            }
            status => return Err(format!("answered {status} when asked about {domain}")),
        }
    }
    Ok("takes the key and knows the domains".to_owned())
}

//! Mailgun's side: whether it takes the key, knows the domains, reports here, and signs with the key that is believed.

use secrecy::ExposeSecret;

use super::{Finding, found};
use crate::account::{Account, Refused};
use crate::config::{Mode, Setup};
use crate::registration::{Step, here, plan};

pub(super) async fn look(setup: &Setup) -> Vec<Finding> {
    let Some(account) = Account::of(setup) else {
        let (key, hooks, signing) = match &setup.mode {
            Mode::Sandbox { .. } => (
                Ok("not asked: the sandbox stands in for it".to_owned()),
                Ok("the sandbox reports what becomes of emails".to_owned()),
                Ok("the sandbox signs with a key that is believed".to_owned()),
            ),
            Mode::Live { .. } => {
                let why = || Err("can't be asked: no HTTP client could be made".to_owned());
                (why(), why(), why())
            }
        };
        return vec![found("mailgun", key), found("webhooks", hooks), found("signing", signing)];
    };
    vec![
        found("mailgun", domains(setup, &account).await),
        found("webhooks", webhooks(setup, &account).await),
        found("signing", signing(setup, &account).await),
    ]
}

async fn domains(setup: &Setup, account: &Account) -> Result<String, String> {
    for domain in &setup.settings.domains {
        account.queues(domain).await.map_err(|error| match error {
            Refused::Key => {
                "refuses MAILGUN_API_KEY. A domain's sending key is not enough: Mailgun's log, where unknown \
                             outcomes are looked up, needs the account's key (Settings → API security)"
                    .to_owned()
            }
            Refused::Unknown => format!(
                "does not know the domain {domain}: MAILGUN_DOMAIN is wrong, or the account lies in another region \
                 (MAILGUN_API_BASE)"
            ),
            error => format!("{error}, when asked about {domain}"),
        })?;
        match account.state(domain).await.as_deref() {
            Ok("unverified") => {
                return Err(format!(
                    "has not verified {domain}: set the DNS records that its control panel shows, and verify it there"
                ));
            }
            Ok("disabled") => return Err(format!("has disabled {domain}: its control panel says why")),
            Ok(_) | Err(_) => {}
        }
    }
    Ok("takes the key and knows the domains".to_owned())
}

/// Whether every kind of event of every domain is reported here.
async fn webhooks(setup: &Setup, account: &Account) -> Result<String, String> {
    let Some(url) = here(setup) else {
        return Ok("not looked at, since PUBLIC_URL does not say where Mailgun would report to".to_owned());
    };
    let unreadable = |error: Refused| format!("can't be read: {error}");
    let own = account.own_webhooks().await.map_err(unreadable)?;
    for domain in &setup.settings.domains {
        let registered = account.webhooks(domain).await.map_err(unreadable)?;
        let missing: Vec<&str> = plan(&registered, &own, &url)
            .into_iter()
            .filter(|(_, step)| *step != Step::There)
            .map(|(kind, _)| kind)
            .collect();
        if !missing.is_empty() {
            return Err(format!(
                "Mailgun does not report {} of {domain} to {url}: `mailmind webhooks register` has it do so",
                missing.join(", ")
            ));
        }
    }
    Ok(format!("Mailgun reports every kind of event to {url}"))
}

async fn signing(setup: &Setup, account: &Account) -> Result<String, String> {
    let known = match setup.webhook_keys.as_slice() {
        [] => {
            return Err("MAILGUN_WEBHOOK_SIGNING_KEY is not set: whatever Mailgun reports is refused until it is \
                        (Settings → API security → HTTP webhook signing key)"
                .to_owned());
        }
        keys => keys,
    };
    match account.signing_key().await {
        Ok(key) if known.iter().any(|known| known.expose_secret() == key.expose_secret()) => {
            Ok("Mailgun signs with a key that is believed".to_owned())
        }
        Ok(_) => {
            Err("MAILGUN_WEBHOOK_SIGNING_KEY is not the key that the account signs with, so that every webhook is \
                      refused: put in the one of Settings → API security, beside the old one for a day"
                .to_owned())
        }
        Err(error) => Ok(format!(
            "believed with {} of our own; the account's could not be asked for: {error}",
            if known.len() == 1 { "a key".to_owned() } else { format!("any of {} keys", known.len()) }
        )),
    }
}

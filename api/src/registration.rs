//! `mailmind webhooks register`: has Mailgun report here. What others registered stays; run again, it changes nothing.

use reqwest::Url;

use crate::account::{Account, KINDS, Registered, is_here};
use crate::config::Setup;
use crate::failure::Failure;
use crate::webhook;

/// Up to so many URLs are called for a kind (Mailgun's "Configuring webhooks" page).
const MOST_URLS: usize = 3;

/// What to do about Mailgun's webhooks.
#[derive(clap::Subcommand, Debug)]
pub enum Webhooks {
    /// Have Mailgun report every kind of event to this service. Other URLs stay as they are; run again, it changes nothing.
    Register(Register),
}

/// Which domains report where.
#[derive(clap::Args, Debug)]
pub struct Register {
    /// Where Mailgun reports to. Without it, PUBLIC_URL and `/webhooks/mailgun`.
    #[arg(long)]
    url: Option<String>,
    /// One of the sending domains; all of MAILGUN_DOMAIN otherwise. May be given several times, or with commas between.
    #[arg(long, value_delimiter = ',')]
    domain: Vec<String>,
    /// Only say what would be changed.
    #[arg(long)]
    dry_run: bool,
}

/// What is to be done about one kind of event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is reported here already.
    There,
    /// Nothing is called for it.
    Create(Vec<String>),
    /// Others are called for it, and are to be so from now on.
    Update(Vec<String>),
    /// As many others as there may be are called for it.
    Full,
}

/// What is to be done so that `url` is called for every kind. What the account has called for all domains need not be
/// registered for one.
pub fn plan(domain: &Registered, account: &Registered, url: &Url) -> Vec<(&'static str, Step)> {
    let step = |kind: &'static str| {
        let of = |level: &Registered| level.get(kind).cloned().unwrap_or_default();
        let is_ours = |other: &String| Url::parse(other).is_ok_and(|other| other == *url);
        let mut urls = of(domain);
        if urls.iter().chain(&of(account)).any(is_ours) {
            return (kind, Step::There);
        }
        if urls.len() >= MOST_URLS {
            return (kind, Step::Full);
        }
        let alone = urls.is_empty();
        urls.push(url.to_string());
        (kind, if alone { Step::Create(urls) } else { Step::Update(urls) })
    };
    KINDS.into_iter().map(step).collect()
}

/// Where this service takes webhooks, as the outside reaches it; `None` while nobody said how that is.
pub fn here(setup: &Setup) -> Option<Url> {
    let base = setup.settings.public_url.as_ref()?;
    Url::parse(&format!("{base}{}", webhook::PATH)).ok()
}

/// Does it, and prints what it changed.
///
/// # Errors
/// What Mailgun refuses; where a kind can't be reported here; in the sandbox.
pub async fn execute(setup: &Setup, asked: Webhooks) -> Result<(), Failure> {
    let Webhooks::Register(asked) = asked;
    let account = Account::of(setup).ok_or_else(|| {
        Failure::Webhooks("the sandbox reports to this service by itself: there is nothing to register".to_owned())
    })?;
    let url = target(setup, &account, asked.url.as_deref())?;
    let domains = domains(setup, &asked.domain)?;
    let refused = |error| Failure::Webhooks(format!("Mailgun's webhooks can't be read: {error}"));
    let own = account.own_webhooks().await.map_err(refused)?;
    let mut open = 0;
    for domain in domains {
        let registered = account.webhooks(domain).await.map_err(|error| {
            Failure::Webhooks(format!("the webhooks of {domain} can't be read: {error}; `mailmind check` says more"))
        })?;
        for (kind, step) in plan(&registered, &own, &url) {
            let said = match &step {
                Step::There => Ok("was registered"),
                Step::Full => {
                    Err(format!("calls {MOST_URLS} other URLs, as many as there may be: take one of them away"))
                }
                Step::Create(_) | Step::Update(_) if asked.dry_run => Ok("would be registered"),
                Step::Create(urls) => done(account.create(domain, kind, urls).await),
                Step::Update(urls) => done(account.update(domain, kind, urls).await),
            };
            open += usize::from(said.is_err());
            let (mark, said) = match &said {
                Ok(said) => ("ok", *said),
                Err(said) => ("TROUBLE", said.as_str()),
            };
            println!("{domain:<30}{kind:<16}{mark:<9}{said}");
        }
    }
    if open > 0 { Err(Failure::Checked(open)) } else { Ok(()) }
}

fn done(answer: Result<(), crate::account::Refused>) -> Result<&'static str, String> {
    answer.map(|()| "registered").map_err(|error| error.to_string())
}

/// Where Mailgun is to report to, if it can reach that.
fn target(setup: &Setup, account: &Account, asked: Option<&str>) -> Result<Url, Failure> {
    let url = match asked {
        Some(text) => Url::parse(text).map_err(|error| Failure::Webhooks(format!("--url {text}: {error}")))?,
        None => here(setup).ok_or_else(|| {
            Failure::Webhooks("set PUBLIC_URL, or say with --url where Mailgun reaches this service".to_owned())
        })?,
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Failure::Webhooks(format!("{url} is no http or https address")));
    }
    if is_here(&url) && !account.is_here() {
        return Err(Failure::Webhooks(format!(
            "Mailgun can't reach {url}: set PUBLIC_URL, or say with --url how the outside reaches this service"
        )));
    }
    if url.scheme() == "http" && !account.is_here() {
        eprintln!("{url} is not https: what is reported could be read on the way");
    }
    println!("Mailgun is to report to {url}");
    Ok(url)
}

fn domains<'a>(setup: &'a Setup, asked: &[String]) -> Result<Vec<&'a str>, Failure> {
    let ours = &setup.settings.domains;
    if let Some(foreign) = asked.iter().find(|name| !ours.contains(&name.to_lowercase())) {
        return Err(Failure::Webhooks(format!("{foreign} is not in MAILGUN_DOMAIN ({})", ours.join(", "))));
    }
    let wanted = |name: &&String| asked.is_empty() || asked.iter().any(|asked| asked.to_lowercase() == **name);
    Ok(ours.iter().filter(wanted).map(String::as_str).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    const OURS: &str = "https://mail.example.com/webhooks/mailgun";

    fn registered(urls: &[&str]) -> Registered {
        let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
        if urls.is_empty() { Registered::new() } else { [("delivered".to_owned(), urls)].into() }
    }

    #[test]
    fn ours_is_added_where_it_is_missing_and_there_is_room() {
        let with = |urls: &[&str]| urls.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>();
        let cases: [(&[&str], &[&str], Step); 7] = [
            (&[], &[], Step::Create(with(&[OURS]))),
            (&[OURS], &[], Step::There),
            (&["https://MAIL.example.com:443/webhooks/mailgun"], &[], Step::There),
            (&[], &["https://a.example", OURS], Step::There),
            (&["https://a.example"], &[], Step::Update(with(&["https://a.example", OURS]))),
            (&["https://a.example", "https://b.example", "https://c.example"], &[], Step::Full),
            (&["https://a.example", "https://b.example", OURS], &[], Step::There),
        ];
        for (domain, account, expected) in cases {
            let steps = plan(&registered(domain), &registered(account), &Url::parse(OURS).unwrap());
            assert_eq!(steps.len(), 8);
            let (_, step) = steps.into_iter().find(|(kind, _)| *kind == "delivered").unwrap();
            assert_eq!(step, expected, "{domain:?} {account:?}");
        }
    }

    #[test]
    fn every_kind_is_registered() {
        let steps = plan(&registered(&[OURS]), &Registered::new(), &Url::parse(OURS).unwrap());
        let missing: Vec<&str> = steps.iter().filter(|(_, step)| *step != Step::There).map(|(kind, _)| *kind).collect();
        assert_eq!(missing.len(), 7);
        assert!(!missing.contains(&"delivered"), "{missing:?}");
    }
}

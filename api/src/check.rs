//! `mailmind check`: says what is configured, whether everything it names can be reached and is as it must be, and what to do
//! where it is not. Changes nothing; posts a test alert where that is asked for.

mod alerts;
mod mailgun;
mod stores;

use crate::config::{Config, Mode, Setup};
use crate::failure::Failure;

/// What was found about one thing: how it is, or what to do.
struct Finding {
    name: &'static str,
    said: Result<String, String>,
}

fn found(name: &'static str, said: Result<String, String>) -> Finding {
    Finding { name, said }
}

/// Prints a line for each thing.
///
/// # Errors
/// When any of them needs attention.
pub async fn check(config: &Config, alert: bool) -> Result<(), Failure> {
    let setup = match config.check() {
        Ok(setup) => setup,
        Err(nonsense) => {
            print(&found("config", Err(nonsense.to_string())));
            return Err(Failure::Checked(1));
        }
    };
    let mut findings = vec![
        found("config", Ok(format!("would listen on {}", setup.listen))),
        found("mode", Ok(mode(&setup.mode))),
        found("keys", setup.keys.look().map(str::to_owned).map_err(|error| error.to_string())),
        found("jwt", Ok(tokens(&setup, config))),
        found("links", links(&setup)),
    ];
    findings.extend(stores::look(&setup).await);
    findings.extend(mailgun::look(&setup).await);
    findings.push(found("alerting", alerts::reach(&setup, alert).await));
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

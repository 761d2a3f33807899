//! What a person sees when the service starts.

use std::net::SocketAddr;

use secrecy::{ExposeSecret, SecretString};

use super::sandboxed::Running;
use crate::config::{Mode, Setup};

/// Prints it: where the service is, whether it sends for real, and how to try it. A key that was just made is shown here and
/// nowhere again, and so is the code that signs its owner in to the dashboard.
pub fn print(
    setup: &Setup,
    at: SocketAddr,
    sandbox: Option<&Running>,
    first_key: Option<&SecretString>,
    link: Option<&str>,
) {
    println!("MailMind Reliability {} listens on http://{at}", env!("CARGO_PKG_VERSION"));
    match &setup.mode {
        Mode::Live { base, .. } => println!("  mode      live: emails go to Mailgun at {base}"),
        Mode::Sandbox { by_itself: true } => {
            println!("  mode      SANDBOX, as nothing is configured: nothing is delivered");
        }
        Mode::Sandbox { by_itself: false } => {
            println!("  mode      SANDBOX, as MAILGUN_API_BASE asks: nothing is delivered")
        }
    }
    if let Some(running) = sandbox {
        println!("  sandbox   {} (user api, password {})", running.url, running.key.expose_secret());
    }
    let database = if setup.database_file.is_some() { "SQLite" } else { "PostgreSQL" };
    let lanes = if setup.redis.is_some() { "Redis" } else { "in process" };
    println!("  database  {database}, work travels {lanes}");
    if let Some(key) = first_key {
        println!("  API key   {}   (shown this once; `mailmind key create` makes others)", key.expose_secret());
    }
    match link {
        Some(code) => println!("  dashboard http://{at}/#link={code}   (signs you in once, within 10 minutes)"),
        None => println!("  dashboard http://{at}/   (sign in with an API key)"),
    }
    if setup.mode.is_sandbox() {
        let key = first_key.map_or("$KEY", |key| key.expose_secret());
        println!(
            "\nTry it:\n  curl http://{at}/graphql -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\"
        );
        println!(
            "    -d '{{\"query\":\"mutation {{ sendEmail(input: {{to: \\\"ann@example.com\\\", content: {{inline: {{subject: \
             \\\"Hello\\\", text: \\\"Hi Ann\\\"}}}}}}) {{ email {{ id status }} userErrors {{ field message }} }} }}\"}}'\n"
        );
    }
}

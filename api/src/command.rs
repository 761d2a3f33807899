//! The words of the command line.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use entity::ApiScope;

use crate::campaigns::{self, Campaign};
use crate::config::Config;
use crate::failure::Failure;
use crate::keyring::Keyring;
use crate::registration::{self, Webhooks};
use crate::suppressions::{self, Suppressions};
use crate::{auth, check, demo, health, keyring, replay, restored, schema, serve, telemetry};

/// Stands between an application and Mailgun, so that no email is lost and none is sent twice. Without a command it serves.
#[derive(Parser, Debug)]
#[command(name = "mailmind", version)]
pub struct Cli {
    #[command(flatten)]
    pub config: Config,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Serve the API and send emails. Brings the database up to date first.
    Serve {
        /// Leave the sending to other processes (`mailmind work`).
        #[arg(long)]
        no_worker: bool,
    },
    /// Send emails, without the API.
    Work,
    /// Bring the database up to date, and end.
    Migrate,
    /// Print the GraphQL schema.
    Schema,
    /// Serve a Mailgun that takes everything and delivers nothing, on LISTEN. Its key is MAILGUN_API_KEY, or `sandbox`.
    Sandbox,
    /// API keys.
    #[command(subcommand)]
    Key(Key),
    /// The suppression list as a file.
    #[command(subcommand)]
    Suppressions(Suppressions),
    /// The keys that stored content needs.
    #[command(subcommand)]
    Keyring(Keyring),
    /// Campaigns from files.
    #[command(subcommand)]
    Campaign(Campaign),
    /// Mailgun's webhooks.
    #[command(subcommand)]
    Webhooks(Webhooks),
    /// Show a campaign of 2,000 recipients on its way through the sandbox: how its ledger moves, and what became of it. Nothing is
    /// delivered, and nothing is left behind.
    Demo {
        /// In the configured database, where it stays and a running service shows it. Without it, in one of its own.
        #[arg(long)]
        here: bool,
        /// How many recipients.
        #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        recipients: u32,
    },
    /// Read what Mailgun reported again, as this version reads it. Prints what reads otherwise, and lets it have its effect;
    /// run again, it changes nothing.
    Replay {
        /// Only events after this number.
        #[arg(long, default_value_t = 0)]
        after: i64,
    },
    /// Say what is configured and whether everything it names can be reached; changes nothing.
    Check {
        /// Post a test alert to ALERT_WEBHOOK_URL, to see whether it arrives.
        #[arg(long)]
        alert: bool,
    },
    /// Ask the service on LISTEN whether it is ready: for health checks. Ends with 0 or 1.
    Health,
    /// Hold everything in a database that was restored from a backup, until Mailgun's log has told what was sent since. To be run
    /// before any process works on it.
    Restored {
        /// Let the queue go on, if it is known what was sent.
        #[arg(long)]
        resume: bool,
    },
}

/// What to do about API keys.
#[derive(Subcommand, Debug)]
pub enum Key {
    /// Make a key and print it, this once.
    Create(NewKeyArgs),
    /// Print all keys: id, prefix, scopes, state, addresses, last use, name.
    List,
    /// End a key. Processes that know it take it for a few seconds more.
    Revoke {
        /// Its id or its prefix.
        key: String,
    },
    /// Make a keyring for CONTENT_KEYRING and print it.
    Content,
}

/// A key to make.
#[derive(clap::Args, Debug)]
pub struct NewKeyArgs {
    /// Who or what it is for.
    #[arg(long, default_value = "unnamed", value_parser = auth::keys::name)]
    pub name: String,
    /// What its holder may do: `read`, `reveal` (masked addresses, one by one), `send`, `manage` (includes read) or `admin` (includes all). May be given several
    /// times, or with commas between. What an application needs that sends and looks after its emails is the default.
    #[arg(long, value_delimiter = ',', default_value = "send,read", value_parser = auth::scope)]
    pub scope: Vec<ApiScope>,
    /// When it ends: after a time span (`90d`), or at a day (`2027-01-01`, UTC) or a time. Without it, when it is revoked.
    #[arg(long, value_parser = auth::Expiry::parse)]
    pub expires: Option<auth::Expiry>,
    /// From which address or network (`10.0.0.0/8`) it may be used. May be given several times, or with commas between.
    /// Without it, from anywhere.
    #[arg(long, value_delimiter = ',', value_parser = auth::from)]
    pub from: Vec<String>,
}

impl Cli {
    /// The parser. Every option of the configuration may stand before or after the command.
    pub fn parser() -> clap::Command {
        Cli::command().mut_args(|arg| arg.global(true))
    }
}

/// Does what the arguments and the environment ask.
pub fn run() -> ExitCode {
    match read().and_then(execute) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("mailmind: {failure}");
            failure.exit_code()
        }
    }
}

fn read() -> Result<Cli, Failure> {
    match dotenvy::dotenv() {
        Ok(_) => {}
        Err(error) if error.not_found() => {}
        Err(error) => return Err(error.into()),
    }
    let matches = Cli::parser().get_matches();
    Ok(Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()))
}

fn execute(cli: Cli) -> Result<(), Failure> {
    let Cli { config, command } = cli;
    if let Some(Command::Schema) = command {
        print!("{}", schema::sdl());
        return Ok(());
    }
    if let Some(Command::Key(Key::Content)) = command {
        println!("{}", secrecy::ExposeSecret::expose_secret(&entity::sealed::Keyring::generate().to_text()));
        return Ok(());
    }
    telemetry::log(config.log_format, matches!(command, Some(Command::Demo { .. })));
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        match command.unwrap_or(Command::Serve { no_worker: false }) {
            Command::Serve { no_worker } => serve::serve(config.check()?, !no_worker).await,
            Command::Work => serve::work(config.check()?).await,
            Command::Migrate => serve::migrate(&config.check()?).await,
            Command::Sandbox => serve::sandbox(&config).await,
            Command::Key(key) => auth::execute(&config.check()?, key).await,
            Command::Suppressions(asked) => suppressions::execute(&config.check()?, asked).await,
            Command::Keyring(asked) => keyring::execute(&config.check()?, asked).await,
            Command::Campaign(asked) => campaigns::execute(&config.check()?, asked).await,
            Command::Demo { here, recipients } => demo::demo(config, here, recipients).await,
            Command::Replay { after } => replay::replay(&config.check()?, after).await,
            Command::Webhooks(asked) => registration::execute(&config.check()?, asked).await,
            Command::Check { alert } => check::check(&config, alert).await,
            Command::Health => health::ask::ask(&config).await,
            Command::Restored { resume } => restored::restored(&config.check()?, resume).await,
            Command::Schema => Ok(()),
        }
    })
}

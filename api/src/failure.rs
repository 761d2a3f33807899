//! Why a command could not be done, in words for whoever typed it.

use std::process::ExitCode;

use crate::config::{KeyFileError, Nonsense};

/// Ends a command.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What is configured makes no sense.
    #[error("{0}")]
    Nonsense(#[from] Nonsense),
    /// The `.env` can't be read.
    #[error(".env: {0}")]
    DotEnv(#[from] dotenvy::Error),
    /// The keys that content is sealed with are not to be had.
    #[error("{0}")]
    KeyFile(#[from] KeyFileError),
    /// Stored content needs keys that are not configured.
    #[error(
        "CONTENT_KEYRING {0}. Put it back behind the first one; once `mailmind keyring rotate` has been run, and \
         `mailmind keyring status` shows nothing under it, it may go"
    )]
    KeysMissing(String),
    /// The database refused, or is away.
    #[error("the database: {0}")]
    Database(#[from] sea_orm::DbErr),
    /// What happens to emails could not begin.
    #[error("{0}")]
    Jobs(#[from] jobs::Error),
    /// The lanes could not begin.
    #[error("{0}")]
    Lane(#[from] jobs::lane::LaneError),
    /// No mailer could be made.
    #[error("{0}")]
    Mailer(#[from] jobs::mailer::MailgunError),
    /// The tables are not there, and this process does not make them.
    #[error("{0} migrations are pending: run `mailmind migrate`, or start `mailmind serve`")]
    Pending(usize),
    /// An address can't be listened on.
    #[error("can't listen on {0} (LISTEN): {1}")]
    Listen(std::net::SocketAddr, #[source] std::io::Error),
    /// A directory can't be made.
    #[error("can't make the directory {0} (DATA_DIR): {1}")]
    DataDir(std::path::PathBuf, #[source] std::io::Error),
    /// Something of the machine failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The sandbox was to call somebody else.
    #[error("{0}")]
    Sandbox(#[from] crate::sandbox::OutsideThisMachine),
    /// There is no such key.
    #[error("no API key has the id or prefix {0:?}; `mailmind key list` shows them")]
    NoSuchKey(String),
    /// A key was to end in the past.
    #[error("--expires names a time that is past")]
    KeyOver,
    /// A file can't be read.
    #[error("{0}: {1}")]
    File(std::path::PathBuf, #[source] std::io::Error),
    /// A file's columns don't say what is needed.
    #[error("{0}")]
    Columns(String),
    /// A CSV file can't be read or written.
    #[error("the CSV: {0}")]
    Csv(#[from] csv::Error),
    /// There is no such template.
    #[error("no template is called {0:?}")]
    NoSuchTemplate(String),
    /// A campaign can't be as it is asked for.
    #[error("{0}")]
    Campaign(String),
    /// A demonstration was asked for where emails go out.
    #[error(
        "the demo shows itself in the sandbox alone, and emails go to Mailgun here: take MAILGUN_API_KEY away, or set \
         MAILGUN_API_BASE=sandbox"
    )]
    NotInTheSandbox,
    /// The service did not do what the demonstration asked of it.
    #[error("the demo ended early: {0}")]
    Demo(String),
    /// Mailgun's webhooks can't be set up as asked.
    #[error("{0}")]
    Webhooks(String),
    /// The service does not take emails.
    #[error("not ready: {0}")]
    NotReady(String),
    /// Nothing is held as `restored` holds it.
    #[error("nothing is held: `mailmind restored` holds everything, before any process works on the database")]
    NotRestored,
    /// What was sent since a backup is not known.
    #[error("what was sent since the backup is not known yet: nothing goes on")]
    NotKnown,
    /// `check` found something.
    #[error("{0} of these need attention")]
    Checked(usize),
    /// A second signal came while it was stopping.
    #[error("stopped at once, as asked twice; what was under way is given back when its lease runs out")]
    Hurried,
}

impl Failure {
    /// 2 for what the user can mend by other words, as the command line's own parser has it; else 1.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Nonsense(_) | Failure::DotEnv(_) | Failure::NoSuchKey(_) | Failure::KeyOver => ExitCode::from(2),
            Failure::File(..) | Failure::Columns(_) | Failure::NotInTheSandbox => ExitCode::from(2),
            Failure::NoSuchTemplate(_) | Failure::Campaign(_) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }
}

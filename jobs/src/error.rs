//! What can go wrong while something happens to an email.

use sea_orm::{DbErr, RuntimeErr};

/// The errors of this crate. None of their words are for the outside: `api::Fault` decides those.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database refused, or is away.
    #[error("the database: {0}")]
    Database(#[from] DbErr),
    /// A sealed content could not be opened.
    #[error("a content could not be opened: {0}")]
    Sealed(#[from] entity::sealed::SealError),
    /// Something we wrote ourselves can't be read back.
    #[error("a stored value can't be read: {0}")]
    Stored(#[from] serde_json::Error),
    /// The process is ending and takes nothing more.
    #[error("the process is stopping")]
    Stopping,
    /// A group's flight ended without an answer.
    #[error("the transaction's task ended early")]
    FlightLost,
    /// Another member's error, told to each member of its group.
    #[error("{0}")]
    Shared(std::sync::Arc<Error>),
}

/// The result of most things here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// It may well pass when the same is done again: a deadlock, a busy file, a lost connection.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Database(error) => transient(error),
            Error::Shared(error) => error.is_transient(),
            Error::Stopping | Error::FlightLost => true,
            Error::Sealed(_) | Error::Stored(_) => false,
        }
    }

    /// The database can't be reached or asked at the moment.
    pub fn is_away(&self) -> bool {
        self.is_transient()
    }
}

fn transient(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(inner) | DbErr::Query(inner) => runtime(inner),
        _ => false,
    }
}

/// By SQLSTATE on PostgreSQL (class 08 connection, 40 rollback, 53 resources, 55P03 lock, 57 operator), by result code on
/// SQLite (5 busy, 6 locked, 13 full, and their extended codes): what finds no space is refused until there is some.
fn runtime(error: &RuntimeErr) -> bool {
    let RuntimeErr::SqlxError(error) = error else { return false };
    let Some(database) = error.as_database_error() else {
        // Everything that is neither the database's word nor about a row's shape is about the way to it.
        return !matches!(
            **error,
            sea_orm::SqlxError::RowNotFound
                | sea_orm::SqlxError::ColumnNotFound(_)
                | sea_orm::SqlxError::ColumnDecode { .. }
                | sea_orm::SqlxError::ColumnIndexOutOfBounds { .. }
                | sea_orm::SqlxError::Decode(_)
                | sea_orm::SqlxError::Encode(_)
        );
    };
    let Some(code) = database.code() else { return false };
    match code.parse::<i32>() {
        Ok(number) if code.len() < 5 => matches!(number & 0xff, 5 | 6 | 13),
        _ => matches!(code.get(..2), Some("08" | "40" | "53" | "57")) || code == "55P03" || code == "25006",
    }
}

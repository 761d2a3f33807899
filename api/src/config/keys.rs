//! The keys that content is sealed with: from CONTENT_KEYRING, or from a file that only its owner may read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use entity::sealed::{Keyring, KeyringError};
use secrecy::{ExposeSecret, SecretString};

/// Where the keys come from.
#[derive(Debug)]
pub enum Keys {
    /// CONTENT_KEYRING, known to be a keyring.
    Given(SecretString),
    /// This file, made at the first start.
    File(PathBuf),
}

/// Why a key file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It can't be read or made.
    #[error("the key file {0}: {1}")]
    Io(PathBuf, #[source] io::Error),
    /// Others than its owner may read it.
    #[error("the key file {0} may be read by others than its owner; `chmod 600` it")]
    Open(PathBuf),
    /// It holds no keyring.
    #[error("the key file {0} {1}")]
    Text(PathBuf, #[source] KeyringError),
}

impl Keys {
    /// Reads CONTENT_KEYRING's text.
    pub(super) fn parse(text: &str) -> Result<Self, KeyringError> {
        Keyring::parse(text)?;
        Ok(Keys::Given(SecretString::from(text)))
    }

    /// The keyring. A file that is not there yet is made, for its owner alone, and is on the disk before anything is sealed.
    ///
    /// # Errors
    /// A file that can't be read or made, that others may read, or that holds no keyring.
    pub fn open(&self) -> Result<Keyring, KeyFileError> {
        match self {
            Keys::Given(text) => {
                Keyring::parse(text.expose_secret()).map_err(|why| KeyFileError::Text(PathBuf::new(), why))
            }
            Keys::File(path) => match read(path) {
                Err(KeyFileError::Io(_, error)) if error.kind() == io::ErrorKind::NotFound => {
                    make(path).map_err(|error| KeyFileError::Io(path.clone(), error))?;
                    // Two processes may start at once: what lies there now is what both use.
                    read(path)
                }
                done => done,
            },
        }
    }

    /// Whether the keys are at hand, without making any.
    ///
    /// # Errors
    /// As [`Keys::open`].
    pub fn look(&self) -> Result<&'static str, KeyFileError> {
        match self {
            Keys::Given(_) => Ok("from CONTENT_KEYRING"),
            Keys::File(path) if !path.exists() => Ok("in a key file that is made at the first start"),
            Keys::File(path) => read(path).map(|_| "in the key file"),
        }
    }
}

fn read(path: &Path) -> Result<Keyring, KeyFileError> {
    let failed = |error| KeyFileError::Io(path.to_owned(), error);
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Open(path.to_owned()));
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    Keyring::parse(&text).map_err(|why| KeyFileError::Text(path.to_owned(), why))
}

/// Writes a new keyring beside `path` and links it there, so that nobody ever reads half of one.
fn make(path: &Path) -> io::Result<()> {
    let draft = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(Keyring::generate().to_text().expose_secret().as_bytes())?;
    file.sync_all()?;
    let linked = match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done,
    };
    fs::remove_file(&draft)?;
    // The file's name must outlive a power cut as its content does: what is sealed with a lost key is lost.
    if let Some(dir) = path.parent() {
        fs::File::open(if dir.as_os_str().is_empty() { Path::new(".") } else { dir })?.sync_all()?;
    }
    linked
}

//! Content at rest: subjects, bodies, headers and attachments are readable only with a key that the database does not hold.
//!
//! Envelope encryption. Each content row has a random data key of its own; the row keeps it *wrapped*, that is encrypted by a
//! key of the [`Keyring`], beside the id of that key. Every ciphertext is bound to its place by associated data, so that one
//! moved to another table, row or column does not open. Changing the keyring key of a row rewraps its data key and leaves its
//! content as it is; deleting the wrapped key erases the content, in backups too.
//!
//! Format, both for content and for wrapped keys: nonce (24 bytes) ‖ XChaCha20-Poly1305 ciphertext ‖ tag (16 bytes). Nonces are
//! random, which their length makes safe. Associated data: a name for this format, then table, row id, column and key id, each
//! with its length before it (see `place`).

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut as _, KeyInit as _, Tag, XChaCha20Poly1305, XNonce};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use uuid::Uuid;

use crate::clock::random_bytes;

const KEY: usize = 32;
const NONCE: usize = 24;
const TAG: usize = 16;

/// Keys are written with padding and read with or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The keys that wrap data keys: the first wraps new ones, the others still open what they wrapped.
pub struct Keyring {
    /// Never empty.
    keys: Vec<(String, SecretBox<[u8; KEY]>)>,
}

/// The key of one content row, in the clear. It lives as long as somebody reads or writes that row.
pub struct DataKey(XChaCha20Poly1305);

/// A data key as its row stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// Which key of the keyring opens it.
    pub key_id: String,
    /// Nonce, encrypted data key and tag: 72 bytes.
    pub wrapped: Vec<u8>,
}

/// Why sealed content stays shut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The row names a key that the keyring lacks: it was taken out of `CONTENT_KEYRING` too early.
    #[error("CONTENT_KEYRING has no key {key_id:?}, which stored content needs")]
    UnknownKey {
        /// The key's name in the row.
        key_id: String,
    },
    /// The bytes were changed or cut, belong elsewhere, or another key has this id now.
    #[error("stored content was changed, moved, or sealed with another key of this id")]
    Broken,
}

/// Why a text is no keyring. Positions count from 1; no message holds a part of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Nothing in it.
    #[error("holds no key")]
    Empty,
    /// An entry without a colon.
    #[error("needs `name:key` in place {0}")]
    NoName(usize),
    /// A key's name is not 1 to 32 of `A-Z a-z 0-9 - _`.
    #[error("has a name in place {0} that is not 1 to 32 letters, digits, - or _")]
    BadName(usize),
    /// A name twice.
    #[error("has the name in place {0} twice")]
    Twice(usize),
    /// Not base64, or not 32 bytes.
    #[error("needs 32 bytes in base64 as the key in place {0}")]
    BadKey(usize),
}

impl Keyring {
    /// Reads `name:base64key,name:base64key`; blanks and line breaks around an entry are dropped.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        let mut keys: Vec<(String, SecretBox<[u8; KEY]>)> = Vec::new();
        for (i, entry) in text.split(',').map(str::trim).enumerate() {
            if entry.is_empty() {
                continue;
            }
            let (id, encoded) = entry.split_once(':').ok_or(KeyringError::NoName(i + 1))?;
            if !(1..=32).contains(&id.len()) || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) {
                return Err(KeyringError::BadName(i + 1));
            }
            if keys.iter().any(|(known, _)| known == id) {
                return Err(KeyringError::Twice(i + 1));
            }
            let bytes = Zeroizing::new(BASE64.decode(encoded.trim()).map_err(|_| KeyringError::BadKey(i + 1))?);
            let key = Zeroizing::new(<[u8; KEY]>::try_from(bytes.as_slice()).map_err(|_| KeyringError::BadKey(i + 1))?);
            keys.push((id.to_owned(), SecretBox::new(Box::new(*key))));
        }
        if keys.is_empty() { Err(KeyringError::Empty) } else { Ok(Self { keys }) }
    }

    /// A keyring with one new key, under a name that no other has.
    pub fn generate() -> Self {
        let id = format!("k{}", hex::encode(random_bytes::<4>()));
        Self { keys: vec![(id, SecretBox::new(Box::new(random_bytes())))] }
    }

    /// The text that [`Keyring::parse`] reads, for a key file that only its owner may read.
    pub fn to_text(&self) -> SecretString {
        let entries: Vec<String> =
            self.keys.iter().map(|(id, key)| format!("{id}:{}", BASE64.encode(key.expose_secret()))).collect();
        SecretString::from(entries.join(","))
    }

    /// The names of the keys, the one for new content first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(id, _)| id.as_str())
    }

    /// The data key of the row at `table` and `row_id`.
    pub fn unwrap(&self, wrapped: &Wrapped, table: &str, row_id: Uuid) -> Result<DataKey, SealError> {
        Ok(DataKey(cipher(&*self.bare(wrapped, table, row_id)?)))
    }

    /// The same data key under the first key of this ring; the row's content stays as it is. `None`: it is there already.
    pub fn rewrap(&self, wrapped: &Wrapped, table: &str, row_id: Uuid) -> Result<Option<Wrapped>, SealError> {
        if wrapped.key_id == self.keys[0].0 {
            return Ok(None);
        }
        let data_key = self.bare(wrapped, table, row_id)?;
        Ok(Some(self.wrap(&data_key, table, row_id)))
    }

    fn bare(&self, wrapped: &Wrapped, table: &str, row_id: Uuid) -> Result<Zeroizing<[u8; KEY]>, SealError> {
        let key_id = wrapped.key_id.as_str();
        let (_, key) = self
            .keys
            .iter()
            .find(|(id, _)| id == key_id)
            .ok_or_else(|| SealError::UnknownKey { key_id: key_id.to_owned() })?;
        let place = place(table, row_id, WRAP_COLUMN, key_id);
        let bytes = Zeroizing::new(open(&cipher(key.expose_secret()), &place, &wrapped.wrapped)?);
        Ok(Zeroizing::new(<[u8; KEY]>::try_from(bytes.as_slice()).map_err(|_| SealError::Broken)?))
    }

    fn wrap(&self, data_key: &[u8; KEY], table: &str, row_id: Uuid) -> Wrapped {
        let (key_id, key) = &self.keys[0];
        let wrapped = seal(&cipher(key.expose_secret()), &place(table, row_id, WRAP_COLUMN, key_id), data_key);
        Wrapped { key_id: key_id.clone(), wrapped }
    }
}

impl DataKey {
    /// A new data key for the row at `table` and `row_id`, and how the row stores it.
    pub fn generate(keyring: &Keyring, table: &str, row_id: Uuid) -> (Self, Wrapped) {
        let bytes = Zeroizing::new(random_bytes::<KEY>());
        (Self(cipher(&bytes)), keyring.wrap(&bytes, table, row_id))
    }

    /// `plain` as it may be stored in this table, row and column, 40 bytes longer.
    pub fn seal(&self, table: &str, row: Uuid, column: &str, plain: &[u8]) -> Vec<u8> {
        seal(&self.0, &place(table, row, column, ""), plain)
    }

    /// What [`DataKey::seal`] was given for the same table, row and column.
    pub fn open(&self, table: &str, row: Uuid, column: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        open(&self.0, &place(table, row, column, ""), sealed)
    }
}

/// The place of a wrapped key in its row, for [`place`]; no content column has this name.
const WRAP_COLUMN: &str = "(data key)";

/// The associated data: a name for this format, then table, row, column and key id, each with its length before it, so that
/// no two places have the same bytes. The key id is empty for content: its data key is bound to the key id by its wrapping,
/// and rewrapping it must not touch content.
fn place(table: &str, row: Uuid, column: &str, key_id: &str) -> Vec<u8> {
    let fields =
        [b"mailmind sealed 1".as_slice(), table.as_bytes(), row.as_bytes(), column.as_bytes(), key_id.as_bytes()];
    let mut bytes = Vec::with_capacity(fields.iter().map(|field| 8 + field.len()).sum());
    for field in fields {
        bytes.extend_from_slice(&(field.len() as u64).to_le_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}

fn cipher(key: &[u8; KEY]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.into())
}

fn seal(cipher: &XChaCha20Poly1305, place: &[u8], plain: &[u8]) -> Vec<u8> {
    let nonce = random_bytes::<NONCE>();
    let mut sealed = Vec::with_capacity(NONCE + plain.len() + TAG);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let tag = cipher
        .encrypt_inout_detached(&XNonce::from(nonce), place, InOutBuf::from(&mut sealed[NONCE..]))
        .expect("fails for more than 256 GiB alone");
    sealed.extend_from_slice(&tag);
    sealed
}

fn open(cipher: &XChaCha20Poly1305, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE>().ok_or(SealError::Broken)?;
    let (text, tag) = rest.split_last_chunk::<TAG>().ok_or(SealError::Broken)?;
    let mut plain = text.to_vec();
    cipher
        .decrypt_inout_detached(&XNonce::from(*nonce), place, InOutBuf::from(plain.as_mut_slice()), &Tag::from(*tag))
        .map_err(|_| SealError::Broken)?;
    Ok(plain)
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.ids()).finish()
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey([REDACTED])")
    }
}

#[cfg(test)]
mod tests;

//! What an API key looks like: `mm_live_<prefix>_<secret><checksum>` in lower-case hexadecimal, `mm_test_…` where it was made
//! in the sandbox. A secret scanner finds it by its beginning, and anybody can tell a mistyped key without asking: the
//! checksum is the CRC-32 (ISO-HDLC, as in zlib) of everything before it.

use crc::{CRC_32_ISO_HDLC, Crc};
use entity::clock::random_bytes;
use secrecy::SecretString;

/// How keys begin that were made where emails leave, and in the sandbox.
const BEGINNINGS: [&str; 2] = ["mm_live_", "mm_test_"];
const PREFIX_BYTES: usize = 4;
const SECRET_BYTES: usize = 24;
const PREFIX_DIGITS: usize = 2 * PREFIX_BYTES;
const SECRET_DIGITS: usize = 2 * SECRET_BYTES;
const CHECKSUM_DIGITS: usize = 8;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// A new key, and its readable beginning.
pub fn make(sandbox: bool) -> (SecretString, String) {
    let beginning = BEGINNINGS[usize::from(sandbox)];
    let prefix = format!("{beginning}{}", hex::encode(random_bytes::<PREFIX_BYTES>()));
    let key = format!("{prefix}_{}", hex::encode(random_bytes::<SECRET_BYTES>()));
    let checksum = checksum(&key);
    (SecretString::from(format!("{key}{checksum}")), prefix)
}

/// Whether a text can be a key at all. Keys of former versions have no checksum.
pub fn is_key(text: &str) -> bool {
    let rest = BEGINNINGS.iter().find_map(|beginning| text.strip_prefix(beginning));
    let Some((prefix, secret)) = rest.and_then(|rest| rest.split_once('_')) else { return false };
    let digits = |text: &str, n| text.len() == n && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !digits(prefix, PREFIX_DIGITS) {
        return false;
    }
    if digits(secret, SECRET_DIGITS) {
        return true;
    }
    digits(secret, SECRET_DIGITS + CHECKSUM_DIGITS) && {
        let (checked, sum) = text.split_at(text.len() - CHECKSUM_DIGITS);
        checksum(checked) == sum
    }
}

fn checksum(text: &str) -> String {
    format!("{:08x}", CRC.checksum(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_new_key_says_where_it_was_made_and_begins_with_its_prefix() {
        for (sandbox, beginning) in [(false, "mm_live_"), (true, "mm_test_")] {
            let (key, prefix) = make(sandbox);
            let key = key.expose_secret();
            assert!(key.starts_with(&prefix) && prefix.starts_with(beginning), "{prefix}");
            assert!(is_key(key));
        }
    }

    #[test]
    fn a_mistyped_key_is_told_from_a_key_without_asking() {
        // The checksum is the one that zlib's crc32 answers.
        let good = "mm_live_00112233_000102030405060708090a0b0c0d0e0f1011121314151617";
        let whole = format!("{good}b68db813");
        assert!(is_key(good), "keys of former versions go on");
        assert!(is_key(&whole));
        let strange = [
            "",
            "mm_live_",
            "mm_live_00000000_00",
            "sk_live_00112233_000102030405060708090a0b0c0d0e0f1011121314151617",
            "mm_live_0011223_000102030405060708090a0b0c0d0e0f1011121314151617",
            "mm_live_00112233_000102030405060708090A0B0C0D0E0F1011121314151617",
            "mm_live_00112233_000102030405060708090a0b0c0d0e0f101112131415161",
            "mm_live_00112233_000102030405060708090a0b0c0d0e0f1011121314151617ffffffff",
            "mm_live_00112233_€",
        ];
        for text in strange {
            assert!(!is_key(text), "{text:?}");
        }
        for at in [10, 30, whole.len() - 1] {
            let mut mistyped = whole.clone().into_bytes();
            mistyped[at] = if mistyped[at] == b'7' { b'8' } else { b'7' };
            assert!(!is_key(&String::from_utf8(mistyped).unwrap_or_default()), "at {at}");
        }
    }
}

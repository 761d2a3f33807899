//! Signatures as Standard Webhooks has them: HMAC-SHA256 over id, time and body, by each secret that signs at the moment.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use entity::clock::random_bytes;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::Sha256;

/// What the text of a secret begins with.
pub const PREFIX: &str = "whsec_";

/// Bytes of a new secret; the specification wants 24 to 64.
const LENGTH: usize = 32;

/// What events are signed with for an endpoint.
pub struct Secret(SecretBox<[u8]>);

impl Secret {
    /// A new one.
    pub fn generate() -> Self {
        Self::of(random_bytes::<LENGTH>().to_vec())
    }

    /// The one of these bytes.
    pub fn of(bytes: Vec<u8>) -> Self {
        Self(SecretBox::new(bytes.into_boxed_slice()))
    }

    /// As its endpoint is given it.
    pub fn text(&self) -> SecretString {
        format!("{PREFIX}{}", STANDARD.encode(self.0.expose_secret())).into()
    }

    /// As it is sealed.
    pub fn bytes(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

/// The header `webhook-signature`: one signature for each secret, with a blank between. Whoever has any of them can tell that
/// the body is ours, and of this id and time (seconds since the epoch).
pub fn signatures(secrets: &[Secret], id: &str, seconds: i64, body: &[u8]) -> String {
    let each = |secret: &Secret| {
        // HMAC takes a key of any length.
        let mac = Hmac::<Sha256>::new_from_slice(secret.bytes()).ok()?;
        let mac = mac.chain_update(format!("{id}.{seconds}.")).chain_update(body);
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    };
    secrets.iter().filter_map(each).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    fn read(text: &str) -> Secret {
        Secret::of(STANDARD.decode(text.strip_prefix(PREFIX).unwrap()).unwrap())
    }

    /// The vector that the libraries of Standard Webhooks are tested with.
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn the_published_example_is_signed_as_published() {
        assert_eq!(signatures(&[read(SECRET)], ID, 1_614_265_330, BODY), SIGNATURE);
    }

    #[test]
    fn while_a_secret_is_replaced_both_sign() {
        let new = Secret::generate();
        let alone = signatures(&[read(new.text().expose_secret())], ID, 1_614_265_330, BODY);
        let both = signatures(&[new, read(SECRET)], ID, 1_614_265_330, BODY);
        assert_eq!(both, format!("{alone} {SIGNATURE}"));
        assert_ne!(alone, SIGNATURE);
    }

    #[test]
    fn id_time_and_body_are_all_signed() {
        for (id, seconds, body) in
            [("msg_other", 1_614_265_330, BODY), (ID, 1_614_265_331, BODY), (ID, 1_614_265_330, b"{}")]
        {
            assert_ne!(signatures(&[read(SECRET)], id, seconds, body), SIGNATURE);
        }
    }

    #[test]
    fn a_secret_reads_as_the_specification_wants_it() {
        let text = Secret::generate().text();
        let bytes = STANDARD.decode(text.expose_secret().strip_prefix("whsec_").unwrap()).unwrap();
        assert_eq!(bytes.len(), 32);
        assert_ne!(Secret::generate().bytes(), bytes);
    }
}

//! Tokens of every kind that must not hold, beside those that do.
#![expect(clippy::unwrap_used, reason = "tests may")]

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "a secret of thirty-two bytes, or more";

// Public halves alone: the private ones were thrown away once they had signed the two tokens.
const ED25519: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJrVc4a2DknjkbKCTOwORBZhaqljK4E7YPeUtkbOnXcs=
-----END PUBLIC KEY-----
";
const RSA: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtu6lx+FiW/ZaMSCCyARp
BPgyjIqbHQH3iYx9/ZqqkQKEQK1DDe+DjeqJvlFRCB2iEnP+wWpXjSQKG7sbvLYE
ri0xzvMF1il3yTJr8iFzwSkYl0LrHA7q+VqxnNG1IuzLhAgGD9c7xBIml4FMkHIE
VkD9MFms6YhtkLA8p9K+/038UJd73BLPlEQEML+AOYvOR3BpMC3FyWduqb3YcoPq
Il/zqHptYQE/TjFCQy3gBT1IeZHAZFxFlICWXt0KJZv9YbMyFSg1E2mXzgKcbCuY
uFOn/TX75nTF6gx86ly/Wo3dYmYUi7T3L77Lxivsx5IZsVqtqHGg7Evhs25gcWuq
hwIDAQAB
-----END PUBLIC KEY-----
";
const RSA_OF_1024_BITS: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCp+E+0+la1ATzJzuJmq9Lb57rN
4QgHj95kilKVYGffzmMKl21ra2mYx4eKdZa2fMeO8VG1XaVaVnW0ny0CVCX5jzJX
GCTXoiD5sJxQ07H0gkOwWeFrNQIJ89cVi/EIT5CxKKe2CkybZpWx9AlPrSv2xB1+
eLIJ2ySezFJLBPWZ+wIDAQAB
-----END PUBLIC KEY-----
";
const P256: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENHL9Wq/8BSMJ9WOOlO3t0yTD9YiB
tV3P6hq5qjpAxFqOAhm9iZaZjffS8Zsc+HplvD+RoQAOh8T1sWhmHYygMg==
-----END PUBLIC KEY-----
";
const SIGNED_BY_ED25519: &str = "\
    eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJhdWQiOiJtYWlsbWluZCIsImV4cCI6MTc5NTUxODAwMCwic2NvcGUiO\
    iJSRUFEIE1BTkFHRSJ9.tYPSvQXC2ygCkXRbPtvOYfVv6z9PbExDQ7RfkFM16efOtoTKRao2OCG3bPyBcfORsTDo-mWD54A2uTXGP5huCQ";
const SIGNED_BY_RSA: &str = "\
    eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbm4iLCJhdWQiOiJtYWlsbWluZCIsImV4cCI6MTc5NTUxODAwMCwic2NvcGUiO\
    iJSRUFEIE1BTkFHRSJ9.psxdiOJtruk_Re7LTyhQNd0UaBbnf4wvG5Usg1QDJIUdGqb6LzetCDMiXXDyyQaK2Tob9UbGsRf3imOy1VL7EWZEg0\
    cJguhSXE_BQUJBBKG4FqIaI1fi3rw06R0X1xjxK8tQfg8Av7cLt913KN1-d5-_27IaWadpLPBBPzrEAoPIe7fdku3W7o5QRaJeL1tu5R64Bzwj\
    yHwrOegO1rngLKlqO4InZBPZTy9bC5RopmIW6-oGTPxlXkNbEfkDu4q-yapkId6DivrxTEIk5_K68znHzQuVRqhTAW2xpAgWLQqtwwMMZlhzNQ\
    c9qSGkalvSa8bAu34UMPnOqNVi9OrFdQ";

/// The two tokens end then.
const END: i64 = 1_795_518_000;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(END - 3_600, 0).unwrap()
}

fn by_secret() -> Tokens {
    Tokens::by_secret(&SecretString::from(SECRET), "mailmind", None).unwrap()
}

fn by_key(pem: &str) -> Tokens {
    Tokens::by_public_key(pem, "mailmind", None).unwrap()
}

fn good() -> Value {
    json!({ "sub": "ann", "aud": "mailmind", "exp": END, "scope": "READ MANAGE" })
}

/// The good claims with some changed; null takes one away.
fn changed(change: Value) -> Value {
    let mut claims = good();
    let object = claims.as_object_mut().unwrap();
    object.extend(change.as_object().unwrap().clone());
    object.retain(|_, value| !value.is_null());
    claims
}

fn signed(algorithm: Algorithm, claims: &Value, secret: &[u8]) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret)).unwrap()
}

fn hs256(claims: &Value) -> String {
    signed(Algorithm::HS256, claims, SECRET.as_bytes())
}

fn given(principal: Principal) -> Vec<ApiScope> {
    principal.scopes.given().collect()
}

#[test]
fn a_good_token_says_who_what_and_for_how_long() {
    for (tokens, token) in [
        (by_secret(), hs256(&good())),
        (by_key(ED25519), SIGNED_BY_ED25519.to_owned()),
        (by_key(RSA), SIGNED_BY_RSA.to_owned()),
        (by_key(&ED25519.replace('\n', "\\n")), SIGNED_BY_ED25519.to_owned()),
    ] {
        assert!(Tokens::may_be(&token));
        let principal = tokens.read(&token, now()).unwrap();
        assert_eq!(given(principal), [ApiScope::Read, ApiScope::Manage], "{tokens:?}");
        assert_eq!(principal.expires_at.unwrap().timestamp(), END + 30);
        assert_eq!(principal.key, subject(None, "ann"));
    }
}

#[test]
fn claims_are_read_as_issuers_write_them() {
    let cases = [
        json!({ "scope": "read manage" }),
        json!({ "scope": null, "scopes": ["READ", "MANAGE"] }),
        json!({ "scope": null, "scopes": "READ MANAGE" }),
        json!({ "aud": ["other", "mailmind"] }),
        json!({ "exp": END as f64 + 0.5 }),
        json!({ "nbf": END - 3_600 + 29 }),
        json!({ "exp": END - 3_600 - 29 }),
        json!({ "exp": END - 3_600 + 86_400 }),
        json!({ "iss": "https://login.example.com" }),
    ];
    for change in cases {
        let principal = by_secret().read(&hs256(&changed(change.clone())), now()).unwrap();
        assert_eq!(given(principal), [ApiScope::Read, ApiScope::Manage], "{change}");
    }
}

#[test]
fn claims_that_do_not_hold_are_refused_with_the_reason() {
    use TokenError::{Audience, Claims, Early, Expired, Long, Scope};
    let cases = [
        (json!({ "exp": END - 3_600 - 30 }), Expired),
        (json!({ "exp": END - 3_600 + 86_401 }), Long),
        (json!({ "exp": 1e300 }), Claims),
        (json!({ "exp": "tomorrow" }), Claims),
        (json!({ "exp": null }), Claims),
        (json!({ "nbf": END - 3_600 + 31 }), Early),
        (json!({ "sub": null }), Claims),
        (json!({ "sub": "" }), Claims),
        (json!({ "sub": 7 }), Claims),
        (json!({ "aud": "other" }), Audience),
        (json!({ "aud": ["other"] }), Audience),
        (json!({ "aud": null }), Claims),
        (json!({ "scope": "READ DELETE" }), Scope),
        (json!({ "scope": "openid" }), Scope),
        (json!({ "scope": "" }), Claims),
        (json!({ "scope": null }), Claims),
        (json!({ "scope": null, "scopes": [] }), Claims),
        (json!({ "scope": null, "scopes": [8] }), Claims),
        (json!({ "scopes": ["ADMIN"] }), Claims),
    ];
    for (change, expected) in cases {
        let refused = by_secret().read(&hs256(&changed(change.clone())), now()).unwrap_err();
        assert_eq!(refused, expected, "{change}");
    }
}

#[test]
fn a_token_of_another_issuer_is_refused_where_one_is_named() {
    let tokens = Tokens::by_secret(&SecretString::from(SECRET), "mailmind", Some("https://login.example.com")).unwrap();
    let read = |change| tokens.read(&hs256(&changed(change)), now());
    assert!(read(json!({ "iss": "https://login.example.com" })).is_ok());
    assert_eq!(read(json!({ "iss": "https://login.example.org" })), Err(TokenError::Issuer));
    assert_eq!(read(json!({})), Err(TokenError::Claims));
}

/// A token of these parts, whatever they are.
fn token(header: &Value, claims: &Value, signature: &str) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

#[test]
fn the_key_says_how_tokens_are_signed_and_never_the_token() {
    let good_one = hs256(&good());
    let (unsigned, signature) = good_one.rsplit_once('.').unwrap();
    let (header, _) = unsigned.split_once('.').unwrap();
    let other_claims = token(&json!({}), &changed(json!({ "scope": "ADMIN" })), signature);
    let other_claims = other_claims.split_once('.').unwrap().1.to_owned();
    let mut critical = Header::new(Algorithm::HS256);
    critical.crit = Some(vec!["b64".to_owned()]);
    let tokens = by_secret();
    let forged = [
        ("none", token(&json!({ "alg": "none", "typ": "JWT" }), &good(), "")),
        ("None, with the signature of another", token(&json!({ "alg": "None" }), &good(), signature)),
        ("no algorithm", token(&json!({ "typ": "JWT" }), &good(), signature)),
        ("tampered claims", format!("{header}.{other_claims}")),
        ("no signature", format!("{unsigned}.")),
        ("another secret", signed(Algorithm::HS256, &good(), b"another secret of thirty-two bytes")),
        ("HS384", signed(Algorithm::HS384, &good(), SECRET.as_bytes())),
        ("HS512", signed(Algorithm::HS512, &good(), SECRET.as_bytes())),
        ("a key pair's", SIGNED_BY_ED25519.to_owned()),
        ("what must be understood", encode(&critical, &good(), &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()),
        ("four parts", format!("{good_one}.")),
        ("no token", "eyJ..".to_owned()),
    ];
    for (what, token) in &forged {
        assert_eq!(tokens.read(token, now()), Err(TokenError::Signature), "{what}");
    }
    assert!(tokens.read(&good_one, now()).is_ok());
}

#[test]
fn a_public_key_is_no_secret_to_sign_with() {
    for (pem, other) in [(ED25519, SIGNED_BY_RSA), (RSA, SIGNED_BY_ED25519)] {
        let tokens = by_key(pem);
        for secret in [pem, pem.trim(), &pem.replace('\n', "")] {
            let forged = signed(Algorithm::HS256, &good(), secret.as_bytes());
            assert_eq!(tokens.read(&forged, now()), Err(TokenError::Signature));
        }
        assert_eq!(tokens.read(other, now()), Err(TokenError::Signature));
        assert_eq!(tokens.read(&hs256(&good()), now()), Err(TokenError::Signature));
    }
}

#[test]
fn keys_that_protect_nothing_or_can_t_be_read_are_refused() {
    let short = Tokens::by_secret(&SecretString::from("x".repeat(31)), "mailmind", None).unwrap_err();
    assert!(short.contains("32 bytes"), "{short}");
    let private = "-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n";
    let cut = ED25519.replace("XcM=", "").replace("Xcs=", "");
    let cases = [
        ("", "must be a public key"),
        ("ssh-ed25519 AAAA", "must be a public key"),
        (private, "is a private key"),
        (RSA_OF_1024_BITS, "2048"),
        (P256, "no readable"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "no readable"),
        (&cut, "no readable"),
    ];
    for (pem, words) in cases {
        let why = Tokens::by_public_key(pem, "mailmind", None).unwrap_err();
        assert!(why.contains(words), "{pem}: {why}");
    }
}

#[test]
fn a_subject_has_one_id_for_all_its_tokens_and_no_other_subject_has_it() {
    let ann = subject(Some("https://login.example.com"), "ann");
    assert_eq!(ann, subject(Some("https://login.example.com"), "ann"));
    assert_eq!(ann.get_version_num(), 8);
    assert_ne!(ann, subject(None, "ann"));
    assert_ne!(subject(Some("a"), "bc"), subject(Some("ab"), "c"));
}

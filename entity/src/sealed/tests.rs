//! What is sealed is opened by the right key in the right place alone.

#![expect(clippy::unwrap_used, reason = "tests may")]

use super::*;

const ROW: Uuid = Uuid::from_u128(1);
const OTHER: Uuid = Uuid::from_u128(2);

fn key(fill: u8) -> String {
    BASE64.encode([fill; KEY])
}

fn ring(text: &str) -> Keyring {
    Keyring::parse(text).unwrap()
}

#[test]
fn what_was_sealed_opens_after_the_key_was_stored_and_unwrapped() {
    let keyring = Keyring::generate();
    for plain in [b"".as_slice(), b"x", "Grüße".as_bytes(), &[0xff; 100_000]] {
        let (data_key, wrapped) = DataKey::generate(&keyring, "content", ROW);
        let sealed = data_key.seal("content", ROW, "html", plain);
        assert_eq!((wrapped.wrapped.len(), sealed.len()), (72, plain.len() + 40));
        let restarted = ring(keyring.to_text().expose_secret());
        let data_key = restarted.unwrap(&wrapped, "content", ROW).unwrap();
        assert_eq!(data_key.open("content", ROW, "html", &sealed).unwrap(), plain);
    }
}

#[test]
fn a_ciphertext_moved_to_another_place_is_refused() {
    let (data_key, _) = DataKey::generate(&Keyring::generate(), "content", ROW);
    let sealed = data_key.seal("content", ROW, "html", b"secret");
    for (table, row, column) in [
        ("content", OTHER, "html"),
        ("content", ROW, "text"),
        ("attachment", ROW, "html"),
        ("content", ROW, ""),
        ("", ROW, "html"),
        ("contenth", ROW, "tml"),
    ] {
        assert_eq!(data_key.open(table, row, column, &sealed), Err(SealError::Broken), "{table} {row} {column}");
    }
    assert!(data_key.open("content", ROW, "html", &sealed).is_ok());
}

#[test]
fn no_two_places_share_their_associated_data() {
    let places = [
        place("a", ROW, "b", "c"),
        place("ab", ROW, "", "c"),
        place("a", ROW, "bc", ""),
        place("", ROW, "ab", "c"),
        place("a", OTHER, "b", "c"),
        place("a", ROW, "", "bc"),
    ];
    for (i, one) in places.iter().enumerate() {
        assert!(places[i + 1..].iter().all(|other| other != one), "{i}");
    }
}

#[test]
fn a_wrapped_key_serves_its_own_row_table_and_key_id_alone() {
    let keyring = ring(&format!("a:{},b:{}", key(1), key(1)));
    let (_, wrapped) = DataKey::generate(&keyring, "content", ROW);
    assert!(keyring.unwrap(&wrapped, "content", ROW).is_ok());
    assert_eq!(keyring.unwrap(&wrapped, "content", OTHER).unwrap_err(), SealError::Broken);
    assert_eq!(keyring.unwrap(&wrapped, "attachment", ROW).unwrap_err(), SealError::Broken);
    let renamed = Wrapped { key_id: "b".into(), ..wrapped };
    assert_eq!(keyring.unwrap(&renamed, "content", ROW).unwrap_err(), SealError::Broken, "though the key is the same");
}

#[test]
fn another_rows_data_key_opens_nothing() {
    let keyring = Keyring::generate();
    let (mine, _) = DataKey::generate(&keyring, "content", ROW);
    let (other, _) = DataKey::generate(&keyring, "content", ROW);
    let sealed = mine.seal("content", ROW, "html", b"secret");
    assert_eq!(other.open("content", ROW, "html", &sealed), Err(SealError::Broken));
}

#[test]
fn every_changed_or_missing_byte_is_noticed() {
    let keyring = Keyring::generate();
    let (data_key, wrapped) = DataKey::generate(&keyring, "content", ROW);
    let sealed = data_key.seal("content", ROW, "html", b"secret");
    for i in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[i] ^= 1;
        assert_eq!(data_key.open("content", ROW, "html", &changed), Err(SealError::Broken), "byte {i}");
        assert_eq!(data_key.open("content", ROW, "html", &sealed[..i]), Err(SealError::Broken), "cut at {i}");
    }
    for i in 0..wrapped.wrapped.len() {
        let mut changed = wrapped.clone();
        changed.wrapped[i] ^= 1;
        assert_eq!(keyring.unwrap(&changed, "content", ROW).unwrap_err(), SealError::Broken, "byte {i}");
    }
}

#[test]
fn after_a_rotation_old_content_opens_and_new_content_uses_the_new_key() {
    let old = ring(&format!("2025:{}", key(1)));
    let (data_key, wrapped) = DataKey::generate(&old, "content", ROW);
    let sealed = data_key.seal("content", ROW, "html", b"old words");

    let both = ring(&format!("2026:{}, 2025:{}\n", key(2), key(1)));
    let reopened = both.unwrap(&wrapped, "content", ROW).unwrap();
    assert_eq!(reopened.open("content", ROW, "html", &sealed).unwrap(), b"old words");
    assert_eq!(DataKey::generate(&both, "content", OTHER).1.key_id, "2026");

    // The old key may go once every row was rewrapped; the content was not touched.
    let rewrapped = both.rewrap(&wrapped, "content", ROW).unwrap().unwrap();
    assert_eq!(both.rewrap(&rewrapped, "content", ROW).unwrap(), None);
    let new = ring(&format!("2026:{}", key(2)));
    let data_key = new.unwrap(&rewrapped, "content", ROW).unwrap();
    assert_eq!(data_key.open("content", ROW, "html", &sealed).unwrap(), b"old words");
    let missing = new.unwrap(&wrapped, "content", ROW).unwrap_err();
    assert_eq!(missing, SealError::UnknownKey { key_id: "2025".into() });
}

#[test]
fn sealing_twice_gives_different_bytes() {
    let (data_key, _) = DataKey::generate(&Keyring::generate(), "content", ROW);
    assert_ne!(data_key.seal("content", ROW, "html", b"x"), data_key.seal("content", ROW, "html", b"x"));
    assert_ne!(Keyring::generate().to_text().expose_secret(), Keyring::generate().to_text().expose_secret());
}

#[test]
fn a_keyring_that_cannot_be_read_is_told_where() {
    let (good, short) = (key(7), BASE64.encode([7; 31]));
    let cases = [
        (String::new(), KeyringError::Empty),
        (" , \n".into(), KeyringError::Empty),
        (good.clone(), KeyringError::NoName(1)),
        (format!("a:{good},{good}"), KeyringError::NoName(2)),
        (format!(":{good}"), KeyringError::BadName(1)),
        (format!("a b:{good}"), KeyringError::BadName(1)),
        (format!("{}:{good}", "a".repeat(33)), KeyringError::BadName(1)),
        (format!("a:{good},a:{good}"), KeyringError::Twice(2)),
        (format!("a:{short}"), KeyringError::BadKey(1)),
        (format!("a:{good},b:???"), KeyringError::BadKey(2)),
        ("a:".into(), KeyringError::BadKey(1)),
    ];
    for (text, why) in cases {
        let got = Keyring::parse(&text).unwrap_err();
        assert_eq!(got, why);
        assert!(!got.to_string().contains(&good[..8]));
    }
    assert_eq!(ring(&format!("a:{},", good.trim_end_matches('='))).ids().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn debug_shows_names_and_no_key() {
    let keyring = ring(&format!("a:{}", key(7)));
    let (data_key, wrapped) = DataKey::generate(&keyring, "content", ROW);
    let shown = format!("{keyring:?} {data_key:?} {:?}", keyring.to_text());
    assert!(shown.contains("\"a\"") && !shown.contains(&key(7)[..8]) && !shown.contains("7, 7"), "{shown}");
    assert!(format!("{wrapped:?}").contains("key_id: \"a\""));
}

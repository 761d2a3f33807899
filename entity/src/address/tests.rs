//! Which texts are addresses and mailboxes, and which of them are the same.

#![expect(clippy::unwrap_used, reason = "tests may")]

use async_graphql::ScalarType as _;

use super::AddressError::*;
use super::*;

#[test]
fn every_valid_spelling_has_one_canonical_form() {
    let l64 = "l".repeat(64);
    let label63 = "d".repeat(63);
    // 64 + 1 + 189 = 254: three labels of 62, 62 and 63 and two dots.
    let d189 = format!("{}.{}.{label63}", "a".repeat(62), "b".repeat(62));
    let longest = format!("{l64}@{d189}");
    let local64 = format!("{l64}@example.com");
    let long_label = format!("a@{label63}.com");
    let cases: &[(&str, &str)] = &[
        ("ann@example.com", "ann@example.com"),
        (" ann@example.com\t", "ann@example.com"),
        ("Ann@Example.COM", "Ann@example.com"),
        ("a@b", "a@b"),
        ("ann@localhost", "ann@localhost"),
        ("ann.b@example.com", "ann.b@example.com"),
        ("ann+tag@example.com", "ann+tag@example.com"),
        ("o'brien@example.com", "o'brien@example.com"),
        ("!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com"),
        ("1234567890@example.com", "1234567890@example.com"),
        ("-@example.com", "-@example.com"),
        ("a@1.example", "a@1.example"),
        ("a@123.com", "a@123.com"),
        ("a@x--y.example", "a@x--y.example"),
        ("a@a.b.c.d.e.example", "a@a.b.c.d.e.example"),
        // Quotes: dropped where they are not needed, kept and escaped as little as possible where they are.
        (r#""ann"@example.com"#, "ann@example.com"),
        (r#""a\nn"@example.com"#, "ann@example.com"),
        (r#""ann b"@example.com"#, r#""ann b"@example.com"#),
        (r#""a@b"@example.com"#, r#""a@b"@example.com"#),
        (r#""a..b"@example.com"#, r#""a..b"@example.com"#),
        (r#"".a"@example.com"#, r#"".a"@example.com"#),
        (r#""a\"b"@example.com"#, r#""a\"b"@example.com"#),
        (r#""a\\b"@example.com"#, r#""a\\b"@example.com"#),
        (r#""a\@b"@example.com"#, r#""a@b"@example.com"#),
        (r#"""@example.com"#, r#"""@example.com"#),
        (r#""<>()[],;:"@example.com"#, r#""<>()[],;:"@example.com"#),
        // International domains are ASCII from here on; equal ones become equal.
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
        ("a@bu\u{308}cher.example", "a@xn--bcher-kva.example"),
        ("a@XN--BCHER-KVA.example", "a@xn--bcher-kva.example"),
        ("a@例え.テスト", "a@xn--r8jz45g.xn--zckzah"),
        ("a@例え。テスト", "a@xn--r8jz45g.xn--zckzah"),
        ("a@straße.example", "a@xn--strae-oqa.example"),
        // International local parts, as RFC 6531 has them.
        ("jörg@example.com", "jörg@example.com"),
        ("jo\u{308}rg@example.com", "jörg@example.com"),
        ("用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v"),
        ("\"jörg b\"@example.com", "\"jörg b\"@example.com"),
        ("a\u{37e}b@example.com", "\"a;b\"@example.com"),
        // The limits themselves.
        (&local64, &local64),
        (&long_label, &long_label),
        (&longest, &longest),
    ];
    for (text, canonical) in cases {
        let address = EmailAddress::parse(text).unwrap_or_else(|why| panic!("{text:?} {why}"));
        assert_eq!(address.as_str(), *canonical, "{text:?}");
        assert_eq!(EmailAddress::parse(address.as_str()).as_ref(), Ok(&address), "the canonical form is its own");
        assert_eq!(format!("{}@{}", address.local(), address.domain()), *canonical);
    }
}

#[test]
fn a_text_that_is_no_address_is_told_what_is_wrong() {
    let label62 = "d".repeat(62);
    let local65 = format!("{}@example.com", "l".repeat(65));
    let local_multibyte = format!("{}@example.com", "ö".repeat(33));
    let label64 = format!("a@{}.com", "d".repeat(64));
    let domain254 = format!("a@{label62}.{label62}.{label62}.{label62}.de");
    let over = format!("{}@{label62}.{label62}.{label62}.e", "l".repeat(64));
    let cases: &[(&str, AddressError)] = &[
        ("", Empty),
        ("  \t", Empty),
        ("ann", NoAt),
        ("example.com", NoAt),
        (r#""a@b""#, NoAt),
        ("@", NoLocalPart),
        ("@example.com", NoLocalPart),
        ("ann@", NoDomain),
        ("a@b@example.com", LocalCharacter('@')),
        ("@a,@b:c@example.com", LocalCharacter('@')),
        ("a b@example.com", LocalCharacter(' ')),
        ("a\u{a0}b@example.com", LocalCharacter('\u{a0}')),
        ("a,b@example.com", LocalCharacter(',')),
        ("a@example.com,b@example.com", LocalCharacter('@')),
        ("(c)a@example.com", LocalCharacter('(')),
        ("<a@example.com", LocalCharacter('<')),
        ("a\\b@example.com", LocalCharacter('\\')),
        ("mailto:a@example.com", LocalCharacter(':')),
        (".ann@example.com", LocalDots),
        ("ann.@example.com", LocalDots),
        ("an..n@example.com", LocalDots),
        (".@example.com", LocalDots),
        (r#"a"b"@example.com"#, LocalQuote),
        (r#""a"b@example.com"#, LocalQuote),
        (r#""a@example.com"#, LocalQuote),
        (r#""a\"@example.com"#, LocalQuote),
        (r#""a".b@example.com"#, LocalQuote),
        ("a\n@example.com", Invisible),
        ("a@example.com\r\nBcc: b@example.com", Invisible),
        ("a@example.com\n", Invisible),
        ("\"a\r\n b\"@example.com", Invisible),
        ("a\0@example.com", Invisible),
        ("\"a\tb\"@example.com", Invisible),
        ("a\u{7f}@example.com", Invisible),
        ("a\u{202e}@example.com", Invisible),
        ("a\u{200b}@example.com", Invisible),
        ("a@exam\u{200b}ple.com", Invisible),
        ("a\u{2028}@example.com", Invisible),
        ("a@[192.0.2.1]", DomainLiteral),
        ("a@[IPv6:2001:db8::1]", DomainLiteral),
        ("a@192.0.2.1", DomainLiteral),
        ("a@.com", DomainDots),
        ("a@example.com.", DomainDots),
        ("a@example..com", DomainDots),
        ("a@-example.com", DomainHyphen),
        ("a@example-.com", DomainHyphen),
        ("a@example.-com", DomainHyphen),
        ("a@exa_mple.com", DomainCharacter('_')),
        ("a@exa mple.com", DomainCharacter(' ')),
        ("a@example.com (c)", DomainCharacter(' ')),
        ("a@example.com>", DomainCharacter('>')),
        ("a@example.com;", DomainCharacter(';')),
        ("a@exam/ple.com", DomainCharacter('/')),
        ("a@xn--a.example", DomainNotInternational),
        ("a@xn--.example", DomainNotInternational),
        (&local65, LocalTooLong),
        (&local_multibyte, LocalTooLong),
        (&label64, LabelTooLong),
        (&domain254, DomainTooLong),
        (&over, TooLong),
    ];
    for (text, why) in cases {
        assert_eq!(EmailAddress::parse(text).as_ref(), Err(why), "{text:?}");
    }
}

#[test]
fn one_byte_over_the_limit_is_too_long() {
    let at = |last: usize| format!("{}@{}.{}.{}", "l".repeat(64), "a".repeat(62), "b".repeat(62), "c".repeat(last));
    assert_eq!(at(63).len(), 254);
    assert!(EmailAddress::parse(&at(63)).is_ok());
    let over = format!("{}@{}.{}.{}.d", "l".repeat(64), "a".repeat(62), "b".repeat(62), "c".repeat(62));
    assert_eq!(over.len(), 255);
    assert_eq!(EmailAddress::parse(&over), Err(TooLong));
}

#[test]
fn the_suppression_key_ignores_case_and_needless_quotes() {
    let key = |text: &str| EmailAddress::parse(text).unwrap().key();
    assert_eq!(key("Ann.B@EXAMPLE.com"), "ann.b@example.com");
    assert_eq!(key("\"Ann.B\"@example.com"), key("ann.b@Example.Com"));
    assert_eq!(key("JÖRG@bücher.example"), key("jo\u{308}rg@xn--bcher-kva.example"));
    assert_ne!(key("ann+news@example.com"), key("ann@example.com"), "a tag may be another mailbox");
}

#[test]
fn debug_masks_what_display_shows() {
    let address = EmailAddress::parse("lena@example.com").unwrap();
    assert_eq!(format!("{address:?}"), "l***@example.com");
    assert_eq!(format!("{:?}", Mailbox::parse("Lena Q <lena@example.com>").unwrap()), "l***@example.com");
    assert_eq!(address.to_string(), "lena@example.com");
    assert_eq!(EmailAddress::parse("用户@example.com").unwrap().masked(), "用***@example.com");
}

#[test]
fn errors_never_repeat_the_address() {
    for text in ["lena", "lena@", "lena@exa_mple.com", "lena,@example.com", "\"lena@example.com"] {
        let why = EmailAddress::parse(text).unwrap_err();
        assert!(!format!("{why} {why:?}").contains("lena"), "{why}");
    }
}

#[test]
fn an_address_travels_as_a_string() {
    let address: EmailAddress = serde_json::from_str(r#""Ann@B\u00dcCHER.example""#).unwrap();
    assert_eq!(serde_json::to_string(&address).unwrap(), r#""Ann@xn--bcher-kva.example""#);
    let why = serde_json::from_str::<EmailAddress>(r#""ann""#).unwrap_err().to_string();
    assert!(why.contains("the address has no @"), "{why}");
    let mailbox: Mailbox = serde_json::from_str(r#""\"Ann, B\" <a@example.com>""#).unwrap();
    assert_eq!(serde_json::to_value(&mailbox).unwrap(), r#""Ann, B" <a@example.com>"#);
}

#[test]
fn graphql_takes_strings_that_are_addresses_and_nothing_else() {
    let read = <EmailAddress as async_graphql::ScalarType>::parse;
    let address = read(Value::from("Ann@Example.com")).unwrap();
    assert_eq!(address.to_value(), Value::from("Ann@example.com"));
    assert!(read(Value::from("ann")).is_err());
    assert!(read(Value::from(1)).is_err());
    let mut registry = async_graphql::registry::Registry::default();
    let name = <EmailAddress as async_graphql::InputType>::create_type_info(&mut registry);
    assert!(name.starts_with("EmailAddress"), "{name}");
    let Some(async_graphql::registry::MetaType::Scalar { description, specified_by_url, .. }) =
        registry.types.get("EmailAddress")
    else {
        panic!("not a scalar")
    };
    assert!(description.as_deref().is_some_and(|text| text.contains("RFC 5321")));
    assert!(specified_by_url.as_deref().is_some_and(|url| url.contains("rfc5321")));
}

#[test]
fn a_mailbox_is_read_with_or_without_a_name() {
    let cases: &[(&str, Option<&str>, &str)] = &[
        ("a@b.example", None, "a@b.example"),
        ("<a@b.example>", None, "a@b.example"),
        (" <a@b.example> ", None, "a@b.example"),
        (r#""" <a@b.example>"#, None, "a@b.example"),
        ("Ann <a@b.example>", Some("Ann"), "Ann <a@b.example>"),
        ("Ann<a@b.example>", Some("Ann"), "Ann <a@b.example>"),
        ("Ann  B  <a@b.example>", Some("Ann B"), "Ann B <a@b.example>"),
        ("Ann Q. Public <a@b.example>", Some("Ann Q. Public"), r#""Ann Q. Public" <a@b.example>"#),
        (r#""Ann, B" <a@b.example>"#, Some("Ann, B"), r#""Ann, B" <a@b.example>"#),
        (r#""Ann" "B" <a@b.example>"#, Some("Ann B"), "Ann B <a@b.example>"),
        (r#""Ann \"A\" B" <a@b.example>"#, Some(r#"Ann "A" B"#), r#""Ann \"A\" B" <a@b.example>"#),
        (r#""a@b.example" <a@b.example>"#, Some("a@b.example"), r#""a@b.example" <a@b.example>"#),
        (r#""<x@y>" <a@b.example>"#, Some("<x@y>"), r#""<x@y>" <a@b.example>"#),
        ("Jörg Müller <a@b.example>", Some("Jörg Müller"), "Jörg Müller <a@b.example>"),
        ("Shop 🛒 <a@b.example>", Some("Shop 🛒"), "Shop 🛒 <a@b.example>"),
        ("O'Neil & Co <a@b.example>", Some("O'Neil & Co"), "O'Neil & Co <a@b.example>"),
        (r#"X <"a>b"@b.example>"#, Some("X"), r#"X <"a>b"@b.example>"#),
        (r#""a<b"@b.example"#, None, r#""a<b"@b.example"#),
    ];
    for (text, name, written) in cases {
        let mailbox = Mailbox::parse(text).unwrap_or_else(|why| panic!("{text:?} {why}"));
        assert_eq!(mailbox.name.as_deref(), *name, "{text:?}");
        assert_eq!(mailbox.to_string(), *written, "{text:?}");
        assert_eq!(Mailbox::parse(written), Ok(mailbox), "what was written is read as the same");
    }
}

#[test]
fn a_text_that_is_no_mailbox_is_told_what_is_wrong() {
    let long = format!("{} <a@b.example>", "n".repeat(990));
    let cases: &[(&str, AddressError)] = &[
        ("", Empty),
        ("Ann", NoAt),
        ("Ann <>", Empty),
        ("Ann <ann>", NoAt),
        ("Ann, B <a@b.example>", NameCharacter(',')),
        ("Ann (Sales) <a@b.example>", NameCharacter('(')),
        ("a@b.example <a@b.example>", NameCharacter('@')),
        ("\"Ann <a@b.example>", NameQuote),
        ("Ann\" <a@b.example>", NameQuote),
        ("Ann <a@b.example", Brackets),
        ("Ann <a@b.example> x", Brackets),
        ("Ann <a@b.example>, Bob <b@b.example>", LocalCharacter('@')),
        ("Ann\r\nBcc: x@y.example <a@b.example>", Invisible),
        ("\"Ann\nB\" <a@b.example>", Invisible),
        ("Ann <<a@b.example>>", LocalCharacter('<')),
        ("a@b.example (Ann)", DomainCharacter(' ')),
        (&long, LineTooLong),
    ];
    for (text, why) in cases {
        assert_eq!(Mailbox::parse(text).as_ref(), Err(why), "{text:?}");
    }
}

#[test]
fn no_name_breaks_out_of_its_header() {
    let address = EmailAddress::parse("a@b.example").unwrap();
    for name in ["x\r\nBcc: y@z.example", "x\" <y@z.example>, \"", "x\\", "\u{2028}x", "a\0b", "<y@z.example>", "\\\""]
    {
        let mailbox = Mailbox { name: Some(name.to_owned()), address: address.clone() };
        let written = mailbox.to_string();
        assert!(!written.chars().any(char::is_control), "{written:?}");
        assert_eq!(Mailbox::parse(&written).unwrap().address, address, "{written:?}");
    }
}

//! Email addresses: parsed once, at the edge, into a form that is safe to compare, to store and to put into a header.
//!
//! What an [`EmailAddress`] keeps true: it is a mailbox by RFC 5321 §4.1.2 (dot-string or quoted string, `@`, domain), in one
//! canonical spelling, within the standard's lengths, without a control character.

mod mailbox;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use icu_normalizer::ComposingNormalizerBorrowed;
use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use mailbox::Mailbox;

/// The longest local part, in octets (RFC 5321 §4.5.3.1.1).
const LOCAL_MAX: usize = 64;
/// The longest address, in octets: a path of 256 (RFC 5321 §4.5.3.1.3) less its angle brackets.
const ADDRESS_MAX: usize = 254;
/// The longest domain as text: 255 octets on the wire (RFC 1035 §2.3.4) less the first length and the root.
const DOMAIN_MAX: usize = 253;
/// The longest label of a domain (RFC 1035 §2.3.4).
const LABEL_MAX: usize = 63;

/// An email address in canonical spelling.
///
/// - The local part keeps its case (only its owner may say that case is nothing, RFC 5321 §2.4) and loses quotes that it does
///   not need: `"ann"@x` is `ann@x` (§4.1.2). Outside ASCII it is taken as RFC 6531 §3.3 has it, in NFC: Mailgun's HTTP API
///   speaks SMTPUTF8 to receivers that offer it and reports the others as failed.
/// - The domain is ASCII and lower case; an international one is in its `xn--` form (UTS 46).
/// - Address literals (`a@[192.0.2.1]`), comments and source routes are refused.
///
/// `Display` shows it whole, `Debug` masks it, so that a log line made by `?address` tells nobody who it was.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailAddress {
    text: String,
    /// Where the `@` between local part and domain stands.
    at: usize,
}

/// Why a text is no email address. The message continues a sentence that begins with the field's name ("`to` has no @") and
/// never repeats the address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing but blanks.
    #[error("is empty")]
    Empty,
    /// A bare word, or a list.
    #[error("has no @")]
    NoAt,
    /// `@example.com`
    #[error("has nothing before the @")]
    NoLocalPart,
    /// `ann@`
    #[error("has nothing after the @")]
    NoDomain,
    /// A line break, NUL, tab or another control or invisible character, anywhere.
    #[error("contains a line break or another invisible character")]
    Invisible,
    /// A character that the local part may hold only in quotes, or not at all.
    #[error("has {0:?} before the @, which is not allowed there")]
    LocalCharacter(char),
    /// `.ann@`, `ann.@`, `a..b@`
    #[error("has a dot at the start or end of the part before the @, or two in a row")]
    LocalDots,
    /// A quoted local part that does not end, or not right before the `@`.
    #[error("has a quote before the @ that does not enclose the whole part")]
    LocalQuote,
    /// Over 64 octets.
    #[error("has more than {LOCAL_MAX} bytes before the @")]
    LocalTooLong,
    /// `ann@[192.0.2.1]`
    #[error("names an IP address where a domain is needed")]
    DomainLiteral,
    /// A character that no host name holds.
    #[error("has {0:?} in its domain, which is not allowed there")]
    DomainCharacter(char),
    /// `a@.com`, `a@example.com.`, `a@b..c`
    #[error("has a dot at the start or end of its domain, or two in a row")]
    DomainDots,
    /// `a@-b.com`, `a@b-.com`
    #[error("has a hyphen at the start or end of a part of its domain")]
    DomainHyphen,
    /// Over 63 octets between two dots.
    #[error("has a part of more than {LABEL_MAX} bytes in its domain")]
    LabelTooLong,
    /// Over 253 octets after the `@`.
    #[error("has a domain of more than {DOMAIN_MAX} bytes")]
    DomainTooLong,
    /// An international domain that UTS 46 refuses.
    #[error("has an international domain that is not valid")]
    DomainNotInternational,
    /// Over 254 octets.
    #[error("is longer than {ADDRESS_MAX} bytes")]
    TooLong,
    /// A display name with one of RFC 5322's specials outside quotes.
    #[error("has {0:?} in the name: put the name in double quotes")]
    NameCharacter(char),
    /// A display name whose quote does not end.
    #[error("has a quote in the name that does not end")]
    NameQuote,
    /// `<ann@example.com` or text after `>`.
    #[error("has an angle bracket that does not enclose the address at the end")]
    Brackets,
    /// A name and address that no header line can hold.
    #[error("is longer than a header line may be")]
    LineTooLong,
}

impl EmailAddress {
    /// Reads `text` as one bare address; blanks around it are dropped.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim_matches([' ', '\t']);
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.chars().any(invisible) {
            return Err(AddressError::Invisible);
        }
        let (local, domain) = split(text)?;
        let local = canonical_local(local)?;
        let domain = canonical_domain(domain)?;
        let (at, text) = (local.len(), format!("{local}@{domain}"));
        if text.len() > ADDRESS_MAX {
            return Err(AddressError::TooLong);
        }
        Ok(Self { text, at })
    }

    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`, with its quotes if it needs them.
    pub fn local(&self) -> &str {
        &self.text[..self.at]
    }

    /// The domain: ASCII, lower case, without a dot at its end.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// What suppressions and duplicates are compared by: the local part in lower case, `@`, the domain. No mailbox provider
    /// of note tells `Ann@` from `ann@`, and mailing somebody who asked not to be mailed is the worse mistake.
    pub fn key(&self) -> String {
        format!("{}@{}", self.local().to_lowercase(), self.domain())
    }

    /// The address as it may stand in a log and before a caller who may only read: `l***@example.com`. It is an address still.
    pub fn masked(&self) -> String {
        let first =
            self.text.chars().next().filter(|first| first.is_alphanumeric()).map(String::from).unwrap_or_default();
        let masked = format!("{first}***@{}", self.domain());
        if masked.len() > ADDRESS_MAX { format!("*@{}", self.domain()) } else { masked }
    }
}

/// Splits at the `@`: the one after the closing quote, else the last, so that `a@b@c` is told about its first.
fn split(text: &str) -> Result<(&str, &str), AddressError> {
    let at = if text.starts_with('"') {
        let end = quote_end(text).ok_or(AddressError::LocalQuote)?;
        match text[end..].chars().next() {
            Some('@') => end,
            Some(_) => return Err(AddressError::LocalQuote),
            None => return Err(AddressError::NoAt),
        }
    } else {
        text.rfind('@').ok_or(AddressError::NoAt)?
    };
    match (&text[..at], &text[at + 1..]) {
        ("", _) => Err(AddressError::NoLocalPart),
        (_, "") => Err(AddressError::NoDomain),
        parts => Ok(parts),
    }
}

/// Where the quoted string that `text` begins with ends: the index after its closing quote.
fn quote_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(i + 1),
            _ => {}
        }
    }
    None
}

fn canonical_local(local: &str) -> Result<String, AddressError> {
    let content = match local.strip_prefix('"') {
        Some(rest) => unescaped(rest.strip_suffix('"').unwrap_or(rest)),
        None => {
            dot_string(local)?;
            local.to_owned()
        }
    };
    let content = if content.is_ascii() {
        content
    } else {
        ComposingNormalizerBorrowed::new_nfc().normalize(&content).into_owned()
    };
    let local = if dot_string(&content).is_ok() { content } else { quoted(&content) };
    if local.len() > LOCAL_MAX { Err(AddressError::LocalTooLong) } else { Ok(local) }
}

/// RFC 5321's Dot-string, with RFC 6531's atext.
fn dot_string(text: &str) -> Result<(), AddressError> {
    if let Some(c) = text.chars().find(|&c| c != '.' && !atext(c)) {
        return Err(if c == '"' { AddressError::LocalQuote } else { AddressError::LocalCharacter(c) });
    }
    if text.split('.').any(str::is_empty) { Err(AddressError::LocalDots) } else { Ok(()) }
}

/// The content of a quoted string, its backslashes resolved.
fn unescaped(text: &str) -> String {
    let mut content = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        content.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    content
}

/// `content` as a quoted string: nothing is escaped but what must be.
fn quoted(content: &str) -> String {
    let mut text = String::with_capacity(content.len() + 2);
    text.push('"');
    for c in content.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

fn canonical_domain(domain: &str) -> Result<String, AddressError> {
    if domain.starts_with('[') {
        return Err(AddressError::DomainLiteral);
    }
    // The deny list stays empty so that the checks below can name the character at fault.
    let ascii = Uts46::new()
        .to_ascii(domain.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore)
        .map_err(|_| AddressError::DomainNotInternational)?;
    if let Some(c) = ascii.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '.')) {
        return Err(AddressError::DomainCharacter(c));
    }
    if ascii.len() > DOMAIN_MAX {
        return Err(AddressError::DomainTooLong);
    }
    for label in ascii.split('.') {
        match label {
            "" => return Err(AddressError::DomainDots),
            _ if label.len() > LABEL_MAX => return Err(AddressError::LabelTooLong),
            _ if label.starts_with('-') || label.ends_with('-') => return Err(AddressError::DomainHyphen),
            _ => {}
        }
    }
    // No top-level domain is a number (RFC 3696 §2): this is an IP address without its brackets.
    if ascii.rsplit('.').next().is_some_and(|top| top.bytes().all(|b| b.is_ascii_digit())) {
        return Err(AddressError::DomainLiteral);
    }
    Ok(ascii.into_owned())
}

/// RFC 5322 §3.2.3's atext, and every visible character outside ASCII (RFC 6531 §3.3).
fn atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || !(c.is_ascii() || c.is_whitespace())
}

/// Control characters, line and paragraph separators, and marks that hide or reorder what stands beside them.
/// The joiners U+200C and U+200D are not among them: Persian and Indic names need them.
fn invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl FromStr for EmailAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl Serialize for EmailAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for EmailAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(|why| serde::de::Error::custom(format!("the address {why}")))
    }
}

/// An email address by RFC 5321, such as `ann@example.com`, without a display name. The domain is answered in ASCII and in
/// lower case.
#[Scalar(name = "EmailAddress", specified_by_url = "https://www.rfc-editor.org/rfc/rfc5321#section-4.1.2")]
impl ScalarType for EmailAddress {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => {
                Self::parse(&text).map_err(|why| InputValueError::custom(format!("the address {why}")))
            }
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.text.clone())
    }
}

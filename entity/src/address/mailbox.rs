//! An address with the name of its owner, as it stands in From, To, Cc and Reply-To.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{AddressError, EmailAddress, atext, invisible, quote_end, quoted, unescaped};

/// The longest line of a header, in octets (RFC 5322 §2.1.1).
const LINE_MAX: usize = 998;

/// A mailbox by RFC 5322 §3.4: `ann@example.com`, `Ann <ann@example.com>` or `"Ann, B" <ann@example.com>`.
///
/// `Display` writes it so that a header holds exactly this one mailbox, whatever the name is made of. `Debug` tells neither
/// name nor local part.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Mailbox {
    /// The display name, without quotes and escapes.
    pub name: Option<String>,
    /// The address.
    pub address: EmailAddress,
}

impl Mailbox {
    /// Reads one mailbox. A name outside quotes may hold words, dots and blanks; anything else needs double quotes.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim_matches([' ', '\t']);
        if text.chars().any(invisible) {
            return Err(AddressError::Invisible);
        }
        let Some(open) = angle(text)? else {
            return Ok(Self { name: None, address: EmailAddress::parse(text)? });
        };
        let inner = text[open + 1..].strip_suffix('>').ok_or(AddressError::Brackets)?;
        let mailbox = Self { name: phrase(&text[..open])?, address: EmailAddress::parse(inner)? };
        if mailbox.to_string().len() > LINE_MAX { Err(AddressError::LineTooLong) } else { Ok(mailbox) }
    }
}

/// Where the `<` outside quotes stands. `None`: the text has no name, it is an address or nothing.
fn angle(text: &str) -> Result<Option<usize>, AddressError> {
    let mut i = 0;
    while let Some(c) = text[i..].chars().next() {
        match c {
            '<' => return Ok(Some(i)),
            // A quote that does not end is a broken name if an address in brackets follows, else a broken local part.
            '"' => match quote_end(&text[i..]) {
                Some(length) => i += length,
                None if text.ends_with('>') => return Err(AddressError::NameQuote),
                None => return Ok(None),
            },
            _ => i += c.len_utf8(),
        }
    }
    Ok(None)
}

/// A phrase (RFC 5322 §3.2.5, with the dots of §4.1): words and quoted strings, one blank between two.
fn phrase(text: &str) -> Result<Option<String>, AddressError> {
    let mut words: Vec<String> = Vec::new();
    let mut rest = text.trim_matches([' ', '\t']);
    while let Some(first) = rest.chars().next() {
        let end = if first == '"' {
            quote_end(rest).ok_or(AddressError::NameQuote)?
        } else {
            rest.find([' ', '\t', '"']).unwrap_or(rest.len())
        };
        let word = &rest[..end];
        if first == '"' {
            words.push(unescaped(&word[1..end - 1]));
        } else if let Some(c) = word.chars().find(|&c| c != '.' && !atext(c) && !c.is_whitespace()) {
            return Err(AddressError::NameCharacter(c));
        } else {
            words.push(word.to_owned());
        }
        rest = rest[end..].trim_start_matches([' ', '\t']);
    }
    let name = words.join(" ");
    Ok(if name.trim().is_empty() { None } else { Some(name) })
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(name) = self.name.as_deref().filter(|name| !name.trim().is_empty()) else {
            return write!(f, "{}", self.address);
        };
        // A name that did not come through `parse` may hold anything: no line break leaves here.
        let name = if name.contains(invisible) { name.replace(invisible, " ") } else { name.to_owned() };
        if name.split(' ').all(|word| !word.is_empty() && word.chars().all(atext)) {
            write!(f, "{name} <{}>", self.address)
        } else {
            write!(f, "{} <{}>", quoted(&name), self.address)
        }
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.address)
    }
}

impl FromStr for Mailbox {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl From<EmailAddress> for Mailbox {
    fn from(address: EmailAddress) -> Self {
        Self { name: None, address }
    }
}

impl Serialize for Mailbox {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mailbox {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(|why| serde::de::Error::custom(format!("the address {why}")))
    }
}

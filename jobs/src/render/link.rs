//! Where links in an HTML lead. Mail clients do not agree on what is a tag, a comment or a raw text (Outlook reads comments that
//! others skip), so nothing is made of tags here: whatever looks like an attribute with a link is one, wherever it stands. That
//! may take a word of a text for a link, and never a link for a text. Linear in the HTML's length.

/// Schemes that a link may have.
const ALLOWED: [&str; 4] = ["http", "https", "mailto", "tel"];
/// Attributes that hold an address (HTML Standard, index of attributes, and what older HTML and SVG had). Of a `srcset` the first
/// alone is looked at: the others are pictures too, which run nothing.
const ATTRIBUTES: [&str; 20] = [
    "href",
    "src",
    "srcset",
    "action",
    "formaction",
    "background",
    "poster",
    "cite",
    "data",
    "longdesc",
    "ping",
    "manifest",
    "lowsrc",
    "dynsrc",
    "codebase",
    "classid",
    "archive",
    "profile",
    "from",
    "to",
];
/// No scheme in use is longer; what is, is read no further.
const LONGEST: usize = 64;

/// The first link with a scheme that is not allowed: where its value begins, and the scheme in lower case. A link without a
/// scheme (`#top`, `/offers`) is none of these.
pub(super) fn forbidden(html: &str) -> Option<(usize, String)> {
    memchr::memchr_iter(b'=', html.as_bytes())
        .filter(|at| holds_link(&html[..*at]))
        .filter_map(|at| Some((at + 1, scheme(&html[at + 1..])?)))
        .find(|(_, scheme)| !ALLOWED.contains(&scheme.as_str()))
}

/// The text before a `=` ends with the name of an attribute that holds a link.
fn holds_link(before: &str) -> bool {
    let ends = |c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>' | '<' | '=' | '"' | '\'' | '\0');
    let before = before.trim_end_matches(|c: char| c.is_ascii_whitespace());
    let name = before.rsplit(ends).next().unwrap_or_default();
    // `xlink:href` is a link, and so is the `url` of a refresh: `<meta content="0; url=…">`.
    let local = name.rsplit(':').next().unwrap_or_default();
    ATTRIBUTES.iter().any(|known| local.eq_ignore_ascii_case(known))
        || name.rsplit(';').next().is_some_and(|last| last.eq_ignore_ascii_case("url"))
}

/// The scheme of the address that a value begins with, read as browsers do (URL Standard, 4.4): blanks and control characters
/// before it are skipped, tabs and line breaks within it left out. Other control characters are left out as well.
fn scheme(value: &str) -> Option<String> {
    let value = value.trim_start_matches(|c: char| c.is_ascii_whitespace());
    let value = value.strip_prefix(['"', '\'']).unwrap_or(value);
    let mut scheme = String::new();
    for c in Decoded(value) {
        match c {
            ':' => return Some(scheme).filter(|scheme| !scheme.is_empty()),
            ' ' if scheme.is_empty() => {}
            c if c.is_control() => {}
            c if c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.') => scheme.push(c.to_ascii_lowercase()),
            _ => return None,
        }
        if scheme.len() > LONGEST {
            return None;
        }
    }
    None
}

/// The characters of an attribute's value, character references resolved as far as a scheme can be written with them.
struct Decoded<'a>(&'a str);

impl Iterator for Decoded<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        let (c, length) = match self.0.chars().next()? {
            '&' => reference(self.0).unwrap_or(('&', 1)),
            c => (c, c.len_utf8()),
        };
        self.0 = &self.0[length..];
        Some(c)
    }
}

/// The character that a reference stands for, and the reference's length. A number needs no semicolon (HTML Standard, 13.2.5.80);
/// of the named ones these are all that matter in a scheme.
fn reference(text: &str) -> Option<(char, usize)> {
    for (name, c) in [("&colon;", ':'), ("&Tab;", '\t'), ("&NewLine;", '\n'), ("&period;", '.'), ("&plus;", '+')] {
        if text.starts_with(name) {
            return Some((c, name.len()));
        }
    }
    let number = text.strip_prefix("&#")?;
    let (digits, radix) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    let count = digits.bytes().take_while(|b| char::from(*b).is_digit(radix)).count();
    if count == 0 {
        return None;
    }
    // A number too large for any character stands for the replacement character.
    let c = u32::from_str_radix(&digits[..count], radix).ok().and_then(char::from_u32).unwrap_or('\u{FFFD}');
    let end = text.len() - digits.len() + count;
    Some((c, end + usize::from(text[end..].starts_with(';'))))
}

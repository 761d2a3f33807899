//! What a caller sees of addresses who may only read: `a***@example.com`. Masked here and nowhere else, when an answer is
//! written and by who asks, so that a field of these types can't forget it.

use std::borrow::Cow;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{ContextSelectionSet, OutputType, Positioned, ServerResult, Value};
use entity::EmailAddress;

use crate::auth::Principal;

/// The address of somebody who gets email from us.
#[derive(Clone, Debug)]
pub struct Recipient(pub EmailAddress);

/// Words that may quote an address: Mailgun's, or a person's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words(pub String);

impl OutputType for Recipient {
    fn type_name() -> Cow<'static, str> {
        <EmailAddress as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <EmailAddress as OutputType>::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        Ok(Value::String(if sees(ctx) { self.0.to_string() } else { self.0.masked() }))
    }
}

impl OutputType for Words {
    fn type_name() -> Cow<'static, str> {
        <String as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <String as OutputType>::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        Ok(Value::String(if sees(ctx) { self.0.clone() } else { text(&self.0) }))
    }
}

/// Whoever is not known sees nothing.
fn sees(ctx: &ContextSelectionSet<'_>) -> bool {
    ctx.data_opt::<Principal>().is_some_and(Principal::sees_addresses)
}

/// How an `@` stands in words: as itself, and in a URL.
const AT: [&str; 2] = ["@", "%40"];

/// The words with everything masked that looks like an address: what stands before an `@`, up to a character that no local
/// part holds outside quotes.
pub fn text(words: &str) -> String {
    let mut masked = String::with_capacity(words.len());
    let mut rest = words;
    while let Some((at, mark)) = AT.iter().filter_map(|mark| Some((rest.find(mark)?, *mark))).min() {
        let (before, after) = (&rest[..at], &rest[at + mark.len()..]);
        let local = local_part(before);
        if local.is_empty() || !after.starts_with(|c: char| c.is_alphanumeric() || c == '[') {
            masked.push_str(before);
        } else {
            masked.push_str(&before[..before.len() - local.len()]);
            masked.extend(local.chars().next().filter(|c| c.is_alphanumeric()));
            masked.push_str("***");
        }
        masked.push_str(mark);
        rest = after;
    }
    masked + rest
}

/// The local part that a text ends with; empty where it ends with none.
fn local_part(text: &str) -> &str {
    if text.ends_with('"') {
        // Which quote opens it can't be told where some are escaped: the first one hides enough.
        return &text[text.find('"').unwrap_or(0)..];
    }
    let ends = |c: char| c.is_whitespace() || c.is_control() || "<>()[]{}|,;:\\\"".contains(c);
    let local = text.rsplit(ends).next().unwrap_or_default();
    // What stands around an address, as in 'ann@example.com'.
    let bare = local.trim_start_matches(|c: char| !c.is_alphanumeric());
    if bare.is_empty() { local } else { bare }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_looks_like_an_address_is_masked_in_words() {
        let cases = [
            ("", ""),
            ("Mailgun is away", "Mailgun is away"),
            ("550 5.1.1 <bob@example.com>: no such user", "550 5.1.1 <b***@example.com>: no such user"),
            ("ann@example.com, bob@example.org", "a***@example.com, b***@example.org"),
            ("to=ann@example.com", "t***@example.com"),
            ("mailto:ann@example.com.", "mailto:a***@example.com."),
            ("'ann@example.com' bounced", "'a***@example.com' bounced"),
            ("ann.b+news@example.com", "a***@example.com"),
            ("\"ann lee\"@example.com bounced", "***@example.com bounced"),
            ("\"a\\\"b c\"@example.com", "***@example.com"),
            ("bounce+ann=example.com@mg.example.com", "b***@mg.example.com"),
            ("ann%40example.com", "a***%40example.com"),
            ("ann@b@example.com", "a***@b***@example.com"),
            ("jürgen@bücher.example", "j***@bücher.example"),
            ("Åsa@example.com", "Å***@example.com"),
            ("_@example.com", "***@example.com"),
            ("ann@[192.0.2.1]", "a***@[192.0.2.1]"),
            ("5 messages @ 10:42", "5 messages @ 10:42"),
            ("@example.com", "@example.com"),
            ("ann@", "ann@"),
            ("100%40", "100%40"),
        ];
        for (words, expected) in cases {
            assert_eq!(text(words), expected, "{words:?}");
        }
    }

    #[test]
    fn a_masked_address_is_still_an_address_and_keeps_its_domain() {
        let long = format!("a@{}.example", ["x".repeat(63), "x".repeat(63), "x".repeat(63), "x".repeat(51)].join("."));
        let addresses =
            ["ann@example.com", "a@example.com", "\"ann lee\"@example.com", "+a@example.com", "é@example.com", &long];
        for address in addresses {
            let address = EmailAddress::parse(address).unwrap_or_else(|why| panic!("{address} {why}"));
            let masked = EmailAddress::parse(&address.masked()).unwrap_or_else(|why| panic!("{address} {why}"));
            assert_eq!(masked.domain(), address.domain());
            assert!(masked != address, "{address}");
        }
    }
}

//! From Mailgun's payload to our event: the webhook's envelope, and the items of its two logs. Lenient: fields come and go
//! ("additive changes only"), and each may be null.

use std::borrow::Cow;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use entity::EmailAddress;
use serde_json::Value;
use uuid::Uuid;

use super::field::{at, number, text, time, words};
use super::{Client, Event, Failure, Kind, Triple};

/// The largest body that is read.
pub const MOST_BYTES: usize = 256 * 1024;

/// A webhook's body, read and not yet believed.
#[derive(Clone, Debug)]
pub struct Envelope {
    pub(super) triple: Option<Triple>,
    pub(super) body: Bytes,
    data: Value,
}

/// Why a body is refused for good (406: Mailgun does not try again).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("it is larger than {MOST_BYTES} bytes")]
    TooLarge,
    #[error("it is not JSON")]
    NotJson,
}

/// An item of Mailgun's log (Events API or Logs API), from a connection to Mailgun itself.
#[derive(Clone, Debug)]
pub struct LogItem {
    pub(crate) event: Event,
    pub(crate) body: Bytes,
}

impl Envelope {
    /// Reads `{signature: {timestamp, token, signature}, event-data: {…}}`.
    ///
    /// # Errors
    /// When it is too large or no JSON.
    pub fn read(body: Bytes) -> Result<Self, Unreadable> {
        if body.len() > MOST_BYTES {
            return Err(Unreadable::TooLarge);
        }
        let mut json = json(&body).ok_or(Unreadable::NotJson)?;
        let part = |name: &str| at(&json, &["signature", name]).and_then(exact);
        let triple = match (part("timestamp"), part("token"), part("signature")) {
            (Some(timestamp), Some(token), Some(signature)) => Some(Triple { timestamp, token, signature }),
            _ => None,
        };
        let data = json.get_mut("event-data").map(Value::take).unwrap_or_default();
        Ok(Self { triple, body, data })
    }

    /// The event; `signed_at` is when it occurred if it does not say.
    pub(super) fn event(&self, signed_at: DateTime<Utc>) -> Event {
        read(&self.data, signed_at, "")
    }
}

impl LogItem {
    /// Reads an item of the log of `domain`; `asked_at` is when it occurred if it does not say.
    pub fn read(item: &Value, domain: &str, asked_at: DateTime<Utc>) -> Self {
        Self { event: read(item, asked_at, domain), body: Bytes::from(item.to_string()) }
    }

    /// The event, as far as it could be read.
    pub fn event(&self) -> &Event {
        &self.event
    }
}

/// Reads a stored payload again: a webhook's body or an item of the log. `domain` and `at` are for what it does not say.
pub(crate) fn reread(payload: &[u8], webhook: bool, domain: &str, at: DateTime<Utc>) -> Event {
    let mut json = json(payload).unwrap_or_default();
    if webhook {
        json = json.get_mut("event-data").map(Value::take).unwrap_or_default();
    }
    read(&json, at, domain)
}

/// A text or a number as it stands: what was signed are these very characters.
fn exact(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// JSON, also where a foreign server's words were put into it badly: as bytes that are no UTF-8, or as halves of surrogate
/// pairs.
fn json(body: &[u8]) -> Option<Value> {
    let text = String::from_utf8_lossy(body);
    serde_json::from_str(&text).or_else(|_| serde_json::from_str(&without_lone_surrogates(&text))).ok()
}

/// The text with every `\uD800` to `\uDFFF` that has no partner replaced.
fn without_lone_surrogates(text: &str) -> Cow<'_, str> {
    let unit = |at: usize| {
        let hex = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(hex, 16).ok()
    };
    let (mut mended, mut from, mut i) = (String::new(), 0, 0);
    while i < text.len() {
        let skip = match (unit(i), unit(i + 6)) {
            _ if !text[i..].starts_with('\\') => 1,
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => {
                mended.push_str(&text[from..i]);
                mended.push_str("\\uFFFD");
                from = i + 6;
                6
            }
            // An escaped character, which may be a backslash.
            _ => 2,
        };
        i += skip;
        while !text.is_char_boundary(i) && i < text.len() {
            i += 1;
        }
    }
    if from == 0 {
        return text.into();
    }
    mended.push_str(&text[from..]);
    mended.into()
}

fn read(data: &Value, else_at: DateTime<Utc>, else_domain: &str) -> Event {
    let message_id = text(data, &["message", "headers", "message-id"]).map(|id| bare(&id).to_owned());
    let occurred_at = at(data, &["timestamp"]).and_then(time).or_else(|| at(data, &["@timestamp"]).and_then(time));
    Event {
        kind: kind(data),
        id: text(data, &["id"]),
        occurred_at: occurred_at.unwrap_or(else_at),
        recipient: text(data, &["recipient"]).map(|address| key_of(&address)),
        domain: domain(data, message_id.as_deref()).unwrap_or_else(|| else_domain.to_lowercase()),
        email: email(data, message_id.as_deref()),
        message_id,
        tags: at(data, &["tags"]).and_then(Value::as_array).into_iter().flatten().filter_map(words).collect(),
    }
}

fn kind(data: &Value) -> Kind {
    let name = text(data, &["event"]).unwrap_or_default();
    match name.as_str() {
        "accepted" => Kind::Accepted,
        "delivered" => Kind::Delivered,
        "failed" => match text(data, &["severity"]).as_deref() {
            Some("permanent") => Kind::Bounced(failure(data)),
            Some("temporary") => Kind::Deferred(failure(data)),
            // Items of the Logs API may come without a severity: Mailgun tries on where it says when.
            None if number(data, &["delivery-status", "retry-seconds"]).is_some_and(|seconds| seconds > 0) => {
                Kind::Deferred(failure(data))
            }
            _ => Kind::Unknown { name },
        },
        "opened" => Kind::Opened(client(data)),
        "clicked" => Kind::Clicked { url: text(data, &["url"]), client: client(data) },
        "complained" => Kind::Complained,
        "unsubscribed" => Kind::Unsubscribed,
        "rejected" => Kind::Rejected {
            reason: [&["reject", "reason"][..], &["reject", "description"], &["reason"]]
                .iter()
                .find_map(|path| text(data, path)),
        },
        _ => Kind::Unknown { name },
    }
}

fn failure(data: &Value) -> Failure {
    let status = |name: &str| text(data, &["delivery-status", name]);
    let message = status("message").or_else(|| status("description"));
    let code = status("code");
    // The older ones put the enhanced code where the code should be, some only into the server's words.
    let enhanced = [status("enhanced-code"), status("bounce-code"), code.clone()]
        .into_iter()
        .flatten()
        .find(|code| is_enhanced(code))
        .or_else(|| enhanced_of(message.as_deref()?));
    Failure {
        reason: text(data, &["reason"]).map(|word| word.to_lowercase()),
        code: number(data, &["delivery-status", "code"]),
        enhanced,
        message,
        bounce_type: status("bounce-type").map(|word| word.to_lowercase()),
        attempt: number(data, &["delivery-status", "attempt-no"]),
    }
}

/// Three numbers with dots between them, the first of them 2, 4 or 5 (RFC 3463).
fn is_enhanced(code: &str) -> bool {
    let parts: Vec<&str> = code.split('.').collect();
    let digits = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    parts.len() == 3 && matches!(parts[0], "2" | "4" | "5") && parts.iter().all(digits)
}

/// The enhanced code a server's reply begins with: "550 5.1.1 no such user", "smtp; 550-5.1.1 …".
pub(crate) fn enhanced_of(message: &str) -> Option<String> {
    let begin = message.split([' ', '-', ';', '#', ',']).filter(|word| !word.is_empty()).take(3);
    begin.map(|word| word.trim_end_matches(':')).find(|word| is_enhanced(word)).map(str::to_owned)
}

fn client(data: &Value) -> Client {
    Client {
        bot: text(data, &["client-info", "bot"]).map(|word| word.to_lowercase()),
        name: text(data, &["client-info", "client-name"]),
        country: text(data, &["geolocation", "country"]),
    }
}

/// An address in key form; one that our rules refuse is still the one that Mailgun speaks of.
fn key_of(address: &str) -> String {
    EmailAddress::parse(address).map_or_else(|_| address.to_lowercase(), |address| address.key())
}

/// The sending domain: newer payloads name it, others name it in the address of the stored message, in the Message-Id, or as
/// the envelope's sender.
fn domain(data: &Value, message_id: Option<&str>) -> Option<String> {
    let after_at = |text: &str| text.rsplit_once('@').map(|(_, domain)| domain.to_owned());
    text(data, &["domain", "name"])
        .or_else(|| stored_under(data))
        .or_else(|| message_id.and_then(after_at))
        .or_else(|| text(data, &["envelope", "sender"]).as_deref().and_then(after_at))
        .map(|domain| domain.to_lowercase())
        .filter(|domain| !domain.is_empty())
}

/// `https://…/v3/domains/{domain}/messages/…`; the Logs API has a list of them.
fn stored_under(data: &Value) -> Option<String> {
    let url = at(data, &["storage", "url"])?;
    let url = url.get(0).unwrap_or(url).as_str()?;
    let domain = url.split_once("/domains/")?.1.split('/').next()?;
    domain.contains('.').then(|| domain.to_owned()).filter(|domain| domain != "...")
}

/// The email it says it is about: `v:email-id`, else our Message-Id's local part.
fn email(data: &Value, message_id: Option<&str>) -> Option<Uuid> {
    let from_variables = || user_variable(at(data, &["user-variables"])?, "email-id");
    let from_message = || {
        let local = message_id?.split_once('@')?.0;
        // Others have ids that a lenient reader would take for a UUID; ours have the hyphens.
        (local.len() == 36).then(|| Uuid::parse_str(local).ok())?
    };
    from_variables().or_else(from_message)
}

/// One of the sender's variables. They come as an object (of texts, or of anything), as an object written as text, as an
/// empty list, or as a sentence that says they were too long.
fn user_variable(variables: &Value, name: &str) -> Option<Uuid> {
    let id = |value: &Value| Uuid::parse_str(value.as_str()?.trim().trim_matches('"')).ok();
    match variables {
        Value::Object(fields) => fields.get(name).and_then(id),
        Value::String(written) => serde_json::from_str::<Value>(written).ok()?.get(name).and_then(id),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    }
}

/// A Message-Id without its angle brackets.
fn bare(id: &str) -> &str {
    let id = id.trim();
    id.strip_prefix('<').unwrap_or(id).strip_suffix('>').unwrap_or(id.strip_prefix('<').unwrap_or(id))
}

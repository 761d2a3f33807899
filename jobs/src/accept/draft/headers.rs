//! The headers that a sender sets: which there may be, and how large they are together.

use super::{Draft, Reading};

/// Own headers together: Mailgun takes 16 KB of options, headers and variables, ours included.
pub const MOST_HEADERS: usize = 12 * 1024;
/// Headers that are not the sender's to set here: they have fields of their own, or are Mailgun's.
const RESERVED: [&str; 16] = [
    "from",
    "to",
    "cc",
    "bcc",
    "reply-to",
    "subject",
    "message-id",
    "date",
    "sender",
    "return-path",
    "received",
    "dkim-signature",
    "mime-version",
    "resent-from",
    "resent-to",
    "delivered-to",
];

impl Draft {
    pub(super) fn check_headers(&self, reading: &mut Reading) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        let entries = match &self.headers {
            None | Some(serde_json::Value::Null) => return headers,
            Some(serde_json::Value::Object(entries)) => entries,
            Some(_) => {
                reading.complain(&["headers"], "must be an object of names and texts");
                return headers;
            }
        };
        for (name, value) in entries {
            let Some(value) = value.as_str() else {
                reading.complain(&["headers", name], "must be a text");
                continue;
            };
            // RFC 5322, 3.6.8: printable US-ASCII but the colon.
            if name.is_empty() || !name.bytes().all(|b| (33..=126).contains(&b) && b != b':') {
                reading.complain(&["headers", name], "is not a header's name");
            } else if is_reserved(name) {
                reading.complain(&["headers", name], "is reserved: it has a field of its own or is set by us");
            } else if value.contains(['\r', '\n', '\0']) {
                reading.complain(&["headers", name], "must not hold a line break");
            } else {
                headers.push((name.clone(), value.to_owned()));
            }
        }
        let size: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        if size > MOST_HEADERS {
            reading.complain(&["headers"], format!("are larger than {} KiB together", MOST_HEADERS >> 10));
        }
        headers
    }
}

fn is_reserved(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    RESERVED.contains(&name.as_str()) || name.starts_with("content-") || name.starts_with("x-mailgun-")
}

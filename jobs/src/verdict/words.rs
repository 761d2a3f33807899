//! What an answer's body says: Mailgun's JSON where it is that, and else how it fails to be.

use serde_json::Value;

/// The longest `why`, in characters.
const WORDS_MAX: usize = 300;

/// A body, sorted by what can be concluded from it.
pub(super) enum Body<'a> {
    /// A JSON value; `id` only where it is a text that is not empty, without its angle brackets.
    Json { id: Option<String>, message: Option<String> },
    /// It begins like JSON, or says it is, and can't be read: an answer that was cut or mangled.
    BrokenJson,
    /// A web page.
    Html,
    /// Any other text.
    Text(&'a str),
    /// Nothing.
    Empty,
    /// The connection broke before it was complete.
    Cut,
}

impl<'a> Body<'a> {
    pub(super) fn read(body: &'a str, content_type: Option<&str>) -> Self {
        let text = body.trim();
        let said = content_type.unwrap_or_default().to_ascii_lowercase();
        if text.is_empty() {
            return Self::Empty;
        }
        if let Ok(json) = serde_json::from_str::<Value>(text) {
            return Self::Json { id: id(&json), message: message(&json) };
        }
        if text.starts_with(['{', '[', '"']) || said.contains("json") {
            return Self::BrokenJson;
        }
        if text.starts_with('<') { Self::Html } else { Self::Text(text) }
    }

    /// The text that a person wrote, if there is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Json { message, .. } => message.as_deref(),
            Self::Text(text) => Some(text),
            Self::BrokenJson | Self::Html | Self::Empty | Self::Cut => None,
        }
    }

    /// Mailgun's words, or what was there instead of them.
    pub(super) fn words(&self, status: u16) -> String {
        match self {
            Self::Json { message: Some(words), .. } => bounded(words),
            Self::Text(words) => bounded(words),
            Self::Json { message: None, .. } => format!("HTTP {status} with JSON that says nothing"),
            Self::BrokenJson => format!("HTTP {status} with JSON that can't be read"),
            Self::Html => format!("HTTP {status} with a web page instead of an answer"),
            Self::Empty => format!("HTTP {status} without a word"),
            Self::Cut => format!("HTTP {status}, then the connection broke"),
        }
    }

    /// Whether the text speaks of the account. A domain that is called so has a dot.
    pub(super) fn says_account(&self) -> bool {
        let says =
            |word: &str| word.to_ascii_lowercase().starts_with("account") && !word.trim_end_matches('.').contains('.');
        self.text().is_some_and(|text| text.split_whitespace().any(says))
    }
}

fn id(json: &Value) -> Option<String> {
    let id = json.get("id")?.as_str()?.trim();
    let id = id.strip_prefix('<').unwrap_or(id);
    let id = id.strip_suffix('>').unwrap_or(id);
    (!id.is_empty()).then(|| id.to_owned())
}

/// `message`, else one of the keys that other Mailgun services use.
fn message(json: &Value) -> Option<String> {
    let keys = ["message", "Message", "error", "Error", "reason", "Description"];
    let words = keys.iter().find_map(|key| json.get(key)?.as_str()).or_else(|| json.as_str())?;
    (!words.trim().is_empty()).then(|| words.to_owned())
}

/// `words` on one line, at most [`WORDS_MAX`] characters.
pub(super) fn bounded(words: &str) -> String {
    let mut line = String::with_capacity(words.len().min(4 * WORDS_MAX));
    let (mut count, mut gap) = (0, false);
    for c in words.trim().chars() {
        if c.is_whitespace() || c.is_control() {
            gap = true;
            continue;
        }
        let needed = if gap { 2 } else { 1 };
        if count + needed > WORDS_MAX - 1 {
            line.push('…');
            break;
        }
        if gap {
            line.push(' ');
        }
        line.push(c);
        count += needed;
        gap = false;
    }
    line
}

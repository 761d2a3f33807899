//! Reading a field that may be missing, null, empty, a number where a text is expected, or a text where a number is.

use chrono::{DateTime, Utc};
use serde_json::Value;

/// The longest text that is kept beside the payload, in characters.
const LONGEST: usize = 1_000;

/// What stands at the end of a path of names.
pub(super) fn at<'a>(data: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(data, |value, name| value.get(name)).filter(|value| !value.is_null())
}

/// A text that is not empty.
pub(super) fn text(data: &Value, path: &[&str]) -> Option<String> {
    words(at(data, path)?)
}

pub(super) fn words(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim(),
        Value::Number(number) => return Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    if text.is_empty() {
        return None;
    }
    // PostgreSQL keeps no NUL in a text, and no reader shows one.
    let readable = |c| if c == '\0' { '\u{FFFD}' } else { c };
    Some(text.chars().take(LONGEST).map(readable).collect())
}

/// A whole number.
pub(super) fn number(data: &Value, path: &[&str]) -> Option<i32> {
    let number = match at(data, path)? {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    // A cast saturates; what is out of range was no code or count anyway.
    (number.abs() < f64::from(i32::MAX)).then_some(number as i32)
}

/// Seconds since the epoch, with a fraction, as a number or as text; or RFC 3339. To the microsecond.
pub(super) fn time(value: &Value) -> Option<DateTime<Utc>> {
    let seconds = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => match text.trim().parse() {
            Ok(seconds) => seconds,
            Err(_) => return DateTime::parse_from_rfc3339(text.trim()).ok().map(|at| at.to_utc()),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    DateTime::from_timestamp_micros((seconds * 1e6).round() as i64).filter(|at| at.timestamp() > 0)
}

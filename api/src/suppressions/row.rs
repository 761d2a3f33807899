//! What the columns of a row mean: in Mailgun's own exports, and in ours.

use chrono::{DateTime, SecondsFormat, Utc};
use csv::StringRecord;
use entity::suppression::{Model, Reason, Scope, Target};
use jobs::suppress::enter::NewEntry;

/// A note, in characters.
const MOST_NOTE: usize = 500;

/// A reason by its name, in capitals or not.
pub fn reason(text: &str) -> Option<Reason> {
    Reason::ALL.into_iter().find(|reason| reason.name().eq_ignore_ascii_case(text.trim()))
}

/// Where in a file's rows what stands.
#[derive(Debug, PartialEq, Eq)]
pub struct Columns {
    target: usize,
    /// Of all rows, unless the column says otherwise.
    reason: Option<Reason>,
    reason_at: Option<usize>,
    code: Option<usize>,
    note: Option<usize>,
    tags: Option<usize>,
    created_at: Option<usize>,
    expires_at: Option<usize>,
}

impl Columns {
    /// By the header; `given` is the reason of all rows, where somebody said so.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn read(header: &StringRecord, given: Option<Reason>) -> Result<Self, String> {
        let at = |names: &[&str]| {
            header.iter().position(|name| {
                // The mark that some programs begin a file with.
                let name = name.trim_start_matches('\u{feff}').trim();
                names.iter().any(|known| known.eq_ignore_ascii_case(name))
            })
        };
        let target = at(&["address", "target", "email"]).ok_or("the file has no column `address`")?;
        let mut columns = Self {
            target,
            reason: given,
            reason_at: at(&["reason"]).filter(|_| given.is_none()),
            code: at(&["code"]),
            note: at(&["error", "note"]),
            tags: at(&["tags"]),
            created_at: at(&["created_at"]),
            expires_at: at(&["expires_at"]),
        };
        if columns.reason.is_none() && columns.reason_at.is_none() {
            let reason = columns.of_mailgun(header.len());
            columns.reason = Some(reason.ok_or("the columns don't tell the reason: name it with --reason")?);
        }
        Ok(columns)
    }

    /// Which of Mailgun's lists has these columns.
    fn of_mailgun(&self, columns: usize) -> Option<Reason> {
        match self {
            Columns { code: Some(_), .. } => Some(Reason::Bounce),
            Columns { tags: Some(_), .. } => Some(Reason::Unsubscribe),
            Columns { created_at: Some(_), .. } if columns == 2 => Some(Reason::Complaint),
            _ => None,
        }
    }

    /// The entry that a row stands for.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn entry(&self, row: &StringRecord, now: DateTime<Utc>) -> Result<NewEntry, String> {
        let text = |at: Option<usize>| at.and_then(|at| row.get(at)).filter(|text| !text.is_empty());
        let target = row.get(self.target).unwrap_or_default();
        let target = Target::parse(target).map_err(|why| format!("the address {why}"))?;
        let reason = match text(self.reason_at) {
            Some(name) => reason(name).ok_or_else(|| format!("{name:?} is no reason"))?,
            None => self.reason.unwrap_or(Reason::Manual),
        };
        let moment = |at, name: &str| {
            let moment = text(at).map(|text| time(text).ok_or_else(|| format!("{name} is no time")));
            moment.transpose()
        };
        let since = moment(self.created_at, "created_at")?;
        if since.is_some_and(|at| at > now) {
            return Err("created_at lies in the future".to_owned());
        }
        let tags = text(self.tags).filter(|tags| *tags != "*").map(|tags| format!("from {tags}"));
        let parts = [text(self.code), text(self.note), tags.as_deref()];
        let note = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let note: String = note.replace('\0', "\u{FFFD}").chars().take(MOST_NOTE).collect();
        Ok(NewEntry {
            target,
            reason,
            note: Some(note).filter(|note| !note.is_empty()),
            expires_at: moment(self.expires_at, "expires_at")?,
            since,
        })
    }
}

/// Mailgun writes `Thu, 13 Oct 2011 18:02:00 UTC` (RFC 2822), others RFC 3339.
fn time(text: &str) -> Option<DateTime<Utc>> {
    let rfc2822 = || DateTime::parse_from_rfc2822(&text.replace("UTC", "GMT")).ok();
    DateTime::parse_from_rfc3339(text).ok().or_else(rfc2822).map(|time| time.to_utc())
}

/// In which columns a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// All there is to know.
    Ours,
    /// Those of Mailgun's own list of this reason.
    Mailgun(Reason),
}

impl Form {
    /// The names of the columns.
    pub fn header(self) -> &'static [&'static str] {
        match self {
            Form::Ours => &["address", "reason", "note", "created_at", "expires_at"],
            Form::Mailgun(Reason::Bounce) => &["address", "code", "error", "created_at"],
            Form::Mailgun(Reason::Unsubscribe) => &["address", "tags", "created_at"],
            Form::Mailgun(Reason::Complaint | Reason::Manual) => &["address", "created_at"],
        }
    }

    /// An entry's row; `None` where these columns can't hold it.
    pub fn record(self, entry: &Model) -> Option<Vec<String>> {
        let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let (address, note, at) = (entry.target.clone(), entry.note.clone().unwrap_or_default(), entry.occurred_at);
        let reason = match self {
            Form::Ours => {
                let end = entry.expires_at.map(time).unwrap_or_default();
                return Some(vec![address, entry.reason.name().to_owned(), note, time(at), end]);
            }
            Form::Mailgun(reason) => reason,
        };
        if Scope::of(&address) == Scope::Domain {
            return None;
        }
        let at = at.to_rfc2822().replace("+0000", "UTC");
        Some(match reason {
            Reason::Bounce => {
                let (code, error) = match note.split_once(' ') {
                    Some((code, error)) if code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit()) => (code, error),
                    // Mailgun wants one; this is what it takes where none is named.
                    _ => ("550", note.as_str()),
                };
                vec![address, code.to_owned(), error.to_owned(), at]
            }
            Reason::Unsubscribe => vec![address, "*".to_owned(), at],
            Reason::Complaint | Reason::Manual => vec![address, at],
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use super::*;

    fn record(cells: &str) -> StringRecord {
        cells.split(',').collect::<Vec<_>>().into()
    }

    fn now() -> DateTime<Utc> {
        time("2026-11-24T12:00:00Z").unwrap()
    }

    #[test]
    fn the_columns_tell_which_of_mailguns_lists_it_is() {
        let cases = [
            ("address,code,error,created_at", None, Ok(Some(Reason::Bounce))),
            ("\u{feff}Address,Code,Error,Created_At", None, Ok(Some(Reason::Bounce))),
            ("address,tags,created_at", None, Ok(Some(Reason::Unsubscribe))),
            ("address,created_at", None, Ok(Some(Reason::Complaint))),
            ("address,created_at", Some(Reason::Manual), Ok(Some(Reason::Manual))),
            ("address,reason,note,created_at,expires_at", None, Ok(None)),
            ("address", None, Err("the columns don't tell the reason: name it with --reason")),
            ("name,created_at", None, Err("the file has no column `address`")),
        ];
        for (header, given, expected) in cases {
            let read = Columns::read(&record(header), given).map(|columns| columns.reason);
            assert_eq!(read.as_ref().map_err(String::as_str), expected.as_ref().map_err(|why| *why), "{header}");
        }
    }

    #[test]
    fn a_row_becomes_an_entry_or_says_what_is_wrong() {
        let bounces = Columns::read(&record("address,code,error,created_at"), None).unwrap();
        let read = |row: &str| {
            // The comma of a date stands in quotes in a file.
            let cells: Vec<String> = row.split(',').map(|cell| cell.replace(';', ",")).collect();
            bounces.entry(&cells.into(), now())
        };
        let entry = read("Ann@Example.com,550,no such user,Thu; 13 Oct 2011 18:02:00 UTC").unwrap();
        assert_eq!((entry.target.key().as_str(), entry.reason), ("ann@example.com", Reason::Bounce));
        assert_eq!(entry.note.as_deref(), Some("550 no such user"));
        assert_eq!(entry.since.unwrap().to_rfc3339(), "2011-10-13T18:02:00+00:00");
        assert_eq!(read("example.com").unwrap().since, None);
        let wrong = [
            ("nobody@,550,,", "the address has nothing after the @"),
            ("", "the address is empty"),
            ("ann@example.com,550,,soon", "created_at is no time"),
            ("ann@example.com,550,,2999-01-01T00:00:00Z", "created_at lies in the future"),
        ];
        for (row, expected) in wrong {
            assert_eq!(read(row).unwrap_err(), expected, "{row}");
        }
    }
}

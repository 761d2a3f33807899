//! Who is to be suppressed, and which entries are meant.

use async_graphql::InputObject;
use chrono::{DateTime, Utc};
use entity::suppression::{Reason, Target};
use jobs::suppress::enter::NewEntry;
use jobs::suppress::list::Filter;

use crate::schema::email::DateTimeRange;
use crate::schema::refusal::{UserError, UserErrorCode};

/// A note, in characters.
const MOST_NOTE: usize = 500;

/// Who is not to be mailed any more.
#[derive(Clone, Debug, InputObject)]
pub struct SuppressInput {
    /// An address, or a domain, which means every address at it.
    target: String,
    /// Why.
    #[graphql(default_with = "Reason::Manual")]
    reason: Reason,
    /// Something to remember about it, up to 500 characters.
    note: Option<String>,
    /// It ends by itself then; without it, when it is lifted. A bounce that ends is a soft one.
    expires_at: Option<DateTime<Utc>>,
}

impl SuppressInput {
    /// The entry for `jobs`.
    ///
    /// # Errors
    /// All that the caller can mend, with the ways to the fields.
    pub fn read(self, now: DateTime<Utc>) -> Result<NewEntry, Vec<UserError>> {
        let mut errors = Vec::new();
        let mut wrong = |field: &str, why: String| errors.push(UserError::at(&[field], UserErrorCode::Invalid, why));
        let target = Target::parse(&self.target).map_err(|why| wrong("target", why.to_string())).ok();
        let note = self.note.map(|text| text.replace('\0', "\u{FFFD}")).filter(|text| !text.is_empty());
        if note.as_ref().is_some_and(|text| text.chars().count() > MOST_NOTE) {
            wrong("note", format!("is longer than {MOST_NOTE} characters"));
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            wrong("expiresAt", "is in the past".to_owned());
        }
        match target {
            Some(target) if errors.is_empty() => {
                Ok(NewEntry { target, reason: self.reason, note, expires_at: self.expires_at, since: None })
            }
            _ => Err(errors),
        }
    }
}

/// Entries that meet every part that is given; without any, all that are not archived.
#[derive(Clone, Debug, Default, InputObject)]
pub struct SuppressionFilter {
    /// Their target contains this. Not for a key that may only read, to which addresses are masked.
    search: Option<String>,
    /// Their target begins with this, which is found at once among any number of entries; in the order of the targets unless asked
    /// otherwise. Not for a key that may only read.
    starts_with: Option<String>,
    /// For this reason.
    reason: Option<Reason>,
    /// Those that block at the moment, or those that no longer do.
    active: Option<bool>,
    /// Those that end by themselves in this time.
    expires_at: Option<DateTimeRange>,
}

impl SuppressionFilter {
    /// It would tell what is masked.
    pub fn looks_into_addresses(&self) -> bool {
        self.search.is_some() || self.starts_with.is_some()
    }

    /// The filter for `jobs`.
    pub fn read(self) -> Filter {
        let text = |text: Option<String>| text.map(|text| text.trim().to_lowercase()).filter(|text| !text.is_empty());
        let range = self.expires_at.unwrap_or_default();
        Filter {
            search: text(self.search),
            starts_with: text(self.starts_with),
            reason: self.reason,
            active: self.active,
            expires_from: range.since,
            expires_until: range.until,
        }
    }
}

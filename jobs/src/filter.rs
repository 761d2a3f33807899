//! Which emails a person means: one filter for reading, counting and bulk work. Here it says what it means and by which
//! indexes that is found; [`clauses`] and [`runs`] render it to SQL.
//!
//! What a page costs grows with the page, never with the emails there are. By domain, priority or QUEUED it grows besides with the
//! campaigns that have any such, for each has its own run; and among the emails of one address what is no status and no time is
//! asked of each.

mod clauses;
mod runs;
#[cfg(test)]
mod tests;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use entity::{Priority, Status};
use sea_orm::ActiveEnum;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use clauses::Text;
pub use clauses::{Clauses, Order};

/// Emails that meet every part that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Any of these; all when empty.
    pub statuses: Vec<Status>,
    /// The recipient, in its key form.
    pub address_key: Option<String>,
    /// The sending domain.
    pub domain: Option<String>,
    pub campaign: Option<Uuid>,
    pub priority: Option<Priority>,
    /// From this time on …
    pub created_from: Option<DateTime<Utc>>,
    /// … and before this one.
    pub created_until: Option<DateTime<Utc>>,
    /// What they failed of; nothing but FAILED has one.
    pub cause: Option<String>,
}

/// How an index finds emails: a list is read from the ends of a few ordered runs, whose ids are merged. The numbers are masks of
/// statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A run for each standing; QUEUED and SENDING, which every email passes, are not among them.
    Standings(i32),
    /// A run for each standing of an address.
    Address(i32),
    /// A run for each lane, scope (campaign × sending domain) and standing that the tallies know emails of.
    Scopes(i32),
    /// Those under way: never more than there are slots.
    Sending,
}

/// What a condition is about: an index that finds by it need not ask it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Address,
    Scope,
    Status,
    Other,
}

impl Filter {
    /// Its conditions, and how an index finds what meets them.
    pub fn clauses(&self) -> Clauses {
        let mut clauses = Clauses::new(self.ways());
        clauses.set_scopes(self.campaign, self.domain.clone(), self.priority);
        if let Some(key) = &self.address_key {
            clauses.set_address(key.clone());
            clauses.add(Part::Address, "q.recipient_key = ?", key.clone());
        }
        if let Some(campaign) = self.campaign {
            clauses.add(Part::Scope, "q.campaign_id = ?", campaign);
        }
        if let Some(domain) = &self.domain {
            // Asked of each row, so that no planner is tempted to begin with the domain's scopes.
            let of_domain = "(SELECT s.sending_domain FROM email_scopes s WHERE s.id = q.scope) = ?";
            clauses.add(Part::Scope, of_domain, domain.clone());
        }
        if let Some(lane) = self.priority {
            clauses.add(Part::Scope, "q.lane = ?", lane.to_value());
        }
        if !self.statuses.is_empty() {
            clauses.add(Part::Status, "((1 << q.status) & ?) <> 0", mask(&self.statuses));
        }
        if let Some(cause) = &self.cause {
            let of_email = "(SELECT f.cause FROM email_failures f WHERE f.email_id = q.id) = ?";
            clauses.add(Part::Other, of_email, cause.clone());
        }
        // The order of ids is that of acceptance: a time span is a span of ids.
        if let Some(from) = self.created_from {
            clauses.from(first_id(from));
        }
        if let Some(until) = self.created_until {
            clauses.before(first_id(until));
        }
        clauses
    }

    /// None when everything is meant: that is one run, by id.
    fn ways(&self) -> Vec<Way> {
        let asks = |status| self.statuses.contains(&status);
        let by_scope = self.campaign.is_some() || self.domain.is_some() || self.priority.is_some();
        if self.statuses.is_empty() {
            return match (&self.address_key, by_scope) {
                (Some(_), _) => vec![Way::Address(ALL)],
                (None, true) => vec![Way::Scopes(ALL)],
                (None, false) => Vec::new(),
            };
        }
        // What is SENDING stands among the queued, and is found there where they are asked for as well.
        let passed = bit(Status::Queued) | bit(Status::Sending);
        let queued = if asks(Status::Queued) { mask(&self.statuses) & passed } else { 0 };
        let standing = mask(&self.statuses) & !passed;
        let mut ways = match (&self.address_key, by_scope) {
            (Some(_), _) => vec![Way::Address(standing | queued)],
            (None, true) => vec![Way::Scopes(standing | queued)],
            (None, false) => vec![Way::Standings(standing), Way::Scopes(queued)],
        };
        ways.retain(|way| !matches!(way, Way::Standings(0) | Way::Address(0) | Way::Scopes(0)));
        if queued == 0 && asks(Status::Sending) {
            ways.push(Way::Sending);
        }
        ways
    }

    /// The tallies alone can count it.
    pub fn is_tallied(&self) -> bool {
        let Filter { address_key, created_from, created_until, cause, .. } = self;
        address_key.is_none() && created_from.is_none() && created_until.is_none() && cause.is_none()
    }

    /// It lets this status through.
    pub fn allows(&self, status: Status) -> bool {
        self.statuses.is_empty() || self.statuses.contains(&status)
    }

    /// The same among these statuses alone; `None` when it lets none of them through.
    pub fn within(&self, statuses: &[Status]) -> Option<Filter> {
        let statuses: Vec<Status> = statuses.iter().copied().filter(|s| self.allows(*s)).collect();
        (!statuses.is_empty()).then(|| Filter { statuses, ..self.clone() })
    }
}

/// Every status's bit.
const ALL: i32 = (1 << 13) - 1;

fn bit(status: Status) -> i32 {
    1 << status.to_value()
}

/// One bit for each status, so that the text is the same for any set of them.
fn mask(statuses: &[Status]) -> i32 {
    statuses.iter().fold(0, |mask, status| mask | bit(*status))
}

/// The least UUIDv7 made at this time or later. RFC 9562, section 5.7: 48 bits of milliseconds since the epoch come first.
pub fn first_id(at: DateTime<Utc>) -> Uuid {
    let millis = at.duration_round_up(TimeDelta::milliseconds(1)).unwrap_or(at).timestamp_millis();
    Uuid::from_u128(u128::from(millis.clamp(0, (1 << 48) - 1) as u64) << 80)
}

/// When this UUIDv7 was made, to the millisecond.
pub fn made_at(id: Uuid) -> DateTime<Utc> {
    DateTime::from_timestamp_millis((id.as_u128() >> 80) as i64).unwrap_or_default()
}

//! Which emails a person means: one filter for reading, counting and bulk work, rendered to SQL in one place. Its clauses come
//! in a fixed order and an absent one is left out, so there are few texts and each meets the index that fits it.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{Priority, Status};
use sea_orm::{ActiveEnum, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

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
}

/// An id is made a moment after the time on its row and two processes' clocks differ a little: bounds of ids that are derived
/// from times keep this distance, and the time itself decides.
const SLACK: TimeDelta = TimeDelta::minutes(1);

/// The FROM and WHERE of a filter over `email_queue q`, and their parameters from `$1` on.
#[derive(Clone, Debug)]
pub struct Clauses {
    from: &'static str,
    filter: String,
    values: Vec<Value>,
}

impl Filter {
    /// Its FROM and WHERE.
    pub fn clauses(&self) -> Clauses {
        let failed_alone = self.statuses == [Status::Failed];
        let mut clauses = Clauses {
            // The failed are few among many: they are found through their own table.
            from: if failed_alone {
                "email_failures f JOIN email_queue q ON q.id = f.email_id"
            } else {
                "email_queue q"
            },
            filter: "true".to_owned(),
            values: Vec::new(),
        };
        if let Some(key) = &self.address_key {
            clauses.and("q.recipient_key = ?", key.clone());
        }
        if let Some(campaign) = self.campaign {
            clauses.and("q.campaign_id = ?", campaign);
        }
        if let Some(from) = self.created_from {
            clauses.and("q.created_at >= ?", from);
            clauses.and("q.id >= ?", first_id(from - SLACK));
        }
        if let Some(until) = self.created_until {
            clauses.and("q.created_at < ?", until);
            clauses.and("q.id <= ?", last_id(until + SLACK));
        }
        if let Some(domain) = &self.domain {
            clauses.and("q.scope IN (SELECT s.id FROM email_scopes s WHERE s.sending_domain = ?)", domain.clone());
        }
        if let Some(lane) = self.priority {
            clauses.and("q.lane = ?", lane.to_value());
        }
        if !self.statuses.is_empty() {
            clauses.and("((1 << q.status) & ?) <> 0", mask(&self.statuses));
        }
        // Until it is settled an email has a due time, and there is an index of those that have one.
        let unsettled = |status: &Status| status.is_waiting() || *status == Status::Sending;
        if !self.statuses.is_empty() && self.statuses.iter().all(unsettled) {
            clauses.filter.push_str(" AND q.due_at IS NOT NULL");
        }
        clauses
    }

    /// The tallies alone can count it.
    pub fn is_tallied(&self) -> bool {
        self.address_key.is_none() && self.created_from.is_none() && self.created_until.is_none()
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

impl Clauses {
    /// Adds a clause; `?` in it becomes the parameter's number.
    pub fn and(&mut self, clause: &str, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        self.filter.push_str(" AND ");
        self.filter.push_str(&clause.replacen('?', &format!("${}", self.values.len()), 1));
        self
    }

    /// `FROM … WHERE …`.
    pub fn text(&self) -> String {
        format!("FROM {} WHERE {}", self.from, self.filter)
    }

    /// The parameters of [`Clauses::text`].
    pub fn values(&self) -> Vec<Value> {
        self.values.clone()
    }
}

/// One bit for each status, so that the text is the same for any set of them.
fn mask(statuses: &[Status]) -> i32 {
    statuses.iter().fold(0, |mask, status| mask | 1 << status.to_value())
}

/// The least UUIDv7 of a time.
pub fn first_id(at: DateTime<Utc>) -> Uuid {
    bound(at, 0)
}

/// The greatest UUIDv7 of a time.
pub fn last_id(at: DateTime<Utc>) -> Uuid {
    bound(at, u128::MAX >> 48)
}

/// RFC 9562, section 5.7: 48 bits of milliseconds since the epoch come first.
fn bound(at: DateTime<Utc>, rest: u128) -> Uuid {
    Uuid::from_u128(u128::from(at.timestamp_millis().clamp(0, (1 << 48) - 1) as u64) << 80 | rest)
}

#[cfg(test)]
mod tests {
    use entity::Clock;

    use super::*;

    #[test]
    fn a_status_more_is_the_same_text() {
        let few = Filter { statuses: vec![Status::Sent], ..Filter::default() };
        let many = Filter { statuses: vec![Status::Sent, Status::Failed, Status::Expired], ..Filter::default() };
        assert_eq!(few.clauses().text(), many.clauses().text());
        assert_ne!(few.clauses().values(), many.clauses().values());
    }

    #[test]
    fn each_clause_has_the_number_of_its_parameter() {
        let all = Filter {
            statuses: vec![Status::Queued],
            address_key: Some("a@example.com".into()),
            domain: Some("example.com".into()),
            campaign: Some(Uuid::max()),
            priority: Some(Priority::Low),
            created_from: Some(DateTime::UNIX_EPOCH),
            created_until: Some(DateTime::UNIX_EPOCH),
        };
        let clauses = all.clauses();
        assert_eq!(
            clauses.text(),
            "FROM email_queue q WHERE true AND q.recipient_key = $1 AND q.campaign_id = $2 AND q.created_at >= $3 \
             AND q.id >= $4 AND q.created_at < $5 AND q.id <= $6 \
             AND q.scope IN (SELECT s.id FROM email_scopes s WHERE s.sending_domain = $7) AND q.lane = $8 \
             AND ((1 << q.status) & $9) <> 0 AND q.due_at IS NOT NULL"
        );
        assert_eq!(clauses.values().len(), 9);
    }

    #[test]
    fn the_failed_alone_are_found_through_their_table() {
        let filter = |statuses| Filter { statuses, ..Filter::default() };
        assert!(filter(vec![Status::Failed]).clauses().text().contains("email_failures"));
        assert!(!filter(vec![Status::Failed, Status::Sent]).clauses().text().contains("email_failures"));
    }

    #[test]
    fn the_ids_of_a_millisecond_lie_within_its_bounds() {
        let clock = Clock::system();
        let before = clock.now();
        let id = clock.id();
        let after = clock.now();
        assert!(first_id(before) <= id && id <= last_id(after));
        assert!(last_id(before - TimeDelta::milliseconds(1)) < id);
        assert!(first_id(after + TimeDelta::milliseconds(1)) > id);
    }

    #[test]
    fn within_keeps_what_the_filter_lets_through() {
        let waiting = [Status::Scheduled, Status::Queued];
        assert_eq!(Filter::default().within(&waiting).map(|f| f.statuses), Some(waiting.to_vec()));
        let queued = Filter { statuses: vec![Status::Queued, Status::Sent], ..Filter::default() };
        assert_eq!(queued.within(&waiting).map(|f| f.statuses), Some(vec![Status::Queued]));
        assert_eq!(queued.within(&[Status::Failed]), None);
    }
}

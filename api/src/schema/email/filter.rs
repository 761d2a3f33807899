//! Which emails a list, a count or a bulk mutation means.

use async_graphql::{ID, InputObject};
use chrono::{DateTime, Utc};
use entity::{EmailAddress, Priority, Status};
use jobs::filter::Filter;

use crate::config::domain;
use crate::schema::fault::Fault;
use crate::schema::node::Kind;

/// Emails that meet every part that is given; without any, all emails.
#[derive(Clone, Debug, Default, InputObject)]
pub struct EmailFilter {
    /// In one of these states.
    status: Option<Vec<Status>>,
    /// To this address; copies are not looked at.
    address: Option<EmailAddress>,
    /// Through this sending domain.
    domain: Option<String>,
    /// Of this campaign.
    campaign_id: Option<ID>,
    /// Of this priority.
    priority: Option<Priority>,
    /// Accepted in this time, to the millisecond.
    created_at: Option<DateTimeRange>,
    /// FAILED of this cause, in the words of `failures`; asked of each failed email.
    cause: Option<String>,
}

/// A time span: from `since` on, and before `until`.
#[derive(Clone, Debug, Default, InputObject)]
pub struct DateTimeRange {
    /// From here on; without it, from the beginning.
    pub since: Option<DateTime<Utc>>,
    /// Before this; without it, to the end.
    pub until: Option<DateTime<Utc>>,
}

fn bad(field: &str, why: &str) -> Fault {
    Fault::bad_input(format!("filter.{field} {why}"))
}

impl EmailFilter {
    /// The filter for `jobs`.
    pub fn read(self) -> Result<Filter, Fault> {
        let campaign = match &self.campaign_id {
            None => None,
            Some(id) => {
                let known = Kind::Campaign.read(id);
                Some(known.ok_or_else(|| bad("campaignId", "is no campaign's id"))?)
            }
        };
        let range = self.created_at.unwrap_or_default();
        // Nothing but FAILED has a cause: said, its emails are found by their status.
        let any = if self.cause.is_some() { vec![Status::Failed] } else { Vec::new() };
        Ok(Filter {
            statuses: self.status.unwrap_or(any),
            address_key: self.address.map(|address| address.key()),
            domain: self.domain.map(|text| domain(&text)).transpose().map_err(|why| bad("domain", &why))?,
            campaign,
            priority: self.priority,
            created_from: range.since,
            created_until: range.until,
            cause: self.cause,
        })
    }
}

//! Which delivery events a list or a follower means.

use async_graphql::{ID, InputObject};
use entity::EmailAddress;
use entity::delivery_event::Kind as EventKind;
use jobs::find::events::Filter;
use uuid::Uuid;

use crate::schema::email::DateTimeRange;
use crate::schema::fault::Fault;
use crate::schema::node::Kind;

/// Delivery events that meet every part that is given; without any, all events.
#[derive(Clone, Debug, Default, InputObject)]
pub struct DeliveryEventFilter {
    /// Of emails of this campaign.
    campaign_id: Option<ID>,
    /// Of this email and its copies.
    email_id: Option<ID>,
    /// About this address, copies included.
    address: Option<EmailAddress>,
    /// Of one of these types.
    r#type: Option<Vec<EventKind>>,
    /// That happened in this time, by Mailgun's clock.
    occurred_at: Option<DateTimeRange>,
}

impl DeliveryEventFilter {
    /// The filter for `jobs`.
    pub fn read(self) -> Result<Filter, Fault> {
        let range = self.occurred_at.unwrap_or_default();
        Ok(Filter {
            campaign: id("campaignId", "campaign", Kind::Campaign, self.campaign_id)?,
            email: id("emailId", "email", Kind::Email, self.email_id)?,
            address_key: self.address.map(|address| address.key()),
            kinds: self.r#type.unwrap_or_default(),
            since: range.since,
            until: range.until,
        })
    }
}

fn id(field: &str, noun: &str, kind: Kind, id: Option<ID>) -> Result<Option<Uuid>, Fault> {
    let Some(id) = id else { return Ok(None) };
    let known = kind.read(&id);
    known.map(Some).ok_or_else(|| Fault::bad_input(format!("filter.{field} is no id of a {noun}")))
}

//! Delivery events: what Mailgun reported, one type for each kind; in the rooms beneath what each type has, how they are found
//! and how they are followed.

mod engagement;
mod filter;
mod kinds;
mod list;
mod live;

use std::borrow::Cow;

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{ContextSelectionSet, ID, Interface, OutputType, Positioned, ServerResult, Value};
use chrono::{DateTime, Utc};
use entity::delivery_event::{Kind as EventKind, Source};
use jobs::find::events::Event;

use super::campaign::Campaign;
use super::email::Email;
use super::fault::Fault;
use super::mask::Recipient;
pub use engagement::Engagement;
use kinds::Reported;
pub use kinds::{Accepted, Bounced, Clicked, Complained, Deferred, Delivered, Opened, Rejected, Unknown, Unsubscribed};
pub use list::{DeliveryEventQueries, of_campaign, of_email};
pub use live::DeliveryEventSubscriptions;

/// Something that Mailgun reported. Events are recorded once each and never change places.
#[derive(Clone, Interface)]
#[expect(clippy::duplicated_attributes, reason = "fields of an interface may be of one type")]
#[graphql(
    field(name = "id", ty = "&ID", desc = "Names it in the whole service."),
    field(name = "type", method = "kind", ty = "EventKind", desc = "What happened."),
    field(
        name = "address",
        ty = "Option<Recipient>",
        desc = "Whom it is about; null where Mailgun names nobody. Masked for a key that may only read."
    ),
    field(
        name = "email",
        ty = "Option<Result<Email, Fault>>",
        desc = "The email it is about; null where it is none of ours, or cleaned away."
    ),
    field(name = "campaign_id", ty = "Option<ID>", desc = "The campaign of that email, also where it is only a name."),
    field(
        name = "campaign",
        ty = "Option<Result<Campaign, Fault>>",
        desc = "The campaign of that email; null where it is none, or only a name."
    ),
    field(name = "copy", ty = "bool", desc = "It is about a recipient of a copy (cc, bcc)."),
    field(name = "occurred_at", ty = "DateTime<Utc>", desc = "When it happened, by Mailgun's clock."),
    field(name = "recorded_at", ty = "DateTime<Utc>", desc = "When it was recorded here."),
    field(name = "source", ty = "Source", desc = "How it became known.")
)]
pub enum DeliveryEvent {
    /// Mailgun took the email in.
    Accepted(Accepted),
    /// The recipient's server took it.
    Delivered(Delivered),
    /// The recipient's server refused it for now.
    Deferred(Deferred),
    /// It will not be delivered.
    Bounced(Bounced),
    /// It was opened.
    Opened(Opened),
    /// A link in it was followed.
    Clicked(Clicked),
    /// It was reported as spam.
    Complained(Complained),
    /// Its recipient asked for no more.
    Unsubscribed(Unsubscribed),
    /// Mailgun refused it after taking it in.
    Rejected(Rejected),
    /// Something else.
    Unknown(Unknown),
}

impl From<Event> for DeliveryEvent {
    fn from(row: Event) -> Self {
        let kind = row.kind;
        let reported = Reported::new(row);
        match kind {
            EventKind::Accepted => Accepted(reported).into(),
            EventKind::Delivered => Delivered(reported).into(),
            EventKind::Deferred => Deferred(reported).into(),
            EventKind::Bounced => Bounced(reported).into(),
            EventKind::Opened => Opened(reported).into(),
            EventKind::Clicked => Clicked(reported).into(),
            EventKind::Complained => Complained(reported).into(),
            EventKind::Unsubscribed => Unsubscribed(reported).into(),
            EventKind::Rejected => Rejected(reported).into(),
            EventKind::Unknown => Unknown(reported).into(),
        }
    }
}

/// Says in the schema that the interface [`DeliveryEvent`] implements Node, which async-graphql can't derive.
pub struct IsNode;

impl OutputType for IsNode {
    fn type_name() -> Cow<'static, str> {
        <DeliveryEvent as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        registry.add_implements(&Self::type_name(), &<super::node::Node as OutputType>::type_name());
        <DeliveryEvent as OutputType>::create_type_info(registry)
    }

    async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        // There is no field of this type.
        Ok(Value::Null)
    }
}

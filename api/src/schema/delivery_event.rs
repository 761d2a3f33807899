//! Delivery events: what Mailgun reported, one type for each kind, and in the rooms beneath how they are found and followed.

mod filter;
mod list;
mod live;

use std::borrow::Cow;

use async_graphql::dataloader::DataLoader;
use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{
    Context, ContextSelectionSet, ID, Interface, Object, OutputType, Positioned, ServerResult, SimpleObject, Value,
};
use chrono::{DateTime, Utc};
use entity::delivery_event::{Kind as EventKind, Source};
use entity::suppression::BounceType;
use entity::{EmailAddress, email_facts};
use jobs::find::events::Event;

use super::campaign::{self, Campaign};
use super::count::int;
use super::email::Email;
use super::fault::Fault;
use super::loader::Emails;
use super::mask::{Recipient, Words};
use super::node::Kind;
pub use list::{DeliveryEventQueries, EventTotals, of_campaign, of_email};
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

/// What every event has.
#[derive(Clone, Debug)]
struct Reported {
    id: ID,
    row: Event,
}

/// A type of events: what all have, and what it has besides.
macro_rules! kind_of_event {
    ($(#[doc = $words:literal])* $name:ident { $($own:tt)* }) => {
        $(#[doc = $words])*
        #[derive(Clone, Debug)]
        pub struct $name(Reported);

        $(#[doc = $words])*
        #[Object]
        impl $name {
            /// Names it in the whole service.
            pub async fn id(&self) -> &ID {
                &self.0.id
            }

            /// What happened.
            #[graphql(name = "type")]
            pub async fn kind(&self) -> EventKind {
                self.0.row.kind
            }

            /// Whom it is about; null where Mailgun names nobody. Masked for a key that may only read.
            pub async fn address(&self) -> Option<Recipient> {
                self.0.row.recipient_key.as_deref().and_then(|key| EmailAddress::parse(key).ok()).map(Recipient)
            }

            /// The email it is about; null where it is none of ours, or cleaned away.
            pub async fn email(&self, ctx: &Context<'_>) -> Option<Result<Email, Fault>> {
                self.0.email(ctx).await.transpose()
            }

            /// The campaign of that email, also where it is only a name.
            pub async fn campaign_id(&self) -> Option<ID> {
                self.0.row.campaign_id.map(|id| Kind::Campaign.id(id))
            }

            /// The campaign of that email; null where it is none, or only a name.
            pub async fn campaign(&self, ctx: &Context<'_>) -> Option<Result<Campaign, Fault>> {
                campaign::by_id(ctx, self.0.row.campaign_id?).await.transpose()
            }

            /// It is about a recipient of a copy (cc, bcc).
            pub async fn copy(&self) -> bool {
                self.0.row.copy
            }

            /// When it happened, by Mailgun's clock.
            pub async fn occurred_at(&self) -> DateTime<Utc> {
                self.0.row.occurred_at
            }

            /// When it was recorded here.
            pub async fn recorded_at(&self) -> DateTime<Utc> {
                self.0.row.recorded_at
            }

            /// How it became known.
            pub async fn source(&self) -> Source {
                self.0.row.source
            }

            $($own)*
        }
    };
}

kind_of_event! {
    /// Mailgun took an email in.
    Accepted {}
}

kind_of_event! {
    /// The recipient's server took an email.
    Delivered {}
}

kind_of_event! {
    /// The recipient's server refused an email for now; Mailgun tries on.
    Deferred {
        /// The server's reply code (RFC 5321), or one of Mailgun's own above 600.
        async fn smtp_code(&self) -> Option<i32> {
            self.0.row.smtp_code
        }

        /// The enhanced status code (RFC 3463).
        async fn enhanced_code(&self) -> Option<&str> {
            self.0.row.enhanced_code.as_deref()
        }

        /// Mailgun's word for why.
        async fn reason(&self) -> Option<Words> {
            self.0.row.reason.clone().map(Words)
        }

        /// What the server said.
        async fn message(&self) -> Option<Words> {
            self.0.row.message.clone().map(Words)
        }

        /// Which of Mailgun's attempts it was.
        async fn attempt(&self) -> Option<i32> {
            self.0.row.attempt
        }
    }
}

kind_of_event! {
    /// An email will not be delivered: refused for good, given up, or kept back by Mailgun.
    Bounced {
        /// Whether mail to the address can't arrive, or only did not.
        async fn bounce_type(&self) -> Option<BounceType> {
            self.0.row.bounce_type
        }

        /// The server's reply code (RFC 5321), or one of Mailgun's own above 600.
        async fn smtp_code(&self) -> Option<i32> {
            self.0.row.smtp_code
        }

        /// The enhanced status code (RFC 3463).
        async fn enhanced_code(&self) -> Option<&str> {
            self.0.row.enhanced_code.as_deref()
        }

        /// Mailgun's word for why.
        async fn reason(&self) -> Option<Words> {
            self.0.row.reason.clone().map(Words)
        }

        /// What the server said.
        async fn message(&self) -> Option<Words> {
            self.0.row.message.clone().map(Words)
        }
    }
}

kind_of_event! {
    /// An email was opened.
    Opened {
        /// The machine that did it, as far as Mailgun can tell; null for a person.
        async fn bot(&self) -> Option<&str> {
            self.0.row.bot.as_deref()
        }

        /// The program that did it.
        async fn client(&self) -> Option<&str> {
            self.0.row.client.as_deref()
        }

        /// Where, as an ISO 3166 code.
        async fn country(&self) -> Option<&str> {
            self.0.row.country.as_deref()
        }
    }
}

kind_of_event! {
    /// A link in an email was followed.
    Clicked {
        /// Where it leads.
        async fn url(&self) -> Option<Words> {
            self.0.row.url.clone().map(Words)
        }

        /// The machine that did it, as far as Mailgun can tell; null for a person.
        async fn bot(&self) -> Option<&str> {
            self.0.row.bot.as_deref()
        }

        /// The program that did it.
        async fn client(&self) -> Option<&str> {
            self.0.row.client.as_deref()
        }

        /// Where, as an ISO 3166 code.
        async fn country(&self) -> Option<&str> {
            self.0.row.country.as_deref()
        }
    }
}

kind_of_event! {
    /// A recipient reported an email as spam.
    Complained {}
}

kind_of_event! {
    /// A recipient asked for no more.
    Unsubscribed {}
}

kind_of_event! {
    /// Mailgun refused an email after taking it in.
    Rejected {
        /// Why.
        async fn reason(&self) -> Option<Words> {
            self.0.row.reason.clone().map(Words)
        }
    }
}

kind_of_event! {
    /// Mailgun reported something that we know nothing of.
    Unknown {
        /// Mailgun's word for it; empty where it has none.
        async fn name(&self) -> Words {
            Words(self.0.row.name.clone().unwrap_or_default())
        }
    }
}

impl Reported {
    async fn email(&self, ctx: &Context<'_>) -> Result<Option<Email>, Fault> {
        let Some(id) = self.row.email_id else { return Ok(None) };
        let emails = ctx.data_opt::<DataLoader<Emails>>().ok_or(Fault::Unattended)?;
        Ok(emails.load_one(id).await?.map(Email::new))
    }
}

impl From<Event> for DeliveryEvent {
    fn from(row: Event) -> Self {
        let kind = row.kind;
        let reported = Reported { id: Kind::DeliveryEvent.id(row.id), row };
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

/// How often people and machines did something with an email, and when first.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct Engagement {
    /// How often people did.
    count: i32,
    /// When a person first did.
    first_at: Option<DateTime<Utc>>,
    /// How often machines did, as far as Mailgun can tell.
    machine_count: i32,
    /// When a machine first did.
    machine_first_at: Option<DateTime<Utc>>,
}

impl Engagement {
    /// Opening.
    pub fn opens(facts: &email_facts::Model) -> Self {
        Self {
            count: int(facts.opens),
            first_at: facts.opened_at,
            machine_count: int(facts.machine_opens),
            machine_first_at: facts.machine_opened_at,
        }
    }

    /// Following a link.
    pub fn clicks(facts: &email_facts::Model) -> Self {
        Self {
            count: int(facts.clicks),
            first_at: facts.clicked_at,
            machine_count: int(facts.machine_clicks),
            machine_first_at: facts.machine_clicked_at,
        }
    }
}

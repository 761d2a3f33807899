//! One type for each kind of event: what all have, and what it has besides.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use entity::EmailAddress;
use entity::delivery_event::{Kind as EventKind, Source};
use entity::suppression::BounceType;
use jobs::find::events::Event;

use crate::schema::campaign::{self, Campaign};
use crate::schema::email::Email;
use crate::schema::fault::Fault;
use crate::schema::loader::Emails;
use crate::schema::mask::{Recipient, Words};
use crate::schema::node::Kind;
use crate::schema::suppression::{Following, Suppression};

/// What every event has.
#[derive(Clone, Debug)]
pub struct Reported {
    id: ID,
    row: Event,
}

/// A type of events: what all have, and what it has besides.
macro_rules! kind_of_event {
    ($(#[doc = $words:literal])* $name:ident { $($own:tt)* }) => {
        $(#[doc = $words])*
        #[derive(Clone, Debug)]
        pub struct $name(pub(super) Reported);

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

        /// The entry of the suppression list that follows from it, as it stands now; null where none does.
        async fn suppression(&self, ctx: &Context<'_>) -> Option<Result<Suppression, Fault>> {
            self.0.suppression(ctx).await.transpose()
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
    Complained {
        /// The entry of the suppression list that follows from it, as it stands now; null where none does.
        async fn suppression(&self, ctx: &Context<'_>) -> Option<Result<Suppression, Fault>> {
            self.0.suppression(ctx).await.transpose()
        }
    }
}

kind_of_event! {
    /// A recipient asked for no more.
    Unsubscribed {
        /// The entry of the suppression list that follows from it, as it stands now; null where none does.
        async fn suppression(&self, ctx: &Context<'_>) -> Option<Result<Suppression, Fault>> {
            self.0.suppression(ctx).await.transpose()
        }
    }
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
    /// The event of this row.
    pub fn new(row: Event) -> Self {
        Self { id: Kind::DeliveryEvent.id(row.id), row }
    }

    async fn email(&self, ctx: &Context<'_>) -> Result<Option<Email>, Fault> {
        let Some(id) = self.row.email_id else { return Ok(None) };
        let emails = ctx.data_opt::<DataLoader<Emails>>().ok_or(Fault::Unattended)?;
        Ok(emails.load_one(id).await?.map(Email::new))
    }

    async fn suppression(&self, ctx: &Context<'_>) -> Result<Option<Suppression>, Fault> {
        let following = ctx.data_opt::<DataLoader<Following>>().ok_or(Fault::Unattended)?;
        Ok(following.load_one(self.row.id).await?.map(Suppression::new))
    }
}

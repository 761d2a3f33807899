//! What a campaign is to be, whom it is for, and which campaigns are meant.

use async_graphql::{ID, InputObject, OneofObject};
use chrono::{DateTime, Utc};
use entity::campaign::Status;
use entity::{Policy, Priority};
use jobs::accept::Complaint;
use jobs::campaign::Filter;
use jobs::campaign::create::{Content, Draft};
use jobs::campaign::recipients::NewRecipient;

use crate::schema::email::{InlineContentInput, TrackingInput};
use crate::schema::node::Kind;

/// A campaign to create.
#[derive(Debug, InputObject)]
pub struct CampaignInput {
    /// What it is called, for people.
    name: String,
    /// Whom its emails are from: an address, or `Name <address>`. Without it, `noreply@` and the first sending domain.
    from: Option<String>,
    /// Where answers go, if not to `from`.
    reply_to: Option<String>,
    /// What it says, to be rendered for each recipient.
    content: CampaignContentInput,
    /// Headers of your own, an object of names and texts. Those with a field of their own are refused.
    headers: Option<serde_json::Value>,
    /// How urgent its emails are.
    #[graphql(default_with = "Priority::Normal")]
    priority: Priority,
    /// Its recipients asked for it: an unsubscribe does not stop it.
    #[graphql(default)]
    transactional: bool,
    /// Mailgun accepts its emails and does not deliver them.
    #[graphql(default)]
    test_mode: bool,
    /// Up to 1,000 recipients go to Mailgun in one call, where what is said to each can be said by Mailgun's recipient variables.
    /// It is faster. What it trades: when the answer to a call is lost, all of its emails are UNCONFIRMED at once, and as long
    /// as no event has shown that Mailgun keeps each one's own Message-Id, what its log does not show waits for `resolveEmail`.
    #[graphql(default)]
    batch: bool,
    /// After this none of its emails is sent any more, and Mailgun stops trying to deliver them.
    deliver_by: Option<DateTime<Utc>>,
    /// Mailgun's tags, to tell its statistics apart.
    tags: Option<Vec<String>>,
    /// An object that is stored with it and with each of its emails.
    metadata: Option<serde_json::Value>,
    /// What becomes of an email when nobody knows whether Mailgun took it. Without it, what is configured for its priority.
    on_unconfirmed: Option<Policy>,
    /// What Mailgun tracks. Without it, what the sending domain's settings say.
    tracking: Option<TrackingInput>,
}

/// Where a campaign's content comes from. In it, `{{ first_name }}` is a recipient's variable; `{{ recipient.address }}` and
/// `{{ recipient.name }}` are always there.
#[derive(Debug, OneofObject)]
pub enum CampaignContentInput {
    /// It stands here.
    Inline(InlineContentInput),
    /// It is a template's, as that stands at the launch.
    Template(CampaignTemplateInput),
}

/// A template that a campaign takes its content from.
#[derive(Debug, InputObject)]
pub struct CampaignTemplateInput {
    /// Its id.
    template_id: ID,
}

/// A recipient of a campaign.
#[derive(Debug, InputObject)]
pub struct RecipientInput {
    /// The address. One that the campaign has already is not added again, not even when its email was cleaned since.
    address: String,
    /// The name that stands beside the address.
    name: Option<String>,
    /// The lead it belongs to. Without it, the one that has the address, or a new one.
    lead_id: Option<ID>,
    /// What the content's variables stand for, an object: `{"first_name": "Ann"}`.
    variables: Option<serde_json::Value>,
}

impl CampaignInput {
    /// The draft it describes.
    ///
    /// # Errors
    /// Ids that are none; everything else is for the draft's own check.
    pub fn draft(self) -> Result<Draft, Vec<Complaint>> {
        let content = match self.content {
            CampaignContentInput::Inline(InlineContentInput { subject, html, text }) => {
                Content::Inline { subject, html, text }
            }
            CampaignContentInput::Template(CampaignTemplateInput { template_id }) => {
                let known = Kind::Template.read(&template_id);
                Content::Template(known.ok_or_else(|| vec![no_id(&["content", "template", "templateId"])])?)
            }
        };
        Ok(Draft {
            name: self.name,
            from: self.from,
            reply_to: self.reply_to,
            content: Some(content),
            headers: self.headers,
            tags: self.tags.unwrap_or_default(),
            metadata: self.metadata,
            track_opens: self.tracking.as_ref().and_then(|tracking| tracking.opens),
            track_clicks: self.tracking.as_ref().and_then(|tracking| tracking.clicks),
            priority: Some(self.priority),
            transactional: self.transactional,
            test_mode: self.test_mode,
            batch: self.batch,
            deliver_by: self.deliver_by,
            policy: self.on_unconfirmed,
        })
    }
}

impl RecipientInput {
    /// The recipient it describes.
    ///
    /// # Errors
    /// A lead's id that is none; everything else is for the campaign's own check.
    pub fn read(self) -> Result<NewRecipient, Complaint> {
        let lead = match self.lead_id {
            None => None,
            Some(id) => Some(Kind::Lead.read(&id).ok_or_else(|| no_id(&["leadId"]))?),
        };
        Ok(NewRecipient { address: self.address, name: self.name, lead, variables: self.variables })
    }
}

fn no_id(path: &[&str]) -> Complaint {
    Complaint { path: path.iter().map(|&part| part.to_owned()).collect(), message: "is no such id".to_owned() }
}

/// Campaigns that meet every part that is given; without any, all.
#[derive(Clone, Debug, Default, InputObject)]
pub struct CampaignFilter {
    /// Of one of these statuses.
    status: Option<Vec<Status>>,
    /// Whose name contains this, in capitals or not.
    name: Option<String>,
    /// Whose content is this template's.
    template_id: Option<ID>,
}

impl CampaignFilter {
    /// The filter for `jobs`.
    pub fn read(self) -> Filter {
        let name = self.name.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        // What is no template's id is no campaign's.
        let template = self.template_id.map(|id| Kind::Template.read(&id).unwrap_or_default());
        Filter { statuses: self.status.unwrap_or_default(), name, template }
    }
}

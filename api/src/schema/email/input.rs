//! What a sender asks for.

use async_graphql::{ID, InputObject, OneofObject};
use chrono::{DateTime, Utc};
use entity::{Policy, Priority};
use jobs::accept::{Complaint, Draft, TemplateContent};
use uuid::Uuid;

use crate::schema::node::Kind;

/// An email to send.
#[derive(Debug, InputObject)]
pub struct SendEmailInput {
    /// Whom it is from: an address, or `Name <address>`. Without it, `noreply@` and the first sending domain.
    from: Option<String>,
    /// Whom it is for: one address, or `Name <address>`.
    to: String,
    /// Who gets a copy that everybody sees. To, cc and bcc hold 50 addresses together; one that is named twice counts once.
    cc: Option<Vec<String>>,
    /// Who gets a copy that nobody else sees.
    bcc: Option<Vec<String>>,
    /// Where answers go, if not to `from`.
    reply_to: Option<String>,
    /// Headers of your own, an object of names and texts: `{"X-Order": "17"}`. Those with a field of their own are refused.
    headers: Option<serde_json::Value>,
    /// What it says.
    content: ContentInput,
    /// Files that go with it, 10 MiB together.
    attachments: Option<Vec<AttachmentInput>>,
    /// The campaign it belongs to.
    campaign_id: Option<ID>,
    /// The lead it is for.
    lead_id: Option<ID>,
    /// How urgent it is.
    #[graphql(default_with = "Priority::Normal")]
    priority: Priority,
    /// When to send it; up to five minutes past means now. Without it, now.
    send_at: Option<DateTime<Utc>>,
    /// After this it is not sent any more, and Mailgun stops trying to deliver it.
    deliver_by: Option<DateTime<Utc>>,
    /// Its recipient asked for it, such as a receipt or a code: an unsubscribe does not stop it.
    #[graphql(default)]
    transactional: bool,
    /// Mailgun accepts it and does not deliver it.
    #[graphql(default)]
    test_mode: bool,
    /// Mailgun's tags, to tell its statistics apart.
    tags: Option<Vec<String>>,
    /// An object that is stored with it and answered with it.
    metadata: Option<serde_json::Value>,
    /// A text that names this very email: the same key and the same input answer the first email again, and another input is
    /// a CONFLICT. Kept for 7 days.
    idempotency_key: Option<String>,
    /// What becomes of it when nobody knows whether Mailgun took it. Without it, what is configured for its priority.
    on_unconfirmed: Option<Policy>,
    /// What Mailgun tracks. Without it, what the sending domain's settings say.
    tracking: Option<TrackingInput>,
}

/// Where an email's content comes from.
#[derive(Debug, OneofObject)]
pub enum ContentInput {
    /// It stands here.
    Inline(InlineContentInput),
    /// It is rendered from a template, as the template stands now.
    Template(TemplateContentInput),
}

/// A content that stands in the input itself. One body at least.
#[derive(Debug, InputObject)]
pub struct InlineContentInput {
    /// The subject.
    pub subject: String,
    /// The HTML body.
    pub html: Option<String>,
    /// The text body.
    pub text: Option<String>,
}

/// A content that is rendered from a template.
#[derive(Debug, InputObject)]
pub struct TemplateContentInput {
    /// The template.
    template_id: ID,
    /// An object with the template's variables. `recipient.address` and `recipient.name` are those of `to`.
    variables: Option<serde_json::Value>,
}

/// A file that goes with an email.
#[derive(Debug, InputObject)]
pub struct AttachmentInput {
    /// Its name, without a path.
    filename: String,
    /// Its media type, such as `application/pdf`.
    content_type: String,
    /// The file, in base64 (RFC 4648, section 4).
    base64: String,
}

/// What Mailgun tracks of an email. What is not given stays as the sending domain's settings have it.
#[derive(Debug, InputObject)]
pub struct TrackingInput {
    /// That it is opened, by an image in the HTML.
    pub opens: Option<bool>,
    /// Which links are clicked, by rewriting them.
    pub clicks: Option<bool>,
}

impl SendEmailInput {
    /// The draft it describes.
    ///
    /// # Errors
    /// Ids that are none; everything else is for the draft's own check.
    pub fn draft(self) -> Result<Draft, Vec<Complaint>> {
        let mut complaints = Vec::new();
        let content = self.content.read(&mut complaints);
        let campaign = read_id("campaignId", Kind::Campaign, self.campaign_id, &mut complaints);
        let lead = read_id("leadId", Kind::Lead, self.lead_id, &mut complaints);
        if !complaints.is_empty() {
            return Err(complaints);
        }
        let attachment = |file: AttachmentInput| entity::content::Attachment {
            filename: file.filename,
            content_type: file.content_type,
            base64: file.base64,
        };
        Ok(Draft {
            from: self.from,
            to: self.to,
            cc: self.cc.unwrap_or_default(),
            bcc: self.bcc.unwrap_or_default(),
            reply_to: self.reply_to,
            subject: content.subject,
            html: content.html,
            text: content.text,
            template: content.template,
            headers: self.headers,
            tags: self.tags.unwrap_or_default(),
            metadata: self.metadata,
            attachments: self.attachments.unwrap_or_default().into_iter().map(attachment).collect(),
            campaign,
            lead,
            priority: Some(self.priority),
            send_at: self.send_at,
            deliver_by: self.deliver_by,
            test_mode: self.test_mode,
            transactional: self.transactional,
            idempotency_key: self.idempotency_key,
            policy: self.on_unconfirmed,
            track_opens: self.tracking.as_ref().and_then(|tracking| tracking.opens),
            track_clicks: self.tracking.as_ref().and_then(|tracking| tracking.clicks),
        })
    }
}

impl ContentInput {
    /// The content's part of a draft.
    fn read(self, complaints: &mut Vec<Complaint>) -> Draft {
        match self {
            ContentInput::Inline(InlineContentInput { subject, html, text }) => {
                Draft { subject, html, text, ..Draft::default() }
            }
            ContentInput::Template(TemplateContentInput { template_id, variables }) => {
                let known = Kind::Template.read(&template_id);
                if known.is_none() {
                    let path = ["content", "template", "templateId"].map(str::to_owned).to_vec();
                    complaints.push(Complaint { path, message: "is no such id".to_owned() });
                }
                Draft { template: known.map(|id| TemplateContent { id, variables }), ..Draft::default() }
            }
        }
    }
}

fn read_id(field: &str, kind: Kind, id: Option<ID>, complaints: &mut Vec<Complaint>) -> Option<Uuid> {
    let id = id?;
    let known = kind.read(&id);
    if known.is_none() {
        complaints.push(Complaint { path: vec![field.to_owned()], message: "is no such id".to_owned() });
    }
    known
}

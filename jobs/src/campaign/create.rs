//! A new campaign: checked as an email would be, so that what a person can mend is found before anybody is added.

#[cfg(test)]
mod tests;

use chrono::{DateTime, SubsecRound, Utc};
use entity::campaign::{self, Model};
use entity::sealed::DataKey;
use entity::{Policy, Priority};
use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait, IntoActiveModel};
use uuid::Uuid;

use super::content::complaints as flaws;
use super::standing::{self, Campaign};
use crate::Context;
use crate::accept::draft::is_related;
use crate::accept::{self, Checked, Complaint};
use crate::content::{self, Parts};
use crate::context::Settings;
use crate::control::repeat;
use crate::error::Result;
use crate::filter::made_at;

/// A name, in characters.
pub const MOST_NAME: usize = 200;

/// A campaign as it was asked for, nothing checked.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub name: String,
    /// `None` = `noreply@` the first sending domain.
    pub from: Option<String>,
    pub reply_to: Option<String>,
    pub content: Option<Content>,
    pub headers: Option<serde_json::Value>,
    pub tags: Vec<String>,
    pub metadata: Option<serde_json::Value>,
    pub track_opens: Option<bool>,
    pub track_clicks: Option<bool>,
    /// `None` = NORMAL.
    pub priority: Option<Priority>,
    pub transactional: bool,
    pub test_mode: bool,
    pub batch: bool,
    pub deliver_by: Option<DateTime<Utc>>,
    pub policy: Option<Policy>,
}

/// What a campaign says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// This.
    Inline { subject: String, html: Option<String>, text: Option<String> },
    /// What the template says at launch.
    Template(Uuid),
}

/// Makes a campaign in DRAFT.
///
/// # Errors
/// The database's own. Inside: everything a person can mend, each with the way to its field.
pub async fn create(ctx: &Context, draft: Draft) -> Result<Result<Campaign, Vec<Complaint>>> {
    // To the millisecond, as its id keeps it.
    let now = ctx.clock.now().trunc_subsecs(3);
    let (name, template, batch) = (draft.name.trim().to_owned(), draft.template(), draft.batch);
    let mut complaints = match template {
        Some(id) if entity::template::Entity::find_by_id(id).one(ctx.store.read()).await?.is_none() => {
            vec![complaint(&["content", "template", "templateId"], "names no template")]
        }
        Some(_) | None => Vec::new(),
    };
    let (mail, parts) = match draft.check(&ctx.settings, now) {
        Ok(checked) if complaints.is_empty() => checked,
        Ok(_) => return Ok(Err(complaints)),
        Err(more) => {
            complaints.extend(more);
            return Ok(Err(complaints));
        }
    };
    let id = ctx.clock.id();
    let scopes = ctx.scopes.ids(&ctx.store, &[(Some(id), mail.sending_domain.clone())]).await?;
    let content = parts.seal(ctx, now)?;
    let (_, wrapped) = DataKey::generate(&ctx.keyring, campaign::TABLE, id);
    let row = Model {
        id,
        name,
        scope: scopes.first().copied().unwrap_or_default(),
        lane: mail.priority,
        sender: mail.sender.to_string(),
        reply_to: mail.reply_to.as_ref().map(ToString::to_string),
        template_id: template,
        content_id: content.id,
        key_id: wrapped.key_id,
        wrapped_key: wrapped.wrapped,
        on_unconfirmed: mail.policy,
        transactional: mail.transactional,
        test_mode: mail.test_mode,
        sandbox: ctx.settings.sandbox,
        batch,
        deliver_by: mail.deliver_by,
        send_at: None,
        expand_at: None,
        launched_at: None,
        cancelled_at: None,
        created_at: made_at(id),
        updated_at: made_at(id),
    };
    repeat(|| store(ctx, &row, &content)).await?;
    Ok(Ok(standing::of(ctx, row).await?))
}

async fn store(ctx: &Context, row: &Model, content: &entity::content::Model) -> Result<()> {
    let tx = ctx.store.begin().await?;
    content::insert(&tx, content.clone()).await?;
    // Again after a commit whose answer was lost: it is there.
    let once = OnConflict::column(campaign::Column::Id).do_nothing().to_owned();
    let insert = campaign::Entity::insert(row.clone().into_active_model()).on_conflict(once);
    insert.exec_without_returning(&tx).await?;
    Ok(tx.commit().await?)
}

fn complaint(path: &[&str], message: impl Into<String>) -> Complaint {
    Complaint { path: path.iter().map(|&part| part.to_owned()).collect(), message: message.into() }
}

impl Draft {
    fn template(&self) -> Option<Uuid> {
        match self.content {
            Some(Content::Template(id)) => Some(id),
            Some(Content::Inline { .. }) | None => None,
        }
    }

    /// Reads the draft as the email that each recipient will get.
    fn check(self, settings: &Settings, now: DateTime<Utc>) -> Result<(Checked, Parts), Vec<Complaint>> {
        let mut complaints = Vec::new();
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > MOST_NAME || name.chars().any(char::is_control) {
            let limits = format!("must be 1 to {MOST_NAME} characters without control characters");
            complaints.push(complaint(&["name"], limits));
        }
        let inline = match self.content {
            Some(Content::Inline { subject, html, text }) => Some((subject, html, text)),
            Some(Content::Template(_)) => None,
            None => {
                complaints.push(complaint(&["content"], "is needed: inline or a template"));
                None
            }
        };
        let is_inline = inline.is_some();
        // A body to be, for the check alone.
        let (subject, html, text) = inline.unwrap_or((String::new(), None, Some("?".to_owned())));
        let email = accept::Draft {
            from: self.from,
            // Each recipient is checked when it is added.
            to: "recipient@example.com".into(),
            reply_to: self.reply_to,
            subject,
            html,
            text,
            headers: self.headers,
            tags: self.tags,
            metadata: self.metadata,
            priority: self.priority,
            deliver_by: self.deliver_by,
            test_mode: self.test_mode,
            transactional: self.transactional,
            policy: self.policy,
            track_opens: self.track_opens,
            track_clicks: self.track_clicks,
            ..accept::Draft::default()
        };
        let mail = match email.check(settings, now) {
            Ok(mail) => mail,
            Err(more) => return Err([complaints, more].concat()),
        };
        if !is_related(mail.sender.address.domain(), &mail.sending_domain) {
            complaints.push(complaint(&["from"], "is at none of the sending domains"));
        }
        let bodies = |body: &Option<String>| body.clone().filter(|_| is_inline);
        let parts = Parts { head: mail.head.clone(), html: bodies(&mail.html), text: bodies(&mail.text) };
        complaints.extend(flaws(&parts));
        if complaints.is_empty() { Ok((mail, parts)) } else { Err(complaints) }
    }
}

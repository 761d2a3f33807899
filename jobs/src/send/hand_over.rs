//! One email's way from its claim to Mailgun's answer.

use std::time::Duration;

use base64::Engine;
use entity::address::Mailbox;
use entity::content::{self as stored, Head};

use super::claim::Claimed;
use super::personal;
use crate::content::{self, Parts};
use crate::context::Context;
use crate::error::Result;
use crate::mailer::{Answer, Attachment, Lease, Mail, Mailer, Tracking};
use crate::render::Said;
use crate::unsubscribe::Link;
use crate::verdict::{Verdict, verdict};

/// Mailgun tries for a day at most; a deadline beyond that needs no word.
const LONGEST_DELIVERY: Duration = Duration::from_secs(24 * 3600);

/// Accepted while PUBLIC_URL was set, and handed over where it is not.
const NO_LINK: &str = "PUBLIC_URL is not set where it was to be handed over, so that nobody could unsubscribe from it";

/// How a hand-over ended.
#[derive(Clone, Debug)]
pub struct Report {
    pub verdict: Verdict,
    pub http_status: Option<u16>,
    pub started_at: chrono::DateTime<chrono::Utc>,
    pub finished_at: chrono::DateTime<chrono::Utc>,
}

/// Opens the content and posts it, unless the process is stopping or the lease has become short.
pub async fn hand_over(ctx: &Context, mailer: &dyn Mailer, claimed: &Claimed, lease: Lease) -> Report {
    let started_at = ctx.clock.now();
    let (verdict, http_status) = if ctx.stop.is_cancelled() {
        (Verdict::NotHandedOver, None)
    } else {
        match mail(ctx, claimed).await {
            Ok(Ok(mail)) => judge(ctx, mailer.post(&mail, lease).await),
            Ok(Err(why)) => (Verdict::Fail { why }, None),
            Err(error) if error.is_away() => {
                tracing::warn!(email.id = %claimed.row.id, cause = %error, "An email can't be made ready");
                (Verdict::NotHandedOver, None)
            }
            Err(error) => {
                tracing::error!(email.id = %claimed.row.id, cause = %error, "A content can't be opened");
                (Verdict::Fail { why: "its content can't be opened with the keys of CONTENT_KEYRING".into() }, None)
            }
        }
    };
    let finished_at = ctx.clock.now();
    let took = (finished_at - started_at).to_std().unwrap_or_default();
    metrics::histogram!("mailmind_attempt_seconds").record(took.as_secs_f64());
    Report { verdict, http_status, started_at, finished_at }
}

fn judge(ctx: &Context, answer: Answer) -> (Verdict, Option<u16>) {
    (verdict(&answer, ctx.clock.now(), entity::clock::chance()), answer.http_status())
}

/// Where the recipient of campaign mail unsubscribes, as far as the sender does not say it: `None` where nobody could follow
/// the link.
async fn unsubscribe(ctx: &Context, claimed: &Claimed, head: &Head) -> Result<Option<Option<String>>> {
    let own = head.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("List-Unsubscribe"));
    if claimed.campaign.is_none() || claimed.transactional || own {
        return Ok(Some(None));
    }
    let Some(base) = &ctx.settings.public_url else { return Ok(None) };
    let target = claimed.recipient_key.clone();
    let link = Link { email: claimed.row.id, target, sandbox: ctx.settings.sandbox };
    Ok(Some(Some(format!("{base}/u/{}", link.token(ctx).await?))))
}

/// Everything the POST needs.
///
/// The inner error says why there is nothing to hand over: nobody could unsubscribe from it, or it can't be rendered.
async fn mail(ctx: &Context, claimed: &Claimed) -> Result<Result<Mail, String>> {
    let content = &claimed.content;
    let (head, said) = match said(ctx, claimed).await? {
        Ok(said) => said,
        Err(why) => return Ok(Err(why)),
    };
    let Some(unsubscribe) = unsubscribe(ctx, claimed, &head).await? else { return Ok(Err(NO_LINK.into())) };
    let attachments = match &content.attachments {
        Some(sealed) => {
            attachments(&content::key(ctx, content)?.open(stored::TABLE, content.id, "attachments", sealed)?)?
        }
        None => Vec::new(),
    };
    let tracking = match (head.track_opens, head.track_clicks) {
        (None, None) => None,
        (opens, clicks) => Some(Tracking { opens: opens.unwrap_or(true), clicks: clicks.unwrap_or(true) }),
    };
    let left = claimed.row.deliver_by.and_then(|end| (end - ctx.clock.now()).to_std().ok());
    Ok(Ok(Mail {
        email_id: claimed.row.id,
        campaign_id: claimed.campaign,
        sending_domain: claimed.sending_domain.clone(),
        from: claimed.sender.clone(),
        to: claimed.recipient.clone(),
        cc: claimed.cc.clone(),
        bcc: claimed.bcc.clone(),
        reply_to: claimed.reply_to.clone(),
        subject: said.subject,
        html: said.html,
        text: said.text,
        headers: said.headers,
        unsubscribe,
        tags: head.tags,
        tracking,
        test_mode: claimed.test_mode,
        deliver_within: left.filter(|left| *left < LONGEST_DELIVERY),
        attachments,
    }))
}

/// What the email says to this recipient, and the rest of its content's head.
async fn said(ctx: &Context, claimed: &Claimed) -> Result<Result<(Head, Said), String>> {
    if !claimed.content.template {
        let Parts { mut head, html, text } = Parts::open(ctx, &claimed.content)?;
        let (subject, headers) = (std::mem::take(&mut head.subject), head.headers.clone());
        return Ok(Ok((head, Said { subject, html, text, headers })));
    }
    let prepared = content::prepared(ctx, &claimed.content)?;
    let template = match &prepared.template {
        Ok(template) => template,
        Err(flaws) => return Ok(Err(flaws.first().map_or_else(String::new, |flaw| format!("{} {flaw}", flaw.part)))),
    };
    let variables = personal::variables(ctx, claimed).await?;
    // It was checked when it was accepted.
    let recipient = Mailbox::parse(&claimed.recipient).ok();
    let said = template.render(variables, recipient.as_ref()).map_err(|error| error.to_string());
    Ok(said.map(|said| (prepared.head.clone(), said)))
}

fn attachments(json: &[u8]) -> Result<Vec<Attachment>> {
    let files: Vec<stored::Attachment> = serde_json::from_slice(json)?;
    Ok(files
        .into_iter()
        .map(|file| Attachment {
            // Checked when it was accepted.
            bytes: base64::engine::general_purpose::STANDARD.decode(&file.base64).unwrap_or_default().into(),
            filename: file.filename,
            content_type: file.content_type,
            inline: false,
        })
        .collect())
}

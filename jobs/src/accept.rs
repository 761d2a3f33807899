//! Taking emails in: checked at the edge, sealed, and stored with their place in the tallies in one group commit. Once the
//! answer is given, the email is never lost.

mod contents;
pub mod draft;
mod fly;
mod repeated;
mod written;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use entity::address::Mailbox;
use entity::{Status, audit_entry, content, email};
use futures::future::FutureExt;
use tokio::sync::oneshot;
use uuid::Uuid;

pub use draft::{Checked, Complaint, Draft, TemplateContent};

use crate::audit;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::filter::made_at;
use crate::group::{Group, Manner};
use contents::Contents;
use fly::fly;
pub(crate) use fly::insert_emails;
use written::written;

/// For how long a caller waits for a database that is away, or for others' locks, before it is told so.
const PATIENCE: Duration = Duration::from_secs(5);

/// Taking in, as a group commit.
#[derive(Clone)]
pub struct Accept {
    ctx: Arc<Context>,
    group: Group<Arc<Admission>, Admitted>,
}

/// What one draft came to.
#[derive(Debug)]
pub enum Answer {
    /// It is in the queue (or ended SUPPRESSED).
    Accepted(Box<email::Model>),
    /// The same key stood for this email already, with the same content.
    Known(Uuid),
    /// The same key stands for another content.
    Conflict,
    /// It can't be taken as it is.
    Refused(Vec<Complaint>),
    /// The database took others of the call, but not this one; the same key may be used again.
    NotStored(Error),
}

/// A member of the group: everything made before, so that it can be flown again.
#[derive(Debug)]
struct Admission {
    email: email::Model,
    keys: Vec<String>,
    content: Arc<content::Model>,
    idempotency: Option<Idempotency>,
    /// The call that it came with, as the audit log has it.
    entry: Option<Arc<audit_entry::Model>>,
}

#[derive(Debug)]
struct Idempotency {
    api_key: Uuid,
    key: String,
    hash: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Admitted {
    Stored { status: Status, omitted: Option<String>, why: Option<String> },
    Known(Uuid),
    Conflict,
}

/// A draft of a call, on its way.
enum Waiting {
    Answered(Answer),
    First(Arc<Admission>, oneshot::Receiver<Result<Admitted>>),
    /// Its key stands for an earlier draft of the same call.
    Again(Arc<Admission>),
}

impl Accept {
    /// Starts taking in.
    pub fn start(ctx: Arc<Context>) -> Self {
        let flown = ctx.clone();
        let manner = Manner { name: "accept", flights: 2, patience: Some(PATIENCE), stop: ctx.stop.clone() };
        let group = Group::start(manner, Arc::new(move |members| fly(flown.clone(), members).boxed()));
        Self { ctx, group }
    }

    /// Takes drafts in; each answer stands at its draft's place, and a bad one does not spoil the rest. `api_key` is whose
    /// idempotency keys they carry.
    ///
    /// # Errors
    /// When the database could store none of them: the same keys may be used again.
    pub async fn take(&self, api_key: Uuid, drafts: Vec<Draft>) -> Result<Vec<Answer>> {
        self.take_noted(api_key, drafts, None).await
    }

    /// The same for a call that has an entry in the audit log: it is stored with the call's first email, in one transaction, and
    /// counts those that are new.
    ///
    /// # Errors
    /// As [`Accept::take`].
    pub async fn take_noted(
        &self,
        api_key: Uuid,
        drafts: Vec<Draft>,
        entry: Option<audit_entry::Model>,
    ) -> Result<Vec<Answer>> {
        let single = drafts.len() == 1;
        let mut entry = entry.map(Arc::new);
        // To the millisecond, as ids keep it: what is due now is due when it is accepted, and not a moment later.
        let now = self.ctx.clock.now().trunc_subsecs(3);
        let mut contents = Contents::default();
        let mut checked = Vec::with_capacity(drafts.len());
        // Of what was asked for: the same template and variables are the same, though the template was written anew.
        let idempotency =
            |draft: &Draft| draft.idempotency_key.clone().map(|key| Idempotency { api_key, key, hash: draft.hash() });
        let idempotencies: Vec<_> = drafts.iter().map(idempotency).collect();
        for (draft, idempotency) in written(&self.ctx, drafts).await?.into_iter().zip(idempotencies) {
            checked.push((draft.and_then(|draft| draft.check(&self.ctx.settings, now)), idempotency));
        }
        let refused = checked.iter().filter(|(mail, _)| mail.is_err()).filter_map(|(_, own)| own.as_ref());
        let before = repeated::before(&self.ctx, refused).await?;
        let mails = checked.iter().filter_map(|(mail, _)| mail.as_ref().ok());
        let pairs: Vec<_> = mails.map(|mail| (mail.campaign, mail.sending_domain.clone())).collect();
        let mut scopes = self.ctx.scopes.ids(&self.ctx.store, &pairs).await?.into_iter();
        let mut keys = HashSet::new();
        let mut waiting = Vec::with_capacity(checked.len());
        for (mail, idempotency) in checked {
            waiting.push(match mail {
                Err(complaints) => {
                    let email = idempotency.and_then(|own| before.get(&(own.key, own.hash)).copied());
                    Waiting::Answered(email.map_or(Answer::Refused(complaints), Answer::Known))
                }
                Ok(mail) => {
                    let scope = scopes.next().unwrap_or_default();
                    let mut member = self.admission(mail, scope, idempotency, &mut contents, now)?;
                    if let Some(entry) = entry.as_mut().filter(|_| single) {
                        Arc::make_mut(entry).subject = Some(audit::email(member.email.id));
                    }
                    member.entry.clone_from(&entry);
                    let member = Arc::new(member);
                    let key = member.idempotency.as_ref().map(|own| own.key.clone());
                    if key.is_none_or(|key| keys.insert(key)) {
                        Waiting::First(member.clone(), self.group.send(member)?)
                    } else {
                        Waiting::Again(member)
                    }
                }
            });
        }
        let mut answers = self.answers(waiting).await;
        // An error of some is theirs; an error of all is the call's.
        if answers.iter().all(|answer| matches!(answer, Answer::NotStored(_) | Answer::Refused(_)))
            && let Some(at) = answers.iter().position(|answer| matches!(answer, Answer::NotStored(_)))
            && let Answer::NotStored(error) = answers.swap_remove(at)
        {
            return Err(error);
        }
        Ok(answers)
    }

    async fn answers(&self, waiting: Vec<Waiting>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(waiting.len());
        let mut again = Vec::new();
        for one in waiting {
            answers.push(match one {
                Waiting::Answered(answer) => answer,
                Waiting::First(member, answer) => Self::answer(&member, answer.await.unwrap_or(Err(Error::FlightLost))),
                Waiting::Again(member) => {
                    again.push((answers.len(), member));
                    Answer::Conflict
                }
            });
        }
        // Two flights may pass each other: what repeats a key of its own call follows only now, so that the first one binds.
        for (at, member) in again {
            answers[at] = Self::answer(&member, self.group.put(member.clone()).await);
        }
        answers
    }

    fn answer(member: &Admission, admitted: Result<Admitted>) -> Answer {
        match admitted {
            Err(error) => Answer::NotStored(error),
            Ok(Admitted::Known(id)) => Answer::Known(id),
            Ok(Admitted::Conflict) => Answer::Conflict,
            Ok(Admitted::Stored { status, omitted, why }) => {
                let mut email = member.email.clone();
                stand(&mut email, status, omitted, why);
                Answer::Accepted(Box::new(email))
            }
        }
    }

    fn admission(
        &self,
        mail: Checked,
        scope: i32,
        idempotency: Option<Idempotency>,
        contents: &mut Contents,
        now: DateTime<Utc>,
    ) -> Result<Admission> {
        let ctx = &self.ctx;
        let content = contents.seal(ctx, &mail, now)?;
        let list = |boxes: &[Mailbox]| -> Result<Option<String>> {
            if boxes.is_empty() {
                return Ok(None);
            }
            Ok(Some(serde_json::to_string(&boxes.iter().map(ToString::to_string).collect::<Vec<_>>())?))
        };
        let keys = std::iter::once(&mail.to).chain(&mail.cc).chain(&mail.bcc).map(|m| m.address.key()).collect();
        // A time span is a span of ids ([`crate::filter`]), so the id's time is the one that is told.
        let id = ctx.clock.id();
        let accepted_at = made_at(id);
        let email = email::Model {
            id,
            scope,
            lane: mail.priority,
            status: if mail.send_at > now { Status::Scheduled } else { Status::Queued },
            due_at: Some(mail.send_at),
            fence: 0,
            attempts: 0,
            lease_until: None,
            fed_at: None,
            resolve_at: None,
            send_at: mail.send_at,
            deliver_by: mail.deliver_by,
            content_id: content.id,
            content_deleted_at: None,
            campaign_id: mail.campaign,
            lead_id: mail.lead,
            sender: mail.sender.to_string(),
            recipient: mail.to.to_string(),
            recipient_mark: ctx.marks.known().map(|key| key.mark(&mail.to.address.key())),
            recipient_key: mail.to.address.key(),
            cc: list(&mail.cc)?,
            bcc: list(&mail.bcc)?,
            reply_to: mail.reply_to.as_ref().map(ToString::to_string),
            omitted: None,
            on_unconfirmed: mail.policy,
            transactional: mail.transactional,
            test_mode: mail.test_mode,
            sandbox: ctx.settings.sandbox,
            cancel_requested: false,
            acceptances: 0,
            heard: false,
            rejected: false,
            last_error: None,
            provider_id: None,
            created_at: accepted_at,
            updated_at: accepted_at,
            first_try_at: None,
            sent_at: None,
            finished_at: None,
        };
        Ok(Admission { email, keys, content, idempotency, entry: None })
    }
}

/// How an email stands from the beginning.
fn stand(email: &mut email::Model, status: Status, omitted: Option<String>, why: Option<String>) {
    email.status = status;
    email.omitted = omitted;
    if status == Status::Suppressed {
        email.due_at = None;
        email.finished_at = Some(email.created_at);
        email.last_error = why;
    }
}

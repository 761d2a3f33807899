//! Taking emails in: checked at the edge, sealed, and stored with their place in the tallies in one group commit. Once the
//! answer is given, the email is never lost.

pub mod draft;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::address::Mailbox;
use entity::sealed::DataKey;
use entity::{Status, content, email, tally};
use futures::future::FutureExt;
use sea_orm::{ActiveEnum, DatabaseTransaction, EntityTrait, Value};
use tokio::sync::oneshot;
use uuid::Uuid;

pub use draft::{Checked, Complaint, Draft};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::group::{Group, Manner};
use crate::ledger::{Deltas, Shard};
use crate::rows::Rows;
use crate::store::{execute, rows};
use crate::suppress::List;

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
    Refused(Vec<Complaint>),
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
        let now = self.ctx.clock.now();
        let mut contents = Contents::default();
        let mut checked = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let idempotency = draft.idempotency_key.clone().map(|key| Idempotency { api_key, key, hash: draft.hash() });
            checked.push(draft.check(&self.ctx.settings, now).map(|mail| (mail, idempotency)));
        }
        let pairs: Vec<_> =
            checked.iter().flatten().map(|(mail, _)| (mail.campaign, mail.sending_domain.clone())).collect();
        let mut scopes = self.ctx.scopes.ids(&self.ctx.store, &pairs).await?.into_iter();
        let mut keys = HashSet::new();
        let mut waiting = Vec::with_capacity(checked.len());
        for one in checked {
            waiting.push(match one {
                Err(complaints) => Waiting::Refused(complaints),
                Ok((mail, idempotency)) => {
                    let scope = scopes.next().unwrap_or_default();
                    let member = Arc::new(self.admission(mail, scope, idempotency, &mut contents, now)?);
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
                Waiting::Refused(complaints) => Answer::Refused(complaints),
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
        let email = email::Model {
            id: ctx.clock.id(),
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
            campaign_id: mail.campaign,
            lead_id: mail.lead,
            sender: mail.sender.to_string(),
            recipient: mail.to.to_string(),
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
            last_error: None,
            provider_id: None,
            created_at: now,
            updated_at: now,
            first_try_at: None,
            sent_at: None,
            finished_at: None,
        };
        Ok(Admission { email, keys, content, idempotency })
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

/// Contents of one call: what is the same is sealed and stored once.
#[derive(Default)]
struct Contents(HashMap<[u8; 32], Arc<content::Model>>);

impl Contents {
    fn seal(&mut self, ctx: &Context, mail: &Checked, now: DateTime<Utc>) -> Result<Arc<content::Model>> {
        use sha2::Digest;
        let head = serde_json::to_vec(&mail.head)?;
        let attachments = if mail.attachments.is_empty() { None } else { Some(serde_json::to_vec(&mail.attachments)?) };
        let mut digest = sha2::Sha256::new();
        let parts = [
            Some(head.as_slice()),
            mail.html.as_deref().map(str::as_bytes),
            mail.text.as_deref().map(str::as_bytes),
            attachments.as_deref(),
        ];
        for part in parts {
            digest.update(part.map_or(u64::MAX, |bytes| bytes.len() as u64).to_le_bytes());
            digest.update(part.unwrap_or_default());
        }
        let digest: [u8; 32] = digest.finalize().into();
        if let Some(known) = self.0.get(&digest) {
            return Ok(known.clone());
        }
        const TABLE: &str = "email_contents";
        let id = ctx.clock.id();
        let (key, wrapped) = DataKey::generate(&ctx.keyring, TABLE, id);
        let seal = |column: &str, part: &[u8]| key.seal(TABLE, id, column, part);
        let content = Arc::new(content::Model {
            id,
            head: seal("head", &head),
            html: mail.html.as_deref().map(|body| seal("html", body.as_bytes())),
            text: mail.text.as_deref().map(|body| seal("text", body.as_bytes())),
            attachments: attachments.as_deref().map(|list| seal("attachments", list)),
            key_id: wrapped.key_id,
            wrapped_key: wrapped.wrapped,
            emails: 0,
            created_at: now,
        });
        self.0.insert(digest, content.clone());
        Ok(content)
    }
}

/// One transaction over all members. Flown again after its commit's answer was lost, it finds its own keys and rows and says
/// the same.
async fn fly(ctx: Arc<Context>, members: Arc<Vec<Arc<Admission>>>) -> Result<Vec<Admitted>> {
    let tx = ctx.store.begin().await?;
    let mut answers: Vec<Option<Admitted>> = bind_keys(&tx, &ctx, &members).await?;
    let keys = members.iter().flat_map(|m| &m.keys).map(String::as_str);
    let list = List::ask(&tx, &ctx.store, ctx.clock.now(), ctx.settings.sandbox, keys).await?;
    let mut fresh = Vec::new();
    for (member, answer) in members.iter().zip(&mut answers) {
        if answer.is_none() {
            let email = standing(&ctx, member, &list)?;
            *answer = Some(Admitted::Stored {
                status: email.status,
                omitted: email.omitted.clone(),
                why: email.last_error.clone(),
            });
            fresh.push((email, member.content.clone()));
        }
    }
    let new = insert_emails(&tx, &ctx, &fresh).await?;
    fresh.retain(|(email, _)| new.contains(&email.id));
    insert_contents(&tx, &ctx, &fresh).await?;
    let mut deltas = Deltas::default();
    for (email, _) in &fresh {
        deltas.add(email.lane, email.scope, tally::column(email.status), 1);
    }
    deltas.store(&tx, &ctx, Shard::Accept).await?;
    tx.commit().await?;
    let mut lanes: Vec<_> = fresh.iter().filter(|(e, _)| e.status == Status::Queued).map(|(e, _)| e.lane).collect();
    lanes.sort_unstable();
    lanes.dedup();
    lanes.into_iter().for_each(|lane| ctx.nudge(lane));
    metrics::counter!("mailmind_accepted_total").increment(fresh.len() as u64);
    answers.into_iter().map(|answer| answer.ok_or(Error::FlightLost)).collect()
}

/// Asks each recipient's suppressions: a suppressed copy is left out, a suppressed recipient suppresses the email.
fn standing(ctx: &Context, member: &Admission, list: &List) -> Result<email::Model> {
    let mut email = member.email.clone();
    // A transaction may run a while after the draft was checked.
    let status = if email.send_at > ctx.clock.now() { Status::Scheduled } else { Status::Queued };
    let omitted: Vec<&String> =
        member.keys.iter().skip(1).filter(|key| list.blocks(key, email.transactional).is_some()).collect();
    let omitted = if omitted.is_empty() { None } else { Some(serde_json::to_string(&omitted)?) };
    let why = list.blocks(&email.recipient_key, email.transactional);
    stand(&mut email, if why.is_some() { Status::Suppressed } else { status }, omitted, why);
    Ok(email)
}

/// Binds idempotency keys to their emails. Answers those members that stand for an email there was already.
async fn bind_keys(
    tx: &DatabaseTransaction,
    ctx: &Context,
    members: &[Arc<Admission>],
) -> Result<Vec<Option<Admitted>>> {
    let mut answers: Vec<Option<Admitted>> = members.iter().map(|_| None).collect();
    // Sorted by key, so that two groups never wait for each other in a circle; within the group the first binds.
    let mut firsts: BTreeMap<(Uuid, &str), &Admission> = BTreeMap::new();
    for member in members {
        if let Some(idempotency) = &member.idempotency {
            firsts.entry((idempotency.api_key, &idempotency.key)).or_insert(member);
        }
    }
    if firsts.is_empty() {
        return Ok(answers);
    }
    let nil = Value::from(Uuid::nil());
    let hash = |m: &&Admission| m.idempotency.as_ref().map(|i| i.hash.clone());
    let values = Rows::new()
        .uuid("api_key_id", firsts.keys().map(|k| k.0))
        .text("key", firsts.keys().map(|k| k.1.to_owned()))
        .uuid("email_id", firsts.values().map(|m| m.email.id))
        .bytes("content_hash", firsts.values().map(hash));
    let text = "INSERT INTO idempotency_keys (api_key_id, key, email_id, content_hash, created_at) \
                SELECT coalesce(v.api_key_id, $1), v.key, v.email_id, v.content_hash, $2 FROM {rows} AS v WHERE true \
                ORDER BY v.api_key_id, v.key ON CONFLICT (api_key_id, key) DO NOTHING";
    execute(tx, ctx.store.sql_rows(text, [nil.clone(), Value::from(ctx.clock.now())], values)).await?;
    let asked =
        Rows::new().uuid("api_key_id", firsts.keys().map(|k| k.0)).text("key", firsts.keys().map(|k| k.1.to_owned()));
    let text = "SELECT k.api_key_id, k.key, k.email_id, k.content_hash FROM idempotency_keys k JOIN {rows} AS v \
                ON k.api_key_id = coalesce(v.api_key_id, $1) AND k.key = v.key";
    let mut bound: HashMap<(Uuid, String), (Uuid, Vec<u8>)> = HashMap::new();
    for row in rows(tx, ctx.store.sql_rows(text, [nil], asked)).await? {
        let key = (row.try_get("", "api_key_id")?, row.try_get("", "key")?);
        bound.insert(key, (row.try_get("", "email_id")?, row.try_get("", "content_hash")?));
    }
    for (member, answer) in members.iter().zip(&mut answers) {
        let Some(own) = &member.idempotency else { continue };
        let Some((email, hash)) = bound.get(&(own.api_key, own.key.clone())) else { continue };
        if *hash != own.hash {
            *answer = Some(Admitted::Conflict);
        } else if *email != member.email.id {
            *answer = Some(Admitted::Known(*email));
        }
    }
    Ok(answers)
}

/// Inserts the rows. Answers the ids of those that were not there.
async fn insert_emails(
    tx: &DatabaseTransaction,
    ctx: &Context,
    fresh: &[(email::Model, Arc<content::Model>)],
) -> Result<std::collections::HashSet<Uuid>> {
    if fresh.is_empty() {
        return Ok(std::collections::HashSet::new());
    }
    let text = "INSERT INTO email_queue (id, scope, lane, status, due_at, send_at, deliver_by, content_id, campaign_id, lead_id, \
         sender, recipient, recipient_key, cc, bcc, reply_to, omitted, on_unconfirmed, transactional, test_mode, sandbox, \
         last_error, finished_at, created_at, updated_at) \
         SELECT v.id, v.scope, v.lane, v.status, v.due_at, v.send_at, v.deliver_by, v.content_id, v.campaign_id, v.lead_id, \
         v.sender, v.recipient, v.recipient_key, v.cc, v.bcc, v.reply_to, v.omitted, v.on_unconfirmed, v.transactional, \
         v.test_mode, v.sandbox, v.last_error, v.finished_at, v.created_at, v.created_at FROM {rows} AS v WHERE true \
         ON CONFLICT (id) DO NOTHING RETURNING id";
    let all = || fresh.iter().map(|(email, _)| email);
    let values = Rows::new()
        .uuid("id", all().map(|e| e.id))
        .int("scope", all().map(|e| e.scope))
        .int("lane", all().map(|e| e.lane.to_value()))
        .int("status", all().map(|e| e.status.to_value()))
        .time("due_at", all().map(|e| e.due_at))
        .time("send_at", all().map(|e| e.send_at))
        .time("deliver_by", all().map(|e| e.deliver_by))
        .uuid("content_id", all().map(|e| e.content_id))
        .uuid("campaign_id", all().map(|e| e.campaign_id))
        .uuid("lead_id", all().map(|e| e.lead_id))
        .text("sender", all().map(|e| e.sender.clone()))
        .text("recipient", all().map(|e| e.recipient.clone()))
        .text("recipient_key", all().map(|e| e.recipient_key.clone()))
        .text("cc", all().map(|e| e.cc.clone()))
        .text("bcc", all().map(|e| e.bcc.clone()))
        .text("reply_to", all().map(|e| e.reply_to.clone()))
        .text("omitted", all().map(|e| e.omitted.clone()))
        .int("on_unconfirmed", all().map(|e| e.on_unconfirmed.to_value()))
        .flag("transactional", all().map(|e| e.transactional))
        .flag("test_mode", all().map(|e| e.test_mode))
        .flag("sandbox", all().map(|e| e.sandbox))
        .text("last_error", all().map(|e| e.last_error.clone()))
        .time("finished_at", all().map(|e| e.finished_at))
        .time("created_at", all().map(|e| e.created_at));
    let found = rows(tx, ctx.store.sql_rows(text, [], values)).await?;
    found.iter().map(|row| Ok(row.try_get("", "id")?)).collect()
}

/// Stores each content once, counting the emails that use it.
async fn insert_contents(
    tx: &DatabaseTransaction,
    ctx: &Context,
    fresh: &[(email::Model, Arc<content::Model>)],
) -> Result<()> {
    let mut used: BTreeMap<Uuid, (&content::Model, i32)> = BTreeMap::new();
    for (_, content) in fresh {
        used.entry(content.id).or_insert((content, 0)).1 += 1;
    }
    if used.is_empty() {
        return Ok(());
    }
    let text = "INSERT INTO email_contents (id, key_id, wrapped_key, head, html, text, attachments, emails, created_at) \
                SELECT v.id, v.key_id, v.wrapped_key, v.head, v.html, v.text, v.attachments, v.emails, v.created_at \
                FROM {rows} AS v WHERE true ON CONFLICT (id) DO UPDATE SET emails = email_contents.emails + excluded.emails";
    let all = || used.values().map(|(content, _)| content);
    let values = Rows::new()
        .uuid("id", used.keys().copied())
        .text("key_id", all().map(|c| c.key_id.clone()))
        .bytes("wrapped_key", all().map(|c| c.wrapped_key.clone()))
        .bytes("head", all().map(|c| c.head.clone()))
        .bytes("html", all().map(|c| c.html.clone()))
        .bytes("text", all().map(|c| c.text.clone()))
        .bytes("attachments", all().map(|c| c.attachments.clone()))
        .int("emails", used.values().map(|(_, n)| *n))
        .time("created_at", all().map(|c| c.created_at));
    execute(tx, ctx.store.sql_rows(text, [], values)).await?;
    Ok(())
}

/// The email an idempotency key stood for; `None` once it was cleaned away.
///
/// # Errors
/// The database's own.
pub async fn known(ctx: &Context, id: Uuid) -> Result<Option<email::Model>> {
    Ok(email::Entity::find_by_id(id).one(ctx.store.read()).await?)
}

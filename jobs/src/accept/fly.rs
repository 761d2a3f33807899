//! The one transaction in which a group of emails is taken in: their keys, their rows, what they say, their tallies.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use entity::{Status, audit_entry, email, tally};
use sea_orm::{ActiveEnum, DatabaseTransaction, Value};
use uuid::Uuid;

use super::{Admission, Admitted, contents, stand};
use crate::audit;
use crate::batch::Batch;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::guard::{Guard, stands};
use crate::lead;
use crate::ledger::{Deltas, Shard};
use crate::rows::Rows;
use crate::store::{execute, rows};
use crate::suppress::List;

/// One transaction over all members. Flown again after its commit's answer was lost, it finds its own keys and rows and says
/// the same.
pub(super) async fn fly(ctx: Arc<Context>, members: Arc<Vec<Arc<Admission>>>) -> Result<Vec<Admitted>> {
    let tx = ctx.store.begin().await?;
    let mut answers: Vec<Option<Admitted>> = bind_keys(&tx, &ctx, &members).await?;
    let keys = members.iter().flat_map(|m| &m.keys).map(String::as_str);
    let list = List::ask(&tx, &ctx, ctx.clock.now(), ctx.settings.sandbox, keys).await?;
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
    let new = insert_emails(&tx, &ctx, &fresh.iter().map(|(email, _)| email).collect::<Vec<_>>()).await?;
    fresh.retain(|(email, _)| new.contains(&email.id));
    contents::insert(&tx, &ctx, &fresh).await?;
    // A call that only repeats others has an entry all the same.
    let mut calls: BTreeMap<Uuid, audit_entry::Model> = BTreeMap::new();
    for member in members.iter() {
        if let Some(entry) = &member.entry {
            let call = calls.entry(entry.id).or_insert_with(|| audit_entry::Model::clone(entry));
            call.done += i64::from(new.contains(&member.email.id));
        }
    }
    let mut deltas = Deltas::default();
    for (email, _) in &fresh {
        deltas.add(email.lane, email.scope, tally::column(email.status), 1);
    }
    let mut batch = Batch::new(&ctx.store);
    lead::keep(&mut batch, fresh.iter().map(|(email, _)| email));
    audit::add_to(&mut batch, calls.values());
    deltas.add_to(&mut batch, Shard::Accept.of(&ctx));
    batch.run(&tx).await?;
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
    if firsts.is_empty() || !stands(Guard::Idempotency) {
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
pub(crate) async fn insert_emails(
    tx: &DatabaseTransaction,
    ctx: &Context,
    fresh: &[&email::Model],
) -> Result<HashSet<Uuid>> {
    if fresh.is_empty() {
        return Ok(HashSet::new());
    }
    let text = "INSERT INTO email_queue (id, scope, lane, status, due_at, send_at, deliver_by, content_id, campaign_id, lead_id, \
         sender, recipient, recipient_key, recipient_mark, cc, bcc, reply_to, omitted, on_unconfirmed, transactional, test_mode, sandbox, \
         last_error, finished_at, created_at, updated_at) \
         SELECT v.id, v.scope, v.lane, v.status, v.due_at, v.send_at, v.deliver_by, v.content_id, v.campaign_id, v.lead_id, \
         v.sender, v.recipient, v.recipient_key, v.recipient_mark, v.cc, v.bcc, v.reply_to, v.omitted, v.on_unconfirmed, v.transactional, \
         v.test_mode, v.sandbox, v.last_error, v.finished_at, v.created_at, v.created_at FROM {rows} AS v WHERE true \
         ON CONFLICT (id) DO NOTHING RETURNING id";
    let all = || fresh.iter();
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
        .text("recipient_mark", all().map(|e| e.recipient_mark.clone()))
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

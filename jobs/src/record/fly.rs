//! The one transaction in which a group of reports is recorded: what is new among them, what follows from it, and last the
//! numbered rows.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use entity::delivery_event::Source;
use sea_orm::{DatabaseTransaction, Value};
use tokio::sync::watch;
use uuid::Uuid;

use super::emails::Emails;
use super::{Member, Recorded, events, keys, seal};
use crate::Context;
use crate::error::Result;
use crate::event::Kind;
use crate::guard::{Guard, stands};
use crate::rows::Rows;
use crate::store::execute;
use crate::suppress;
use crate::sync::outbox;

/// One transaction over all members. Flown again after its commit's answer was lost, it finds its own tokens and keys.
pub(super) async fn fly(
    ctx: Arc<Context>,
    told: Arc<watch::Sender<i64>>,
    members: Arc<Vec<Arc<Member>>>,
) -> Result<Vec<Recorded>> {
    let tx = ctx.store.begin().await?;
    let mut answers = keys::bind_tokens(&tx, &ctx, &members).await?;
    let unanswered = |answers: &[Option<Recorded>]| -> Vec<&Arc<Member>> {
        members.iter().zip(answers).filter(|(_, answer)| answer.is_none()).map(|(member, _)| member).collect()
    };
    let kept = unanswered(&answers);
    seal::store(&tx, &ctx, kept.iter().map(|member| &member.raw.seal)).await?;
    quarantine(&tx, &ctx, &kept).await?;
    for (member, answer) in members.iter().zip(&mut answers) {
        *answer = answer.or(member.quarantine().map(Recorded::Quarantined));
    }
    let new = keys::claim(&tx, &ctx, &unanswered(&answers)).await?;
    let fresh: Vec<&Arc<Member>> = kept.iter().filter(|member| new.contains(&member.id)).copied().collect();
    confirm(&tx, &ctx, &members).await?;
    let (last, batch_ids) = take_effect(&tx, &ctx, &fresh).await?;
    tx.commit().await?;
    for (domain, own) in batch_ids {
        if let Err(error) = ctx.batch_ids.note(&ctx, &domain, own).await {
            tracing::warn!(domain, cause = %error, "Whose Message-Id an email of a batch bears could not be noted");
        }
    }
    kept.iter().for_each(|member| member.raw.seal.is_stored());
    let first = last - fresh.len() as i64 + 1;
    let seqs: HashMap<Uuid, i64> = fresh.iter().map(|member| member.id).zip(first..).collect();
    if !fresh.is_empty() {
        told.send_if_modified(|known| std::mem::replace(known, last.max(*known)) < last);
    }
    let answers = members.iter().zip(answers).map(|(member, answer)| {
        let taken = seqs.get(&member.id).map(|seq| Recorded::Taken { seq: *seq, id: member.id });
        answer.or(taken).unwrap_or(Recorded::Repeated)
    });
    let answers: Vec<Recorded> = answers.collect();
    members.iter().zip(&answers).for_each(|(member, answer)| count(member, *answer));
    Ok(answers)
}

/// Lets new events have their effect, and numbers them. Answers the last number (0 where there are none), and what is to be
/// noted of batches.
async fn take_effect(
    tx: &DatabaseTransaction,
    ctx: &Context,
    fresh: &[&Arc<Member>],
) -> Result<(i64, BTreeSet<(String, bool)>)> {
    if fresh.is_empty() {
        return Ok((0, BTreeSet::new()));
    }
    let now = ctx.clock.now();
    let ahead =
        if stands(Guard::Seq) { None } else { Some(events::number(ctx.store.write(), ctx, fresh.len() as i64).await?) };
    let mut emails = Emails::lock(tx, ctx, fresh.iter().filter_map(|member| member.event.email)).await?;
    let mut rows = Vec::with_capacity(fresh.len());
    for member in fresh {
        let about = emails.about(&ctx.marks, &member.event);
        emails.hear(ctx.settings.sandbox, member.id, &member.event, &about, now);
        let (seal, raw) = (member.raw.seal.id(), &member.raw.bytes);
        rows.push(events::row(member.id, member.source, &member.event, about, now, seal, raw));
    }
    suppress::facts::record(tx, ctx, &emails.suppressions).await?;
    // What Mailgun reports stands on its own list already.
    let by_link: BTreeSet<Uuid> =
        fresh.iter().filter(|member| member.source == Source::Recipient).map(|member| member.id).collect();
    let by_link: Vec<_> = emails.suppressions.iter().filter(|fact| by_link.contains(&fact.id)).cloned().collect();
    outbox::put(tx, ctx, &by_link).await?;
    let batch_ids = std::mem::take(&mut emails.batch_ids);
    emails.store(tx, ctx).await?;
    Ok((events::store(tx, ctx, &rows, ahead).await?, batch_ids))
}

/// Keeps what may have no effect, once.
async fn quarantine(tx: &DatabaseTransaction, ctx: &Context, members: &[&Arc<Member>]) -> Result<()> {
    let kept: Vec<_> = members
        .iter()
        .filter_map(|member| {
            let webhook = member.webhook.as_ref()?;
            Some((member, webhook.signed_at, webhook.quarantine?))
        })
        .collect();
    if kept.is_empty() {
        return Ok(());
    }
    let text = "INSERT INTO email_event_quarantine (id, event_key, domain, why, signed_at, occurred_at, recorded_at, seal_id, raw) \
         SELECT v.id, v.event_key, v.domain, v.why, v.signed_at, v.occurred_at, $1, v.seal_id, v.raw FROM {rows} AS v \
         WHERE true ORDER BY v.event_key ON CONFLICT (event_key) DO NOTHING";
    let values = Rows::new()
        .uuid("id", kept.iter().map(|k| k.0.id))
        .uuid("event_key", kept.iter().map(|k| k.0.key))
        .text("domain", kept.iter().map(|k| k.0.event.domain.clone()))
        .text("why", kept.iter().map(|k| k.2.to_string()))
        .time("signed_at", kept.iter().map(|k| k.1))
        .time("occurred_at", kept.iter().map(|k| k.0.event.occurred_at))
        .uuid("seal_id", kept.iter().map(|k| k.0.raw.seal.id()))
        .bytes("raw", kept.iter().map(|k| k.0.raw.bytes.clone()));
    execute(tx, ctx.store.sql_rows(text, [Value::from(ctx.clock.now())], values)).await?;
    Ok(())
}

/// What stood in quarantine and stands in Mailgun's log is recorded, now or before.
async fn confirm(tx: &DatabaseTransaction, ctx: &Context, members: &[Arc<Member>]) -> Result<()> {
    let of_log = members.iter().filter(|member| member.source == Source::Reconciled);
    let found: Vec<Uuid> = of_log.map(|member| member.key).collect();
    if found.is_empty() {
        return Ok(());
    }
    let text = "DELETE FROM email_event_quarantine WHERE event_key IN (SELECT v.event_key FROM {rows} AS v)";
    execute(tx, ctx.store.sql_rows(text, [], Rows::new().uuid("event_key", found))).await?;
    Ok(())
}

fn count(member: &Member, answer: Recorded) {
    let outcome = match answer {
        Recorded::Taken { .. } => "taken",
        Recorded::Repeated => "repeated",
        Recorded::TokenReused => {
            tracing::error!(event.id = %member.id, "A webhook's token was used for another event");
            "token_reused"
        }
        Recorded::Quarantined(why) => {
            tracing::warn!(event.id = %member.id, %why, "A signed event is kept without effect");
            "quarantined"
        }
    };
    metrics::counter!("mailmind_events_total", "kind" => name(member), "outcome" => outcome).increment(1);
}

/// Of a fixed set: Mailgun's own words for new kinds would be labels without end.
fn name(member: &Member) -> &'static str {
    match member.event.kind {
        Kind::Accepted => "accepted",
        Kind::Delivered => "delivered",
        Kind::Deferred(_) => "deferred",
        Kind::Bounced(_) => "bounced",
        Kind::Opened(_) => "opened",
        Kind::Clicked { .. } => "clicked",
        Kind::Complained => "complained",
        Kind::Unsubscribed => "unsubscribed",
        Kind::Rejected { .. } => "rejected",
        Kind::Unknown { .. } => "unknown",
    }
}

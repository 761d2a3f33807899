//! Emails of a campaign that go to Mailgun in one call, 1,000 at most. Each is claimed, gated and settled by its own row: only
//! the call is shared, and what Mailgun says of it.

#[cfg(test)]
mod tests;
mod together;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use entity::Status;
use sea_orm::{ActiveEnum, Value};
use uuid::Uuid;

use super::Sender;
use super::claim::{self, Claimed, Claims};
use crate::content;
use crate::context::Context;
use crate::error::Result;
use crate::store::{execute, rows};

/// Recipients of one call ("Too many recipients, max is 1000").
const MOST: usize = 1_000;
/// For how long a content goes singly after Mailgun refused a batch of it.
const SINGLY_FOR: TimeDelta = TimeDelta::minutes(10);
/// Contents remembered at most; then all are forgotten, and a refusal more tells again.
const MOST_SINGLY: usize = 1_000;

/// Contents of which Mailgun refused a batch: that is no verdict on its members, who go one by one.
#[derive(Default)]
pub(super) struct Singly(Mutex<HashMap<Uuid, DateTime<Utc>>>);

impl Singly {
    fn note(&self, content: Uuid, until: DateTime<Utc>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_SINGLY {
            known.clear();
        }
        known.insert(content, until);
    }

    fn has(&self, content: Uuid, now: DateTime<Utc>) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&content).is_some_and(|until| *until > now)
    }
}

impl Sender {
    /// What goes in one call each: emails of batch campaigns with all that may go along, the others alone.
    pub(super) async fn gather(&self, claimed: Vec<Claimed>) -> Vec<Vec<Claimed>> {
        let mut calls: Vec<Vec<Claimed>> = Vec::with_capacity(claimed.len());
        let mut batches: Vec<Vec<Claimed>> = Vec::new();
        for email in claimed {
            if !self.may_share(&email).await {
                calls.push(vec![email]);
            } else if let Some(batch) =
                batches.iter_mut().find(|batch| batch.first().is_some_and(|one| go_along(one, &email)))
            {
                batch.push(email);
            } else {
                batches.push(vec![email]);
            }
        }
        for batch in batches {
            match self.fill(&batch).await {
                Ok(Some(more)) => calls.push(batch.into_iter().chain(more).collect()),
                Ok(None) => calls.extend(batch.into_iter().map(|email| vec![email])),
                Err(error) => {
                    tracing::warn!(cause = %error, "No more emails could be claimed for a batch; these go singly");
                    calls.extend(batch.into_iter().map(|email| vec![email]));
                }
            }
        }
        calls
    }

    /// Whether it may go in one call with others. Where that can't be found out it goes alone.
    async fn may_share(&self, email: &Claimed) -> bool {
        let (Some(campaign), content) = (email.campaign, &email.content) else { return false };
        if !content.template
            || content.attachments.is_some()
            || email.probe
            || !email.cc.is_empty()
            || !email.bcc.is_empty()
            || self.singly.has(content.id, self.ctx.clock.now())
        {
            return false;
        }
        let goes = self.ctx.campaign_keys.goes_in_batches(&self.ctx, campaign).await;
        goes.unwrap_or_default()
            && content::prepared(&self.ctx, content)
                .is_ok_and(|prepared| prepared.template.as_ref().is_ok_and(|template| template.placeheld().is_some()))
    }

    /// Claims what may go along with `first`. `None` where they go singly: nobody else is there.
    async fn fill(&self, first: &[Claimed]) -> Result<Option<Vec<Claimed>>> {
        Ok(match claim_along(&self.ctx, first).await? {
            Some(Claims::Stored(more)) => Some(more),
            Some(doubtful @ Claims::Doubtful(..)) => {
                self.sure(doubtful).await;
                None
            }
            None => None,
        })
    }
}

/// Whether two emails differ in nothing but whom they are for.
fn go_along(one: &Claimed, other: &Claimed) -> bool {
    (one.campaign, one.content.id, one.row.lane, one.row.scope)
        == (other.campaign, other.content.id, other.row.lane, other.row.scope)
        && (&one.sender, &one.reply_to, one.test_mode, one.transactional)
            == (&other.sender, &other.reply_to, other.test_mode, other.transactional)
        && one.recipient_key != other.recipient_key
}

/// Claims more of the kind of `first` that are due, and notes of all of them that they go together, in one transaction.
/// `None` where there is only one.
async fn claim_along(ctx: &Context, first: &[Claimed]) -> Result<Option<Claims>> {
    let Some(one) = first.first() else { return Ok(None) };
    let tx = ctx.store.begin().await?;
    // Their rows first: whoever waits for one of them then waits before it holds any of the others.
    let mut ids: Vec<Uuid> = first.iter().map(|email| email.row.id).collect();
    ids.sort_unstable();
    let text = format!("SELECT q.id FROM email_queue q WHERE q.id {{ids}} ORDER BY q.id {}", ctx.store.for_update());
    rows(&tx, ctx.store.sql_ids(&text, [], ids.iter().copied())).await?;
    let text = format!(
        "SELECT q.id FROM email_queue q WHERE q.lane = $1 AND q.scope = $2 AND q.due_at <= $3 AND q.status = $4 \
         AND q.content_id = $5 AND q.campaign_id = $6 AND q.cc IS NULL AND q.bcc IS NULL ORDER BY q.due_at LIMIT $7 {}",
        ctx.store.skip_locked()
    );
    let values = [
        Value::from(one.row.lane.to_value()),
        Value::from(one.row.scope),
        Value::from(ctx.clock.now()),
        Value::from(Status::Queued.to_value()),
        Value::from(one.content.id),
        Value::from(one.campaign),
        Value::from(MOST.saturating_sub(first.len()) as i64),
    ];
    let found = rows(&tx, ctx.store.sql(text, values)).await?;
    let found = found.iter().map(|row| Ok(row.try_get("", "id")?)).collect::<Result<Vec<Uuid>>>()?;
    let more =
        if found.is_empty() { Vec::new() } else { claim::claim_in(&tx, ctx, &found, Some(&one.content)).await? };
    // What was turned away has to stay so, also where nobody is left to go along.
    if first.len() + more.len() > 1 {
        ids.extend(more.iter().map(|email| email.row.id));
        // Of the usual ones their claim has noted it.
        let text = "UPDATE email_queue SET batched = true WHERE id {ids} AND NOT batched";
        execute(&tx, ctx.store.sql_ids(text, [], ids)).await?;
    }
    let alone = first.len() + more.len() == 1;
    let claims = claim::commit(tx, more).await;
    Ok(if alone && matches!(claims, Claims::Stored(_)) { None } else { Some(claims) })
}

//! Launching: from now on what a campaign says never changes, and at its time its recipients become emails.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use entity::campaign::Model;
use entity::content;
use sea_orm::{DatabaseTransaction, FromQueryResult, Value};
use uuid::Uuid;

use super::content::complaints;
use super::standing::{self, Campaign};
use super::{Refusal, lock};
use crate::Context;
use crate::content::{Parts, give_up, insert};
use crate::control::repeat;
use crate::error::Result;
use crate::store::{execute, rows};

/// A time this little in the past means now.
const PAST_IS_NOW: TimeDelta = TimeDelta::minutes(5);
/// Nobody means a time this far off.
const FURTHEST: TimeDelta = TimeDelta::days(2 * 365);

/// Launches a campaign, now or at `send_at`. One that is SCHEDULED is moved to the new time; what it says stays as it was frozen.
///
/// # Errors
/// The database's own; a [`Refusal`] inside when it can't be launched.
pub async fn launch(ctx: &Context, id: Uuid, send_at: Option<DateTime<Utc>>) -> Result<Result<Campaign, Refusal>> {
    let launched_at = ctx.clock.now().trunc_subsecs(3);
    let send_at = match send_at {
        Some(at) if at > launched_at + FURTHEST => return Ok(Err(Refusal::SendAt("is more than two years away"))),
        Some(at) if at < launched_at - PAST_IS_NOW => return Ok(Err(Refusal::SendAt("is in the past"))),
        // As exactly as both databases keep it.
        Some(at) => at.trunc_subsecs(3).max(launched_at),
        None => launched_at,
    };
    match repeat(|| store(ctx, id, launched_at, send_at)).await? {
        Ok(row) => {
            ctx.executor.notify_one();
            Ok(Ok(standing::of(ctx, row).await?))
        }
        Err(refusal) => Ok(Err(refusal)),
    }
}

async fn store(
    ctx: &Context,
    id: Uuid,
    launched_at: DateTime<Utc>,
    send_at: DateTime<Utc>,
) -> Result<Result<Model, Refusal>> {
    let tx = ctx.store.begin().await?;
    let Some(mut row) = lock(&tx, ctx, id).await? else { return Ok(Err(Refusal::NotFound)) };
    // This very launch holds already: the answer to its commit was lost.
    if row.launched_at == Some(launched_at) && row.send_at == Some(send_at) {
        return Ok(Ok(row));
    }
    if let Some(refusal) = refusal(ctx, &row, ctx.clock.now(), send_at) {
        return Ok(Err(refusal));
    }
    if row.launched_at.is_none()
        && let Err(refusal) = freeze(&tx, ctx, &mut row, launched_at).await?
    {
        return Ok(Err(refusal));
    }
    row.launched_at = row.launched_at.or(Some(launched_at));
    (row.send_at, row.expand_at, row.updated_at) = (Some(send_at), Some(send_at), launched_at);
    let text = "UPDATE campaigns SET content_id = $1, launched_at = $2, send_at = $3, expand_at = $3, updated_at = $4 WHERE id = $5";
    let values = [
        Value::from(row.content_id),
        Value::from(row.launched_at),
        Value::from(send_at),
        Value::from(launched_at),
        Value::from(id),
    ];
    execute(&tx, ctx.store.sql(text, values)).await?;
    tx.commit().await?;
    Ok(Ok(row))
}

/// Why it can't be launched for `send_at`; the first that applies.
fn refusal(ctx: &Context, row: &Model, now: DateTime<Utc>, send_at: DateTime<Utc>) -> Option<Refusal> {
    if row.cancelled_at.is_some() {
        return Some(Refusal::Cancelled);
    }
    if row.launched_at.is_some() && row.send_at.is_none_or(|at| at <= now) {
        return Some(Refusal::Launched);
    }
    if row.sandbox != ctx.settings.sandbox {
        return Some(Refusal::OtherMode(if row.sandbox {
            "the campaign was made for the sandbox, and emails go to Mailgun now"
        } else {
            "the campaign was made for Mailgun, and emails go to the sandbox now"
        }));
    }
    if !row.transactional && ctx.settings.public_url.is_none() {
        return Some(Refusal::NeedsPublicUrl);
    }
    row.deliver_by.is_some_and(|end| end <= send_at).then_some(Refusal::DeadlineOver)
}

/// Makes what it says its own: of a template, as it is at this moment, with the campaign's head.
async fn freeze(
    tx: &DatabaseTransaction,
    ctx: &Context,
    row: &mut Model,
    now: DateTime<Utc>,
) -> Result<Result<(), Refusal>> {
    let Some(template) = row.template_id else { return Ok(Ok(())) };
    // In one statement, so that no update of the template comes between.
    let text = "SELECT c.* FROM email_templates t JOIN email_contents c ON c.id = t.content_id WHERE t.id = $1";
    let Some(said) = content_of(tx, ctx, text, template).await? else { return Ok(Err(Refusal::NoTemplate)) };
    let Some(own) = content_of(tx, ctx, "SELECT c.* FROM email_contents c WHERE c.id = $1", row.content_id).await?
    else {
        return Ok(Err(Refusal::NoTemplate));
    };
    let mut frozen = Parts { head: own.head, ..said };
    frozen.head.subject = said.head.subject;
    if let Some(complaint) = complaints(&frozen).first() {
        let part = complaint.path.last().map_or("content", String::as_str);
        return Ok(Err(Refusal::Template(format!("the template's {part} {}", complaint.message))));
    }
    let content = frozen.seal(ctx, now)?;
    let given_up = std::mem::replace(&mut row.content_id, content.id);
    insert(tx, content).await?;
    give_up(tx, ctx, given_up).await?;
    Ok(Ok(()))
}

async fn content_of(tx: &DatabaseTransaction, ctx: &Context, text: &str, id: Uuid) -> Result<Option<Parts>> {
    let found = rows(tx, ctx.store.sql(text, [Value::from(id)])).await?;
    let row = found.first().map(|row| content::Model::from_query_result(row, "")).transpose()?;
    row.map(|row| Parts::open(ctx, &row)).transpose()
}

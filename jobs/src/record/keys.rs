//! Which reports are new: tokens bound to their events, and event keys, each inserted in the order of the keys.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{DatabaseTransaction, Value};
use uuid::Uuid;

use super::{Member, Recorded};
use crate::Context;
use crate::error::Result;
use crate::guard::{Guard, stands};
use crate::rows::Rows;
use crate::store::{execute, rows};

/// Mailgun's ids are "unique within a day": one used again after that is another event's.
const ID_LASTS: TimeDelta = TimeDelta::hours(24);

/// Binds each token to its event. Answers those members whose token was bound before.
pub async fn bind_tokens(
    tx: &DatabaseTransaction,
    ctx: &Context,
    members: &[Arc<Member>],
) -> Result<Vec<Option<Recorded>>> {
    let token = |member: &Member| member.webhook.as_ref().map(|webhook| webhook.token);
    let mut firsts: BTreeMap<Uuid, &Member> = BTreeMap::new();
    for member in members {
        if let Some(token) = token(member) {
            firsts.entry(token).or_insert(member);
        }
    }
    if firsts.is_empty() || !stands(Guard::Token) {
        return Ok(members.iter().map(|_| None).collect());
    }
    let text = "INSERT INTO webhook_tokens (token, event_key, created_at) SELECT v.token, v.event_key, $1 FROM {rows} AS v \
                WHERE true ORDER BY v.token ON CONFLICT (token) DO NOTHING RETURNING token";
    let values =
        Rows::new().uuid("token", firsts.keys().copied()).uuid("event_key", firsts.values().map(|member| member.key));
    let found = rows(tx, ctx.store.sql_rows(text, [Value::from(ctx.clock.now())], values)).await?;
    let mut new = found.iter().map(|row| row.try_get("", "token")).collect::<Result<HashSet<Uuid>, _>>()?;
    let known: Vec<Uuid> = firsts.keys().filter(|token| !new.contains(token)).copied().collect();
    let mut bound: HashMap<Uuid, Uuid> = firsts.iter().map(|(token, member)| (*token, member.key)).collect();
    if !known.is_empty() {
        let text = "SELECT t.token, t.event_key FROM webhook_tokens t JOIN {rows} AS v ON t.token = v.token";
        for row in rows(tx, ctx.store.sql_rows(text, [], Rows::new().uuid("token", known))).await? {
            bound.insert(row.try_get("", "token")?, row.try_get("", "event_key")?);
        }
    }
    let answer = |member: &Arc<Member>| {
        let token = token(member)?;
        if new.remove(&token) {
            return None;
        }
        Some(if bound.get(&token) == Some(&member.key) { Recorded::Repeated } else { Recorded::TokenReused })
    };
    Ok(members.iter().map(answer).collect())
}

/// Takes the key of each event. Answers which of them are new, by the ids of their rows.
pub async fn claim(tx: &DatabaseTransaction, ctx: &Context, members: &[&Arc<Member>]) -> Result<HashSet<Uuid>> {
    if !stands(Guard::Dedupe) {
        return Ok(members.iter().map(|member| member.id).collect());
    }
    let mut firsts: BTreeMap<Uuid, &Member> = BTreeMap::new();
    for member in members {
        firsts.entry(member.key).or_insert(member);
    }
    if firsts.is_empty() {
        return Ok(HashSet::new());
    }
    let all: Vec<(i32, &Member)> = firsts.values().map(|member| (0, *member)).collect();
    let mut new = insert(tx, ctx, &all).await?;
    let doubtful: Vec<&Member> =
        members.iter().map(|member| member.as_ref()).filter(|member| !new.contains(&member.id)).collect();
    if doubtful.is_empty() {
        return Ok(new);
    }
    let mut turns = turns(tx, ctx, &doubtful).await?;
    let mut again = Vec::new();
    for member in doubtful {
        let times = turns.entry(member.key).or_default();
        let at = member.event.occurred_at;
        if times.iter().all(|known| (*known - at).abs() > ID_LASTS) {
            again.push((i32::try_from(times.len()).unwrap_or(i32::MAX), member));
            times.push(at);
        }
    }
    new.extend(insert(tx, ctx, &again).await?);
    Ok(new)
}

async fn insert(tx: &DatabaseTransaction, ctx: &Context, members: &[(i32, &Member)]) -> Result<HashSet<Uuid>> {
    if members.is_empty() {
        return Ok(HashSet::new());
    }
    let text = "INSERT INTO email_event_keys (key, turn, occurred_at, event_id) \
                SELECT v.key, v.turn, v.occurred_at, v.event_id FROM {rows} AS v WHERE true ORDER BY v.key, v.turn \
                ON CONFLICT (key, turn) DO NOTHING RETURNING event_id";
    let values = Rows::new()
        .uuid("key", members.iter().map(|(_, member)| member.key))
        .int("turn", members.iter().map(|(turn, _)| *turn))
        .time("occurred_at", members.iter().map(|(_, member)| member.event.occurred_at))
        .uuid("event_id", members.iter().map(|(_, member)| member.id));
    let found = rows(tx, ctx.store.sql_rows(text, [], values)).await?;
    Ok(found.iter().map(|row| row.try_get("", "event_id")).collect::<Result<_, _>>()?)
}

/// When the events happened that had these keys. Whoever would add to a key waits at its first row; what they added is seen
/// by a statement that begins afterwards.
async fn turns(
    tx: &DatabaseTransaction,
    ctx: &Context,
    members: &[&Member],
) -> Result<HashMap<Uuid, Vec<DateTime<Utc>>>> {
    let keys = || Rows::new().uuid("key", members.iter().map(|member| member.key));
    let text = format!(
        "SELECT k.key FROM email_event_keys k WHERE k.key IN (SELECT v.key FROM {{rows}} AS v) AND k.turn = 0 \
         ORDER BY k.key {}",
        ctx.store.for_update()
    );
    execute(tx, ctx.store.sql_rows(&text, [], keys())).await?;
    let text = "SELECT k.key, k.occurred_at FROM email_event_keys k WHERE k.key IN (SELECT v.key FROM {rows} AS v)";
    let mut turns: HashMap<Uuid, Vec<DateTime<Utc>>> = HashMap::new();
    for row in rows(tx, ctx.store.sql_rows(text, [], keys())).await? {
        turns.entry(row.try_get("", "key")?).or_default().push(row.try_get("", "occurred_at")?);
    }
    Ok(turns)
}

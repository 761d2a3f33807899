//! Claim and gate: one transaction, and the last word of the database before the POST. What the gate turns away ends here or
//! goes on waiting; what it lets pass is SENDING, with a fence and a lease. `candidate` reads what both need.

mod candidate;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};
use entity::{Status, content};
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use super::personal::Personal;
use crate::breaker;
use crate::context::Context;
use crate::error::Result;
use crate::guard::{Guard, stands};
use crate::hold::{Holds, Leave};
use crate::ledger::{self, Cause, Deltas, Facts, Row, Shard, transition, usual};
use crate::rows::Rows;
use crate::store::{Dialect, execute};
use crate::suppress::List;
use crate::sync::outbox;
use crate::timing::delta;
use candidate::Candidate;

/// An email that is this worker's until its lease ends.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub row: Row,
    pub sending_domain: String,
    pub campaign: Option<Uuid>,
    pub sender: String,
    pub recipient: String,
    pub recipient_key: String,
    pub cc: Vec<String>,
    pub bcc: Vec<String>,
    pub reply_to: Option<String>,
    pub test_mode: bool,
    pub transactional: bool,
    pub content: Arc<content::Model>,
    /// Of a content that is rendered, where the campaign has variables for the recipient.
    pub personal: Option<Personal>,
    /// It goes ahead to see whether the way is open again.
    pub probe: bool,
}

/// What a claim came to.
#[derive(Debug)]
pub enum Claims {
    /// These are this worker's.
    Stored(Vec<Claimed>),
    /// The commit's answer was lost: these may be this worker's, and none of them may be handed over.
    Doubtful(Vec<Claimed>, sea_orm::DbErr),
}

/// A content that all emails of a claim have.
pub(super) type Shared<'a> = Option<&'a Arc<content::Model>>;

/// Why an email waits though nothing of ours stands against it.
const LIFTING: &str = "its address was lifted here, and Mailgun's own list is still to let go of it";

/// What the gate asks about all candidates, asked once.
struct Desk<'a> {
    holds: Holds,
    list: List,
    /// Addresses that Mailgun's lists are about to let go of, by sending domain.
    lifting: HashMap<String, BTreeMap<String, DateTime<Utc>>>,
    facts: &'a Facts,
    until: DateTime<Utc>,
}

impl Desk<'_> {
    /// When Mailgun is told next to let go of whom this email goes to; `None` where it has nothing to let go of.
    fn let_go(&self, candidate: &Candidate) -> Option<DateTime<Utc>> {
        let lifting = self.lifting.get(&candidate.claimed.sending_domain)?;
        let keys = candidate.copies.iter().map(|copy| &copy.0).chain([&candidate.claimed.recipient_key]);
        keys.filter_map(|key| lifting.get(key)).max().copied()
    }
}

/// Claims those of `ids` that are due, free to go and not held by another worker.
///
/// # Errors
/// The database's own: then nothing is claimed.
pub async fn claim(ctx: &Context, ids: &[Uuid]) -> Result<Claims> {
    let tx = ctx.store.begin().await?;
    let passed = claim_in(&tx, ctx, ids, None).await?;
    Ok(commit(tx, passed).await)
}

/// The commit, and what is known of it.
pub(super) async fn commit(tx: DatabaseTransaction, passed: Vec<Claimed>) -> Claims {
    match tx.commit().await {
        Ok(()) => Claims::Stored(passed),
        Err(error) => Claims::Doubtful(passed, error),
    }
}

/// The same within a transaction. Emails that share a content that is known already come without another copy of it.
pub(super) async fn claim_in(
    tx: &DatabaseTransaction,
    ctx: &Context,
    ids: &[Uuid],
    shared: Shared<'_>,
) -> Result<Vec<Claimed>> {
    let facts = ctx.facts();
    // To the microsecond, as it will be read back.
    let until = (facts.now + ctx.timing.lease).trunc_subsecs(6);
    let mut passed = Vec::with_capacity(ids.len());
    if ctx.store.dialect() == Dialect::Postgres && stands(Guard::Gate) {
        let (together, columns) = (shared.is_some(), &*candidate::columns(shared));
        let wanted = usual::Wanted { ids, together, columns, tables: candidate::TABLES };
        for row in usual::claim(tx, ctx, facts.now, until, &wanted).await? {
            passed.push(candidate::read(tx, ctx, &row, shared).await?.claimed);
        }
    }
    if passed.len() < ids.len() {
        let usual: HashSet<Uuid> = passed.iter().map(|claimed| claimed.row.id).collect();
        let rest: Vec<Uuid> = ids.iter().copied().filter(|id| !usual.contains(id)).collect();
        let mut deltas = Deltas::default();
        passed.iter().for_each(|claimed| deltas.moved(&claimed.row, Status::Queued, Status::Sending));
        passed.extend(look_closer(tx, ctx, &facts, until, &rest, shared, deltas).await?);
    }
    Ok(passed)
}

/// The gate, one email after the other. `deltas` are of those that needed no closer look.
async fn look_closer(
    tx: &DatabaseTransaction,
    ctx: &Context,
    facts: &Facts,
    until: DateTime<Utc>,
    ids: &[Uuid],
    shared: Shared<'_>,
    deltas: Deltas,
) -> Result<Vec<Claimed>> {
    let (candidates, any_hold) = candidate::lock(tx, ctx, facts.now, ids, shared).await?;
    if candidates.is_empty() {
        deltas.store(tx, ctx, Shard::Claim).await?;
        return Ok(Vec::new());
    }
    let holds = if any_hold { Holds::load(tx, facts.now).await? } else { Holds::default() };
    let asked = if stands(Guard::Gate) { keys_of(&candidates) } else { Vec::new() };
    let lifting = outbox::lifting(tx, ctx, &asked).await?;
    let list = List::ask(tx, ctx, facts.now, ctx.settings.sandbox, asked).await?;
    let desk = Desk { holds, list, lifting, facts, until };
    let before: HashMap<Uuid, Row> = candidates.iter().map(|c| (c.claimed.row.id, c.claimed.row.clone())).collect();
    let mut after = before.clone();
    let mut passed = Vec::with_capacity(candidates.len());
    let mut held = Vec::new();
    for mut candidate in in_probing_order(candidates, &desk.holds) {
        let id = candidate.claimed.row.id;
        let cause = match gate(tx, ctx, &mut candidate, &desk).await? {
            Some(cause) => cause,
            None => {
                held.push(id);
                continue;
            }
        };
        let row = &mut candidate.claimed.row;
        if transition::step(row, &cause, facts).is_ok() {
            after.insert(id, row.clone());
            if row.status == Status::Sending {
                passed.push(candidate.claimed);
            }
        }
    }
    ledger::post(tx, ctx, Shard::Claim, &before, after, Vec::new(), deltas).await?;
    rest(tx, ctx, held).await?;
    Ok(passed)
}

fn keys_of(candidates: &[Candidate]) -> Vec<&str> {
    candidates
        .iter()
        .flat_map(|c| std::iter::once(&c.claimed.recipient_key).chain(c.copies.iter().map(|copy| &copy.0)))
        .map(String::as_str)
        .collect()
}

/// Those that no breaker probed last come first, so that each probe is another email wherever there is another.
fn in_probing_order(mut candidates: Vec<Candidate>, holds: &Holds) -> Vec<Candidate> {
    let probed: HashSet<Uuid> = holds.breakers.iter().filter_map(|b| b.probe_email).collect();
    candidates.sort_by_key(|c| probed.contains(&c.claimed.row.id));
    candidates
}

/// What the gate says: a cause, or `None` for an email that goes on waiting.
async fn gate(
    tx: &DatabaseTransaction,
    ctx: &Context,
    candidate: &mut Candidate,
    desk: &Desk<'_>,
) -> Result<Option<Cause>> {
    let Desk { holds, list, facts, .. } = desk;
    let row = &candidate.claimed.row;
    if candidate.sandbox != ctx.settings.sandbox {
        let why = if candidate.sandbox {
            "it was accepted for the sandbox, and emails go to Mailgun now"
        } else {
            "it was accepted for Mailgun, and emails go to the sandbox now"
        };
        return Ok(Some(Cause::WrongMode { why }));
    }
    if candidate.campaign_cancelled {
        return Ok(Some(Cause::CampaignCancelled));
    }
    if let Some(why) = list.blocks(&candidate.claimed.recipient_key, candidate.claimed.transactional) {
        return Ok(Some(Cause::Suppress { why }));
    }
    if row.deliver_by.is_some_and(|end| end <= facts.now) {
        return Ok(Some(Cause::DeadlineOver));
    }
    if let Some(again) = desk.let_go(candidate) {
        let until = again.max(facts.now + delta(ctx.timing.watch));
        return Ok(Some(Cause::Snooze { until, why: LIFTING }));
    }
    let scope = ctx.scopes.get(tx, &ctx.store, row.scope).await?;
    match holds.over(row.lane, &scope, &ctx.settings.transport(), facts.now) {
        Leave::Open => {}
        Leave::Held { .. } => return Ok(None),
        Leave::Probe(key) => {
            if !breaker::take_probe(tx, ctx, &key, row.id).await? {
                return Ok(None);
            }
            candidate.claimed.probe = true;
        }
    }
    let omitted = leave_out(candidate, list)?;
    Ok(Some(Cause::Claim { until: desk.until, omitted }))
}

/// Takes suppressed copies out of the mail. Answers their keys as JSON.
fn leave_out(candidate: &mut Candidate, list: &List) -> Result<Option<String>> {
    let blocked = |key: &str| list.blocks(key, candidate.claimed.transactional).is_some();
    let omitted: Vec<&str> =
        candidate.copies.iter().map(|(key, _, _)| key.as_str()).filter(|key| blocked(key)).collect();
    if omitted.is_empty() {
        return Ok(None);
    }
    let kept = |blind: bool| {
        let of_kind = candidate.copies.iter().filter(move |(key, b, _)| *b == blind && !blocked(key));
        of_kind.map(|(_, _, mailbox)| mailbox.to_string()).collect::<Vec<_>>()
    };
    let (cc, bcc, omitted) = (kept(false), kept(true), serde_json::to_string(&omitted)?);
    candidate.claimed.cc = cc;
    candidate.claimed.bcc = bcc;
    Ok(Some(omitted))
}

/// Emails that a hold keeps are not fed any longer: once it is lifted, the feeder may ring for them at once.
async fn rest(tx: &DatabaseTransaction, ctx: &Context, held: Vec<Uuid>) -> Result<()> {
    if held.is_empty() {
        return Ok(());
    }
    let text = "UPDATE email_queue AS q SET fed_at = NULL FROM {rows} AS v WHERE q.id = v.id";
    execute(tx, ctx.store.sql_rows(text, [], Rows::new().uuid("id", held))).await?;
    Ok(())
}

//! Emails in doubt: each is looked for in Mailgun's log, at the times of [`Timing`](crate::Timing), together with all others of
//! its domain and hour. What is found is recorded, and SENT by that evidence; what is not goes by the [`rule`].
//!
//! Any process may look. Whoever does puts `resolve_at` ahead first: others leave these emails alone until then, and find
//! them again if nobody says what became of them. What is concluded is bound to the claim that was in doubt (the fence).

mod due;
pub mod rule;

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use entity::Status;
use entity::alert_count::Count;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

pub use due::{Doubtful, due, resends};

use crate::Context;
use crate::control::repeat;
use crate::error::Result;
use crate::event::{Event, Kind, LogItem};
use crate::ledger::{self, Cause, Move, Shard};
use crate::log::{Desk, Kinds, LogError, MARGIN, Pages, Query};
use crate::reconcile::mark;
use crate::timing::delta;
use rule::{Look, Reading, Step, Why};

/// Emails whose first tries lie this far apart are asked for apart: between them a log may hold anything.
const WINDOW: TimeDelta = TimeDelta::hours(1);

/// Emails that one reading of the log is for.
#[derive(Debug)]
pub struct Group {
    domain: String,
    emails: Vec<Doubtful>,
}

/// Looks until the process is to stop. What is being asked then is found again by others.
pub async fn run(desk: Desk) {
    let mut asked = JoinSet::new();
    loop {
        match due(&desk.ctx).await {
            Ok(emails) => {
                for group in groups(emails) {
                    let desk = desk.clone();
                    asked.spawn(async move { ask_or_warn(&desk, group).await });
                }
            }
            Err(error) => tracing::warn!(cause = %error, "Emails in doubt could not be asked for"),
        }
        while asked.try_join_next().is_some() {}
        tokio::select! {
            () = tokio::time::sleep(desk.ctx.timing.watch) => {}
            () = desk.ctx.stop.cancelled() => return,
        }
    }
}

/// Looks once for everything that is due. Answers how many emails that were.
///
/// # Errors
/// The database's own.
pub async fn look(desk: &Desk) -> Result<usize> {
    let emails = due(&desk.ctx).await?;
    let n = emails.len();
    for group in groups(emails) {
        ask(desk, &group).await?;
    }
    Ok(n)
}

/// By domain, and by when they were first tried.
fn groups(emails: Vec<Doubtful>) -> Vec<Group> {
    let mut by_domain: BTreeMap<String, Vec<Doubtful>> = BTreeMap::new();
    for email in emails {
        by_domain.entry(email.domain.clone()).or_default().push(email);
    }
    let mut groups = Vec::new();
    for (domain, mut emails) in by_domain {
        emails.sort_by_key(|email| email.doubt.first_try);
        for near in emails.chunk_by(|one, next| next.doubt.first_try - one.doubt.first_try <= WINDOW) {
            groups.push(Group { domain: domain.clone(), emails: near.to_vec() });
        }
    }
    groups
}

async fn ask_or_warn(desk: &Desk, group: Group) {
    if let Err(error) = ask(desk, &group).await {
        tracing::warn!(domain = group.domain, cause = %error, "What was found in Mailgun's log could not be stored");
    }
}

/// Reads the log for a group, and lets happen what follows.
async fn ask(desk: &Desk, group: &Group) -> Result<()> {
    let Desk { ctx, .. } = desk;
    let asked_at = ctx.clock.now();
    let Some(query) = query(group, asked_at, &ctx.timing) else { return Ok(()) };
    let (found, reading) = scan(desk, group, &query).await?;
    let foreign_ids = mark::has_foreign_ids(ctx, &group.domain).await?;
    let batch_ids = mark::keeps_batch_ids(ctx, &group.domain).await?;
    let look = Look { asked_at, reading, foreign_ids, batch_ids };
    let mut moves = Vec::with_capacity(group.emails.len());
    let mut held: BTreeMap<&'static str, usize> = BTreeMap::new();
    for email in &group.emails {
        let cause = if found.contains(&email.id) {
            Cause::Resolve { sent: true }
        } else {
            let step = rule::step(&email.doubt, &look, &ctx.timing);
            if let Step::Hold { why, .. } = step {
                *held.entry(why.label()).or_default() += 1;
            }
            cause_of(email.fence, step)
        };
        moves.push(Move { email: email.id, cause });
    }
    alert(ctx, &group.domain, &held);
    apply(desk, &moves).await
}

/// From before the first was handed over until any of them would have been logged. `None` where there is none.
fn query(group: &Group, now: DateTime<Utc>, timing: &crate::Timing) -> Option<Query> {
    let first = group.emails.iter().map(|email| email.doubt.first_try).min()?;
    let last = group.emails.iter().map(|email| email.doubt.since).max()?;
    let trust = delta(timing.trust);
    let to = now.min(last + trust.max(MARGIN));
    Some(Query { domain: group.domain.clone(), from: first - MARGIN, to, kinds: Kinds::HandedOver })
}

/// Records what the log has about the group's emails. Answers which of them Mailgun has accepted, and how the reading went.
async fn scan(desk: &Desk, group: &Group, query: &Query) -> Result<(HashSet<Uuid>, Reading)> {
    let ids: HashSet<Uuid> = group.emails.iter().map(|email| email.id).collect();
    let mut claim = due::Claim::of(&desk.ctx, &group.emails);
    let mut found = HashSet::new();
    let mut pages = Pages::of(&*desk.log, query);
    let mut read_at = Instant::now();
    loop {
        let items = match pages.next().await {
            Ok(Some(items)) => items,
            Ok(None) => return Ok((found, Reading::Whole)),
            Err(error) => return Ok((found, broken(&group.domain, &error))),
        };
        let ours: Vec<LogItem> = items.into_iter().filter(|item| is_of(&ids, item.event())).collect();
        let accepted = ours.iter().filter(|item| !matches!(item.event().kind, Kind::Rejected { .. }));
        found.extend(accepted.filter_map(|item| item.event().email));
        if !ours.is_empty() {
            desk.recorder.take_log(ours).await?;
        }
        if read_at.elapsed() >= desk.ctx.timing.lease / 3 {
            claim.renew(&desk.ctx).await?;
            read_at = Instant::now();
        }
    }
}

fn is_of(ids: &HashSet<Uuid>, event: &Event) -> bool {
    event.email.is_some_and(|id| ids.contains(&id))
}

fn broken(domain: &str, error: &LogError) -> Reading {
    tracing::warn!(domain, cause = %error, "Emails in doubt could not be looked for");
    metrics::counter!("mailmind_log_failures_total", "reader" => "resolve").increment(1);
    match error {
        LogError::NotAllowed(_) => Reading::NotAllowed,
        LogError::GoesBackTo(_) => Reading::TooShort,
        LogError::Away(_) | LogError::Unreadable(_) => Reading::Broken,
    }
}

fn cause_of(fence: i32, step: Step) -> Cause {
    match step {
        Step::Again(at) => Cause::Look { fence, at: Some(at), why: None },
        Step::Absent => Cause::Absent { fence },
        Step::Hold { why, again } => Cause::Look { fence, at: again, why: Some(Why::words(why)) },
    }
}

/// Somebody has to decide.
fn alert(ctx: &Context, domain: &str, held: &BTreeMap<&'static str, usize>) {
    for (why, emails) in held {
        ctx.alerts.count(Count::Undecided, i64::try_from(*emails).unwrap_or(i64::MAX));
        metrics::counter!("mailmind_unconfirmed_held_total", "why" => *why).increment(*emails as u64);
        tracing::error!(
            domain,
            why,
            emails,
            "Whether Mailgun has these emails can't be found out; resolveEmail decides"
        );
    }
}

/// In a transaction of its own. What was settled meanwhile is refused and harms nothing.
async fn apply(desk: &Desk, moves: &[Move]) -> Result<()> {
    let ctx = &desk.ctx;
    let moved = repeat(|| async {
        let tx = ctx.store.begin().await?;
        let answers = ledger::apply(&tx, ctx, Shard::Control, moves).await?;
        tx.commit().await?;
        Ok(answers)
    })
    .await?;
    let mut absent = 0;
    for (one, answer) in moves.iter().zip(moved) {
        let Ok(moved) = answer else { continue };
        absent += u64::from(matches!(one.cause, Cause::Absent { .. }));
        if moved.after.status == Status::Queued {
            ctx.nudge(moved.after.lane);
        }
    }
    if absent > 0 {
        metrics::counter!("mailmind_unconfirmed_absent_total").increment(absent);
        tracing::info!(emails = absent, "Mailgun's log shows no trace of emails in doubt");
    }
    Ok(())
}

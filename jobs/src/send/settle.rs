//! What follows from a hand-over: holds and breakers first, then the email's own row, in a group commit that is repeated
//! until the database took it. Repeated, it finds its claim settled and changes nothing.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::alert_count::Count;
use entity::{Outcome, Status, attempt, hold};
use futures::future::FutureExt;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use uuid::Uuid;

use super::claim::Claimed;
use super::hand_over::Report;
use crate::backoff::backoff;
use crate::breaker;
use crate::context::Context;
use crate::error::Result;
use crate::group::{Group, Manner};
use crate::hold::{Cover, domain_key, place};
use crate::ledger::{self, Cause, Handed, Move, Moved, Refusal, Settlement, Shard, usual};
use crate::mailer::message_id;
use crate::store::Dialect;
use crate::verdict::{BreakerKey, HoldScope, Verdict};

/// What a settle did.
#[derive(Clone, Debug)]
enum Settled {
    /// The usual: it was SENDING and is SENT.
    Sent,
    /// What the table says.
    Else(Box<Result<Moved, Refusal>>),
}

/// Whom an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Alone,
    /// One of a batch.
    Together,
}

/// Settling, as a group commit with one flight: several would only queue on the same counters.
#[derive(Clone)]
pub struct Settle {
    ctx: Arc<Context>,
    group: Group<Move, Settled>,
}

impl Settle {
    /// Starts settling.
    pub fn start(ctx: Arc<Context>) -> Self {
        let flown = ctx.clone();
        let manner = Manner { name: "settle", flights: 1, patience: None, stop: ctx.abandon.clone() };
        let group = Group::start(manner, Arc::new(move |moves| fly(flown.clone(), moves).boxed()));
        Self { ctx, group }
    }

    /// Stores how a hand-over ended; returns when it is stored (or the process gives up, and its lease will tell).
    pub async fn report(&self, claimed: &Claimed, report: Report) {
        self.store(claimed, report, None).await;
    }

    async fn store(&self, claimed: &Claimed, report: Report, doubtful_lease: Option<DateTime<Utc>>) {
        let handed = self.follow(claimed, &report, Told::Alone).await;
        self.keep(claimed, &report, handed, doubtful_lease).await;
    }

    /// The same for emails that went in one call: what follows from its answer follows once.
    pub async fn report_all(&self, batch: &[Claimed], report: &Report) {
        // Whoever has tried most often speaks for all.
        let Some(speaker) = batch.iter().max_by_key(|claimed| claimed.row.attempts) else { return };
        self.follow(speaker, report, Told::Together).await;
        let kept = batch.iter().map(|claimed| {
            let handed = handed_of(&self.ctx, claimed, &report.verdict);
            self.keep(claimed, report, handed, None)
        });
        futures::future::join_all(kept).await;
    }

    async fn keep(&self, claimed: &Claimed, report: &Report, handed: Handed, doubtful_lease: Option<DateTime<Utc>>) {
        let id = claimed.row.id;
        count(&self.ctx, claimed, &handed);
        let settlement = Settlement {
            fence: claimed.row.fence,
            doubtful_lease,
            handed,
            http_status: report.http_status,
            started_at: report.started_at,
            finished_at: report.finished_at,
        };
        let cause = Cause::Settle(settlement);
        loop {
            match self.group.put(Move { email: id, cause: cause.clone() }).await {
                Ok(Settled::Sent) => return,
                Ok(Settled::Else(answer)) => return self.tell(claimed, *answer),
                Err(error) if self.ctx.abandon.is_cancelled() => {
                    return tracing::error!(email.id = %id, cause = %error, "An outcome could not be stored before the end");
                }
                Err(error) => {
                    tracing::error!(email.id = %id, cause = %error, "An outcome could not be stored; trying on");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }

    /// Gives an email back that was perhaps claimed and certainly not posted.
    pub async fn give_back(&self, claimed: &Claimed) {
        let now = self.ctx.clock.now();
        let report = Report { verdict: Verdict::NotHandedOver, http_status: None, started_at: now, finished_at: now };
        self.store(claimed, report, claimed.row.lease_until).await;
    }

    fn tell(&self, claimed: &Claimed, answer: Result<Moved, Refusal>) {
        match answer {
            Ok(moved) => self.ring(&moved),
            Err(refusal) => {
                let (id, fence) = (claimed.row.id, claimed.row.fence);
                tracing::warn!(email.id = %id, fence, %refusal, "A report came too late");
            }
        }
    }

    /// Rings for what waits again.
    fn ring(&self, moved: &Moved) {
        let after = &moved.after;
        if after.acceptances > moved.before.acceptances.max(1) {
            metrics::counter!("mailmind_doubles_total").increment(1);
            self.ctx.alerts.count(Count::Double, 1);
            tracing::error!(email.id = %after.id, acceptances = after.acceptances, "Mailgun accepted an email more than once");
        }
        match after.status {
            Status::Queued => self.ctx.nudge(after.lane),
            Status::Scheduled => ring_at(&self.ctx, after),
            _ => {}
        }
    }

    /// Lets holds and breakers follow from the verdict before the email waits again. Trouble with the database here is no
    /// reason to lose the outcome: the next email will find the same.
    async fn follow(&self, claimed: &Claimed, report: &Report, told: Told) -> Handed {
        match self.try_follow(claimed, report, told).await {
            Ok(handed) => handed,
            Err(error) => {
                tracing::warn!(email.id = %claimed.row.id, cause = %error, "A hold or breaker could not be stored");
                handed_of(&self.ctx, claimed, &report.verdict)
            }
        }
    }

    async fn try_follow(&self, claimed: &Claimed, report: &Report, told: Told) -> Result<Handed> {
        let ctx = &self.ctx;
        let id = claimed.row.id;
        let transport = ctx.settings.transport();
        let domain = domain_key(&claimed.sending_domain);
        match &report.verdict {
            Verdict::Sent { provider_id } => {
                // The id of a batch is nobody's own.
                if told == Told::Alone && *provider_id != message_id(id, &claimed.sending_domain) {
                    ctx.foreign_ids.note(ctx, &claimed.sending_domain).await?;
                }
                self.answered(&[&transport, &domain]).await?;
            }
            // Nobody was asked: it says nothing about the way to Mailgun.
            Verdict::Fail { .. } if report.http_status.is_none() => {}
            Verdict::Fail { .. } => self.answered(&[&transport, &domain]).await?,
            Verdict::Retry { why } => {
                // The last try is not spent on a way that is closed; the breaker keeps what comes after.
                let spent = claimed.row.attempts + 1 >= ctx.settings.max_tries;
                breaker::failed(ctx, &transport, why, spent, id).await?;
            }
            Verdict::Unconfirmed { why } => {
                breaker::failed(ctx, &transport, why, false, id).await?;
            }
            Verdict::Hold { scope, until, why } => {
                let cover = match scope {
                    HoldScope::Domain => Cover::Domain(claimed.sending_domain.clone()),
                    HoldScope::Account => Cover::Queue,
                };
                place(ctx, &cover, hold::Cause::RateLimit, Some(why.clone()), Some(*until)).await?;
            }
            Verdict::Account { key: BreakerKey::Transport, why } => {
                breaker::failed(ctx, &transport, why, true, id).await?;
            }
            Verdict::Account { key: BreakerKey::Domain, why } => {
                self.answered(&[&transport]).await?;
                // Others passed since it was refused for its domain: the refusal is its own.
                if told == Told::Alone && !claimed.probe && refused_before(ctx, id).await? {
                    return Ok(Handed::Failed { why: why.clone() });
                }
                breaker::failed(ctx, &domain, why, true, id).await?;
            }
            Verdict::NotHandedOver => {}
        }
        Ok(handed_of(ctx, claimed, &report.verdict))
    }

    async fn answered(&self, keys: &[&str]) -> Result<()> {
        if !self.ctx.trouble.any() {
            return Ok(());
        }
        for key in breaker::answered(&self.ctx, keys).await? {
            tracing::info!(breaker = key, "Mailgun takes emails again");
            entity::Priority::ALL.into_iter().for_each(|lane| self.ctx.nudge(lane));
        }
        Ok(())
    }
}

fn handed_of(ctx: &Context, claimed: &Claimed, verdict: &Verdict) -> Handed {
    match verdict.clone() {
        Verdict::Sent { provider_id } => Handed::Sent { provider_id },
        Verdict::Retry { why } => {
            let attempt = claimed.row.attempts.unsigned_abs() + 1;
            let wait = backoff(ctx.settings.retry_base, attempt, entity::clock::chance());
            Handed::Retry { why, due_at: ctx.clock.now() + wait }
        }
        Verdict::Hold { why, .. } => Handed::Held { why },
        Verdict::Account { why, .. } => Handed::AccountRefused { why },
        Verdict::Unconfirmed { why } => Handed::Unconfirmed { why },
        Verdict::Fail { why } => Handed::Failed { why },
        Verdict::NotHandedOver => Handed::NotHandedOver,
    }
}

/// This very email was refused with 403 or 404 before.
async fn refused_before(ctx: &Context, id: Uuid) -> Result<bool> {
    let refused = attempt::Entity::find()
        .filter(attempt::Column::EmailId.eq(id))
        .filter(attempt::Column::Outcome.eq(Outcome::AccountRefused))
        .filter(attempt::Column::HttpStatus.is_in([403, 404]))
        .count(ctx.store.write())
        .await?;
    Ok(refused > 0)
}

async fn fly(ctx: Arc<Context>, moves: Arc<Vec<Move>>) -> Result<Vec<Settled>> {
    let tx = ctx.store.begin().await?;
    // Only where all are of the usual kind: the others' rows would be locked after these, out of order. What is left over
    // all the same is rare, and a deadlock repeats the group.
    let sent = match ctx.store.dialect() {
        Dialect::Postgres if moves.iter().all(usual::fits) => usual::sent(&tx, &ctx, &moves).await?,
        Dialect::Postgres | Dialect::Sqlite => HashSet::new(),
    };
    let is_sent = |m: &Move| matches!(&m.cause, Cause::Settle(report) if sent.contains(&(m.email, report.fence)));
    let rest: Vec<Move> = moves.iter().filter(|m| !is_sent(m)).cloned().collect();
    let mut answers = Vec::new();
    if !rest.is_empty() {
        answers = ledger::apply(&tx, &ctx, Shard::Settle, &rest).await?;
    }
    tx.commit().await?;
    let mut answers = answers.into_iter();
    let of = |m: &Move| if is_sent(m) { Some(Settled::Sent) } else { answers.next().map(Box::new).map(Settled::Else) };
    moves.iter().map(of).collect::<Option<Vec<_>>>().ok_or(crate::Error::FlightLost)
}

/// Rings when a retry is due, by a timer: the feeder's own round is coarser than the backoff.
fn ring_at(ctx: &Arc<Context>, row: &ledger::Row) {
    let (ctx, lane) = (ctx.clone(), row.lane);
    let Some(wait) = row.due_at.and_then(|due| (due - ctx.clock.now()).to_std().ok()) else { return };
    if wait <= Duration::from_secs(2) {
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            ctx.nudge(lane);
        });
    }
}

fn count(ctx: &Context, claimed: &Claimed, handed: &Handed) {
    match handed {
        Handed::Sent { .. } => ctx.alerts.count(Count::Sent, 1),
        Handed::Failed { .. } => ctx.alerts.count(Count::Failed, 1),
        _ => {}
    }
    let outcome = match handed {
        Handed::Sent { .. } => "sent",
        Handed::Retry { .. } => "retry",
        Handed::Held { .. } => "held",
        Handed::AccountRefused { .. } => "account_refused",
        Handed::Unconfirmed { .. } => "unconfirmed",
        Handed::Failed { .. } => "failed",
        Handed::NotHandedOver => "not_handed_over",
    };
    metrics::counter!("mailmind_attempts_total", "outcome" => outcome, "lane" => claimed.row.lane.name()).increment(1);
}

//! The table of all (cause, state) pairs: what may happen to an email, and where it stands afterwards. Pure.

use chrono::{DateTime, Utc};
use entity::{Outcome, Policy, Status};

use super::join;
use super::terms::{Cause, Effect, Facts, Handed, Name, Refusal, Row, Settlement};
use crate::guard::{Guard, stands};

/// Why an email of a cancelled campaign ends.
const CAMPAIGN_CANCELLED: &str = "its campaign is cancelled";

/// Lets `cause` happen to `row`. The row is changed only when the answer is `Ok`.
pub fn step(row: &mut Row, cause: &Cause, facts: &Facts) -> Result<Effect, Refusal> {
    let now = facts.now;
    match cause {
        Cause::Due => match row.status {
            Status::Scheduled => {
                row.status = Status::Queued;
                Ok(Effect::Moved)
            }
            Status::Queued => Ok(Effect::Nothing),
            other => Err(Refusal::NotWaiting(Name(other))),
        },
        Cause::Claim { until, omitted } => match row.status {
            Status::Queued => {
                row.status = Status::Sending;
                row.fence += 1;
                row.lease_until = Some(*until);
                row.first_try_at = row.first_try_at.or(Some(now));
                // The gate has asked anew: a copy left out at acceptance may go by now.
                row.omitted = omitted.clone();
                Ok(Effect::Moved)
            }
            other => Err(Refusal::NotWaiting(Name(other))),
        },
        Cause::Suppress { why } => end_waiting(row, Status::Suppressed, why, now),
        Cause::WrongMode { why } => end_waiting(row, Status::Cancelled, why, now),
        Cause::CampaignCancelled => end_waiting(row, Status::Cancelled, CAMPAIGN_CANCELLED, now),
        Cause::DeadlineOver => end_waiting(row, Status::Expired, "its deliverBy is over", now),
        Cause::Snooze { until, why } => match row.status {
            Status::Queued => {
                row.status = if *until > now { Status::Scheduled } else { Status::Queued };
                row.due_at = Some(*until);
                row.last_error = Some((*why).to_owned());
                Ok(Effect::Moved)
            }
            other => Err(Refusal::NotWaiting(Name(other))),
        },
        Cause::Settle(settlement) => settle(row, settlement, facts),
        Cause::LeaseOver => match row.status {
            Status::Sending => {
                unconfirmed(row, "the worker that held it fell silent", facts);
                Ok(Effect::Moved)
            }
            other => Err(Refusal::NotWaiting(Name(other))),
        },
        Cause::Resend => match row.status {
            // With its tries spent it waits for proof.
            Status::Unconfirmed if row.policy == Policy::Resend && row.attempts < facts.max_tries => {
                leave_unsent(row, now, Spend::Spent, facts);
                Ok(Effect::Moved)
            }
            other => Err(Refusal::NotUnconfirmed(Name(other))),
        },
        Cause::Absent { fence } => {
            in_doubt(row, *fence)?;
            leave_unsent(row, now, Spend::Absent, facts);
            Ok(Effect::Moved)
        }
        Cause::Look { fence, at, why } => {
            in_doubt(row, *fence)?;
            let before = (row.resolve_at, row.last_error.clone());
            row.resolve_at = *at;
            row.last_error = why.map(str::to_owned).or(row.last_error.take());
            Ok(if (row.resolve_at, row.last_error.clone()) == before { Effect::Nothing } else { Effect::Noted })
        }
        Cause::Cancel => match row.status {
            Status::Scheduled | Status::Queued => end_waiting(row, Status::Cancelled, "cancelled on request", now),
            Status::Sending | Status::Unconfirmed => {
                row.cancel_requested = true;
                Ok(Effect::Noted)
            }
            Status::Cancelled => Ok(Effect::Nothing),
            other => Err(Refusal::NotCancellable(Name(other))),
        },
        Cause::Retry => retry(row, facts),
        Cause::Reschedule { send_at } => match row.status {
            Status::Scheduled | Status::Queued if row.deliver_by.is_some_and(|end| end <= *send_at) => {
                Err(Refusal::AfterDeadline)
            }
            Status::Scheduled | Status::Queued => {
                row.send_at = *send_at;
                row.due_at = Some(*send_at);
                row.status = if *send_at > now { Status::Scheduled } else { Status::Queued };
                Ok(Effect::Moved)
            }
            other => Err(Refusal::NotReschedulable(Name(other))),
        },
        Cause::Resolve { sent } => match row.status {
            Status::Unconfirmed if *sent => {
                join::known_to_be_sent(row, now);
                Ok(Effect::Moved)
            }
            Status::Unconfirmed => {
                leave_unsent(row, now, Spend::Nothing, facts);
                Ok(Effect::Moved)
            }
            other => Err(Refusal::NotUnconfirmed(Name(other))),
        },
        Cause::Report(_) if !row.status.is_accepted() && !stands(Guard::Evidence) => Ok(Effect::Nothing),
        Cause::Report(report) => Ok(join::report(row, report, now)),
    }
}

/// What was found out speaks of the claim that is in doubt.
fn in_doubt(row: &Row, fence: i32) -> Result<(), Refusal> {
    match row.status {
        Status::Unconfirmed if row.fence == fence => Ok(()),
        Status::Unconfirmed => Err(Refusal::Stale),
        other => Err(Refusal::NotUnconfirmed(Name(other))),
    }
}

/// An email that nobody holds ends.
fn end_waiting(row: &mut Row, end: Status, why: &str, now: DateTime<Utc>) -> Result<Effect, Refusal> {
    if !row.status.is_waiting() {
        return Err(Refusal::NotWaiting(Name(row.status)));
    }
    finish(row, end, Some(why.to_owned()), now);
    Ok(Effect::Moved)
}

pub(super) fn finish(row: &mut Row, end: Status, why: Option<String>, now: DateTime<Utc>) {
    row.status = end;
    row.due_at = None;
    row.lease_until = None;
    row.resolve_at = None;
    row.last_error = why;
    row.finished_at = Some(now);
}

/// Perhaps with Mailgun. An unknown outcome spends a try.
fn unconfirmed(row: &mut Row, why: &str, facts: &Facts) {
    row.status = Status::Unconfirmed;
    row.attempts += 1;
    row.due_at = None;
    row.lease_until = None;
    row.last_error = Some(why.to_owned());
    row.resolve_at = Some(facts.now + facts.first_look);
}

/// What leaving unsent costs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spend {
    /// The try did not count.
    Nothing,
    /// It has been counted already, when its outcome was unknown.
    Spent,
    /// The same, and that nothing came of it is known: with the last try it fails.
    Absent,
    /// It was counted as unknown and turned out never to have reached Mailgun.
    Refund,
}

/// The one way out of SENDING and UNCONFIRMED for what was not sent; the first that applies.
fn leave_unsent(row: &mut Row, due_at: DateTime<Utc>, spend: Spend, facts: &Facts) {
    let now = facts.now;
    let why = row.last_error.take();
    if spend == Spend::Refund {
        row.attempts = (row.attempts - 1).max(0);
    }
    if row.cancel_requested {
        return finish(row, Status::Cancelled, Some("cancelled on request".into()), now);
    }
    if facts.campaign_cancelled {
        return finish(row, Status::Cancelled, Some(CAMPAIGN_CANCELLED.into()), now);
    }
    if let Some(suppressed) = &facts.suppressed {
        return finish(row, Status::Suppressed, Some(suppressed.clone()), now);
    }
    if row.deliver_by.is_some_and(|end| end <= now) {
        return finish(row, Status::Expired, Some("its deliverBy is over".into()), now);
    }
    let age_from = row.first_try_at.max(facts.pause_ended);
    if age_from.is_some_and(|start| now - start > facts.max_age) {
        return finish(
            row,
            Status::Expired,
            Some(format!("it waited on Mailgun for too long; last: {}", why.unwrap_or_default())),
            now,
        );
    }
    if spend == Spend::Absent && row.attempts >= facts.max_tries {
        let words = "Mailgun's log shows no trace of it, and its tries are spent";
        return finish(row, Status::Failed, Some(why.map_or(words.into(), |why| format!("{words}; last: {why}"))), now);
    }
    row.status = if due_at > now { Status::Scheduled } else { Status::Queued };
    row.due_at = Some(due_at);
    row.lease_until = None;
    row.resolve_at = None;
    row.last_error = why;
}

fn settle(row: &mut Row, report: &Settlement, facts: &Facts) -> Result<Effect, Refusal> {
    let own = report.doubtful_lease.is_none_or(|until| row.lease_until == Some(until));
    let current = (report.fence == row.fence && own) || !stands(Guard::Fence);
    if let Handed::Sent { provider_id } = &report.handed {
        let open = row.status == Status::Sending && current;
        return if open || stands(Guard::Evidence) {
            Ok(join::handed_over(row, provider_id, facts.now))
        } else {
            Err(Refusal::Stale)
        };
    }
    match row.status {
        Status::Sending if current => {
            report_from_sending(row, &report.handed, facts);
            Ok(Effect::Moved)
        }
        // Its lease ran out before the report came. What proves that Mailgun does not have it still counts.
        Status::Unconfirmed if current => Ok(report_from_unconfirmed(row, &report.handed, facts)),
        // An event told sooner that Mailgun has it. How the try looked from here belongs to its history.
        status if current && status.is_accepted() => Ok(Effect::Noted),
        _ => Err(Refusal::Stale),
    }
}

fn report_from_sending(row: &mut Row, handed: &Handed, facts: &Facts) {
    let now = facts.now;
    match handed {
        Handed::Sent { .. } => unreachable!("evidence is taken before"),
        Handed::Retry { why, due_at } => {
            row.last_error = Some(why.clone());
            // A way that is closed fails no email: the last try is never spent on it.
            if row.attempts + 1 < facts.max_tries {
                row.attempts += 1;
                leave_unsent(row, *due_at, Spend::Spent, facts);
            } else {
                leave_unsent(row, now + facts.snooze, Spend::Nothing, facts);
            }
        }
        Handed::Held { why } | Handed::AccountRefused { why } => {
            row.last_error = Some(why.clone());
            leave_unsent(row, now, Spend::Nothing, facts);
        }
        Handed::NotHandedOver => leave_unsent(row, now, Spend::Nothing, facts),
        Handed::Unconfirmed { why } => unconfirmed(row, why, facts),
        Handed::Failed { why } => {
            row.attempts += 1;
            finish(row, Status::Failed, Some(why.clone()), now);
        }
    }
}

fn report_from_unconfirmed(row: &mut Row, handed: &Handed, facts: &Facts) -> Effect {
    match handed {
        Handed::Sent { .. } | Handed::Unconfirmed { .. } => Effect::Nothing,
        Handed::Failed { why } => {
            finish(row, Status::Failed, Some(why.clone()), facts.now);
            Effect::Moved
        }
        Handed::Retry { why, .. } | Handed::Held { why } | Handed::AccountRefused { why } => {
            row.last_error = Some(why.clone());
            leave_unsent(row, facts.now, Spend::Refund, facts);
            Effect::Moved
        }
        Handed::NotHandedOver => {
            row.last_error = None;
            leave_unsent(row, facts.now, Spend::Refund, facts);
            Effect::Moved
        }
    }
}

fn retry(row: &mut Row, facts: &Facts) -> Result<Effect, Refusal> {
    match row.status {
        Status::Failed | Status::Suppressed if row.rejected => return Err(Refusal::Rejected),
        Status::Failed => {}
        Status::Suppressed if facts.suppressed.is_none() => {}
        Status::Suppressed => return Err(Refusal::StillSuppressed),
        Status::Unconfirmed => return Err(Refusal::Unconfirmed),
        other => return Err(Refusal::NotRetryable(Name(other))),
    }
    if row.content_gone {
        return Err(Refusal::ContentGone);
    }
    // Refused rather than ended CANCELLED: why it failed is worth more than that it was asked for in vain.
    if facts.campaign_cancelled {
        return Err(Refusal::CampaignCancelled);
    }
    if row.deliver_by.is_some_and(|end| end <= facts.now) {
        return Err(Refusal::DeadlineOver);
    }
    row.status = Status::Queued;
    row.due_at = Some(facts.now);
    row.attempts = 0;
    row.cancel_requested = false;
    row.first_try_at = None;
    row.finished_at = None;
    Ok(Effect::Moved)
}

/// The row of `email_attempts` that a cause leaves behind, from the row as it was before.
pub fn attempt(
    before: &Row,
    after: &Row,
    cause: &Cause,
    facts: &Facts,
    lease: chrono::TimeDelta,
) -> Option<entity::attempt::Model> {
    match cause {
        Cause::Settle(report) => {
            let (outcome, error) = match &report.handed {
                Handed::Sent { .. } => (Outcome::Sent, None),
                Handed::Retry { why, .. } => (Outcome::Retry, Some(why.clone())),
                Handed::Held { why } => (Outcome::Held, Some(why.clone())),
                Handed::AccountRefused { why } => (Outcome::AccountRefused, Some(why.clone())),
                Handed::Unconfirmed { why } => (Outcome::Unconfirmed, Some(why.clone())),
                Handed::Failed { why } => (Outcome::Failed, Some(why.clone())),
                Handed::NotHandedOver => (Outcome::NotHandedOver, None),
            };
            Some(entity::attempt::Model {
                email_id: before.id,
                fence: report.fence,
                outcome,
                http_status: report.http_status.map(i32::from),
                error,
                started_at: report.started_at,
                finished_at: report.finished_at,
                retry_at: after.due_at,
            })
        }
        Cause::LeaseOver => Some(entity::attempt::Model {
            email_id: before.id,
            fence: before.fence,
            outcome: Outcome::LeaseRanOut,
            http_status: None,
            error: after.last_error.clone(),
            started_at: before.lease_until.map_or(facts.now, |until| until - lease),
            finished_at: facts.now,
            retry_at: None,
        }),
        Cause::Due
        | Cause::Claim { .. }
        | Cause::Suppress { .. }
        | Cause::WrongMode { .. }
        | Cause::CampaignCancelled
        | Cause::DeadlineOver
        | Cause::Snooze { .. }
        | Cause::Resend
        | Cause::Absent { .. }
        | Cause::Look { .. }
        | Cause::Cancel
        | Cause::Retry
        | Cause::Reschedule { .. }
        | Cause::Resolve { .. }
        | Cause::Report(_) => None,
    }
}

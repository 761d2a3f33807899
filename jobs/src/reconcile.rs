//! Events that no webhook brought, recovered from Mailgun's log: for each sending domain the log is read in windows that
//! overlap, behind a watermark that only passes what could be trusted to be complete. An event's key sees to it that it has its
//! effect once, whichever way it comes first.
//!
//! One process reads a domain at a time: its claim is the mark's `due_at`. One that is killed leaves the watermark where it was.

pub mod mark;
mod quarantine;
pub mod rule;

use chrono::{DateTime, TimeDelta, Utc};
use entity::reconcile_mark;
use tokio::time::Instant;

use crate::error::Result;
use crate::log::{Desk, Kinds, LogError, Pages, Query};
use crate::record::Recorded;
use crate::rounds;
use crate::timing::delta;
use mark::Claim;
use rule::{Seen, Window, silence, window};

/// Reads what is due until the process is to stop. What is being read then is read again by others.
pub async fn run(desk: Desk) {
    rounds::until_stopped(&desk.ctx, "Missing events could not be recovered", || due(&desk)).await;
}

/// Reads the log of every domain whose time has come. Answers how many those were.
///
/// # Errors
/// The database's own.
pub async fn due(desk: &Desk) -> Result<usize> {
    let mut read = 0;
    for domain in mark::due(&desk.ctx).await? {
        if let Some(claim) = Claim::take(&desk.ctx, &domain).await? {
            pass(desk, claim).await?;
            read += 1;
        }
    }
    Ok(read)
}

/// How a reading of one window went.
struct Outcome {
    seen: Seen,
    whole: Result<(), LogError>,
}

async fn pass(desk: &Desk, mut claim: Claim) -> Result<()> {
    let ctx = &desk.ctx;
    let asked_at = ctx.clock.now();
    let Some(window) = window(claim.mark.checked_through, asked_at, &ctx.timing) else {
        let mark = claim.mark.clone();
        return claim.settle(ctx, mark, asked_at + interval(desk)).await;
    };
    let outcome = read(desk, &mut claim, (window.from, window.to)).await?;
    let mut mark = conclude(&claim.mark, &window, &outcome, asked_at);
    if outcome.whole.is_ok() {
        let confirmed = quarantine::settle(desk, &mut claim, asked_at).await?;
        mark.recovered += confirmed;
    }
    tell(&claim.mark, &mark, &outcome);
    let more = outcome.whole.is_ok() && window.more;
    claim.settle(ctx, mark, if more { asked_at } else { asked_at + interval(desk) }).await
}

fn interval(desk: &Desk) -> TimeDelta {
    delta(desk.ctx.timing.reconcile)
}

/// Reads all events of a window and records those that are missing.
async fn read(desk: &Desk, claim: &mut Claim, (from, to): (DateTime<Utc>, DateTime<Utc>)) -> Result<Outcome> {
    let query = Query { domain: claim.mark.domain.clone(), from, to, kinds: Kinds::All };
    let mut pages = Pages::of(&*desk.log, &query);
    let mut seen = Seen::default();
    let mut renewed = Instant::now();
    loop {
        let mut items = match pages.next().await {
            Ok(Some(items)) => items,
            Ok(None) => return Ok(Outcome { seen, whole: Ok(()) }),
            Err(error) => return Ok(Outcome { seen, whole: Err(error) }),
        };
        // The log is asked in whole seconds: what lies beyond the window is the next one's, whose webhook may be on its way, and
        // which would pass for brought by one if it were read twice.
        items.retain(|item| item.event().occurred_at <= to);
        let fresh: Vec<bool> = items.iter().map(|item| item.event().occurred_at > claim.mark.read_to).collect();
        let answers = desk.recorder.take_log(items).await?;
        for (answer, fresh) in answers.iter().zip(fresh) {
            seen.add(matches!(answer, Recorded::Taken { .. }), fresh);
        }
        if renewed.elapsed() >= desk.ctx.timing.lease / 3 {
            if !claim.renew(&desk.ctx).await? {
                return Ok(Outcome { seen, whole: Err(LogError::Away("another process reads it".to_owned())) });
            }
            renewed = Instant::now();
        }
    }
}

/// The mark after a reading.
fn conclude(
    before: &reconcile_mark::Model,
    window: &Window,
    outcome: &Outcome,
    now: DateTime<Utc>,
) -> reconcile_mark::Model {
    let mut mark = before.clone();
    mark.recovered += i64::from(outcome.seen.missing);
    match &outcome.whole {
        Ok(()) => {
            mark.checked_through = window.through;
            mark.read_to = before.read_to.max(window.to);
            (mark.missed, mark.silent_since) = silence(before.missed, before.silent_since, &outcome.seen, now);
            (mark.failing_since, mark.last_error) = (None, None);
        }
        Err(error) => {
            mark.failing_since = before.failing_since.or(Some(now));
            mark.last_error = Some(error.to_string());
            // What is not kept can't be waited for.
            if let LogError::GoesBackTo(from) = error {
                mark.checked_through = before.checked_through.max(*from);
            }
        }
    }
    mark
}

/// Alerts and counters.
fn tell(before: &reconcile_mark::Model, after: &reconcile_mark::Model, outcome: &Outcome) {
    let domain = &after.domain;
    let recovered = after.recovered - before.recovered;
    if recovered > 0 {
        metrics::counter!("mailmind_reconcile_recovered_total").increment(recovered.unsigned_abs());
        tracing::info!(domain, recovered, "Events that no webhook brought were recovered from Mailgun's log");
    }
    if let Err(error) = &outcome.whole {
        metrics::counter!("mailmind_log_failures_total", "reader" => "reconcile").increment(1);
        tracing::warn!(domain, cause = %error, "Mailgun's log could not be read to its end");
        if before.failing_since.is_none() && matches!(error, LogError::NotAllowed(_) | LogError::GoesBackTo(_)) {
            tracing::error!(domain, cause = %error, "Missed webhooks of this domain can't be recovered");
        }
    }
    match (before.silent_since, after.silent_since) {
        (None, Some(_)) => tracing::error!(
            domain,
            missed = after.missed,
            "Webhooks are silent while mail flows: look at their URL, the signing key and Mailgun's control panel"
        ),
        (Some(_), None) => tracing::info!(domain, "Webhooks come again"),
        (None, None) | (Some(_), Some(_)) => {}
    }
}

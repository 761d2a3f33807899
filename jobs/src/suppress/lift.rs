//! Lifting entries. A lift is a fact with its time: whatever happened before it never suppresses again, however late it is told.

use std::collections::BTreeSet;

use entity::suppression::{self, Reason, Source};
use entity::suppression_fact;

use super::{facts, state};
use crate::control::repeat;
use crate::error::Result;
use crate::sync::outbox;
use crate::{Context, erase};

/// What a lift came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifted {
    /// The entries that blocked and were lifted.
    pub lifted: Vec<suppression::Model>,
    /// The entries that go on blocking: of other reasons, of an address' whole domain and, in the sandbox, the real ones.
    pub still_blocked_by: Vec<suppression::Model>,
    /// Mailgun's own lists are to follow: the address stands there until they have.
    pub told: bool,
}

/// Lifts the entries of `target` (an address key or a domain) that have one of these reasons. Emails that ended SUPPRESSED stay
/// so until they are retried.
///
/// # Errors
/// The database's own: nothing is lifted, or all of it.
pub async fn unsuppress(ctx: &Context, target: &str, reasons: &[Reason]) -> Result<Lifted> {
    repeat(|| lift(ctx, target, reasons)).await
}

async fn lift(ctx: &Context, target: &str, reasons: &[Reason]) -> Result<Lifted> {
    let tx = ctx.store.begin().await?;
    let now = ctx.clock.now();
    let blocking = state::blocking(&tx, ctx, [target]).await?.remove(target).unwrap_or_default();
    // An erased address may be blocked under its mark.
    let marks = blocking.iter().map(|entry| entry.target.as_str()).filter(|of| erase::is_mark(of));
    let targets: BTreeSet<&str> = marks.chain([target]).collect();
    let each = targets.iter().flat_map(|target| reasons.iter().map(move |reason| (*target, reason)));
    let lifts: Vec<suppression_fact::Model> = each
        .map(|(target, reason)| suppression_fact::Model {
            id: ctx.clock.id(),
            target: target.to_owned(),
            reason: *reason,
            sandbox: ctx.settings.sandbox,
            lift: true,
            occurred_at: now,
            recorded_at: now,
            expires_at: None,
            bounce_type: None,
            source: Source::Manual,
            note: None,
            event_id: None,
        })
        .collect();
    facts::record(&tx, ctx, &lifts).await?;
    let still_blocked_by = state::blocking(&tx, ctx, [target]).await?.remove(target).unwrap_or_default();
    let of_target = still_blocked_by
        .iter()
        .filter(|entry| targets.contains(entry.target.as_str()) && entry.sandbox == ctx.settings.sandbox);
    let stays: Vec<Reason> = of_target.filter(|entry| entry.expires_at.is_none()).map(|entry| entry.reason).collect();
    let told = outbox::lift(&tx, ctx, target, reasons, &stays).await?;
    tx.commit().await?;
    let still = |entry: &suppression::Model| still_blocked_by.iter().any(|other| other.id == entry.id);
    let lifted = blocking.into_iter().filter(|entry| !still(entry));
    let lifted = lifted.map(|entry| suppression::Model { lifted_at: Some(now), ..entry }).collect();
    Ok(Lifted { lifted, still_blocked_by, told })
}

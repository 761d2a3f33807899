//! What is kept in quarantine: the log confirms it, by recording the very event, or shows that there was no such thing.

use chrono::{DateTime, Utc};
use entity::quarantined_event as kept;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::mark::Claim;
use super::read;
use crate::error::Result;
use crate::log::{Desk, MARGIN, RETENTION};
use crate::timing::delta;

/// So many are looked at in one pass: each has a window of its own.
const MOST: u64 = 20;

/// Looks the domain's quarantined events up. Answers how many events were recorded by that. Those that happened before the log
/// begins stay until they are forgotten.
pub(super) async fn settle(desk: &Desk, claim: &mut Claim, now: DateTime<Utc>) -> Result<i64> {
    let ctx = &desk.ctx;
    let trust = delta(ctx.timing.trust);
    let found = kept::Entity::find()
        .filter(kept::Column::Domain.eq(&claim.mark.domain))
        .filter(kept::Column::RecordedAt.lte(now - trust))
        .filter(kept::Column::OccurredAt.gte(now - RETENTION + MARGIN))
        .filter(kept::Column::SignedAt.gte(now - RETENTION + MARGIN))
        .order_by_asc(kept::Column::RecordedAt)
        .limit(MOST)
        .all(ctx.store.write())
        .await?;
    let mut recorded = 0;
    for event in found {
        // Dated ahead, it can only have happened before it was signed and before it came.
        let at = event.occurred_at.min(event.signed_at).min(event.recorded_at);
        let outcome = read(desk, claim, (at - MARGIN, at + MARGIN)).await?;
        recorded += i64::from(outcome.seen.missing);
        if outcome.whole.is_err() {
            break;
        }
        let gone = kept::Entity::delete_by_id(event.id).exec(ctx.store.write()).await?.rows_affected;
        let outcome = if gone > 0 { "dropped" } else { "confirmed" };
        metrics::counter!("mailmind_quarantine_total", "outcome" => outcome).increment(1);
        tracing::info!(event.id = %event.id, outcome, "A signed event in quarantine was looked up in Mailgun's log");
    }
    Ok(recorded)
}

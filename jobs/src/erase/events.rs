//! The events about an erased address: they stay with their kind and time, and name nobody.

use entity::delivery_event::{Kind, Model};
use sea_orm::Value;

use super::{Erasure, GROUP, is_mark};
use crate::Context;
use crate::control::repeat;
use crate::error::Result;
use crate::retention::GONE;
use crate::store::execute;

/// Takes from an event whatever may say who it is about, where that was erased: Mailgun's words, the link that was followed,
/// what it was opened with, the payload.
pub(crate) fn strip(row: &mut Model) {
    if row.recipient_key.as_deref().is_some_and(is_mark) {
        (row.message, row.url, row.client, row.country) = (None, None, None, None);
        row.raw = GONE.to_vec();
        if row.kind == Kind::Rejected {
            row.reason = None;
        }
    }
}

/// Erases the events about the address. Answers how many.
pub(super) async fn erase(ctx: &Context, erasure: &Erasure) -> Result<u64> {
    // 8 is REJECTED, whose reason is in Mailgun's words; that of others is one of its codes.
    let text = format!(
        "UPDATE email_delivery_events SET recipient_key = $1, message = NULL, url = NULL, client = NULL, country = NULL, \
         reason = CASE WHEN kind = 8 THEN NULL ELSE reason END, raw = $2 WHERE seq IN (SELECT e.seq FROM email_delivery_events e WHERE e.recipient_key = $3 \
         AND (e.seq <= $4 OR e.email_id <= $5) ORDER BY e.seq LIMIT $6 {})",
        ctx.store.for_update()
    );
    let mut erased = 0;
    loop {
        let met = repeat(|| async {
            let values = [
                Value::from(erasure.mark.clone()),
                Value::from(GONE.to_vec()),
                Value::from(erasure.address.clone()),
                Value::from(erasure.event_reach),
                Value::from(erasure.email_reach),
                Value::from(GROUP),
            ];
            Ok(execute(ctx.store.write(), ctx.store.sql(text.clone(), values)).await?.rows_affected())
        })
        .await?;
        erased += met;
        if met < GROUP.unsigned_abs() {
            return Ok(erased);
        }
    }
}

//! `mailmind replay`: reads what Mailgun reported again, from the payloads as they came, after this version learned to read them
//! better. What reads otherwise has the effect it should have had; run again, it changes nothing.

use jobs::Context;
use serde_json::json;

use crate::config::Setup;
use crate::failure::Failure;
use crate::{audit, serve};

/// Reads every event after the number `after`, and prints each that reads otherwise.
///
/// # Errors
/// The database's own, and a payload that can't be opened; what was done before stays done.
pub async fn replay(setup: &Setup, after: i64) -> Result<(), Failure> {
    let ctx = serve::context(setup, serve::connect(setup).await?).await?;
    audit::noted(&ctx.store, &ctx.clock, "replay", json!({ "after": after }), async |entry| {
        entry.done = read_again(&ctx, after).await?;
        Ok(())
    })
    .await
}

/// Answers how many events read otherwise.
async fn read_again(ctx: &Context, after: i64) -> Result<i64, Failure> {
    let (mut seq, mut read, mut changed) = (after, 0, 0);
    while let Some(done) = jobs::record::replay(ctx, seq).await? {
        for change in &done.changes {
            if change.was == change.is {
                println!("event {}: {:?}, told otherwise", change.seq, change.is);
            } else {
                println!("event {}: {:?} is {:?}", change.seq, change.was, change.is);
            }
        }
        seq = done.seq;
        read += done.read;
        changed += done.changes.len();
    }
    println!("read {read} events, up to number {seq}; {changed} read otherwise than they did");
    Ok(i64::try_from(changed).unwrap_or(i64::MAX))
}

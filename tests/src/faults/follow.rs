//! A follower of the events, as the API has them: it reads what is numbered above the last it read, and must miss none.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jobs::Context;
use jobs::store::rows;
use sea_orm::Value;

use crate::lock;

/// The numbers it was given.
#[derive(Clone, Default)]
pub struct Follower(Arc<Mutex<BTreeSet<i64>>>);

impl Follower {
    /// Reads on until it is dropped; while the database is away it waits.
    pub async fn follow(self, ctx: Arc<Context>) {
        let mut last = 0_i64;
        loop {
            let asked = ctx
                .store
                .sql("SELECT e.seq FROM email_delivery_events e WHERE e.seq > $1 ORDER BY e.seq", [Value::from(last)]);
            for row in rows(ctx.store.by_key(), asked).await.unwrap_or_default() {
                let Ok(seq) = row.try_get::<i64>("", "seq") else { continue };
                last = seq;
                lock(&self.0).insert(seq);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether it was given this number.
    pub fn has(&self, seq: i64) -> bool {
        lock(&self.0).contains(&seq)
    }
}

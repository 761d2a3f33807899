//! Counting what becomes of emails, while it happens and with what it changes.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use entity::campaign_metrics::Metric;
use sea_orm::{ActiveEnum, Value};

use crate::batch::Batch;
use crate::rows::Rows;

/// Changes of counters, gathered while things happen and stored with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<(i32, DateTime<Utc>, Metric), i64>);

impl Counts {
    /// Adds `n` to the counter of the hour in which it happened.
    pub fn add(&mut self, scope: i32, at: DateTime<Utc>, metric: Metric, n: i64) {
        let key = (scope, hour(at), metric);
        let count = self.0.entry(key).or_default();
        *count += n;
        if *count == 0 {
            self.0.remove(&key);
        }
    }

    /// Takes away what was counted before.
    pub fn subtract(&mut self, counted: Counts) {
        for ((scope, at, metric), n) in counted.0 {
            self.add(scope, at, metric, -n);
        }
    }

    /// The sum over scopes and hours.
    #[cfg(test)]
    pub(crate) fn of(&self, metric: Metric) -> i64 {
        self.0.iter().filter(|((_, _, m), _)| *m == metric).map(|(_, n)| n).sum()
    }

    /// Adds them to a batch, the keys in order.
    pub(crate) fn add_to(self, batch: &mut Batch<'_>, shard: i16) {
        if self.0.is_empty() {
            return;
        }
        let text = "INSERT INTO campaign_delivery_metrics (scope, hour, metric, shard, n) \
             SELECT v.scope, v.hour, v.metric, $1, v.n FROM {rows} AS v WHERE true ORDER BY v.scope, v.hour, v.metric \
             ON CONFLICT (scope, hour, metric, shard) DO UPDATE SET n = campaign_delivery_metrics.n + excluded.n";
        let values = Rows::new()
            .int("scope", self.0.keys().map(|key| key.0))
            .time("hour", self.0.keys().map(|key| key.1))
            .int("metric", self.0.keys().map(|key| key.2.to_value()))
            .int("n", self.0.values().copied());
        batch.add(text, [Value::from(shard)], values);
    }
}

/// The beginning of the hour.
pub fn hour(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp(at.timestamp().div_euclid(3_600) * 3_600, 0).unwrap_or_default()
}

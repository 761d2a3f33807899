//! Reading the figures, from tallies, counters, holds and marks: what it costs does not grow with the emails.

use chrono::{DateTime, TimeDelta, Utc};
use entity::campaign_metrics::Metric;

use super::count;
use super::rule::{Domain, Figures, Share};
use crate::Context;
use crate::dispatch::endpoint;
use crate::error::Result;
use crate::metric::{self, Over, Range};
use crate::stats;
use crate::sync::mark;

/// How long what bounced is looked back on; by whole hours, so that it is up to one more …
const BOUNCES: TimeDelta = TimeDelta::hours(6);
/// … and what was complained about.
const COMPLAINTS: TimeDelta = TimeDelta::hours(24);

/// The figures at this moment.
///
/// # Errors
/// The database's own.
pub(super) async fn read(ctx: &Context, now: DateTime<Utc>) -> Result<Figures> {
    let queue = stats::queue(ctx).await?;
    let mut oldest = [None; 3];
    for lane in &queue.lanes {
        oldest[lane.priority.lane()] = lane.oldest_due_at.map(|due| now - due);
    }
    let transport = ctx.settings.transport();
    let breakers = queue.breakers.into_iter().filter_map(|breaker| match breaker.key.strip_prefix("domain:") {
        Some(domain) => Some((domain.to_owned(), breaker.probes)),
        // That of another address, which nobody knocks at any more, stays as it was.
        None => (breaker.key == transport).then(|| (String::new(), breaker.probes)),
    });
    let domains = queue.reconciliation.into_iter().map(|standing| Domain {
        name: standing.domain,
        silent: standing.silent_since.is_some(),
        unreadable: standing.failing_since.is_some(),
        lag: now - standing.checked_through,
    });
    let six_hours = since(ctx, now - BOUNCES).await?;
    let day = since(ctx, now - COMPLAINTS).await?;
    let (bounced, delivered) = (six_hours.of(Metric::Bounced), six_hours.of(Metric::Delivered));
    Ok(Figures {
        oldest,
        sent_per_minute: queue.sent_per_minute,
        bounced: Share { n: bounced, of: bounced + delivered },
        complained: Share { n: day.of(Metric::Complained), of: day.of(Metric::Delivered) },
        breakers: breakers.collect(),
        domains: domains.collect(),
        counts: count::read(ctx, now).await?,
        stuck: stuck(ctx).await?,
        deaf: endpoint::deaf(ctx).await?,
    })
}

async fn since(ctx: &Context, since: DateTime<Utc>) -> Result<metric::Figures> {
    metric::of(ctx, &Over::Everything, Range { since: Some(since), until: None }).await
}

async fn stuck(ctx: &Context) -> Result<Vec<(String, u64)>> {
    let lists = mark::standings(ctx).await?.into_iter().filter(|list| list.failing > 0);
    Ok(lists.map(|list| (format!("{} {}", list.mark.domain, list.mark.list.name()), list.failing)).collect())
}

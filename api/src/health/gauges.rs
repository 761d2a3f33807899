//! The gauges of the queue, read when somebody asks: between two scrapes they cost nothing.

use entity::hold::Cause;
use entity::{Priority, Status, tally};
use jobs::alert::{self, Alert};
use jobs::dispatch::endpoint;
use jobs::hold::Holds;
use jobs::lane::Carrier;
use jobs::stats::{self, QueueStats};
use jobs::store::rows;
use jobs::sync::mark::{self, Standing};
use metrics::gauge;

use crate::app::App;

/// Sets them all.
///
/// # Errors
/// The database's own; then the gauges of the queue stay as they were, and `mailmind_database_up` is 0.
pub async fn read(app: &App) -> jobs::Result<()> {
    own(app).await;
    let asked = ask(app).await;
    gauge!("mailmind_database_up").set(flag(asked.is_ok()));
    alerted(&if asked.is_ok() { alert::list(&app.ctx).await? } else { alert::known(&app.ctx) });
    let (queue, holds, counts, syncs) = asked?;
    told(&endpoint::standing(&app.ctx).await?);
    waits(app, &queue, &holds);
    alike(&syncs);
    for (lane, status, n) in counts {
        gauge!("mailmind_emails", "lane" => lane.name(), "status" => status).set(n as f64);
    }
    Ok(())
}

type Counts = Vec<(Priority, String, i64)>;

async fn ask(app: &App) -> jobs::Result<(QueueStats, Holds, Counts, Vec<Standing>)> {
    let holds = Holds::load(app.ctx.store.read(), app.ctx.clock.now()).await?;
    Ok((stats::queue(&app.ctx).await?, holds, stand(app).await?, mark::standings(&app.ctx).await?))
}

/// Which alerts are raised.
fn alerted(alerts: &[Alert]) {
    for rule in alert::RULES {
        let firing = alerts.iter().any(|alert| alert.is_firing() && alert.rule == rule);
        gauge!("mailmind_alert_firing", "alert" => rule.name).set(flag(firing));
    }
}

/// How Mailgun's own lists are kept like ours.
fn alike(syncs: &[Standing]) {
    for Standing { mark, pushes, lifts, failing } in syncs {
        let gauge = |name: &'static str| gauge!(name, "domain" => mark.domain.clone(), "list" => mark.list.name());
        gauge("mailmind_suppression_sync_failing").set(flag(mark.failing_since.is_some()));
        gauge("mailmind_suppression_sync_stuck").set(*failing as f64);
        gauge("mailmind_suppression_sync_pending_entries").set(*pushes as f64);
        gauge("mailmind_suppression_sync_pending_lifts").set(*lifts as f64);
        if let Some(at) = mark.finished_at {
            gauge("mailmind_suppression_sync_finished_timestamp_seconds").set(at.timestamp() as f64);
        }
    }
}

/// How applications are told of events.
fn told(standing: &endpoint::Standing) {
    let endpoint::Standing { well, failing, disabled, given_up, lag, waiting, dead } = *standing;
    for (state, n) in [("well", well), ("failing", failing), ("disabled", disabled), ("given_up", given_up)] {
        gauge!("mailmind_endpoints", "state" => state).set(n as f64);
    }
    gauge!("mailmind_dispatch_lag_seconds").set(lag.as_seconds_f64().max(0.0));
    gauge!("mailmind_dispatches_waiting").set(waiting as f64);
    gauge!("mailmind_dispatches_dead").set(dead as f64);
}

/// What this process knows of itself.
async fn own(app: &App) {
    let lanes = app.lanes().await;
    let carried = |carrier| flag(lanes.as_ref().is_some_and(|health| health.carrier == carrier));
    gauge!("mailmind_lanes", "carrier" => "in_process").set(carried(Carrier::InProcess));
    gauge!("mailmind_lanes", "carrier" => "redis").set(carried(Carrier::Redis));
    gauge!("mailmind_redis_configured").set(flag(app.redis));
    gauge!("mailmind_redis_up").set(flag(app.redis && lanes.as_ref().is_some_and(|health| !health.degraded)));
    gauge!("mailmind_slots").set(if app.works { app.ctx.settings.slots as f64 } else { 0.0 });
    let busy = lanes.and_then(|health| health.busy).unwrap_or_default();
    gauge!("mailmind_slots_busy").set(busy as f64);
}

/// What waits, and what makes it wait.
fn waits(app: &App, queue: &QueueStats, holds: &Holds) {
    let now = app.ctx.clock.now();
    for lane in &queue.lanes {
        let waited = lane.oldest_due_at.map_or(0.0, |due| (now - due).as_seconds_f64().max(0.0));
        gauge!("mailmind_oldest_waiting_seconds", "lane" => lane.priority.name()).set(waited);
    }
    gauge!("mailmind_sent_per_minute").set(queue.sent_per_minute);
    for (cause, label) in [(Cause::Pause, "pause"), (Cause::RateLimit, "rate_limit")] {
        let n = holds.holds.iter().filter(|hold| hold.cause == cause).count();
        gauge!("mailmind_holds", "cause" => label).set(n as f64);
    }
    gauge!("mailmind_breakers_open").set(holds.breakers.len() as f64);
    for standing in &queue.reconciliation {
        let gauge = |name: &'static str| gauge!(name, "domain" => standing.domain.clone());
        gauge("mailmind_reconcile_lag_seconds").set((now - standing.checked_through).as_seconds_f64().max(0.0));
        gauge("mailmind_reconcile_recovered").set(standing.recovered as f64);
        gauge("mailmind_reconcile_failing").set(flag(standing.failing_since.is_some()));
        gauge("mailmind_webhooks_silent").set(flag(standing.silent_since.is_some()));
    }
}

/// How many emails of each lane stand in each status. One that has none is told as 0, so that a graph falls with it.
async fn stand(app: &App) -> jobs::Result<Counts> {
    let store = &app.ctx.store;
    let text = "SELECT t.lane, t.status, CAST(sum(t.n) AS bigint) AS n FROM email_tallies t GROUP BY t.lane, t.status";
    let mut counts = std::collections::HashMap::<(Priority, i16), i64>::new();
    for row in rows(store.read(), store.sql(text, [])).await? {
        counts.insert((row.try_get("", "lane")?, row.try_get("", "status")?), row.try_get("", "n")?);
    }
    let statuses = Status::all().map(|status| (tally::column(status), status.name().to_ascii_lowercase()));
    let statuses: Vec<_> =
        statuses.chain([(tally::PENDING, "pending".to_owned()), (tally::CLEANED, "cleaned".to_owned())]).collect();
    let each = Priority::ALL.into_iter().flat_map(|lane| statuses.iter().map(move |status| (lane, status)));
    Ok(each.map(|(lane, (n, name))| (lane, name.clone(), counts.get(&(lane, *n)).copied().unwrap_or(0))).collect())
}

fn flag(up: bool) -> f64 {
    if up { 1.0 } else { 0.0 }
}

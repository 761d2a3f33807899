//! The gauges of the queue, read when somebody asks: between two scrapes they cost nothing.

use entity::Status;
use jobs::stats;
use metrics::gauge;

use crate::app::App;

/// Sets them all.
pub async fn read(app: &App) -> jobs::Result<()> {
    let now = app.ctx.clock.now();
    let queue = stats::queue(&app.ctx).await;
    gauge!("mailmind_database_up").set(flag(queue.is_ok()));
    let queue = queue?;
    for lane in &queue.lanes {
        let name = lane.priority.name();
        for (status, n) in [("queued", lane.waiting), ("scheduled", lane.delayed), ("active", lane.active)] {
            gauge!("mailmind_queue_depth", "lane" => name, "status" => status).set(n as f64);
        }
        let age = lane.oldest_due_at.map_or(0.0, |due| (now - due).as_seconds_f64().max(0.0));
        gauge!("mailmind_queue_oldest_seconds", "lane" => name).set(age);
    }
    for status in Status::all() {
        let label = status.name().to_ascii_lowercase();
        gauge!("mailmind_emails", "status" => label).set(queue.ledger.of(status) as f64);
    }
    gauge!("mailmind_emails", "status" => "cleaned").set(queue.ledger.cleaned as f64);
    gauge!("mailmind_sent_per_minute").set(queue.sent_per_minute);
    gauge!("mailmind_pauses").set(queue.pauses.len() as f64);
    gauge!("mailmind_breakers_open").set(queue.breakers.len() as f64);
    let lanes = app.lanes().await;
    gauge!("mailmind_lanes_in_process").set(flag(lanes.as_ref().is_some_and(|health| health.lanes != "redis")));
    gauge!("mailmind_redis_up").set(flag(app.redis && lanes.is_some_and(|health| health.redis_available)));
    gauge!("mailmind_slots").set(if app.works { app.ctx.settings.slots as f64 } else { 0.0 });
    Ok(())
}

fn flag(up: bool) -> f64 {
    if up { 1.0 } else { 0.0 }
}

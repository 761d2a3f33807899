//! Whoever listens is told: once however many processes there are, again where they did not take it, and of the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jobs::alert::Name;
use serde_json::Value;
use tests::app::App;
use tests::database::Backend;
use tests::patience::{SOON, until_true};

use super::{over, plan, raised, rounds, start};
use crate::sandbox::receiver::Receiver;

on_both! {
    an_alert_is_told_once_by_all_processes_and_so_is_its_end
    a_restart_tells_nothing_a_second_time
    who_does_not_take_it_is_told_again
    what_was_never_taken_is_told_once_it_is_over
    what_goes_on_is_told_again_after_a_while
    whoever_dies_amid_telling_leaves_it_to_others
    where_nobody_listens_nothing_is_owed_to_who_listens_later
}

/// What people read.
pub(super) fn texts(receiver: &Receiver) -> Vec<String> {
    receiver.told().iter().map(|body| body["text"].as_str().unwrap().to_owned()).collect()
}

async fn listened_to(backend: Backend, receiver: &Receiver) -> App {
    start(plan(backend).set(|set| set.alerts.url = Some(receiver.url().into()))).await
}

/// The way to Mailgun is closed.
async fn closed(app: &App) {
    app.mailgun.refuse();
    app.send(10, entity::Priority::Normal).await;
    raised(app, Name::BreakerOpen, None).await;
}

async fn opened(app: &App) {
    app.mailgun.listen_again();
    over(app, Name::BreakerOpen, None).await;
}

async fn an_alert_is_told_once_by_all_processes_and_so_is_its_end(backend: Backend) {
    let receiver = Receiver::start().await;
    let app = listened_to(backend, &receiver).await;
    let other = app.another(true).await;
    closed(&app).await;
    let body = receiver.calls(1).await.remove(0);
    assert_eq!(body["status"], "firing");
    assert_eq!(body["alerts"][0]["labels"]["alertname"], "breaker_open");
    assert!(
        body["text"].as_str().unwrap().starts_with("Alert: breaker_open (page). The way to Mailgun is closed"),
        "{body}"
    );
    // Whose mail it is, nobody is told.
    assert!(!body.to_string().contains("example.org"), "{body}");
    opened(&app).await;
    let body = receiver.calls(2).await.remove(1);
    assert_eq!((&body["status"], &body["alerts"][0]["status"]), (&"resolved".into(), &Value::from("resolved")));
    assert!(body["text"].as_str().unwrap().starts_with("Over: breaker_open"), "{body}");
    rounds(&app, 8).await;
    assert_eq!(texts(&receiver).len(), 2, "{:#?}", texts(&receiver));
    let told = over(&app, Name::BreakerOpen, None).await;
    assert!(told.told_at >= told.resolved_at, "{told:?}");
    other.engine.stop().await;
}

async fn a_restart_tells_nothing_a_second_time(backend: Backend) {
    let receiver = Receiver::start().await;
    let app = listened_to(backend, &receiver).await;
    closed(&app).await;
    until_true("it to be told", SOON, async || raised(&app, Name::BreakerOpen, None).await.told_at.is_some()).await;
    let idle = app.another(false).await;
    let App { engine, .. } = app;
    engine.stop().await;
    let again = idle.another(true).await;
    rounds(&again, 8).await;
    raised(&again, Name::BreakerOpen, None).await;
    assert_eq!(texts(&receiver).len(), 1, "{:#?}", texts(&receiver));
    opened(&again).await;
    receiver.calls(2).await;
    again.engine.stop().await;
    idle.engine.stop().await;
}

async fn who_does_not_take_it_is_told_again(backend: Backend) {
    // Not there, then out of order, then somewhere else, where it is not brought.
    let receiver = Receiver::answering(|call| [500, 503, 302, 200][call.min(3)]).await;
    let app = listened_to(backend, &receiver).await;
    closed(&app).await;
    let told = receiver.calls(4).await;
    assert!(
        told.iter().all(|body| body["groupKey"] == "mailmind/breaker_open" && body["status"] == "firing"),
        "{told:#?}"
    );
    until_true("it to be told", SOON, async || raised(&app, Name::BreakerOpen, None).await.told_at.is_some()).await;
    rounds(&app, 4).await;
    assert_eq!(texts(&receiver).len(), 4, "what was taken is not told again");
}

async fn what_was_never_taken_is_told_once_it_is_over(backend: Backend) {
    let takes = Arc::new(AtomicBool::new(false));
    let switch = takes.clone();
    let receiver = Receiver::answering(move |_| if switch.load(Ordering::SeqCst) { 200 } else { 500 }).await;
    let app = listened_to(backend, &receiver).await;
    closed(&app).await;
    receiver.calls(1).await;
    opened(&app).await;
    takes.store(true, Ordering::SeqCst);
    until_true("it to be told", SOON, async || over(&app, Name::BreakerOpen, None).await.told_at.is_some()).await;
    let last = texts(&receiver).pop().unwrap();
    assert!(last.starts_with("Over: breaker_open") && last.contains("It lasted"), "{last}");
}

async fn what_goes_on_is_told_again_after_a_while(backend: Backend) {
    let receiver = Receiver::start().await;
    let while_on = chrono::TimeDelta::milliseconds(300);
    let set = |set: &mut jobs::Settings| (set.alerts.url, set.alerts.repeat) = (Some(receiver.url().into()), while_on);
    let app = start(plan(backend).set(set)).await;
    closed(&app).await;
    receiver.calls(3).await;
    let texts = texts(&receiver);
    assert!(texts[0].starts_with("Alert: breaker_open") && texts[1].starts_with("Still: breaker_open"), "{texts:#?}");
    assert!(texts[2].starts_with("Still: breaker_open"), "{texts:#?}");
}

async fn whoever_dies_amid_telling_leaves_it_to_others(backend: Backend) {
    let receiver = Receiver::start().await;
    let hurried = |plan: tests::app::Plan| plan.hurry_posts(60).set(|set| set.alerts.url = Some(receiver.url().into()));
    let app = start(hurried(plan(backend))).await;
    closed(&app).await;
    until_true("it to be told", SOON, async || raised(&app, Name::BreakerOpen, None).await.told_at.is_some()).await;
    // What a process that died between its claim and its answer leaves behind.
    let claim = jobs::rows::time_text(app.ctx.clock.now() + app.ctx.timing.lease);
    app.sql(&format!("UPDATE alerts SET told_at = NULL, tries = 1, tell_at = '{claim}'")).await;
    receiver.calls(2).await;
    let texts = texts(&receiver);
    assert_eq!(texts[0], texts[1]);
}

async fn where_nobody_listens_nothing_is_owed_to_who_listens_later(backend: Backend) {
    let app = start(plan(backend)).await;
    closed(&app).await;
    opened(&app).await;
    let owed = app.ctx.store.sql("SELECT id FROM alerts WHERE tell_at IS NOT NULL", []);
    assert!(jobs::store::rows(app.ctx.store.read(), owed).await.unwrap().is_empty());
}

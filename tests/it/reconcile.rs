//! Events that no webhook brought, recovered from Mailgun's log: once, whoever else brings them, and over restarts.

use std::cell::Cell;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::delivery_event::{self, Kind, Source};
use entity::{Priority, Status, quarantined_event};
use jobs::event::Quarantine;
use jobs::reconcile::mark::{Standing, standings};
use jobs::record::Recorded;
use sea_orm::{EntityTrait, PaginatorTrait, QueryOrder};
use tests::app::{App, Plan};
use tests::database::Backend;
use tests::mailgun::{Api, Asked, Tells};
use tests::patience::{SOON, until, until_true};
use tests::webhook::Told;
use uuid::Uuid;

on_both! {
    an_event_that_no_webhook_brought_is_recovered_once
    an_event_is_left_to_its_webhook_for_a_while
    what_is_in_quarantine_is_confirmed_or_dropped_by_the_log
    the_watermark_outlives_the_process
    two_processes_recover_each_event_once
    a_log_that_breaks_off_leaves_the_watermark_where_it_was
    silent_webhooks_raise_an_alert_until_they_come_again
    webhooks_stay_silent_while_nothing_but_the_log_tells_of_events
    a_log_that_is_not_ours_to_read_is_told_of
}

/// An hour of the protocol in four seconds; the log can be trusted after two.
fn plan(backend: Backend) -> Plan {
    Plan::on(backend).hurry_log(900)
}

/// A process in front of a Mailgun that tells its log, and emails that were sent.
async fn sent(plan: Plan, n: usize) -> (App, Vec<Uuid>) {
    let app = App::start(plan).await;
    let ids = app.send(n, Priority::Normal).await;
    app.await_all(&ids, Status::Sent, SOON).await;
    (app, ids)
}

/// The log's older interface, which tells times to the microsecond.
fn by_events(asked: &Asked) -> Tells {
    if asked.api == Api::Events { Tells::Page } else { Tells::Status(403) }
}

async fn standing(app: &App) -> Standing {
    until("a mark", SOON, async || standings(&app.ctx).await.unwrap().pop()).await
}

async fn events(app: &App) -> Vec<delivery_event::Model> {
    let all = delivery_event::Entity::find().order_by_asc(delivery_event::Column::Seq);
    all.all(app.ctx.store.write()).await.unwrap()
}

/// Waits until the watermark has passed `at`.
async fn checked(app: &App, at: DateTime<Utc>) {
    until_true("the watermark to pass", SOON, async || standing(app).await.checked_through > at).await;
}

async fn an_event_that_no_webhook_brought_is_recovered_once(backend: Backend) {
    let (app, ids) = sent(plan(backend), 3).await;
    let now = app.ctx.clock.now();
    let opened: Vec<Told> = (0..3).map(|i| Told::new("opened", ids[i], &format!("u{i}@example.org"), now)).collect();
    opened.iter().for_each(|told| app.mailgun.log_also(told.0.clone()));
    app.mailgun.tell_log(|_| Tells::Page);
    app.await_all(&ids, Status::Delivered, SOON).await;
    // Windows overlap: until the watermark has passed, the same events are read again and again.
    checked(&app, now + TimeDelta::seconds(1)).await;
    let kept = events(&app).await;
    assert_eq!(kept.len(), 6, "each was accepted and opened once");
    assert!(kept.iter().all(|event| event.source == Source::Reconciled));
    assert_eq!(standing(&app).await.recovered, 6);
    // The webhooks come all the same, late.
    for told in &opened {
        assert_eq!(app.engine.recorder.take(told.webhook()).await.unwrap(), Recorded::Repeated);
    }
    let facts = entity::email_facts::Entity::find().all(app.ctx.store.write()).await.unwrap();
    assert_eq!(facts.iter().map(|facts| facts.opens).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(events(&app).await.len(), 6);
    app.assert_ledger_equals_rows().await;
}

async fn an_event_is_left_to_its_webhook_for_a_while(backend: Backend) {
    // Two seconds' grace.
    let (app, ids) = sent(Plan::on(backend).hurry_log(60), 1).await;
    app.mailgun.tell_log(|_| Tells::Page);
    until_true("a reading", SOON, async || !app.mailgun.log_asked().is_empty()).await;
    let grace = TimeDelta::from_std(app.ctx.timing.grace).unwrap();
    let asked_by = app.ctx.clock.now();
    for asked in app.mailgun.log_asked() {
        assert!(asked.to <= asked_by - grace + TimeDelta::seconds(1), "{asked:?}");
        assert!(asked.from < asked.to);
    }
    assert!(events(&app).await.is_empty(), "nothing of {ids:?} is taken before its webhook could come");
}

async fn what_is_in_quarantine_is_confirmed_or_dropped_by_the_log(backend: Backend) {
    let (app, ids) = sent(plan(backend), 2).await;
    let long_ago = app.ctx.clock.now() - TimeDelta::hours(13);
    let [real, forged] = [0, 1].map(|i: usize| Told::new("complained", ids[i], &format!("u{i}@example.org"), long_ago));
    for told in [&real, &forged] {
        let kept = app.engine.recorder.take(told.webhook()).await.unwrap();
        assert_eq!(kept, Recorded::Quarantined(Quarantine::TooOld));
    }
    app.mailgun.log_also(real.0.clone());
    app.mailgun.tell_log(|_| Tells::Page);
    until_true("an empty quarantine", SOON, async || {
        quarantined_event::Entity::find().count(app.ctx.store.write()).await.unwrap() == 0
    })
    .await;
    assert_eq!(app.email(ids[0]).await.status, Status::Complained);
    assert_eq!(app.email(ids[1]).await.status, Status::Sent, "what the log does not know has no effect");
    let complaints = events(&app).await.into_iter().filter(|event| event.kind == Kind::Complained);
    assert_eq!(
        complaints.map(|event| (event.email_id, event.source)).collect::<Vec<_>>(),
        [(Some(ids[0]), Source::Reconciled)]
    );
    app.assert_ledger_equals_rows().await;
}

async fn the_watermark_outlives_the_process(backend: Backend) {
    let app = App::start(plan(backend).without_workers()).await;
    app.mailgun.tell_log(|_| Tells::Page);
    let worker = app.another(true).await;
    let ids = app.send(1, Priority::Normal).await;
    app.await_all(&ids, Status::Sent, SOON).await;
    checked(&app, app.ctx.clock.now() - TimeDelta::seconds(2)).await;
    worker.engine.stop().await;
    let (before, asked) = (standing(&app).await, app.mailgun.log_asked().len());
    // Nobody listens while it happens.
    let at = app.ctx.clock.now();
    app.mailgun.log_also(Told::new("delivered", ids[0], "u0@example.org", at).0);
    tokio::time::sleep(app.ctx.timing.trust).await;
    assert_eq!(standing(&app).await.checked_through, before.checked_through);
    let _worker = app.another(true).await;
    app.await_status(ids[0], Status::Delivered).await;
    let first = &app.mailgun.log_asked()[asked];
    assert!(first.from <= before.checked_through, "it began at {}, not at the mark", first.from);
    assert!(first.from >= before.checked_through - TimeDelta::minutes(3), "nor far behind it");
    checked(&app, at).await;
    assert_eq!(standing(&app).await.recovered, 2);
}

async fn two_processes_recover_each_event_once(backend: Backend) {
    let (app, ids) = sent(plan(backend), 40).await;
    let other = app.another(true).await;
    let now = app.ctx.clock.now();
    for (i, id) in ids.iter().enumerate() {
        app.mailgun.log_also(Told::new("delivered", *id, &format!("u{i}@example.org"), now).0);
    }
    app.mailgun.tell_log(|_| Tells::Page);
    app.await_all(&ids, Status::Delivered, SOON).await;
    checked(&app, now + TimeDelta::seconds(1)).await;
    assert_eq!(events(&app).await.len(), 80);
    assert_eq!(standing(&app).await.recovered, 80);
    app.assert_ledger_equals_rows().await;
    other.engine.stop().await;
}

async fn a_log_that_breaks_off_leaves_the_watermark_where_it_was(backend: Backend) {
    let app = App::start(plan(backend)).await;
    app.mailgun.tell_log(|asked| if asked.page == 0 { Tells::Page } else { Tells::Status(500) });
    let ids = app.send(4, Priority::Normal).await;
    app.await_all(&ids, Status::Sent, SOON).await;
    let failing = async || Some(standing(&app).await).filter(|mark| mark.failing_since.is_some());
    let mark = until("the log to break off", SOON, failing).await;
    let tries = app.mailgun.log_asked().len();
    until_true("more tries", SOON, async || app.mailgun.log_asked().len() >= tries + 4).await;
    let still = standing(&app).await;
    assert_eq!((still.checked_through, still.failing_since), (mark.checked_through, mark.failing_since));
    assert!(events(&app).await.len() < 4, "the second page was never read");
    app.mailgun.tell_log(|_| Tells::Page);
    until_true("all to be recovered", SOON, async || events(&app).await.len() == 4).await;
    checked(&app, mark.checked_through).await;
    assert_eq!(standing(&app).await.failing_since, None);
}

async fn silent_webhooks_raise_an_alert_until_they_come_again(backend: Backend) {
    let app = App::start(plan(backend)).await;
    app.mailgun.tell_log(by_events);
    let ids = app.send(2, Priority::Normal).await;
    app.await_all(&ids, Status::Sent, SOON).await;
    until_true("two to be recovered", SOON, async || standing(&app).await.recovered == 2).await;
    assert_eq!(standing(&app).await.silent_since, None, "two may be chance");
    let told = |i: usize| Told::new("delivered", ids[i], &format!("u{i}@example.org"), app.ctx.clock.now());
    // What is no longer fresh when it is read says nothing about now, so more comes until something was read in time.
    let unheard = Cell::new(2);
    let alerted = async || {
        app.mailgun.log_also(told(0).0);
        unheard.set(unheard.get() + 1);
        standing(&app).await.silent_since.is_some()
    };
    until_true("the alert", SOON, alerted).await;
    let ended = async || {
        let by_webhook = told(1);
        app.engine.recorder.take(by_webhook.webhook()).await.unwrap();
        app.mailgun.log_also(by_webhook.0);
        standing(&app).await.silent_since.is_none()
    };
    until_true("the alert to end", SOON, ended).await;
    until_true("all that was not heard", SOON, async || standing(&app).await.recovered == unheard.get()).await;
}

async fn webhooks_stay_silent_while_nothing_but_the_log_tells_of_events(backend: Backend) {
    let app = App::start(plan(backend)).await;
    app.mailgun.tell_log(by_events);
    let id = app.send(1, Priority::Normal).await[0];
    app.await_status(id, Status::Sent).await;
    // They happen all the time, also within the second in which a reading ends; no faster than they can be read.
    let happen = async || {
        app.mailgun.log_also(Told::new("opened", id, "u0@example.org", app.ctx.clock.now()).0);
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let silent = until("the alert", SOON, async || {
        happen().await;
        standing(&app).await.silent_since
    });
    let silent = silent.await;
    let readings = || app.mailgun.log_asked().iter().filter(|asked| asked.page == 0).count();
    let enough = readings() + 8;
    until_true("more readings", SOON, async || {
        happen().await;
        assert_eq!(standing(&app).await.silent_since, Some(silent), "no webhook came");
        readings() >= enough
    })
    .await;
}

async fn a_log_that_is_not_ours_to_read_is_told_of(backend: Backend) {
    let (app, ids) = sent(plan(backend), 1).await;
    app.mailgun.log_also(Told::new("delivered", ids[0], "u0@example.org", app.ctx.clock.now()).0);
    app.mailgun.tell_log(|_| Tells::Status(401));
    until_true("the failure", SOON, async || standing(&app).await.failing_since.is_some()).await;
    assert_eq!(app.email(ids[0]).await.status, Status::Sent);
    assert!(app.mailgun.log_asked().iter().all(|asked| asked.page == 0));
}

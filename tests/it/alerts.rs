//! Each alert is raised by what it is for and over once that is mended; whoever listens is told of both, once.

mod outages;
mod told;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use entity::alert_count::Count;
use entity::event_endpoint::Wanted;
use entity::suppression::Reason;
use entity::{Policy, Priority, Status};
use jobs::alert::{self, Alert, Limit, Name, RULES};
use jobs::dispatch::endpoint;
use jobs::reconcile::mark::standings;
use jobs::store::rows;
use jobs::suppress::enter;
use tests::app::{App, Plan};
use tests::database::Backend;
use tests::mailgun::{Api, Asked, Reply, Tells};
use tests::patience::{SOON, until, until_true};
use tests::webhook::Told;

use crate::dispatch::listener::{Listener, Say};
use crate::dispatch::{entered, own_network};
use crate::suppressions::entry;

on_both! {
    a_queue_that_nobody_works_on_is_stalled_and_its_oldest_email_old
    what_mailgun_refuses_is_a_share_of_what_it_was_handed
    bounces_and_complaints_are_rates_of_what_was_delivered
    a_closed_way_to_mailgun_is_alerted_until_it_opens
    a_refused_domain_is_alerted_by_its_name
    silent_webhooks_are_alerted_until_they_come_again
    a_log_that_can_not_be_read_is_alerted_and_so_is_how_far_it_is_behind
    emails_that_a_person_must_decide_about_are_alerted
    a_second_acceptance_is_alerted_for_an_hour
    a_list_of_mailguns_that_does_not_follow_is_alerted
    an_endpoint_that_takes_nothing_is_alerted_until_it_does
    what_passes_by_itself_is_no_alert
    what_is_alerted_goes_on_after_a_restart
    the_other_processes_find_out_nothing_twice
}

/// A minute of alerts in a tenth of a second.
fn plan(backend: Backend) -> Plan {
    Plan::on(backend).hurry(20).hurry_alerts(600)
}

/// A process whose log is well: this Mailgun tells none unless it is asked to, and that would be an alert of its own.
async fn start(plan: Plan) -> App {
    let app = App::start(plan).await;
    well(&app).await;
    app
}

async fn well(app: &App) {
    let read = async || standings(&app.ctx).await.unwrap().iter().any(|mark| mark.failing_since.is_some());
    // It is not read again for five minutes.
    if app.engine.health().busy.is_some() {
        until_true("the log to be read", SOON, read).await;
        app.sql("UPDATE email_reconcile_marks SET failing_since = NULL").await;
    }
}

async fn found(app: &App, name: Name, subject: Option<&str>, firing: bool) -> Option<Alert> {
    let alerts = alert::list(&app.ctx).await.unwrap();
    let is_it = |alert: &Alert| alert.rule.alert == name && alert.subject.as_deref() == subject;
    // The latest, where it came twice.
    let mut one = alerts.into_iter().filter(is_it);
    one.next().filter(|alert| alert.is_firing() == firing)
}

/// Waits until it is raised.
async fn raised(app: &App, name: Name, subject: Option<&str>) -> Alert {
    until(&format!("{name:?} to be raised"), SOON, async || found(app, name, subject, true).await).await
}

/// Waits until it is over.
async fn over(app: &App, name: Name, subject: Option<&str>) -> Alert {
    until(&format!("{name:?} to be over"), SOON, async || found(app, name, subject, false).await).await
}

/// Waits until so many more rounds were looked at.
async fn rounds(app: &App, n: usize) {
    let last = async || {
        let text = app.ctx.store.sql("SELECT ran_at FROM alert_rounds", []);
        let row = &rows(app.ctx.store.read(), text).await.unwrap()[0];
        row.try_get::<Option<chrono::DateTime<chrono::Utc>>>("", "ran_at").unwrap()
    };
    for _ in 0..n {
        let before = last().await;
        until_true("a round", SOON, async || last().await > before).await;
    }
}

async fn a_queue_that_nobody_works_on_is_stalled_and_its_oldest_email_old(backend: Backend) {
    let app = App::start(plan(backend).without_workers()).await;
    let ids = app.send(3, Priority::High).await;
    let stalled = raised(&app, Name::QueueStalled, None).await;
    assert!(stalled.fired_at >= stalled.since + app.ctx.timing.minutes(5), "{stalled:?}");
    assert!(stalled.words().starts_with("Nothing is sent"), "{}", stalled.words());
    let old = raised(&app, Name::OldestAge, Some("high")).await;
    assert!(old.words().starts_with("A HIGH email has been due for"), "{}", old.words());
    let worker = app.another(true).await;
    app.await_all(&ids, Status::Sent, SOON).await;
    over(&app, Name::QueueStalled, None).await;
    let old = over(&app, Name::OldestAge, Some("high")).await;
    assert!(old.resolved_at > Some(old.fired_at), "{old:?}");
    worker.engine.stop().await;
}

async fn what_mailgun_refuses_is_a_share_of_what_it_was_handed(backend: Backend) {
    let app = start(plan(backend).hurry_alerts(300).set(|set| set.alerts.thresholds.failure_share.of = 20)).await;
    app.mailgun.answer(|post| match post.field("to").as_deref() {
        Some("u0@example.org") => Reply::status(400, "to parameter is not a valid address"),
        _ => Reply::Ok,
    });
    let (ids, all) = (app.send(19, Priority::Normal).await, app.send(1, Priority::Normal).await);
    // Two of twenty: u0 is the first of both.
    app.await_all(&ids[1..], Status::Sent, SOON).await;
    app.await_all(&all, Status::Failed, SOON).await;
    let share = raised(&app, Name::FailureShare, None).await;
    assert_eq!(share.words(), "Mailgun refused 10 % of the emails of the last half hour.");
    // Half an hour later nobody is refused any more.
    over(&app, Name::FailureShare, None).await;
}

async fn bounces_and_complaints_are_rates_of_what_was_delivered(backend: Backend) {
    let limit = Limit { share: 0.05, of: 10 };
    let thresholds = |set: &mut jobs::Settings| {
        (set.alerts.thresholds.bounce_rate, set.alerts.thresholds.complaint_rate) = (limit, limit);
    };
    let app = start(plan(backend).set(thresholds)).await;
    let ids = app.send(100, Priority::Normal).await;
    app.await_all(&ids, Status::Sent, SOON).await;
    let tell = async |told: Told| app.engine.recorder.take(told.webhook()).await.unwrap();
    let at = |i: usize| (ids[i], format!("u{i}@example.org"), app.ctx.clock.now());
    for i in 0..12 {
        let (id, to, now) = at(i);
        tell(Told::new("delivered", id, &to, now)).await;
    }
    for i in 10..12 {
        let (id, to, now) = at(i);
        tell(Told::new("complained", id, &to, now)).await;
    }
    for i in 12..14 {
        let (id, to, now) = at(i);
        tell(Told::bounced(id, &to, now, "bounce", "5.1.1")).await;
    }
    let bounced = raised(&app, Name::BounceRate, None).await;
    assert_eq!(bounced.words(), "14.29 % of the emails of the last six hours bounced.");
    let complained = raised(&app, Name::ComplaintRate, None).await;
    assert!(complained.words().starts_with("16.67 % of what was delivered"), "{}", complained.words());
    for i in 14..100 {
        let (id, to, now) = at(i);
        tell(Told::new("delivered", id, &to, now)).await;
    }
    over(&app, Name::BounceRate, None).await;
    over(&app, Name::ComplaintRate, None).await;
}

async fn a_closed_way_to_mailgun_is_alerted_until_it_opens(backend: Backend) {
    let app = start(plan(backend)).await;
    app.mailgun.refuse();
    let ids = app.send(10, Priority::Normal).await;
    let closed = raised(&app, Name::BreakerOpen, None).await;
    assert!(closed.words().starts_with("The way to Mailgun is closed"), "{}", closed.words());
    let stalled = found(&app, Name::QueueStalled, None, true).await;
    assert_eq!(stalled, None, "what is held is not stalled");
    app.mailgun.listen_again();
    app.await_all(&ids, Status::Sent, SOON).await;
    over(&app, Name::BreakerOpen, None).await;
}

async fn a_refused_domain_is_alerted_by_its_name(backend: Backend) {
    let app = start(plan(backend)).await;
    let refused = Arc::new(AtomicBool::new(true));
    let switch = refused.clone();
    app.mailgun.answer(move |_| match switch.load(Ordering::SeqCst) {
        true => Reply::status(403, "Domain mg.example.com is not allowed to send: disabled"),
        false => Reply::Ok,
    });
    let ids = app.send(2, Priority::Normal).await;
    let closed = raised(&app, Name::BreakerOpen, Some("mg.example.com")).await;
    assert_eq!(closed.words(), "Mailgun refuses emails of mg.example.com: the way for them is closed.");
    refused.store(false, Ordering::SeqCst);
    app.await_all(&ids, Status::Sent, SOON).await;
    over(&app, Name::BreakerOpen, Some("mg.example.com")).await;
}

async fn silent_webhooks_are_alerted_until_they_come_again(backend: Backend) {
    let app = App::start(plan(backend).hurry_log(900)).await;
    // The log's older interface tells times to the microsecond.
    app.mailgun.tell_log(|asked: &Asked| if asked.api == Api::Events { Tells::Page } else { Tells::Status(403) });
    // Their acceptances are in the log.
    let ids = app.send(3, Priority::Normal).await;
    app.await_all(&ids, Status::Sent, SOON).await;
    let silent = raised(&app, Name::WebhooksSilent, Some("mg.example.com")).await;
    assert_eq!(silent.words(), "Events of mg.example.com happen, and no webhook brings them.");
    // Each has to come in its grace; a machine with other work may miss it once.
    until("webhooks again", 2 * SOON, async || {
        let by_webhook = Told::new("delivered", ids[0], "u0@example.org", app.ctx.clock.now());
        app.engine.recorder.take(by_webhook.webhook()).await.unwrap();
        app.mailgun.log_also(by_webhook.0);
        tokio::time::sleep(Duration::from_millis(100)).await;
        found(&app, Name::WebhooksSilent, Some("mg.example.com"), false).await
    })
    .await;
}

async fn a_log_that_can_not_be_read_is_alerted_and_so_is_how_far_it_is_behind(backend: Backend) {
    let app = App::start(plan(backend).hurry_log(900)).await;
    app.mailgun.tell_log(|_| Tells::Status(401));
    let domain = Some("mg.example.com");
    let unreadable = raised(&app, Name::LogUnreadable, domain).await;
    assert_eq!(unreadable.words(), "Mailgun's log of mg.example.com can't be read.");
    // As if it had been so for an hour; whoever reads it at that moment puts it back.
    until_true("a lag", SOON, async || {
        let long_ago = jobs::rows::time_text(app.ctx.clock.now() - TimeDelta::hours(1));
        app.sql(&format!("UPDATE email_reconcile_marks SET checked_through = '{long_ago}'")).await;
        found(&app, Name::ReconcilerLag, domain, true).await.is_some()
    })
    .await;
    app.mailgun.tell_log(|_| Tells::Page);
    over(&app, Name::LogUnreadable, domain).await;
    over(&app, Name::ReconcilerLag, domain).await;
}

async fn emails_that_a_person_must_decide_about_are_alerted(backend: Backend) {
    let app = App::start(plan(backend).hurry_log(900)).await;
    app.mailgun.tell_log(|_| Tells::Page);
    app.mailgun.answer(|_| Reply::status(502, "bad gateway"));
    let hold = |draft: &mut jobs::accept::Draft| draft.policy = Some(Policy::Hold);
    app.send_each(1, hold).await;
    let undecided = raised(&app, Name::Undecided, None).await;
    assert_eq!(undecided.words(), "An email is in doubt, and Mailgun's log can't decide.");
    over(&app, Name::Undecided, None).await;
}

async fn a_second_acceptance_is_alerted_for_an_hour(backend: Backend) {
    let app = start(plan(backend)).await;
    let calls = AtomicUsize::new(0);
    app.mailgun.answer(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Ok.after(Duration::from_secs(3)),
        _ => Reply::Ok,
    });
    let id = app.send_each(1, |draft| draft.policy = Some(Policy::Resend)).await[0];
    // Its worker is held up for longer than its lease, so that it is sent again; then both are answered.
    app.await_status(id, Status::Sending).await;
    let past = jobs::rows::time_text(app.ctx.clock.now() - TimeDelta::seconds(1));
    app.sql(&format!("UPDATE email_queue SET lease_until = '{past}'")).await;
    let doubles = raised(&app, Name::Doubles, None).await;
    assert_eq!((app.email(id).await.acceptances, app.mailgun.doubles().len()), (2, 1));
    assert_eq!(doubles.words(), "Mailgun accepted an email a second time within the last hour.");
    assert_eq!(doubles.since, doubles.fired_at, "nobody waits whether it passes");
    let doubles = over(&app, Name::Doubles, None).await;
    let hour = app.ctx.timing.minutes(55);
    assert!(doubles.resolved_at >= Some(doubles.since + hour), "{doubles:?}");
}

async fn a_list_of_mailguns_that_does_not_follow_is_alerted(backend: Backend) {
    let app = start(plan(backend).hurry(300)).await;
    app.mailgun.answer_lists(|call| (call.method == "POST").then(|| tests::mailgun::Told::status(500, "out of order")));
    enter::suppress(&app.ctx, entry("ann@example.com", Reason::Manual)).await.unwrap();
    let list = Some("mg.example.com bounces");
    let stuck = raised(&app, Name::SyncStuck, list).await;
    assert_eq!(stuck.words(), "The list mg.example.com bounces of Mailgun's did not take a change of ours.");
    app.mailgun.answer_lists(|_| None);
    over(&app, Name::SyncStuck, list).await;
}

async fn an_endpoint_that_takes_nothing_is_alerted_until_it_does(backend: Backend) {
    let app = start(plan(backend).set(|set| set.outbound_networks = own_network())).await;
    let listener = Listener::start().await;
    listener.say(|_, _| Say::Status(410));
    let (endpoint, _) = entered(&app.ctx, &listener, Wanted::default()).await;
    let id = app.send(1, Priority::Normal).await[0];
    app.await_status(id, Status::Sent).await;
    let told = Told::new("delivered", id, "u0@example.org", app.ctx.clock.now());
    app.engine.recorder.take(told.webhook()).await.unwrap();
    let failing = raised(&app, Name::EndpointFailing, None).await;
    assert_eq!(failing.words(), "An endpoint takes none of the events it is told of.");
    listener.say(|_, _| Say::Status(204));
    endpoint::enable(&app.ctx, endpoint.id, false).await.unwrap().unwrap();
    over(&app, Name::EndpointFailing, None).await;
}

async fn what_passes_by_itself_is_no_alert(backend: Backend) {
    // Five minutes are ten seconds here.
    let app = start(Plan::on(backend).hurry(20).hurry_alerts(30)).await;
    app.mailgun.refuse();
    let ids = app.send(10, Priority::Normal).await;
    app.await_probes(1).await;
    rounds(&app, 2).await;
    app.mailgun.listen_again();
    app.await_all(&ids, Status::Sent, SOON).await;
    until_true("nothing to be left of it", SOON, async || {
        let left = app.ctx.store.sql("SELECT id FROM alerts", []);
        rows(app.ctx.store.read(), left).await.unwrap().is_empty()
    })
    .await;
    assert_eq!(alert::list(&app.ctx).await.unwrap(), []);
}

async fn what_is_alerted_goes_on_after_a_restart(backend: Backend) {
    let app = start(plan(backend)).await;
    app.mailgun.refuse();
    app.send(10, Priority::Normal).await;
    let first = raised(&app, Name::BreakerOpen, None).await;
    let other = app.another(true).await;
    let App { engine, .. } = app;
    engine.stop().await;
    rounds(&other, 3).await;
    let again = raised(&other, Name::BreakerOpen, None).await;
    assert_eq!((again.since, again.fired_at), (first.since, first.fired_at));
    other.engine.stop().await;
}

async fn the_other_processes_find_out_nothing_twice(backend: Backend) {
    let app = start(plan(backend)).await;
    let others = [app.another(true).await, app.another(false).await];
    app.mailgun.refuse();
    app.send(10, Priority::Normal).await;
    raised(&app, Name::BreakerOpen, None).await;
    rounds(&app, 6).await;
    let all = app.ctx.store.sql("SELECT id FROM alerts WHERE name = 'breaker_open'", []);
    assert_eq!(rows(app.ctx.store.read(), all).await.unwrap().len(), 1);
    // Each tells what it met, and all of it counts.
    for process in others.iter().chain([&app]) {
        process.ctx.alerts.count(Count::Double, 2);
    }
    let sum = async || raised(&app, Name::Doubles, None).await.value >= 6.0;
    until_true("the counts of all", SOON, sum).await;
    for other in others {
        other.engine.stop().await;
    }
}

#[test]
fn every_alert_has_a_test_here() {
    let tests = [include_str!("alerts.rs"), include_str!("alerts/outages.rs"), include_str!("api/alerts.rs")].concat();
    for rule in RULES {
        let (named, by_name) = (format!("Name::{:?}", rule.alert), format!("\"{}\"", rule.name));
        assert!(tests.contains(&named) || tests.contains(&by_name), "nothing raises {}", rule.name);
    }
}

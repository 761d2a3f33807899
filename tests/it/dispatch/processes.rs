//! Several processes, killed ones, slow endpoints: each event is told, and nobody is kept waiting by another.

use std::time::Duration;

use entity::{Priority, Status};
use jobs::Timing;
use jobs::record::Recorded;
use tests::app::{App, Plan};
use tests::patience::{SOON, until_true};
use tests::webhook::Told;

use super::listener::Say;
use super::*;

on_both! {
    two_processes_tell_each_event_once
    a_process_that_dies_amid_telling_is_followed_by_another
    a_slow_endpoint_keeps_neither_another_nor_an_email_waiting
    a_process_that_stops_in_order_tells_nothing_twice
    who_was_stopped_for_too_long_stores_nothing
}

/// A claim has to end first.
const LONG: Duration = Duration::from_secs(60);

fn plan(backend: Backend) -> Plan {
    Plan::on(backend).set(|settings| settings.outbound_networks = own_network())
}

/// Records so many deliveries, each of an email of its own. Answers the events' ids as the API has them.
async fn record(app: &App, n: usize) -> Vec<String> {
    let emails = app.send(n, Priority::Normal).await;
    let mut ids = Vec::new();
    for (i, email) in emails.into_iter().enumerate() {
        let told = Told::new("delivered", email, &format!("u{i}@example.org"), app.ctx.clock.now());
        match app.engine.recorder.take(told.webhook()).await.unwrap() {
            Recorded::Taken { id, .. } => ids.push(id),
            other => panic!("{other:?}"),
        }
    }
    named(&ids)
}

async fn stands(app: &App, endpoint: Uuid) -> Endpoint {
    endpoint::find(&app.ctx, endpoint).await.unwrap().unwrap()
}

async fn until_taken(app: &App, endpoint: Uuid, n: i64) {
    let taken = async || stands(app, endpoint).await.taken >= n;
    until_true(&format!("{n} events to be taken"), SOON, taken).await;
}

fn sorted(ids: &[String]) -> Vec<String> {
    let mut ids = ids.to_vec();
    ids.sort();
    ids
}

async fn two_processes_tell_each_event_once(backend: Backend) {
    let app = App::start(plan(backend)).await;
    let another = app.another(true).await;
    let listeners = [Listener::start().await, Listener::start().await, Listener::start().await];
    let mut endpoints = Vec::new();
    for listener in &listeners {
        endpoints.push(entered(&app.ctx, listener, Wanted::default()).await.0.id);
    }
    let mut ids = record(&app, 60).await;
    for process in [&app, &another] {
        ids.extend(record(process, 60).await);
    }
    for (listener, endpoint) in listeners.iter().zip(endpoints) {
        until_taken(&app, endpoint, 180).await;
        assert_eq!(sorted(&listener.ids()), sorted(&ids), "each once");
    }
    another.engine.stop().await;
    app.engine.stop().await;
}

async fn a_process_that_dies_amid_telling_is_followed_by_another(backend: Backend) {
    let front = App::start(plan(backend).hurry(2).hurry_posts(12).without_workers()).await;
    let listener = Listener::start().await;
    listener.say(|_, n| if n < 12 { Say::Status(200) } else { Say::Hang });
    let (endpoint, secret) = entered(&front.ctx, &listener, Wanted::default()).await;
    let ids = record(&front, 40).await;
    let doomed = front.doomed().await;
    listener.until_heard(20).await;
    doomed.die();
    listener.say(|_, _| Say::Status(200));
    let next = front.another(true).await;
    until_true("its end to be stored", LONG, async || stands(&front, endpoint.id).await.seq == 40).await;
    assert_eq!(set(&listener.ids()), set(&ids), "each is told");
    let heard = listener.heard();
    assert!(heard.iter().all(|one| one.is_signed_with(&secret)));
    let again: BTreeSet<String> = listener.ids()[20..].iter().cloned().collect();
    assert_eq!(again.len(), heard.len() - 20, "nobody else told any twice");
    let states: Vec<State> = dispatches(&front.ctx).await.iter().map(|row| row.state).collect();
    assert_eq!(states, vec![State::Taken; 40]);
    next.engine.stop().await;
}

async fn a_slow_endpoint_keeps_neither_another_nor_an_email_waiting(backend: Backend) {
    // Far enough from its time-out.
    let front = App::start(plan(backend).hurry(1).without_workers()).await;
    let (slow, fast) = (Listener::start().await, Listener::start().await);
    slow.say(|_, _| Say::Hang);
    let (slow_one, _) = entered(&front.ctx, &slow, Wanted::default()).await;
    let (fast_one, _) = entered(&front.ctx, &fast, Wanted::default()).await;
    let ids = record(&front, 30).await;
    let app = front.another(true).await;
    slow.until_heard(8).await;
    until_taken(&app, fast_one.id, 30).await;
    assert_eq!(sorted(&fast.ids()), sorted(&ids));
    let sent = app.send(5, Priority::Normal).await;
    app.await_all(&sent, Status::Sent, SOON).await;
    let more = record(&app, 5).await;
    until_taken(&app, fast_one.id, 35).await;
    assert_eq!(slow.heard().len(), 8, "so many are under way at a time");
    assert_eq!(stands(&app, slow_one.id).await.taken, 0);
    slow.say(|_, _| Say::Status(200));
    slow.release();
    until_taken(&app, slow_one.id, 35).await;
    assert_eq!(sorted(&slow.ids()), sorted(&[ids, more].concat()));
    app.engine.stop().await;
}

async fn a_process_that_stops_in_order_tells_nothing_twice(backend: Backend) {
    let front = App::start(plan(backend).hurry(1).without_workers()).await;
    let listener = Listener::start().await;
    listener.say(|_, n| if n < 20 { Say::Status(200) } else { Say::Hang });
    let (endpoint, _) = entered(&front.ctx, &listener, Wanted::default()).await;
    let ids = record(&front, 60).await;
    let app = front.another(true).await;
    listener.until_heard(28).await;
    app.ctx.stop.cancel();
    listener.say(|_, _| Say::Status(200));
    listener.release();
    app.engine.stop().await;
    assert_eq!(listener.heard().len(), 28, "what was begun is ended, and nothing more begun");
    let left = stands(&front, endpoint.id).await;
    assert_eq!((left.taken, left.seq, left.lease_until), (28, 28, None));
    dispatch::due(&front.ctx).await.unwrap();
    assert_eq!(sorted(&listener.ids()), sorted(&ids), "each once");
}

async fn who_was_stopped_for_too_long_stores_nothing(backend: Backend) {
    let stage = Stage::new(backend).await;
    stage.listener.say(|_, n| if n == 0 { Say::Hang } else { Say::Status(200) });
    stage.record(3, "delivered").await;
    let late = stage.ctx().clone();
    let late = tokio::spawn(async move { dispatch::due(&late).await.unwrap() });
    stage.listener.until_heard(3).await;
    // Its claim ends before it comes to itself, and another has told all by then.
    let other = stage.post.world.another().await;
    other.clock.align(other.clock.now() + TimeDelta::from_std(Timing::default().lease * 2).unwrap());
    assert_eq!(dispatch::due(&other).await.unwrap(), 1);
    let taken = stage.dispatches().await;
    stage.listener.release();
    late.await.unwrap();
    assert_eq!(stage.dispatches().await, taken);
    let stands = stage.stands().await;
    assert_eq!((stands.taken, stands.seq), (3, 3));
    assert_eq!(stage.listener.heard().len(), 6);
}

//! Endpoints that do not take what they are told: tried again, probed, disabled, and told in the end.

use entity::event_endpoint::Disabled;
use jobs::dispatch::dead::{Redrive, redrive};
use jobs::dispatch::endpoint::Standing;
use jobs::dispatch::rule::MANY;

use super::listener::Say;
use super::*;

on_both! {
    what_fails_is_tried_again_until_it_is_taken
    what_was_never_taken_is_dead_until_somebody_has_it_tried_anew
    a_redrive_takes_those_alone_that_are_meant
    who_asks_to_be_left_alone_is
    an_endpoint_that_fails_is_probed_and_told_everything_in_the_end
    who_is_gone_is_told_nothing_more_until_somebody_says_so
    who_takes_nothing_for_days_is_disabled_and_misses_nothing
    an_endpoint_that_is_taken_away_leaves_nothing
    those_that_take_nothing_are_counted_and_those_that_somebody_disabled_are_not
}

async fn what_fails_is_tried_again_until_it_is_taken(backend: Backend) {
    let stage = Stage::new(backend).await;
    stage.listener.say(|_, n| Say::Status(if n < 2 { 500 } else { 200 }));
    let ids = stage.record(1, "delivered").await;
    stage.tell().await;
    let failed = stage.dispatches().await.remove(0);
    assert_eq!((failed.state, failed.tries, failed.http_status), (State::Waiting, 1, Some(500)));
    assert_eq!(failed.error.as_deref(), Some("answered 500"));
    stage.tell_after(TimeDelta::seconds(2)).await;
    assert_eq!(stage.listener.heard().len(), 1, "not before its time");
    stage.tell_after(TimeDelta::seconds(4)).await;
    assert_eq!(stage.listener.heard().len(), 2);
    stage.tell_after(TimeDelta::seconds(200)).await;
    assert_eq!(stage.listener.heard().len(), 2);
    stage.tell_after(TimeDelta::seconds(131)).await;
    let heard = stage.listener.heard();
    assert_eq!(stage.listener.ids(), [named(&ids), named(&ids), named(&ids)].concat());
    assert!(heard.iter().all(|one| one.is_signed_with(&stage.secret)));
    let times: BTreeSet<&str> = heard.iter().map(|one| one.header("webhook-timestamp")).collect();
    assert_eq!(times.len(), 3, "each try is signed with its own time");
    let taken = stage.dispatches().await.remove(0);
    assert_eq!((taken.state, taken.tries, taken.due_at, taken.error), (State::Taken, 3, None, None));
    let stands = stage.stands().await;
    assert_eq!((stands.failures, stands.failing_since, stands.last_error), (0, None, None));
}

async fn what_was_never_taken_is_dead_until_somebody_has_it_tried_anew(backend: Backend) {
    let stage = Stage::new(backend).await;
    stage.listener.say(|_, _| Say::Status(503));
    let ids = stage.record(1, "delivered").await;
    for _ in 0..8 {
        stage.tell().await;
        stage.post.world.pass(TimeDelta::hours(12));
    }
    stage.tell().await;
    let dead = stage.dispatches().await.remove(0);
    assert_eq!((dead.state, dead.tries, dead.due_at), (State::Dead, 8, None));
    assert_eq!(stage.listener.heard().len(), 8);
    stage.listener.say(|_, _| Say::Status(200));
    let done = redrive(stage.ctx(), stage.endpoint.id, &Redrive::default()).await.unwrap();
    assert_eq!((done.done, done.more), (1, false));
    stage.tell().await;
    assert_eq!(stage.listener.ids()[8..], named(&ids));
    assert_eq!(stage.states().await, [State::Taken]);
    assert_eq!(redrive(stage.ctx(), stage.endpoint.id, &Redrive::default()).await.unwrap().done, 0);
}

async fn a_redrive_takes_those_alone_that_are_meant(backend: Backend) {
    let stage = Stage::new(backend).await;
    stage.listener.say(|_, _| Say::Status(200));
    stage.record(6, "delivered").await;
    stage.tell().await;
    let (ctx, id) = (stage.ctx(), stage.endpoint.id);
    stage.sql("UPDATE event_dispatches SET state = 2 WHERE seq <= 4").await;
    let rows = stage.dispatches().await;
    let none = Redrive { until: Some(rows[0].tried_at - TimeDelta::hours(1)), ..Redrive::default() };
    assert_eq!(redrive(ctx, id, &none).await.unwrap().done, 0);
    let named = Redrive { ids: Some(vec![rows[1].id, rows[5].id]), ..Redrive::default() };
    assert_eq!(redrive(ctx, id, &named).await.unwrap().done, 1, "what was taken is not dead");
    assert_eq!(redrive(ctx, Uuid::nil(), &Redrive::default()).await.unwrap().done, 0);
    let since = Redrive { since: Some(rows[0].tried_at - TimeDelta::hours(1)), ..Redrive::default() };
    assert_eq!(redrive(ctx, id, &since).await.unwrap().done, 3);
    stage.tell().await;
    assert_eq!(stage.listener.heard().len(), 10);
    assert!(stage.states().await.iter().all(|state| *state == State::Taken));
}

async fn who_asks_to_be_left_alone_is(backend: Backend) {
    let stage = Stage::new(backend).await;
    stage.listener.say(|_, n| if n == 0 { Say::LeaveAlone(429, 120) } else { Say::Status(200) });
    stage.record(1, "delivered").await;
    stage.tell().await;
    stage.record(1, "opened").await;
    stage.tell_after(TimeDelta::seconds(60)).await;
    assert_eq!(stage.listener.heard().len(), 1, "neither what failed nor what is new");
    stage.tell_after(TimeDelta::seconds(61)).await;
    assert_eq!(stage.listener.heard().len(), 3);
    assert_eq!(stage.states().await, [State::Taken, State::Taken]);
}

async fn an_endpoint_that_fails_is_probed_and_told_everything_in_the_end(backend: Backend) {
    let stage = Stage::new(backend).await;
    stage.listener.say(|_, _| Say::Status(500));
    let ids = stage.record(300, "delivered").await;
    stage.tell().await;
    let first = stage.listener.heard().len();
    assert!((MANY as usize..=MANY as usize + 8).contains(&first), "{first} were tried at once");
    let stands = stage.stands().await;
    assert_eq!((stands.seq, stage.dispatches().await.len()), (first as i64, first), "the others cost nothing");
    assert!(stands.failures >= MANY && stands.held_until > Some(stage.post.now()));
    // For an hour it is probed: one new event at a time, besides what is tried again.
    for _ in 0..60 {
        stage.tell_after(TimeDelta::minutes(1)).await;
    }
    let rows = stage.dispatches().await.len();
    assert!(rows > first && rows < first + 40, "{rows}");
    stage.listener.say(|_, _| Say::Status(200));
    let failed = stage.listener.heard().len();
    stage.tell_after(TimeDelta::minutes(6)).await;
    stage.tell_after(TimeDelta::hours(3)).await;
    let taken: BTreeSet<String> = stage.listener.ids()[failed..].iter().cloned().collect();
    assert_eq!(taken, set(&named(&ids)), "each is told and taken");
    assert_eq!(stage.listener.heard().len() - failed, 300, "once");
    assert!(stage.states().await.iter().all(|state| *state == State::Taken));
}

async fn who_is_gone_is_told_nothing_more_until_somebody_says_so(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (ctx, id) = (stage.ctx(), stage.endpoint.id);
    stage.listener.say(|_, _| Say::Status(410));
    let first = stage.record(1, "delivered").await;
    stage.tell().await;
    let stands = stage.stands().await;
    assert_eq!((stands.disabled_by, stands.lease_until), (Some(Disabled::Gone), None));
    stage.listener.say(|_, _| Say::Status(200));
    let waited = stage.record(2, "opened").await;
    stage.tell_after(TimeDelta::days(1)).await;
    assert_eq!(stage.listener.heard().len(), 1);
    let enabled = endpoint::enable(ctx, id, false).await.unwrap().unwrap();
    assert_eq!((enabled.disabled_at, enabled.disabled_by, enabled.failures), (None, None, 0));
    stage.tell().await;
    let heard: BTreeSet<String> = stage.listener.ids()[1..].iter().cloned().collect();
    assert_eq!(heard, set(&named(&[first, waited].concat())));
    // By hand, and passing over what was recorded meanwhile.
    let disabled = endpoint::disable(ctx, id).await.unwrap().unwrap();
    assert_eq!(disabled.disabled_by, Some(Disabled::ByHand));
    stage.record(2, "clicked").await;
    stage.tell().await;
    endpoint::enable(ctx, id, true).await.unwrap().unwrap();
    let after = stage.record(1, "complained").await;
    stage.tell().await;
    assert_eq!(stage.listener.ids()[4..], named(&after));
    assert_eq!(endpoint::enable(ctx, Uuid::nil(), false).await.unwrap(), Err(endpoint::Refusal::NotFound));
}

async fn who_takes_nothing_for_days_is_disabled_and_misses_nothing(backend: Backend) {
    let stage = Stage::new(backend).await;
    stage.listener.say(|_, _| Say::Status(500));
    let ids = stage.record(30, "delivered").await;
    stage.tell().await;
    for _ in 0..9 {
        stage.tell_after(TimeDelta::hours(12)).await;
        assert_eq!(stage.stands().await.disabled_by, None, "not before five days");
    }
    stage.tell_after(TimeDelta::hours(13)).await;
    assert_eq!(stage.stands().await.disabled_by, Some(Disabled::Failing));
    stage.listener.say(|_, _| Say::Status(200));
    let failed = stage.listener.heard().len();
    endpoint::enable(stage.ctx(), stage.endpoint.id, false).await.unwrap().unwrap();
    redrive(stage.ctx(), stage.endpoint.id, &Redrive::default()).await.unwrap();
    stage.tell().await;
    stage.tell_after(TimeDelta::hours(12)).await;
    let taken: BTreeSet<String> = stage.listener.ids()[failed..].iter().cloned().collect();
    assert_eq!(taken, set(&named(&ids)));
}

async fn an_endpoint_that_is_taken_away_leaves_nothing(backend: Backend) {
    let stage = Stage::new(backend).await;
    let ctx = stage.ctx();
    stage.record(700, "delivered").await;
    stage.tell().await;
    jobs::dispatch::replay::ask(ctx, stage.endpoint.id, stage.post.now() - TimeDelta::hours(1), stage.post.now())
        .await
        .unwrap()
        .unwrap();
    assert!(endpoint::delete(ctx, stage.endpoint.id).await.unwrap());
    assert!(!endpoint::delete(ctx, stage.endpoint.id).await.unwrap());
    assert!(stage.dispatches().await.is_empty() && endpoint::all(ctx).await.unwrap().is_empty());
    assert!(endpoint::secrets(ctx, stage.endpoint.id).await.unwrap().is_empty());
    assert!(jobs::dispatch::replay::latest(ctx, stage.endpoint.id, 9).await.unwrap().is_empty());
    stage.record(1, "opened").await;
    assert_eq!(dispatch::due(ctx).await.unwrap(), 0);
}

async fn those_that_take_nothing_are_counted_and_those_that_somebody_disabled_are_not(backend: Backend) {
    let stage = Stage::new(backend).await;
    let (ctx, id) = (stage.ctx(), stage.endpoint.id);
    let counted = async || {
        let Standing { well, failing, disabled, given_up, .. } = endpoint::standing(ctx).await.unwrap();
        ([well, failing, disabled, given_up], endpoint::deaf(ctx).await.unwrap())
    };
    assert_eq!(counted().await, ([1, 0, 0, 0], 0));
    stage.listener.say(|_, _| Say::Status(500));
    stage.record(1, "delivered").await;
    stage.tell().await;
    assert_eq!(counted().await, ([0, 1, 0, 0], 1));
    endpoint::disable(ctx, id).await.unwrap().unwrap();
    assert_eq!(counted().await, ([0, 0, 1, 0], 0), "somebody knows of it");
    endpoint::enable(ctx, id, false).await.unwrap().unwrap();
    assert_eq!(counted().await, ([1, 0, 0, 0], 0));
    stage.listener.say(|_, _| Say::Status(410));
    stage.tell_after(TimeDelta::hours(1)).await;
    assert_eq!(counted().await, ([0, 0, 0, 1], 1));
}

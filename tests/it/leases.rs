//! Workers that die or come late: what they held is in doubt and never sent twice by us, and what they report still counts.

use std::time::Duration;

use chrono::TimeDelta;
use entity::{Outcome, Policy, Priority, Status};
use jobs::accept::Draft;
use jobs::hold::{Cover, lift, place};
use jobs::ledger::{Cause, Effect, Handed, Refusal, Settlement};
use jobs::send::claim::{Claimed, Claims, claim};
use tests::app::{App, Plan, accepted, letter};
use tests::database::Backend;
use tests::mailgun::Reply;
use tests::patience::{SOON, until_true};
use uuid::Uuid;

const SLOTS: usize = 5;

on_both! {
    a_dead_worker_leaves_no_more_than_its_slots_in_doubt
    a_stopped_process_finishes_what_is_open_and_leaves_the_rest_to_others
    a_report_of_acceptance_after_the_lease_is_taken
    a_report_that_it_was_not_handed_over_gives_the_email_back
    a_doubtful_claim_gives_back_its_own_and_nobody_elses
    a_report_repeated_changes_nothing
    a_second_acceptance_is_counted_as_a_double
    a_report_of_an_older_claim_but_acceptance_is_refused
    a_waiting_email_expires_at_its_deadline_though_it_is_held
}

async fn a_dead_worker_leaves_no_more_than_its_slots_in_doubt(backend: Backend) {
    let app = App::start(Plan::on(backend).hurry_posts(20).without_workers()).await;
    // From the fortieth message on Mailgun takes them and does not answer: the worker dies before it hears.
    let count = std::sync::atomic::AtomicUsize::new(0);
    app.mailgun.answer(move |_| match count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0..40 => Reply::Ok,
        40..45 => Reply::AcceptThenHang,
        _ => Reply::Ok,
    });
    // The highest lane, which alone may use all slots.
    let high = |draft: &mut Draft| (draft.priority, draft.policy) = (Some(Priority::High), Some(Policy::Verify));
    let ids = app.send_each(200, high).await;
    let doomed = app.doomed().await;
    app.mailgun.until("all slots to wait for Mailgun", SOON, |s| s.accepted() == 45).await;
    doomed.die();
    let survivor = app.another(true).await;
    until_true("everything to have ended", SOON, async || {
        app.count(Status::Sent).await + app.count(Status::Unconfirmed).await == 200
    })
    .await;
    let emails = app.emails(&ids).await;
    let in_doubt: Vec<_> = emails.iter().filter(|e| e.status == Status::Unconfirmed).collect();
    assert_eq!(in_doubt.len(), SLOTS);
    for email in &in_doubt {
        assert_eq!(email.last_error.as_deref(), Some("the worker that held it fell silent"));
        assert_eq!(app.attempts(email.id).await.last().unwrap().outcome, Outcome::LeaseRanOut);
    }
    assert_eq!((app.mailgun.accepted(), app.mailgun.doubles()), (200, vec![]));
    app.assert_ledger_equals_rows().await;
    survivor.engine.stop().await;
}

async fn a_stopped_process_finishes_what_is_open_and_leaves_the_rest_to_others(backend: Backend) {
    let app = App::start(Plan::on(backend).without_workers()).await;
    app.mailgun.answer(|_| Reply::Ok.after(Duration::from_millis(20)));
    let ids = app.send(200, Priority::Normal).await;
    let stopped = app.another(true).await;
    app.mailgun.until("it to be at work", SOON, |s| s.accepted() >= 20).await;
    stopped.engine.stop().await;
    let done = app.mailgun.accepted();
    assert!(done < 200, "it ended too late to show anything");
    assert_eq!(app.count(Status::Sent).await, done, "what Mailgun took is known");
    assert_eq!(app.count(Status::Queued).await, 200 - done, "the rest waits, nothing is in doubt");
    let _other = app.another(true).await;
    app.await_all(&ids, Status::Sent, SOON).await;
    assert!(app.emails(&ids).await.iter().all(|email| email.attempts == 0));
    assert_eq!(app.mailgun.doubles(), Vec::<String>::new());
    app.assert_ledger_equals_rows().await;
}

/// An email that was claimed, and whose lease ran out; and that claim's fence. Nobody else works here.
async fn in_doubt(app: &App) -> (Uuid, i32) {
    let id = app.send(1, Priority::Normal).await[0];
    let claimed = claimed(app, id).await;
    app.apply(id, Cause::LeaseOver).await.unwrap();
    (id, claimed.row.fence)
}

async fn claimed(app: &App, id: Uuid) -> Claimed {
    match claim(&app.ctx, &[id]).await.unwrap() {
        Claims::Stored(mut claimed) => claimed.remove(0),
        Claims::Doubtful(_, error) => panic!("the commit gave no answer: {error}"),
    }
}

fn report(app: &App, fence: i32, handed: Handed) -> Cause {
    let now = app.ctx.clock.now();
    Cause::Settle(Settlement {
        fence,
        doubtful_lease: None,
        handed,
        http_status: None,
        started_at: now,
        finished_at: now,
    })
}

fn sent() -> Handed {
    Handed::Sent { provider_id: "1@mg.example.com".into() }
}

async fn outcomes(app: &App, id: Uuid) -> Vec<(i32, Outcome)> {
    app.attempts(id).await.iter().map(|a| (a.fence, a.outcome)).collect()
}

async fn a_report_of_acceptance_after_the_lease_is_taken(backend: Backend) {
    let app = App::start(Plan::on(backend).without_workers()).await;
    let (id, fence) = in_doubt(&app).await;
    assert_eq!(outcomes(&app, id).await, [(1, Outcome::LeaseRanOut)]);
    let moved = app.apply(id, report(&app, fence, sent())).await.unwrap();
    assert_eq!((moved.before.status, moved.after.status), (Status::Unconfirmed, Status::Sent));
    assert_eq!(outcomes(&app, id).await, [(1, Outcome::Sent)], "the report knows better than the lease");
    assert_eq!(app.email(id).await.acceptances, 1);
    app.assert_ledger_equals_rows().await;
}

async fn a_report_that_it_was_not_handed_over_gives_the_email_back(backend: Backend) {
    let app = App::start(Plan::on(backend).without_workers()).await;
    let (id, fence) = in_doubt(&app).await;
    assert_eq!(app.email(id).await.attempts, 1);
    app.apply(id, report(&app, fence, Handed::NotHandedOver)).await.unwrap();
    let email = app.email(id).await;
    assert_eq!((email.status, email.attempts), (Status::Queued, 0), "nothing is spent");
    assert_eq!(outcomes(&app, id).await, [(1, Outcome::NotHandedOver)]);
    app.assert_ledger_equals_rows().await;
    let _worker = app.another(true).await;
    assert_eq!(app.await_status(id, Status::Sent).await.fence, 2);
    app.assert_ledger_equals_rows().await;
}

async fn a_doubtful_claim_gives_back_its_own_and_nobody_elses(backend: Backend) {
    let app = App::start(Plan::on(backend).without_workers()).await;
    let id = app.send(1, Priority::Normal).await[0];
    let claimed = claimed(&app, id).await;
    let give_back = |lease| {
        let Cause::Settle(report) = report(&app, claimed.row.fence, Handed::NotHandedOver) else { unreachable!() };
        Cause::Settle(Settlement { doubtful_lease: Some(lease), ..report })
    };
    // The commit of another worker did not hold, and ours took the same fence after it.
    let ours = claimed.row.lease_until.unwrap();
    let other = give_back(ours - TimeDelta::microseconds(1));
    assert_eq!(app.apply(id, other.clone()).await.unwrap_err(), Refusal::Stale);
    assert_eq!(app.email(id).await.status, Status::Sending);
    app.apply(id, give_back(ours)).await.unwrap();
    assert_eq!(app.email(id).await.status, Status::Queued);
    // Nor may it take what is in doubt: that worker may have posted.
    let (id, _) = in_doubt(&app).await;
    assert_eq!(app.apply(id, other).await.unwrap_err(), Refusal::Stale);
    app.assert_ledger_equals_rows().await;
}

async fn a_report_repeated_changes_nothing(backend: Backend) {
    let app = App::start(Plan::on(backend)).await;
    let cases = [
        (Reply::Ok, Status::Sent),
        (Reply::status(400, "no"), Status::Failed),
        (Reply::status(408, "slow"), Status::Unconfirmed),
    ];
    for (reply, end) in cases {
        app.mailgun.answer(move |_| reply.clone());
        let id = app.send(1, Priority::Normal).await[0];
        let before = app.await_status(id, end).await;
        for handed in [sent(), Handed::Failed { why: "x".into() }, Handed::NotHandedOver] {
            let moved = app.apply(id, report(&app, 1, handed)).await.unwrap();
            assert_eq!(moved.effect, Effect::Nothing);
        }
        assert_eq!(app.email(id).await, before);
        assert_eq!(app.attempts(id).await.len(), 1);
    }
    app.assert_ledger_equals_rows().await;
}

async fn a_second_acceptance_is_counted_as_a_double(backend: Backend) {
    let app = App::start(Plan::on(backend).without_workers()).await;
    let (id, first) = in_doubt(&app).await;
    // Somebody decides that it was not sent, and it goes again; then the first worker speaks.
    app.apply(id, Cause::Resolve { sent: false }).await.unwrap();
    let _worker = app.another(true).await;
    let email = app.await_status(id, Status::Sent).await;
    assert_eq!((email.fence, email.acceptances), (2, 1));
    let moved = app.apply(id, report(&app, first, sent())).await.unwrap();
    assert_eq!((moved.effect, moved.after.acceptances), (Effect::Noted, 2));
    let again = app.apply(id, report(&app, first, sent())).await.unwrap();
    assert_eq!((again.effect, again.after.acceptances), (Effect::Nothing, 2), "but each claim only once");
    assert_eq!(outcomes(&app, id).await, [(1, Outcome::Sent), (2, Outcome::Sent)]);
    app.assert_ledger_equals_rows().await;
}

async fn a_report_of_an_older_claim_but_acceptance_is_refused(backend: Backend) {
    let app = App::start(Plan::on(backend).without_workers()).await;
    let (id, first) = in_doubt(&app).await;
    app.apply(id, Cause::Resolve { sent: false }).await.unwrap();
    assert_eq!(claimed(&app, id).await.row.fence, first + 1);
    for handed in [Handed::NotHandedOver, Handed::Failed { why: "x".into() }, Handed::Held { why: "x".into() }] {
        assert_eq!(app.apply(id, report(&app, first, handed)).await.unwrap_err(), Refusal::Stale);
    }
    assert_eq!(app.email(id).await.status, Status::Sending);
    assert_eq!(outcomes(&app, id).await, [(1, Outcome::LeaseRanOut)]);
    // An acceptance is proof whatever claim it speaks of.
    app.apply(id, report(&app, first, sent())).await.unwrap();
    assert_eq!(app.email(id).await.status, Status::Sent);
    app.assert_ledger_equals_rows().await;
}

async fn a_waiting_email_expires_at_its_deadline_though_it_is_held(backend: Backend) {
    let app = App::start(Plan::on(backend)).await;
    place(&app.ctx, &Cover::Queue, entity::hold::Cause::Pause, None, None).await.unwrap();
    let now = app.ctx.clock.now();
    let by = |deadline| Draft { deliver_by: Some(deadline), ..letter("bob@example.org") };
    let drafts = vec![by(now + TimeDelta::milliseconds(300)), by(now + TimeDelta::hours(1))];
    let ids: Vec<Uuid> = app.take(drafts).await.into_iter().map(|answer| accepted(answer).id).collect();
    let over = app.await_status(ids[0], Status::Expired).await;
    assert_eq!(over.last_error.as_deref(), Some("its deliverBy is over"));
    lift(&app.ctx, None).await.unwrap();
    app.await_all(&ids[1..], Status::Sent, SOON).await;
    assert_eq!(app.mailgun.look(|s| s.posts()), 1);
    app.assert_ledger_equals_rows().await;
}

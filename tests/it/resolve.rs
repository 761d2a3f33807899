//! Emails in doubt, looked for in Mailgun's log: what it took is SENT without a second POST, what it never took goes again
//! once that is proven, and where nothing can be proven a person decides.

use std::sync::atomic::{AtomicUsize, Ordering};

use entity::delivery_event::{self, Source};
use entity::{Outcome, Policy, Priority, Status, email};
use jobs::accept::Draft;
use sea_orm::{EntityTrait, QueryOrder};
use tests::app::{App, Plan};
use tests::database::Backend;
use tests::mailgun::{Api, Post, Reply, Tells};
use tests::patience::{SOON, until};
use uuid::Uuid;

on_both! {
    what_mailgun_took_and_answered_502_ends_sent_without_a_second_post
    what_mailgun_never_took_goes_again_once_its_log_says_so
    with_its_tries_spent_an_absent_email_fails
    a_log_that_breaks_off_amid_its_pages_proves_nothing
    a_domain_whose_ids_are_not_ours_leaves_the_decision_to_a_person
    a_policy_of_hold_waits_for_a_person_though_the_log_says_absent
    a_policy_of_resend_goes_again_before_anything_is_proven
    a_sending_key_proves_nothing
    the_events_api_stands_in_where_the_logs_api_is_not_allowed
    what_nonsense_answers_is_no_empty_log
    two_processes_send_an_absent_email_once_more_and_not_twice
}

/// An hour of the protocol in four seconds; the log can be trusted after two.
fn plan(backend: Backend) -> Plan {
    Plan::on(backend).hurry_log(900)
}

async fn letters(app: &App, n: usize, policy: Policy) -> Vec<Uuid> {
    let with = |draft: &mut Draft| (draft.priority, draft.policy) = (Some(Priority::Normal), Some(policy));
    app.send_each(n, with).await
}

/// Answers the first `n` messages so, and takes all others.
fn first(n: usize, reply: Reply) -> impl Fn(&Post) -> Reply + Send + Sync + 'static {
    let count = AtomicUsize::new(0);
    move |_| if count.fetch_add(1, Ordering::SeqCst) < n { reply.clone() } else { Reply::Ok }
}

/// Waits until a person has to decide, and answers the email.
async fn held(app: &App, id: Uuid, words: &str) -> email::Model {
    until(&format!("{id} to be held: {words}"), SOON, async || {
        let email = app.email(id).await;
        let said = email.last_error.as_deref().is_some_and(|said| said.contains(words));
        (said && email.status == Status::Unconfirmed).then_some(email)
    })
    .await
}

async fn events(app: &App) -> Vec<delivery_event::Model> {
    let all = delivery_event::Entity::find().order_by_asc(delivery_event::Column::Seq);
    all.all(app.ctx.store.write()).await.unwrap()
}

async fn what_mailgun_took_and_answered_502_ends_sent_without_a_second_post(backend: Backend) {
    let app = App::start(plan(backend)).await;
    app.mailgun.tell_log(|_| Tells::Page);
    // More than a page of the log, and too few failures to close the way.
    app.mailgun.answer(|_| Reply::AcceptThen(502));
    let ids = letters(&app, 4, Policy::Verify).await;
    app.await_all(&ids, Status::Sent, SOON).await;
    assert_eq!(app.mailgun.look(|s| s.posts()), 4);
    for id in &ids {
        let email = app.email(*id).await;
        assert_eq!((email.acceptances, email.resolve_at), (1, None));
        assert_eq!(app.attempts(*id).await[0].outcome, Outcome::Unconfirmed);
    }
    let kept = events(&app).await;
    assert_eq!(kept.len(), 4, "the events themselves are kept");
    assert!(kept.iter().all(|event| event.source == Source::Reconciled));
    app.assert_ledger_equals_rows().await;
}

async fn what_mailgun_never_took_goes_again_once_its_log_says_so(backend: Backend) {
    let app = App::start(plan(backend)).await;
    app.mailgun.tell_log(|_| Tells::Page);
    app.mailgun.answer(first(1, Reply::status(502, "bad gateway")));
    let id = letters(&app, 1, Policy::Verify).await[0];
    let sent = app.await_status(id, Status::Sent).await;
    assert_eq!((sent.fence, sent.attempts), (2, 1));
    let tries = app.attempts(id).await;
    let waited = tries[1].started_at - tries[0].finished_at;
    assert!(waited.to_std().unwrap() >= app.ctx.timing.trust, "it went again after {waited}, before that was proven");
    assert_eq!(app.mailgun.accepted(), 1);
    app.assert_ledger_equals_rows().await;
}

async fn with_its_tries_spent_an_absent_email_fails(backend: Backend) {
    let app = App::start(plan(backend).set(|settings| settings.max_tries = 1)).await;
    app.mailgun.tell_log(|_| Tells::Page);
    app.mailgun.answer(|_| Reply::status(502, "bad gateway"));
    // Of all policies but HOLD: with the tries spent, RESEND waits for the same proof.
    let ids = [letters(&app, 1, Policy::Verify).await, letters(&app, 1, Policy::Resend).await].concat();
    for id in ids {
        let failed = app.await_status(id, Status::Failed).await;
        let why = failed.last_error.unwrap();
        assert!(why.starts_with("Mailgun's log shows no trace of it, and its tries are spent"), "{why}");
    }
    assert_eq!(app.mailgun.look(|s| s.posts()), 2);
    app.assert_ledger_equals_rows().await;
}

async fn a_log_that_breaks_off_amid_its_pages_proves_nothing(backend: Backend) {
    let app = App::start(plan(backend)).await;
    app.mailgun.tell_log(|asked| if asked.page == 0 { Tells::Page } else { Tells::Status(500) });
    // Others were taken before it, so that it would stand on a later page.
    let taken = letters(&app, 4, Policy::Verify).await;
    app.await_all(&taken, Status::Sent, SOON).await;
    app.mailgun.answer(first(1, Reply::status(502, "bad gateway")));
    let id = letters(&app, 1, Policy::Verify).await[0];
    let email = held(&app, id, "could not be read to its end").await;
    assert!(email.resolve_at.is_some(), "it is looked for again");
    assert_eq!(app.mailgun.look(|s| s.posts_for(&id.to_string())), 1);
    // Once the log is whole again, it proves something.
    app.mailgun.tell_log(|_| Tells::Page);
    assert_eq!(app.await_status(id, Status::Sent).await.fence, 2);
    app.assert_ledger_equals_rows().await;
}

async fn a_domain_whose_ids_are_not_ours_leaves_the_decision_to_a_person(backend: Backend) {
    let app = App::start(plan(backend)).await;
    app.mailgun.tell_log(|_| Tells::Page);
    app.mailgun.answer(first(1, Reply::OtherId));
    let lied = letters(&app, 1, Policy::Verify).await;
    app.await_all(&lied, Status::Sent, SOON).await;
    app.mailgun.answer(first(1, Reply::status(502, "bad gateway")));
    let id = letters(&app, 1, Policy::Verify).await[0];
    let email = held(&app, id, "other Message-Ids").await;
    assert_eq!((email.resolve_at, email.fence), (None, 1));
    assert_eq!(app.mailgun.look(|s| s.posts_for(&id.to_string())), 1);
    // What is found is proof all the same.
    app.mailgun.answer(|_| Reply::AcceptThen(502));
    let found = letters(&app, 1, Policy::Verify).await[0];
    app.await_status(found, Status::Sent).await;
    app.assert_ledger_equals_rows().await;
}

async fn a_policy_of_hold_waits_for_a_person_though_the_log_says_absent(backend: Backend) {
    let app = App::start(plan(backend)).await;
    app.mailgun.tell_log(|_| Tells::Page);
    app.mailgun.answer(|post| match post.field("to").as_deref() {
        Some("u0@example.org") => Reply::AcceptThen(502),
        _ => Reply::status(502, "bad gateway"),
    });
    let ids = letters(&app, 2, Policy::Hold).await;
    app.await_status(ids[0], Status::Sent).await;
    assert_eq!(held(&app, ids[1], "no trace").await.resolve_at, None);
    assert_eq!(app.mailgun.look(|s| s.posts()), 2);
    app.assert_ledger_equals_rows().await;
}

async fn a_policy_of_resend_goes_again_before_anything_is_proven(backend: Backend) {
    // Nobody could prove anything here for half an hour.
    let app = App::start(Plan::on(backend).hurry(20)).await;
    app.mailgun.tell_log(|_| Tells::Page);
    app.mailgun.answer(first(1, Reply::status(502, "bad gateway")));
    let id = letters(&app, 1, Policy::Resend).await[0];
    assert_eq!(app.await_status(id, Status::Sent).await.fence, 2);
    app.assert_ledger_equals_rows().await;
}

async fn a_sending_key_proves_nothing(backend: Backend) {
    for status in [401, 403] {
        let app = App::start(plan(backend)).await;
        app.mailgun.tell_log(move |_| Tells::Status(status));
        app.mailgun.answer(first(1, Reply::status(502, "bad gateway")));
        let id = letters(&app, 1, Policy::Verify).await[0];
        held(&app, id, "MAILGUN_API_KEY").await;
        assert_eq!(app.mailgun.look(|s| s.posts()), 1, "{status}");
    }
}

async fn the_events_api_stands_in_where_the_logs_api_is_not_allowed(backend: Backend) {
    for status in [403, 404] {
        let app = App::start(plan(backend)).await;
        app.mailgun.tell_log(move |asked| match asked.api {
            Api::Logs => Tells::Status(status),
            Api::Events => Tells::Page,
        });
        app.mailgun.answer(|post| match post.field("to").as_deref() {
            Some("u3@example.org") => Reply::status(502, "bad gateway"),
            _ => Reply::AcceptThen(502),
        });
        let ids = letters(&app, 4, Policy::Verify).await;
        app.await_all(&ids[..3], Status::Sent, SOON).await;
        app.mailgun.answer(|_| Reply::Ok);
        assert_eq!(app.await_status(ids[3], Status::Sent).await.fence, 2, "{status}");
        let pages = app.mailgun.log_asked();
        assert!(pages.iter().any(|asked| asked.api == Api::Events && asked.page == 2), "all pages were read");
    }
}

async fn what_nonsense_answers_is_no_empty_log(backend: Backend) {
    let app = App::start(plan(backend)).await;
    app.mailgun.tell_log(|_| Tells::Nonsense);
    app.mailgun.answer(first(1, Reply::status(502, "bad gateway")));
    let id = letters(&app, 1, Policy::Verify).await[0];
    held(&app, id, "could not be read").await;
    assert_eq!(app.mailgun.look(|s| s.posts()), 1);
}

async fn two_processes_send_an_absent_email_once_more_and_not_twice(backend: Backend) {
    let app = App::start(plan(backend)).await;
    let other = app.another(true).await;
    app.mailgun.tell_log(|_| Tells::Page);
    app.mailgun.answer(first(4, Reply::status(502, "bad gateway")));
    let ids = letters(&app, 4, Policy::Verify).await;
    app.await_all(&ids, Status::Sent, SOON).await;
    assert_eq!(app.mailgun.look(|s| s.posts()), 8);
    assert_eq!(app.mailgun.doubles(), Vec::<String>::new());
    assert!(app.emails(&ids).await.iter().all(|email| email.fence == 2));
    app.assert_ledger_equals_rows().await;
    other.engine.stop().await;
}

//! Mailgun away, refusing or silent: no email is lost, none fails for it, and the fewest possible are left in doubt.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use entity::{Outcome, Policy, Priority, Status, attempt};
use jobs::accept::Draft;
use jobs::breaker::FAILURES;
use sea_orm::{EntityTrait, QueryOrder};
use tests::app::{App, Plan, accepted, letter};
use tests::database::Backend;
use tests::mailgun::{Post, Reply};
use tests::patience::{SOON, until_true};
use uuid::Uuid;

const SLOTS: usize = 5;

on_both! {
    a_short_outage_with_refused_connections_delays_emails_and_fails_none
    a_long_outage_with_refused_connections_is_probed_with_another_email_each_time
    a_short_outage_that_answers_502_leaves_those_in_doubt_that_met_it
    a_long_outage_that_answers_502_opens_the_breaker_before_it_costs_many_emails
    emails_of_policy_resend_go_again_after_a_502
    an_answer_that_proves_nothing_leaves_the_email_unconfirmed_after_one_post
    an_unknown_outcome_is_repeated_for_resend_alone_and_no_more_often_than_there_are_tries
    a_refused_account_holds_everything_at_once_and_spends_nothing
    a_base_url_that_is_no_api_holds_everything_at_once_and_spends_nothing
    a_refused_domain_holds_its_own_emails_and_no_others
    one_email_with_its_own_403_fails_alone
    a_429_holds_its_domain_for_as_long_as_it_says_and_spends_nothing
}

/// Fast enough for tests, slow enough that the order of things stays the protocol's.
fn plan(backend: Backend) -> Plan {
    let domains = ["mg.example.com".to_owned(), "mg.example.net".to_owned()];
    Plan::on(backend).hurry(20).set(|settings| settings.domains = domains.into())
}

/// A Mailgun that answers with `reply` while the switch is on.
fn while_on(app: &App, reply: Reply) -> Arc<AtomicBool> {
    let on = Arc::new(AtomicBool::new(true));
    let switch = on.clone();
    app.mailgun.answer(move |_| if switch.load(Ordering::SeqCst) { reply.clone() } else { Reply::Ok });
    on
}

/// Nothing is open, nothing was counted twice, nothing failed.
async fn assert_all_is_well(app: &App) {
    assert_eq!(app.mailgun.doubles(), Vec::<String>::new());
    assert_eq!(app.count(Status::Failed).await, 0);
    until_true("the breakers to close", SOON, async || app.breakers().await.iter().all(|b| !b.open)).await;
    app.assert_ledger_equals_rows().await;
}

async fn a_short_outage_with_refused_connections_delays_emails_and_fails_none(backend: Backend) {
    let app = App::start(plan(backend)).await;
    app.mailgun.refuse();
    let ids = app.send(300, Priority::Normal).await;
    // Two seconds by the clock of the protocol.
    tokio::time::sleep(Duration::from_secs(2) / 20).await;
    app.mailgun.listen_again();
    app.await_all(&ids, Status::Sent, SOON).await;
    assert_all_is_well(&app).await;
}

async fn a_long_outage_with_refused_connections_is_probed_with_another_email_each_time(backend: Backend) {
    let app = App::start(plan(backend)).await;
    app.mailgun.refuse();
    let ids = app.send(300, Priority::Normal).await;
    app.await_probes(4).await;
    let tried = |tries: &[attempt::Model]| tries.iter().map(|t| t.email_id).collect::<HashSet<Uuid>>().len();
    let tries = attempts(&app).await;
    assert!(tries.iter().all(|t| t.outcome == Outcome::Retry), "{tries:?}");
    let opened_at = app.breakers().await[0].opened_at.unwrap();
    let probes: Vec<_> =
        tries.iter().filter(|t| t.started_at > opened_at + chrono::TimeDelta::milliseconds(40)).collect();
    assert!(probes.len() >= 3, "{probes:?}");
    for pair in probes.windows(2) {
        assert_ne!(pair[0].email_id, pair[1].email_id, "a probe is another email than the last");
    }
    assert!(tried(&tries) <= FAILURES as usize + SLOTS + 6, "{} emails were tried", tried(&tries));
    app.mailgun.listen_again();
    app.await_all(&ids, Status::Sent, SOON).await;
    assert!(
        app.emails(&ids).await.iter().all(|email| email.attempts < 3),
        "the last try is never spent on a closed way"
    );
    assert_all_is_well(&app).await;
}

/// All tries there were, in the order they began.
async fn attempts(app: &App) -> Vec<attempt::Model> {
    attempt::Entity::find().order_by_asc(attempt::Column::StartedAt).all(app.ctx.store.write()).await.unwrap()
}

async fn a_short_outage_that_answers_502_leaves_those_in_doubt_that_met_it(backend: Backend) {
    let app = App::start(plan(backend)).await;
    let met = Arc::new(Mutex::new(Vec::new()));
    let seen = met.clone();
    // The messages 50 to 53: fewer than open a breaker.
    let count = std::sync::atomic::AtomicUsize::new(0);
    app.mailgun.answer(move |post| match count.fetch_add(1, Ordering::SeqCst) {
        50..54 => {
            seen.lock().unwrap().push(post.email_id().to_owned());
            Reply::status(502, "Bad gateway")
        }
        _ => Reply::Ok,
    });
    let ids = app.send(300, Priority::Normal).await;
    until_true("everything to have been tried", SOON, async || app.count(Status::Sent).await == 296).await;
    until_true("the rest to be in doubt", SOON, async || app.count(Status::Unconfirmed).await == 4).await;
    let met = met.lock().unwrap().clone();
    for email in app.emails(&ids).await {
        let in_doubt = met.contains(&email.id.to_string());
        assert_eq!(email.status, if in_doubt { Status::Unconfirmed } else { Status::Sent });
    }
    assert!(app.breakers().await.iter().all(|b| !b.open && b.probes == 0));
    assert_all_is_well(&app).await;
}

async fn a_long_outage_that_answers_502_opens_the_breaker_before_it_costs_many_emails(backend: Backend) {
    let app = App::start(plan(backend)).await;
    let down = while_on(&app, Reply::status(502, "Bad gateway"));
    let ids = app.send(300, Priority::Normal).await;
    app.await_probes(4).await;
    let (posts, unconfirmed) = (app.mailgun.look(|s| s.posts()), app.count(Status::Unconfirmed).await);
    let most = (FAILURES as usize + SLOTS + 5) as u64;
    assert!(posts <= most && unconfirmed <= most, "{posts} posts, {unconfirmed} in doubt, {most} allowed");
    assert!(app.count(Status::Queued).await >= 280);
    let why = app.held(*ids.last().unwrap()).await;
    assert!(why.as_deref().is_none_or(|why| why.contains("Bad gateway")), "{why:?}");
    down.store(false, Ordering::SeqCst);
    until_true("the queue to be empty", SOON, async || {
        app.count(Status::Sent).await + app.count(Status::Unconfirmed).await == 300
    })
    .await;
    assert!(app.count(Status::Unconfirmed).await <= most);
    for email in app.emails(&ids).await {
        let accepted = app.mailgun.accepted_for(&email.id.to_string());
        assert_eq!(accepted, u32::from(email.status == Status::Sent));
        assert_eq!(app.mailgun.look(|s| s.posts_for(&email.id.to_string())), 1, "VERIFY is never posted again unasked");
    }
    assert_all_is_well(&app).await;
}

async fn emails_of_policy_resend_go_again_after_a_502(backend: Backend) {
    let app = App::start(plan(backend)).await;
    let down = while_on(&app, Reply::status(502, "Bad gateway"));
    let ids = app.send(100, Priority::High).await;
    app.await_probes(2).await;
    assert!(app.count(Status::Unconfirmed).await >= FAILURES as u64);
    down.store(false, Ordering::SeqCst);
    app.await_all(&ids, Status::Sent, SOON).await;
    assert_all_is_well(&app).await;
}

async fn an_answer_that_proves_nothing_leaves_the_email_unconfirmed_after_one_post(backend: Backend) {
    let app = App::start(plan(backend).hurry_posts(20)).await;
    let cases: [(Reply, u32, &str); 9] = [
        (Reply::AcceptThen(500), 1, "scripted"),
        (Reply::status(503, "come back"), 0, "come back"),
        (Reply::status(408, "too slow"), 0, "too slow"),
        (Reply::Status(200, vec![], "{}".into()), 0, "JSON that says nothing"),
        (Reply::AcceptThenHalf, 1, "connection broke"),
        (Reply::Cut, 0, "connection broke"),
        (Reply::AcceptThenCut, 1, "connection broke"),
        (Reply::Hang, 0, "no answer in time"),
        (Reply::AcceptThenHang, 1, "no answer in time"),
    ];
    for (reply, accepted, why) in cases {
        app.mailgun.answer(move |_| reply.clone());
        let id = app.send(1, Priority::Normal).await[0];
        let email = app.await_status(id, Status::Unconfirmed).await;
        assert!(email.last_error.as_deref().unwrap().contains(why), "{:?} for {why}", email.last_error);
        assert_eq!(email.attempts, 1);
        assert!(email.resolve_at.is_some(), "Mailgun's log is to be asked");
        let (posts, taken) = app.mailgun.look(|s| (s.posts_for(&id.to_string()), s.accepted_for(&id.to_string())));
        assert_eq!((posts, taken), (1, accepted), "{why}");
        assert_eq!(app.attempts(id).await[0].outcome, Outcome::Unconfirmed);
        // A readable answer in between: otherwise the fifth would open the breaker.
        app.mailgun.answer(|_| Reply::Ok);
        let good = app.send(1, Priority::Normal).await;
        app.await_all(&good, Status::Sent, SOON).await;
    }
    assert_all_is_well(&app).await;
}

async fn an_unknown_outcome_is_repeated_for_resend_alone_and_no_more_often_than_there_are_tries(backend: Backend) {
    let app = App::start(plan(backend)).await;
    app.mailgun.answer(|_| Reply::AcceptThen(500));
    let with = |policy| Draft { policy: Some(policy), ..letter("bob@example.org") };
    let drafts = [Policy::Verify, Policy::Hold, Policy::Resend].map(with).into();
    let ids: Vec<Uuid> = app.take(drafts).await.into_iter().map(|answer| accepted(answer).id).collect();
    let posts = |id: Uuid| app.mailgun.look(|s| s.posts_for(&id.to_string()));
    until_true("RESEND to be at the end of its tries", SOON, async || app.email(ids[2]).await.attempts == 3).await;
    app.await_all(&ids, Status::Unconfirmed, SOON).await;
    assert_eq!(ids.iter().map(|id| posts(*id)).collect::<Vec<_>>(), [1, 1, 3]);
    assert!(app.email(ids[2]).await.resolve_at.is_some(), "from here on it waits for proof like VERIFY");
    app.assert_ledger_equals_rows().await;
}

async fn a_refused_account_holds_everything_at_once_and_spends_nothing(backend: Backend) {
    held_at_once(backend, Reply::status(401, "Forbidden"), "Forbidden").await;
}

async fn a_base_url_that_is_no_api_holds_everything_at_once_and_spends_nothing(backend: Backend) {
    let words = "Mailgun Magnificent API";
    let page = Reply::Status(200, vec![("content-type", "text/plain".into())], words.into());
    held_at_once(backend, page, words).await;
}

async fn held_at_once(backend: Backend, reply: Reply, words: &str) {
    let app = App::start(plan(backend)).await;
    let wrong = Arc::new(AtomicBool::new(true));
    let order = Arc::new(Mutex::new(Vec::new()));
    let (switch, seen) = (wrong.clone(), order.clone());
    app.mailgun.answer(move |post: &Post| {
        if !switch.load(Ordering::SeqCst) {
            return Reply::Ok;
        }
        seen.lock().unwrap().push(post.email_id().to_owned());
        reply.clone()
    });
    let ids = app.send(100, Priority::Normal).await;
    app.await_probes(4).await;
    let order = order.lock().unwrap().clone();
    assert!(order.len() <= SLOTS + 5, "one answer is enough, besides what was under way: {}", order.len());
    // How many were under way when the first was answered is chance; the last three are probes in any case.
    for pair in order[SLOTS.min(order.len().saturating_sub(3))..].windows(2) {
        assert_ne!(pair[0], pair[1], "a probe is another email than the last");
    }
    let emails = app.emails(&ids).await;
    assert!(emails.iter().all(|e| e.attempts == 0 && matches!(e.status, Status::Queued | Status::Sending)));
    let tried = emails.iter().find(|e| e.last_error.is_some()).unwrap();
    assert_eq!(tried.last_error.as_deref(), Some(words));
    wrong.store(false, Ordering::SeqCst);
    app.await_all(&ids, Status::Sent, SOON).await;
    assert!(app.emails(&ids).await.iter().all(|email| email.attempts == 0));
    assert_all_is_well(&app).await;
}

async fn a_refused_domain_holds_its_own_emails_and_no_others(backend: Backend) {
    let app = App::start(plan(backend)).await;
    let refused = Arc::new(AtomicBool::new(true));
    let switch = refused.clone();
    app.mailgun.answer(move |post| match post.domain() {
        "mg.example.com" if switch.load(Ordering::SeqCst) => Reply::status(403, "Domain not allowed to send"),
        _ => Reply::Ok,
    });
    let held = app.send(60, Priority::Normal).await;
    let others = app.send_each(60, |draft| draft.from = Some("ann@mg.example.net".into())).await;
    app.await_all(&others, Status::Sent, SOON).await;
    app.await_probes(3).await;
    assert_eq!(app.mailgun.accepted(), 60);
    let emails = app.emails(&held).await;
    assert!(emails.iter().all(|e| e.attempts == 0 && matches!(e.status, Status::Queued | Status::Sending)));
    assert!(attempts(&app).await.iter().filter(|t| t.outcome == Outcome::AccountRefused).count() <= SLOTS + 4);
    refused.store(false, Ordering::SeqCst);
    app.await_all(&held, Status::Sent, SOON).await;
    assert_all_is_well(&app).await;
}

async fn one_email_with_its_own_403_fails_alone(backend: Backend) {
    let app = App::start(plan(backend)).await;
    let words = "Sandbox subdomains are for test purposes only. Please add your own domain or authorized recipient";
    app.mailgun.answer(move |post| match post.field("to").as_deref() {
        Some("u7@example.org") => Reply::status(403, words),
        _ => Reply::Ok,
    });
    let mut ids = app.send(60, Priority::Normal).await;
    let own = ids.remove(7);
    app.await_all(&ids, Status::Sent, SOON).await;
    let email = app.await_status(own, Status::Failed).await;
    assert_eq!(email.last_error.as_deref(), Some(words));
    let later = app.send(3, Priority::Normal).await;
    app.await_all(&later, Status::Sent, SOON).await;
    until_true("the breakers to close", SOON, async || app.breakers().await.iter().all(|b| !b.open)).await;
    app.assert_ledger_equals_rows().await;
}

async fn a_429_holds_its_domain_for_as_long_as_it_says_and_spends_nothing(backend: Backend) {
    let app = App::start(plan(backend)).await;
    let limited = Arc::new(AtomicBool::new(true));
    let switch = limited.clone();
    app.mailgun.answer(move |post| match post.domain() {
        "mg.example.com" if switch.load(Ordering::SeqCst) => {
            let body = r#"{"message":"Too many requests"}"#.to_owned();
            Reply::Status(429, vec![("retry-after", "1".into())], body)
        }
        _ => Reply::Ok,
    });
    let held = app.send(60, Priority::Normal).await;
    let id = held[59];
    until_true("the domain to be held", SOON, async || app.held(id).await.is_some()).await;
    let why = app.held(id).await.unwrap();
    assert!(why.contains("Mailgun asked the sending domain mg.example.com to wait until"), "{why}");
    let others = app.send_each(30, |draft| draft.from = Some("ann@mg.example.net".into())).await;
    app.await_all(&others, Status::Sent, SOON).await;
    let refusals = app.mailgun.look(|s| s.posts()) - 30;
    assert!(refusals <= SLOTS as u64, "{refusals} posts into a limit");
    limited.store(false, Ordering::SeqCst);
    app.await_all(&held, Status::Sent, SOON).await;
    assert!(app.emails(&held).await.iter().all(|email| email.attempts == 0));
    let tries = attempts(&app).await;
    let last_refusal = tries.iter().filter(|t| t.outcome == Outcome::Held).map(|t| t.finished_at).max().unwrap();
    let first_after = |t: &&attempt::Model| t.outcome == Outcome::Sent && held.contains(&t.email_id);
    let next = tries.iter().filter(first_after).map(|t| t.started_at).min().unwrap();
    assert!(next - last_refusal >= chrono::TimeDelta::milliseconds(900), "{}", next - last_refusal);
    assert_all_is_well(&app).await;
}

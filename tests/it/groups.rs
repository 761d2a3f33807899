//! Group commits: only the culprit hears of its error, a commit whose answer is lost happens once, and a key stands for one
//! email.

use std::collections::HashSet;

use entity::{Priority, Status};
use jobs::accept::{Answer, Draft};
use tests::app::{App, CALLER, Plan, accepted, letter};
use tests::database::Backend;
use tests::patience::SOON;
use tests::proxy::Proxy;
use uuid::Uuid;

const POISON: &str = "poison@example.org";

on_both! {
    of_many_callers_only_the_one_with_a_poisoned_email_hears_of_it
    a_poisoned_email_does_not_spoil_the_others_of_its_call
    an_email_that_cannot_be_claimed_keeps_no_other_back
    an_outcome_that_cannot_be_stored_keeps_no_other_back_and_is_kept_itself
    a_key_stands_for_one_email_however_many_calls_race
    a_key_with_another_content_is_a_conflict
    a_refused_email_burns_no_key
}

/// From now on the database refuses the email to [`POISON`] whenever `when`; only this one, and for good.
async fn poison(app: &App, when: &str, condition: &str) {
    match app.database.backend {
        Backend::Sqlite => {
            let raise = "BEGIN SELECT RAISE(ABORT, 'poisoned'); END";
            let when = format!("{when} ON email_queue WHEN NEW.recipient_key = '{POISON}' AND {condition}");
            app.sql(&format!("CREATE TRIGGER poison BEFORE {when} {raise}")).await;
        }
        Backend::Postgres => {
            let body = "BEGIN RAISE EXCEPTION 'poisoned'; END";
            app.sql(&format!("CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$")).await;
            let row = format!("FOR EACH ROW WHEN (NEW.recipient_key = '{POISON}' AND {condition})");
            app.sql(&format!("CREATE TRIGGER poison BEFORE {when} ON email_queue {row} EXECUTE FUNCTION poison()"))
                .await;
        }
    }
}

async fn cure(app: &App) {
    match app.database.backend {
        Backend::Sqlite => app.sql("DROP TRIGGER poison").await,
        Backend::Postgres => app.sql("DROP TRIGGER poison ON email_queue").await,
    }
}

/// Letters, the one in the middle to [`POISON`].
fn letters_with_poison() -> Vec<Draft> {
    let to = |i| if i == 10 { POISON.to_owned() } else { format!("u{i}@example.org") };
    (0..21).map(|i| letter(&to(i))).collect()
}

async fn of_many_callers_only_the_one_with_a_poisoned_email_hears_of_it(backend: Backend) {
    let app = App::start(Plan::on(backend)).await;
    poison(&app, "INSERT", "true").await;
    let calls = letters_with_poison().into_iter().map(|draft| app.engine.accept.take(CALLER, vec![draft]));
    let answers = futures::future::join_all(calls).await;
    for (i, answer) in answers.iter().enumerate() {
        assert_eq!(answer.is_ok(), i != 10, "{answer:?}");
    }
    assert!(answers[10].as_ref().unwrap_err().to_string().contains("poisoned"));
    let ids: Vec<Uuid> = answers.into_iter().flatten().flatten().map(|answer| accepted(answer).id).collect();
    app.await_all(&ids, Status::Sent, SOON).await;
    assert_eq!(app.mailgun.accepted(), 20);
    app.assert_ledger_equals_rows().await;
}

async fn a_poisoned_email_does_not_spoil_the_others_of_its_call(backend: Backend) {
    let app = App::start(Plan::on(backend)).await;
    poison(&app, "INSERT", "true").await;
    let mut answers = app.take(letters_with_poison()).await;
    let answer = answers.remove(10);
    assert!(matches!(&answer, Answer::NotStored(error) if error.to_string().contains("poisoned")), "{answer:?}");
    let ids: Vec<Uuid> = answers.into_iter().map(|answer| accepted(answer).id).collect();
    app.await_all(&ids, Status::Sent, SOON).await;
    app.assert_ledger_equals_rows().await;
}

async fn an_email_that_cannot_be_claimed_keeps_no_other_back(backend: Backend) {
    // At the protocol's own pace, so that no second bell helps those that share a claim with it.
    let app = App::start(Plan::on(backend).hurry(1)).await;
    poison(&app, "UPDATE", "NEW.status = 2").await;
    let mut ids: Vec<Uuid> = app.take(letters_with_poison()).await.into_iter().map(|a| accepted(a).id).collect();
    let poisoned = ids.remove(10);
    app.await_all(&ids, Status::Sent, SOON).await;
    for email in app.emails(&ids).await {
        let waited = (email.first_try_at.unwrap() - email.created_at).to_std().unwrap();
        assert!(waited < app.ctx.timing.refeed_idle, "waited {waited:?}, for another bell");
    }
    assert_eq!(app.email(poisoned).await.status, Status::Queued);
    cure(&app).await;
    app.await_status(poisoned, Status::Sent).await;
    assert_eq!(app.mailgun.doubles(), Vec::<String>::new());
    app.assert_ledger_equals_rows().await;
}

async fn an_outcome_that_cannot_be_stored_keeps_no_other_back_and_is_kept_itself(backend: Backend) {
    let app = App::start(Plan::on(backend)).await;
    poison(&app, "UPDATE", "NEW.status = 4").await;
    let mut ids: Vec<Uuid> = app.take(letters_with_poison()).await.into_iter().map(|a| accepted(a).id).collect();
    let poisoned = ids.remove(10);
    app.await_all(&ids, Status::Sent, SOON).await;
    assert_eq!(app.email(poisoned).await.status, Status::Sending);
    cure(&app).await;
    let email = app.await_status(poisoned, Status::Sent).await;
    assert_eq!((email.acceptances, app.mailgun.accepted()), (1, 21));
    app.assert_ledger_equals_rows().await;
}

fn keyed(key: &str, subject: &str) -> Draft {
    Draft { idempotency_key: Some(key.into()), subject: subject.into(), ..letter("bob@example.org") }
}

fn known(answer: Answer) -> Uuid {
    match answer {
        Answer::Known(id) => id,
        other => panic!("not known: {other:?}"),
    }
}

async fn a_key_stands_for_one_email_however_many_calls_race(backend: Backend) {
    let app = App::start(Plan::on(backend)).await;
    let other = app.another(false).await;
    for round in 0..10 {
        let key = format!("order-{round}");
        // Two in each call, calls of two processes at once.
        let calls = (0..8).map(|i| {
            let accept = if i % 2 == 0 { app.engine.accept.clone() } else { other.engine.accept.clone() };
            let drafts = vec![keyed(&key, "Hello"), keyed(&key, "Hello")];
            tokio::spawn(async move { accept.take(CALLER, drafts).await.unwrap() })
        });
        let answers: Vec<Answer> =
            futures::future::join_all(calls).await.into_iter().flat_map(|answers| answers.unwrap()).collect();
        let (mut taken, mut found) = (HashSet::new(), HashSet::new());
        for answer in answers {
            match answer {
                Answer::Accepted(email) => assert!(taken.insert(email.id)),
                answer => {
                    found.insert(known(answer));
                }
            }
        }
        assert_eq!(taken.len(), 1);
        assert_eq!(taken, found);
        app.await_status(taken.into_iter().next().unwrap(), Status::Sent).await;
    }
    assert_eq!(app.mailgun.accepted(), 10);
    app.assert_ledger_equals_rows().await;
}

async fn a_key_with_another_content_is_a_conflict(backend: Backend) {
    let app = App::start(Plan::on(backend)).await;
    let mut answers = app.take(vec![keyed("a", "Hello"), keyed("a", "Good-bye"), keyed("b", "Good-bye")]).await;
    let last = accepted(answers.pop().unwrap()).id;
    assert!(matches!(answers.pop(), Some(Answer::Conflict)));
    let first = accepted(answers.pop().unwrap()).id;
    let answers = app.take(vec![keyed("a", "Good-bye"), keyed("a", "Hello")]).await;
    assert!(matches!(&answers[..], [Answer::Conflict, Answer::Known(id)] if *id == first), "{answers:?}");
    // Another caller's key is another key.
    let answers = app.engine.accept.take(Uuid::from_u128(2), vec![keyed("a", "Good-bye")]).await.unwrap();
    let theirs: Vec<Uuid> = answers.into_iter().map(|answer| accepted(answer).id).collect();
    app.await_all(&[first, last, theirs[0]], Status::Sent, SOON).await;
    assert_eq!(app.mailgun.accepted(), 3);
    app.assert_ledger_equals_rows().await;
}

async fn a_refused_email_burns_no_key(backend: Backend) {
    let app = App::start(Plan::on(backend)).await;
    let bad = Draft { to: "nobody".into(), ..keyed("a", "Hello") };
    let answers = app.take(vec![bad, keyed("a", "Hello")]).await;
    assert!(matches!(&answers[..], [Answer::Refused(_), Answer::Accepted(_)]), "{answers:?}");
    poison(&app, "INSERT", "true").await;
    let bad = Draft { to: POISON.into(), ..keyed("b", "Hello") };
    assert!(app.engine.accept.take(CALLER, vec![bad]).await.is_err());
    let id = accepted(app.take(vec![keyed("b", "Another")]).await.remove(0)).id;
    app.await_status(id, Status::Sent).await;
    app.assert_ledger_equals_rows().await;
}

async fn behind_a_proxy() -> (App, Proxy) {
    let (proxy, database) = Proxy::before(Backend::Postgres.database().await).await;
    (App::start_over(Plan::on(Backend::Postgres).hurry_posts(20), database).await, proxy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settle_whose_commit_was_not_heard_changes_nothing_twice() {
    let (app, proxy) = behind_a_proxy().await;
    proxy.lose_commits(5, "INTO email_attempts");
    let ids = app.send(100, Priority::Normal).await;
    app.await_all(&ids, Status::Sent, SOON).await;
    assert_eq!(proxy.lost(), 5, "as many answers were lost as were to be");
    for email in app.emails(&ids).await {
        assert_eq!((email.acceptances, email.fence, email.attempts), (1, 1, 0));
        assert_eq!(app.attempts(email.id).await.len(), 1);
    }
    assert_eq!((app.mailgun.accepted(), app.mailgun.doubles()), (100, vec![]));
    app.assert_ledger_equals_rows().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emails_whose_acceptance_was_not_heard_are_accepted_once() {
    let (app, proxy) = behind_a_proxy().await;
    for key in [None, Some("order")] {
        proxy.lose_commits(2, "INTO email_queue");
        let drafts = || {
            let to = |i| Draft {
                idempotency_key: key.map(|key| format!("{key}-{i}")),
                ..letter(&format!("u{i}@example.org"))
            };
            (0..50).map(to).collect::<Vec<_>>()
        };
        let ids: Vec<Uuid> = app.take(drafts()).await.into_iter().map(|answer| accepted(answer).id).collect();
        assert_eq!(proxy.lost(), 2, "as many answers were lost as were to be");
        if key.is_some() {
            let again: Vec<Uuid> = app.take(drafts()).await.into_iter().map(known).collect();
            assert_eq!(again, ids);
        }
        app.await_all(&ids, Status::Sent, SOON).await;
    }
    assert_eq!((app.mailgun.accepted(), app.mailgun.doubles()), (100, vec![]));
    app.assert_ledger_equals_rows().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emails_whose_claim_was_not_heard_are_given_back_and_go_once() {
    let (app, proxy) = behind_a_proxy().await;
    proxy.lose_commits(5, "JOIN email_contents");
    let ids = app.send(100, Priority::Normal).await;
    app.await_all(&ids, Status::Sent, SOON).await;
    assert_eq!(proxy.lost(), 5, "as many answers were lost as were to be");
    assert_eq!((app.mailgun.accepted(), app.mailgun.doubles()), (100, vec![]));
    let emails = app.emails(&ids).await;
    assert!(emails.iter().all(|email| email.attempts == 0), "nothing is spent");
    assert!(emails.iter().any(|email| email.fence == 2));
    app.assert_ledger_equals_rows().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bells_whose_commit_was_not_heard_ring_again() {
    let (app, proxy) = behind_a_proxy().await;
    proxy.lose_commits(3, "SET fed_at = $1");
    let ids = app.send(100, Priority::Normal).await;
    app.await_all(&ids, Status::Sent, SOON).await;
    assert_eq!(proxy.lost(), 3, "as many answers were lost as were to be");
    assert_eq!((app.mailgun.accepted(), app.mailgun.doubles()), (100, vec![]));
    app.assert_ledger_equals_rows().await;
}

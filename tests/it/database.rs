//! The database away amid sending: what was accepted is there again, and what Mailgun took is known.

use std::time::Duration;

use entity::{Priority, Status};
use sea_orm::ConnectionTrait;
use tests::app::{App, Plan};
use tests::database::{Backend, Postgres};
use tests::mailgun::Reply;
use tests::patience::{SOON, until_true};

const SLOTS: usize = 5;

async fn amid_sending(postgres: &Postgres) -> (App, Vec<uuid::Uuid>) {
    let app = App::start_over(Plan::on(Backend::Postgres), postgres.database().await).await;
    app.mailgun.answer(|_| Reply::Ok.after(Duration::from_millis(5)));
    let ids = app.send(400, Priority::Normal).await;
    app.mailgun.until("the first fifty", SOON, |s| s.accepted() >= 50).await;
    (app, ids)
}

/// Everything ended; in doubt are at most those whose claim broke, which were never posted.
async fn assert_nothing_is_lost(app: &App, ids: &[uuid::Uuid]) {
    // A broken connection is noticed when it is used: ours are used up before anything is asked that has to be answered.
    let (read, write) = (app.ctx.store.read(), app.ctx.store.write());
    until_true("the connections to be new", SOON, async || {
        for _ in 0..20 {
            if read.execute_unprepared("SELECT 1").await.and(write.execute_unprepared("SELECT 1").await).is_err() {
                return false;
            }
        }
        true
    })
    .await;
    until_true("everything to have ended", 2 * SOON, async || {
        app.count(Status::Sent).await + app.count(Status::Unconfirmed).await == 400
    })
    .await;
    let emails = app.emails(ids).await;
    for email in &emails {
        let accepted = app.mailgun.accepted_for(&email.id.to_string());
        assert_eq!(accepted, u32::from(email.status == Status::Sent), "{:?}", email.status);
    }
    assert!(emails.iter().filter(|e| e.status == Status::Unconfirmed).count() <= SLOTS);
    app.assert_ledger_equals_rows().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_of_postgresql_amid_sending_loses_no_email_and_no_outcome() {
    let postgres = Postgres::start().await;
    let (app, ids) = amid_sending(&postgres).await;
    postgres.kill().await;
    postgres.start_again().await;
    assert_nothing_is_lost(&app, &ids).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_postgresql_amid_sending_loses_no_email_and_no_outcome() {
    let postgres = Postgres::start().await;
    let (app, ids) = amid_sending(&postgres).await;
    postgres.restart().await;
    assert_nothing_is_lost(&app, &ids).await;
}

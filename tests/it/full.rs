//! A database without space: what finds none is refused, what is there stays, and with space everything goes on.

use entity::Status;
use jobs::accept::Draft;
use jobs::store::rows;
use tests::app::{App, CALLER, Plan, accepted, letter};
use tests::database::Backend;
use tests::patience::SOON;

/// One number that SQLite tells.
async fn pragma(app: &App, name: &str) -> i64 {
    let found = rows(app.ctx.store.write(), app.ctx.store.sql(format!("PRAGMA {name}"), [])).await.unwrap();
    found[0].try_get_by_index(0).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_sqlite_refuses_what_it_can_not_keep_and_goes_on_when_there_is_space() {
    let app = App::start(Plan::on(Backend::Sqlite).without_workers()).await;
    let before = app.send(20, entity::Priority::Normal).await;
    // The one connection that writes.
    let pages = pragma(&app, "page_count").await;
    app.sql(&format!("PRAGMA max_page_count = {pages}")).await;
    let large = || Draft { text: Some("x".repeat(64 * 1024)), ..letter("reader@example.org") };
    let refused = app.engine.accept.take(CALLER, vec![large(), large()]).await;
    let error = refused.expect_err("there is no space for it");
    assert!(error.is_away(), "it is the database's trouble, and told as that: {error}");
    assert_eq!(app.count(Status::Queued).await, 20, "nothing of it was kept");
    app.assert_ledger_equals_rows().await;
    let whole = rows(app.ctx.store.write(), app.ctx.store.sql("PRAGMA integrity_check", [])).await.unwrap();
    assert_eq!(whole[0].try_get_by_index::<String>(0).unwrap(), "ok");

    app.sql("PRAGMA max_page_count = 1073741823").await;
    let after = accepted(app.take(vec![large()]).await.remove(0)).id;
    let worker = app.another(true).await;
    app.await_all(&[before, vec![after]].concat(), Status::Sent, SOON).await;
    assert_eq!(app.mailgun.doubles(), Vec::<String>::new());
    worker.engine.stop().await;
}

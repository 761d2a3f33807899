//! An accepted email reaches Mailgun.

use entity::{Outcome, Priority, Status};
use tests::app::{App, Plan, letter};
use tests::database::Backend;
use tests::mailgun::Reply;
use tests::patience::SOON;

on_both! {
    an_email_goes_from_queued_to_sent
    a_thousand_emails_go_once_each
    mailguns_refusal_fails_the_email_with_its_words
}

async fn an_email_goes_from_queued_to_sent(backend: Backend) {
    let app = App::start(Plan::on(backend)).await;
    let id = tests::app::accepted(app.take(vec![letter("bob@example.org")]).await.remove(0)).id;
    let email = app.await_status(id, Status::Sent).await;
    assert_eq!(email.provider_id.as_deref(), Some(format!("{id}@mg.example.com").as_str()));
    assert_eq!((email.attempts, email.fence, email.acceptances), (0, 1, 1));
    let attempts = app.attempts(id).await;
    assert_eq!(attempts.iter().map(|a| (a.outcome, a.http_status)).collect::<Vec<_>>(), [(Outcome::Sent, Some(200))]);
    app.mailgun.look(|state| {
        let form = state.messages()[0].post.form();
        assert_eq!(form.text("h:Message-Id"), Some(format!("<{id}@mg.example.com>").as_str()));
        assert_eq!(form.text("subject"), Some("Hello"));
    });
}

async fn a_thousand_emails_go_once_each(backend: Backend) {
    let app = App::start(Plan::on(backend)).await;
    let ids = app.send(1_000, Priority::Normal).await;
    app.await_all(&ids, Status::Sent, SOON).await;
    assert_eq!((app.mailgun.accepted(), app.mailgun.doubles()), (1_000, vec![]));
}

async fn mailguns_refusal_fails_the_email_with_its_words(backend: Backend) {
    let app = App::start(Plan::on(backend)).await;
    app.mailgun.answer(|_| Reply::status(400, "to parameter is not a valid address"));
    let id = app.send(1, Priority::High).await[0];
    let email = app.await_status(id, Status::Failed).await;
    assert_eq!(email.last_error.as_deref(), Some("to parameter is not a valid address"));
}

//! For each guard a short story in which it is needed, played step by step: the promise holds while the guard stands, and is
//! seen to be broken when it does not.

mod events;
mod stopped;

use chrono::TimeDelta;
use entity::{Priority, Status};
use jobs::accept::{Answer, Draft};
use jobs::ledger::{Cause, Handed, Settlement};
use jobs::record::Recorded;
use jobs::send::claim::{Claimed, Claims, claim};
use uuid::Uuid;

use crate::app::{App, Plan, accepted, letter};
use crate::database::Backend;
use crate::ledger::assert_ledger_equals_rows;
use crate::patience::{SOON, until};
use crate::webhook::Told;

/// What broke, in a sentence.
pub type Broken = String;

/// Plays the story of the guard of this name. `sabotage` is the guard that this process lacks, and those it starts are to.
///
/// # Errors
/// When the promise was seen to be broken.
///
/// # Panics
/// When there is no such guard, or the story could not be played.
pub async fn play(guard: &str, sabotage: Option<&str>) -> Result<(), Broken> {
    match guard {
        "fence" => fence().await,
        "gate" => gate().await,
        "evidence" => evidence().await,
        "lease" => stopped::lease(sabotage).await,
        "token" => events::token().await,
        "dedupe" => events::dedupe().await,
        "tally" => tally().await,
        "seq" => events::seq().await,
        "idempotency" => idempotency().await,
        other => panic!("no guard is called {other}"),
    }
}

fn hold(kept: bool, otherwise: impl Into<Broken>) -> Result<(), Broken> {
    if kept { Ok(()) } else { Err(otherwise.into()) }
}

async fn idle() -> App {
    App::start(Plan::on(Backend::Sqlite).without_workers()).await
}

async fn claimed(app: &App, id: Uuid) -> Claimed {
    match claim(&app.ctx, &[id]).await.expect("the database answers") {
        Claims::Stored(mut claimed) => claimed.remove(0),
        Claims::Doubtful(_, error) => panic!("the commit gave no answer: {error}"),
    }
}

/// A worker fell silent, its email is taken by another, and then the first one speaks.
async fn fence() -> Result<(), Broken> {
    let app = idle().await;
    let id = app.send(1, Priority::Normal).await[0];
    let first = claimed(&app, id).await;
    app.apply(id, Cause::LeaseOver).await.expect("it is SENDING");
    app.apply(id, Cause::Resolve { sent: false }).await.expect("it is UNCONFIRMED");
    claimed(&app, id).await;
    let now = app.ctx.clock.now();
    let late = Settlement {
        fence: first.row.fence,
        doubtful_lease: None,
        handed: Handed::NotHandedOver,
        http_status: None,
        started_at: now,
        finished_at: now,
    };
    // Refused or not: what counts is where the email stands.
    let _ = app.apply(id, Cause::Settle(late)).await;
    let email = app.email(id).await;
    hold(email.status == Status::Sending, "a worker's late report took an email from the worker that hands it over")
}

/// An address is suppressed by an event while an email for it waits.
async fn gate() -> Result<(), Broken> {
    let app = idle().await;
    let later = |draft: &mut Draft| draft.to = "gone@example.org".into();
    let ids = app.send_each(2, later).await;
    let bounced = Told::bounced(ids[0], "gone@example.org", app.ctx.clock.now(), "bounce", "5.1.1");
    let recorded = app.engine.recorder.take(bounced.webhook()).await.expect("it is recorded");
    assert!(matches!(recorded, Recorded::Taken { .. }), "{recorded:?}");
    let worker = app.another(true).await;
    let ended = until("the other email to end", SOON, async || {
        let status = app.email(ids[1]).await.status;
        status.is_finished().then_some(status)
    });
    let ended = ended.await;
    worker.engine.stop().await;
    hold(ended == Status::Suppressed, format!("an email went to a suppressed address: it stands {}", ended.name()))
}

/// Mailgun reports the delivery of an email that nobody knew about.
async fn evidence() -> Result<(), Broken> {
    let app = idle().await;
    let id = app.send_each(1, |draft| draft.to = "reader@example.org".into()).await[0];
    claimed(&app, id).await;
    app.apply(id, Cause::LeaseOver).await.expect("it is SENDING");
    let told = Told::new("delivered", id, "reader@example.org", app.ctx.clock.now());
    app.engine.recorder.take(told.webhook()).await.expect("it is recorded");
    let stands = app.email(id).await.status;
    hold(stands == Status::Delivered, format!("Mailgun delivered it and it stands {}", stands.name()))
}

/// Emails come in, go out and are cancelled.
async fn tally() -> Result<(), Broken> {
    let app = idle().await;
    let later = app.ctx.clock.now() + TimeDelta::hours(1);
    let ids = app.send_each(5, |draft| draft.send_at = Some(later)).await;
    app.apply(ids[0], Cause::Cancel).await.expect("it waits");
    claimed(&app, app.send(1, Priority::High).await[0]).await;
    let ctx = app.ctx.clone();
    let counted = tokio::spawn(async move { assert_ledger_equals_rows(&ctx).await }).await;
    hold(counted.is_ok(), "the numbers do not add up")
}

/// An application repeats a call whose answer it did not get.
async fn idempotency() -> Result<(), Broken> {
    let app = idle().await;
    let draft = Draft { idempotency_key: Some("order-17".into()), ..letter("reader@example.org") };
    let first = accepted(app.take(vec![draft.clone()]).await.remove(0)).id;
    match app.take(vec![draft]).await.remove(0) {
        Answer::Known(id) if id == first => Ok(()),
        _ => Err("a call that was repeated with its key was taken for another email".into()),
    }
}

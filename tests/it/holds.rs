//! Pauses: what is held is not handed over and says why, everything else goes, and lifting is enough.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::{Priority, Status, hold};
use jobs::accept::Draft;
use jobs::hold::{Cover, lift, place};
use tests::app::{App, Plan};
use tests::database::Backend;
use tests::mailgun::Reply;
use tests::patience::{SOON, until_true};
use uuid::Uuid;

const CAMPAIGN: Uuid = Uuid::from_u128(7);

on_both! {
    a_pause_holds_what_it_covers_and_nothing_else
    a_paused_queue_hands_nothing_over
    a_pause_with_an_end_ends_by_itself
    a_pause_amid_sending_stops_it_until_it_is_lifted
    a_hundred_paused_campaigns_cost_a_single_email_nothing
    a_hundred_campaigns_of_tomorrow_cost_a_single_email_nothing
}

fn plan(backend: Backend) -> Plan {
    let domains = ["mg.example.com".to_owned(), "mg.example.net".to_owned()];
    Plan::on(backend).hurry(20).set(|settings| settings.domains = domains.into())
}

async fn pause(app: &App, cover: &Cover, until: Option<DateTime<Utc>>) -> hold::Model {
    place(&app.ctx, cover, hold::Cause::Pause, Some("a typo".into()), until).await.unwrap()
}

async fn a_pause_holds_what_it_covers_and_nothing_else(backend: Backend) {
    let app = App::start(plan(backend)).await;
    type Change = fn(&mut Draft);
    let cases: [(Cover, Change, &str); 3] = [
        (
            Cover::Priority(Priority::Low),
            |draft| draft.priority = Some(Priority::Low),
            "priority LOW is paused: a typo",
        ),
        (Cover::Campaign(CAMPAIGN), |draft| draft.campaign = Some(CAMPAIGN), "its campaign is paused: a typo"),
        (
            Cover::Domain("mg.example.net".into()),
            |draft| draft.from = Some("ann@mg.example.net".into()),
            "the sending domain mg.example.net is paused: a typo",
        ),
    ];
    for (cover, change, why) in cases {
        pause(&app, &cover, None).await;
        let held = app.send_each(40, change).await;
        // Accepted after those that are held, so they were looked at before.
        let others = app.send(40, Priority::Normal).await;
        app.await_all(&others, Status::Sent, SOON).await;
        assert_eq!(app.held(held[0]).await.as_deref(), Some(why));
        assert_eq!(app.held(others[0]).await, None);
        assert_eq!(lift(&app.ctx, Some(&cover)).await.unwrap(), 1);
        let lifted = app.ctx.clock.now();
        app.await_all(&held, Status::Sent, SOON).await;
        for email in app.emails(&held).await {
            assert!(email.first_try_at.unwrap() > lifted - TimeDelta::seconds(1), "{why}");
            assert_eq!((email.attempts, email.fence), (0, 1), "held costs nothing, not even a claim");
        }
        let (first_held, last_other) = app.mailgun.look(|state| {
            let place = |id: &Uuid| state.messages().iter().position(|m| m.email_id == id.to_string()).unwrap();
            (held.iter().map(place).min().unwrap(), others.iter().map(place).max().unwrap())
        });
        assert!(last_other < first_held, "{why}");
    }
    app.assert_ledger_equals_rows().await;
}

async fn a_paused_queue_hands_nothing_over(backend: Backend) {
    let app = App::start(plan(backend)).await;
    pause(&app, &Cover::Queue, None).await;
    let mut ids = Vec::new();
    for lane in Priority::ALL {
        ids.extend(app.send(20, lane).await);
    }
    // Rounds come by themselves four times a second; emails that the feeder let pass would be gone by then.
    tokio::time::sleep(3 * app.ctx.timing.round).await;
    assert_eq!((app.count(Status::Queued).await, app.mailgun.look(|s| s.posts())), (60, 0));
    assert_eq!(app.held(ids[0]).await.as_deref(), Some("the queue is paused: a typo"));
    assert_eq!(lift(&app.ctx, None).await.unwrap(), 1);
    app.await_all(&ids, Status::Sent, SOON).await;
    assert_eq!(app.mailgun.doubles(), Vec::<String>::new());
    app.assert_ledger_equals_rows().await;
}

async fn a_pause_with_an_end_ends_by_itself(backend: Backend) {
    let app = App::start(plan(backend)).await;
    let until = app.ctx.clock.now() + TimeDelta::milliseconds(600);
    pause(&app, &Cover::Queue, Some(until)).await;
    let ids = app.send(30, Priority::Normal).await;
    if let Some(why) = app.held(ids[0]).await {
        assert!(why.starts_with("the queue is paused until ") && why.ends_with(" UTC: a typo"), "{why}");
    }
    app.await_all(&ids, Status::Sent, SOON).await;
    for email in app.emails(&ids).await {
        assert!(email.first_try_at.unwrap() >= until, "nothing was tried before its end");
    }
    app.assert_ledger_equals_rows().await;
}

async fn a_pause_amid_sending_stops_it_until_it_is_lifted(backend: Backend) {
    let app = App::start(plan(backend)).await;
    app.mailgun.answer(|_| Reply::Ok.after(Duration::from_millis(5)));
    let ids = app.send_each(400, |draft| draft.campaign = Some(CAMPAIGN)).await;
    app.mailgun.until("the campaign to be under way", SOON, |s| s.accepted() >= 40).await;
    pause(&app, &Cover::Campaign(CAMPAIGN), None).await;
    // What had been claimed goes; nothing after it.
    until_true("nothing to be under way", SOON, async || app.count(Status::Sending).await == 0).await;
    let sent = app.mailgun.accepted();
    assert!(sent < 400, "the pause came too late to show anything");
    let others = app.send(40, Priority::Normal).await;
    app.await_all(&others, Status::Sent, SOON).await;
    assert_eq!(app.mailgun.accepted(), sent + 40);
    assert_eq!(app.count(Status::Queued).await, 400 - sent);
    lift(&app.ctx, Some(&Cover::Campaign(CAMPAIGN))).await.unwrap();
    app.await_all(&ids, Status::Sent, SOON).await;
    assert_eq!(app.mailgun.doubles(), Vec::<String>::new());
    app.assert_ledger_equals_rows().await;
}

async fn a_hundred_paused_campaigns_cost_a_single_email_nothing(backend: Backend) {
    beside_a_hundred_campaigns(backend, |app| {
        Box::pin(async move {
            for n in 1..=100 {
                pause(app, &Cover::Campaign(Uuid::from_u128(n)), None).await;
            }
            None
        })
    })
    .await;
}

async fn a_hundred_campaigns_of_tomorrow_cost_a_single_email_nothing(backend: Backend) {
    let tomorrow = |app: &App| app.ctx.clock.now() + TimeDelta::days(1);
    beside_a_hundred_campaigns(backend, |app| Box::pin(async move { Some(tomorrow(app)) })).await;
}

/// More scopes than get their turn in one round have emails that may not go; one email beside them may.
async fn beside_a_hundred_campaigns<'a, F>(backend: Backend, hold: F)
where
    F: for<'b> Fn(&'b App) -> std::pin::Pin<Box<dyn Future<Output = Option<DateTime<Utc>>> + Send + 'b>>,
{
    let app = App::start(plan(backend)).await;
    let send_at = hold(&app).await;
    let campaigns = std::cell::Cell::new(0);
    app.send_each(300, |draft| {
        campaigns.set(campaigns.get() + 1);
        draft.campaign = Some(Uuid::from_u128(1 + campaigns.get() % 100));
        draft.send_at = send_at;
    })
    .await;
    // Made last, its scope comes last; the fifty emails need several rounds.
    let single = app.send(50, Priority::Normal).await;
    app.await_all(&single, Status::Sent, SOON).await;
    assert_eq!(app.mailgun.accepted(), 50);
    app.assert_ledger_equals_rows().await;
}

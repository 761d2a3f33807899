//! Batches: many recipients in one call, each with a Message-Id, an outcome and a fate of its own.

use std::time::Duration;

use entity::hold::Cause as HoldCause;
use entity::suppression::{self, Reason};
use entity::{Outcome, Status, email};
use jobs::campaign::recipients::NewRecipient;
use jobs::campaign::{Draft, create, launch};
use jobs::hold::{Cover, lift, place};
use jobs::suppress::enter;
use sea_orm::{EntityTrait, Set};
use serde_json::json;
use tests::app::{App, Plan};
use tests::database::Backend;
use tests::mailgun::{Post, Reply, Tells};
use tests::patience::{SOON, until, until_true};
use tests::webhook::Told;
use uuid::Uuid;

use super::{added, draft, emails, executing, expanded, people, stands};
use crate::suppressions::entry;

on_both! {
    two_and_a_half_thousand_go_in_three_calls_and_each_has_its_own_message_id
    who_is_suppressed_is_in_no_call_and_who_can_not_be_rendered_fails_alone
    who_is_suppressed_between_feeding_and_claim_is_left_out_by_the_gate_alone
    a_lost_answer_puts_each_of_them_in_doubt_and_the_log_finds_each
    that_the_log_does_not_show_one_counts_once_mailgun_has_kept_a_batchs_ids
    a_batch_that_mailgun_refuses_goes_one_by_one
    a_pause_in_the_midst_lets_no_further_call_begin
}

const LONG: Duration = Duration::from_secs(90);

/// A process that sends nothing, and a campaign in batches all of whose recipients have an email.
async fn ready(plan: Plan, recipients: Vec<NewRecipient>) -> (App, Uuid) {
    let app = App::start(plan.without_workers()).await;
    let campaign = launched(&app, recipients).await;
    (app, campaign)
}

async fn launched(app: &App, recipients: Vec<NewRecipient>) -> Uuid {
    let draft = Draft { batch: true, ..draft() };
    let campaign = create(&app.ctx, draft).await.unwrap().unwrap().row.id;
    added(&app.ctx, campaign, recipients).await;
    launch(&app.ctx, campaign, None).await.unwrap().unwrap();
    let _executor = executing(&app.ctx);
    expanded(&app.ctx, campaign).await;
    campaign
}

/// Waits until so many of the campaign's emails stand there.
async fn stand(app: &App, campaign: Uuid, status: Status, n: i64) {
    let what = format!("{n} emails to be {status:?}");
    until_true(&what, LONG, async || stands(&app.ctx, campaign).await.ledger.of(status) == n).await;
}

fn is_batch(post: &Post) -> bool {
    post.field("recipient-variables").is_some()
}

fn posts(app: &App) -> u64 {
    app.mailgun.look(|state| state.posts())
}

async fn held(app: &App, id: Uuid, words: &str) -> email::Model {
    until(&format!("{id} to be held: {words}"), SOON, async || {
        let email = app.email(id).await;
        let said = email.last_error.as_deref().is_some_and(|said| said.contains(words));
        (said && email.status == Status::Unconfirmed).then_some(email)
    })
    .await
}

async fn two_and_a_half_thousand_go_in_three_calls_and_each_has_its_own_message_id(backend: Backend) {
    let (app, campaign) = ready(Plan::on(backend), people(0..2_500)).await;
    let sender = app.another(true).await;
    stand(&app, campaign, Status::Sent, 2_500).await;
    assert_eq!(posts(&app), 3);
    assert_eq!((app.mailgun.accepted(), app.mailgun.doubles()), (2_500, vec![]));
    let sent = emails(&app.ctx, campaign).await;
    let took = app.mailgun.look(|state| state.messages().to_vec());
    let mut links = std::collections::HashSet::new();
    for email in &sent {
        let message = took.iter().find(|message| message.email_id == email.id.to_string()).unwrap();
        assert_eq!(message.message_id, format!("<{}@mg.example.com>", email.id));
        assert_eq!(
            (message.to.as_str(), message.said("subject").as_deref()),
            (email.recipient.as_str(), Some("Hello Ann"))
        );
        links.insert(message.said("h:List-Unsubscribe").unwrap());
    }
    assert_eq!(links.len(), 2_500, "each can unsubscribe for themselves");
    assert!(links.iter().all(|link| link.starts_with("<http")), "{:?}", links.iter().next());
    // An event that names nothing but its Message-Id finds its email.
    let told = Told::new("delivered", sent[7].id, &sent[7].recipient_key, app.ctx.clock.now())
        .with("user-variables", json!({}));
    app.engine.recorder.take(told.webhook()).await.unwrap();
    assert_eq!(app.email(sent[7].id).await.status, Status::Delivered);
    assert_eq!(app.attempts(sent[7].id).await.len(), 1);
    app.assert_ledger_equals_rows().await;
    sender.engine.stop().await;
}

async fn who_is_suppressed_is_in_no_call_and_who_can_not_be_rendered_fails_alone(backend: Backend) {
    let mut recipients = people(0..5);
    recipients[1].variables = None;
    recipients[2].variables = Some(json!({ "first_name": "%recipient.email_id%" }));
    let (app, campaign) = ready(Plan::on(backend), recipients).await;
    enter::suppress(&app.ctx, entry("reader0@example.com", Reason::Manual)).await.unwrap();
    let all = emails(&app.ctx, campaign).await;
    let of = |name: &str| all.iter().find(|email| email.recipient_key.starts_with(name)).unwrap().id;
    let sender = app.another(true).await;
    stand(&app, campaign, Status::Sent, 3).await;
    assert_eq!(app.await_status(of("reader0"), Status::Suppressed).await.fence, 0);
    let failed = app.await_status(of("reader1"), Status::Failed).await;
    assert_eq!(failed.last_error.as_deref(), Some("the variable first_name is missing"));
    assert_eq!(app.attempts(failed.id).await[0].http_status, None);
    let took = app.mailgun.look(|state| state.messages().to_vec());
    let batches: Vec<_> = took.iter().filter(|message| is_batch(&message.post)).map(|m| m.to.clone()).collect();
    assert_eq!(batches, ["reader3@example.com", "reader4@example.com"]);
    let alone: Vec<_> = took.iter().filter(|message| !is_batch(&message.post)).collect();
    assert_eq!((alone.len(), posts(&app)), (1, 2));
    assert_eq!(alone[0].said("subject").as_deref(), Some("Hello %recipient.email_id%"));
    app.assert_ledger_equals_rows().await;
    sender.engine.stop().await;
}

async fn who_is_suppressed_between_feeding_and_claim_is_left_out_by_the_gate_alone(backend: Backend) {
    let (app, campaign) = ready(Plan::on(backend), people(0..5)).await;
    // The entry alone: nobody goes through the waiting emails, as `suppress` would.
    let now = app.ctx.clock.now();
    let listed = suppression::ActiveModel {
        id: Set(app.ctx.clock.id()),
        target: Set("reader3@example.com".to_owned()),
        reason: Set(Reason::Manual),
        sandbox: Set(false),
        created_at: Set(now),
        ..Default::default()
    };
    suppression::Entity::insert(listed).exec_without_returning(app.ctx.store.write()).await.unwrap();
    let waiting = emails(&app.ctx, campaign).await;
    assert!(waiting.iter().all(|email| email.status == Status::Queued), "all are to be claimed");
    let sender = app.another(true).await;
    stand(&app, campaign, Status::Sent, 4).await;
    let listed = waiting.iter().find(|email| email.recipient_key.starts_with("reader3")).unwrap().id;
    assert_eq!(app.await_status(listed, Status::Suppressed).await.fence, 0, "it was never claimed");
    let took = app.mailgun.look(|state| state.messages().to_vec());
    let mut to: Vec<&str> = took.iter().map(|message| message.to.as_str()).collect();
    to.sort_unstable();
    assert_eq!(to, ["reader0@example.com", "reader1@example.com", "reader2@example.com", "reader4@example.com"]);
    assert!(took.iter().all(|message| is_batch(&message.post)) && posts(&app) == 1);
    app.assert_ledger_equals_rows().await;
    sender.engine.stop().await;
}

async fn a_lost_answer_puts_each_of_them_in_doubt_and_the_log_finds_each(backend: Backend) {
    let (app, campaign) = ready(Plan::on(backend).hurry_log(900), people(0..5)).await;
    app.mailgun.tell_log(|_| Tells::Page);
    app.mailgun.answer(|_| Reply::AcceptThen(502));
    let sender = app.another(true).await;
    stand(&app, campaign, Status::Sent, 5).await;
    assert_eq!(posts(&app), 1);
    for email in emails(&app.ctx, campaign).await {
        assert_eq!((email.acceptances, email.fence), (1, 1));
        assert_eq!(app.attempts(email.id).await[0].outcome, Outcome::Unconfirmed);
    }
    app.assert_ledger_equals_rows().await;
    sender.engine.stop().await;
}

async fn that_the_log_does_not_show_one_counts_once_mailgun_has_kept_a_batchs_ids(backend: Backend) {
    let (app, sent) = ready(Plan::on(backend).hurry_log(900), people(0..3)).await;
    app.mailgun.tell_log(|_| Tells::Status(500));
    let sender = app.another(true).await;
    stand(&app, sent, Status::Sent, 3).await;
    sender.engine.stop().await;
    let lost = launched(&app, people(0..3)).await;
    app.mailgun.answer(|_| Reply::status(502, "bad gateway"));
    let before = posts(&app);
    let sender = app.another(true).await;
    until_true("the batch to be handed over", SOON, async || posts(&app) > before).await;
    let earlier = emails(&app.ctx, sent).await;
    let waiting = emails(&app.ctx, lost).await;
    // The log of what was sent in the batch before is not told, so that nothing speaks for its Message-Ids.
    app.mailgun.tell_log(|asked| if asked.kinds.is_empty() { Tells::Status(500) } else { Tells::Page });
    for email in &waiting {
        let held = held(&app, email.id, "it went in a batch").await;
        assert!(held.resolve_at.is_some() && held.fence == 1);
    }
    assert_eq!(posts(&app), before + 1);
    app.mailgun.answer(|_| Reply::Ok);
    let told = Told::new("delivered", earlier[0].id, &earlier[0].recipient_key, app.ctx.clock.now());
    app.engine.recorder.take(told.webhook()).await.unwrap();
    stand(&app, lost, Status::Sent, 3).await;
    assert_eq!(app.mailgun.doubles(), Vec::<String>::new());
    app.assert_ledger_equals_rows().await;
    sender.engine.stop().await;
}

async fn a_batch_that_mailgun_refuses_goes_one_by_one(backend: Backend) {
    for status in [400, 413] {
        let (app, campaign) = ready(Plan::on(backend), people(0..12)).await;
        app.mailgun.answer(move |post| if is_batch(post) { Reply::status(status, "no batches") } else { Reply::Ok });
        let sender = app.another(true).await;
        stand(&app, campaign, Status::Sent, 12).await;
        assert_eq!(posts(&app), 13, "{status}: the batch once, and then each");
        assert!(emails(&app.ctx, campaign).await.iter().all(|email| email.attempts <= 1 && email.acceptances == 1));
        app.assert_ledger_equals_rows().await;
        sender.engine.stop().await;
    }
}

async fn a_pause_in_the_midst_lets_no_further_call_begin(backend: Backend) {
    let plan = Plan::on(backend).set(|settings| settings.slots = 1);
    let (app, campaign) = ready(plan, people(0..1_200)).await;
    app.mailgun.answer(|_| Reply::Ok.after(Duration::from_millis(800)));
    let sender = app.another(true).await;
    until_true("the first call", LONG, async || posts(&app) == 1).await;
    let cover = Cover::Campaign(campaign);
    place(&app.ctx, &cover, HoldCause::Pause, None, None).await.unwrap();
    app.mailgun.until("the first call to be taken", LONG, |state| state.accepted() > 0).await;
    // Nearly all that a call may be for: what the feeder holds at that moment goes with a later one.
    let taken = app.mailgun.accepted();
    assert!((900..=1_000).contains(&taken), "{taken} in one call");
    stand(&app, campaign, Status::Sent, taken as i64).await;
    let paused = stands(&app.ctx, campaign).await;
    assert_eq!((posts(&app), paused.status), (1, entity::campaign::Status::Paused));
    assert_eq!(paused.ledger.of(Status::Queued), 1_200 - taken as i64);
    lift(&app.ctx, Some(&cover)).await.unwrap();
    stand(&app, campaign, Status::Sent, 1_200).await;
    assert_eq!((app.mailgun.accepted(), app.mailgun.doubles()), (1_200, vec![]));
    app.assert_ledger_equals_rows().await;
    sender.engine.stop().await;
}

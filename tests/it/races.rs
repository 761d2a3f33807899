//! Cancel, retry, reschedule and pause against running workers: whatever comes first, the end is one, and the numbers add up.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use entity::{Priority, Status, hold};
use jobs::hold::{Cover, lift, place};
use jobs::ledger::{Cause, Effect, Refusal};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tests::app::{App, Plan};
use tests::database::Backend;
use tests::mailgun::Reply;
use tests::patience::{SOON, until_true};
use uuid::Uuid;

const CAMPAIGN: Uuid = Uuid::from_u128(7);

on_both! {
    whatever_is_asked_of_running_emails_each_ends_sent_once_or_cancelled_unsent
    an_email_moved_to_later_is_rung_for_anew
}

async fn whatever_is_asked_of_running_emails_each_ends_sent_once_or_cancelled_unsent(backend: Backend) {
    for seed in 0..2 {
        interleave(backend, seed).await;
    }
}

async fn interleave(backend: Backend, seed: u64) {
    let app = Arc::new(App::start(Plan::on(backend)).await);
    let second = app.another(true).await;
    let refuse = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let dice = std::sync::Mutex::new(StdRng::seed_from_u64(seed));
    let refusing = refuse.clone();
    app.mailgun.answer(move |_| {
        let mut dice = dice.lock().unwrap();
        let reply = if refusing.load(std::sync::atomic::Ordering::SeqCst) && dice.random_bool(0.2) {
            Reply::status(400, "not now")
        } else {
            Reply::Ok
        };
        reply.after(Duration::from_millis(dice.random_range(0..10)))
    });
    // Nothing goes before somebody lifts this.
    place(&app.ctx, &Cover::Queue, hold::Cause::Pause, None, None).await.unwrap();
    let mut ids = Vec::new();
    for lane in Priority::ALL {
        ids.extend(app.send_each(100, |draft| (draft.priority, draft.campaign) = (Some(lane), Some(CAMPAIGN))).await);
        ids.extend(app.send(50, lane).await);
    }
    let hands = (0..5).map(|hand| tokio::spawn(ask_at_random(app.clone(), ids.clone(), seed * 100 + hand)));
    let mut cancelled = HashSet::new();
    let mut retried = 0;
    for hand in futures::future::join_all(hands).await {
        let (ended, again) = hand.unwrap();
        cancelled.extend(ended);
        retried += again;
    }
    lift(&app.ctx, None).await.unwrap();
    refuse.store(false, std::sync::atomic::Ordering::SeqCst);
    until_true("every email to end", SOON, async || {
        let mut open = 0;
        for email in app.emails(&ids).await {
            if email.status == Status::Failed {
                retried += usize::from(app.apply(email.id, Cause::Retry).await.is_ok());
            }
            open += usize::from(!matches!(email.status, Status::Sent | Status::Cancelled));
        }
        open == 0
    })
    .await;
    let emails = app.emails(&ids).await;
    for email in &emails {
        let accepted = app.mailgun.accepted_for(&email.id.to_string());
        assert_eq!(accepted, u32::from(email.status == Status::Sent), "{} {:?}", email.id, email.status);
        assert_eq!(email.acceptances as u32, accepted);
        let told = cancelled.contains(&email.id);
        assert!(!told || email.status == Status::Cancelled, "{} was said to be cancelled", email.id);
    }
    let sent = emails.iter().filter(|e| e.status == Status::Sent).count();
    // How many of each there are hangs on the machine; none at all would show nothing.
    assert!(sent > 0 && !cancelled.is_empty() && retried > 0, "{sent} sent, {retried} retries: no races");
    app.assert_ledger_equals_rows().await;
    second.engine.stop().await;
    app.assert_ledger_equals_rows().await;
}

/// Asks this and that of random emails. Answers which were said to be cancelled, and how many were retried.
async fn ask_at_random(app: Arc<App>, ids: Vec<Uuid>, seed: u64) -> (Vec<Uuid>, usize) {
    let mut dice = StdRng::seed_from_u64(seed);
    let (mut cancelled, mut retried) = (Vec::new(), 0);
    for _ in 0..120 {
        let id = ids[dice.random_range(0..ids.len())];
        match dice.random_range(0..10) {
            0..3 => match app.apply(id, Cause::Cancel).await {
                Ok(moved) if moved.effect == Effect::Noted => {
                    assert!(matches!(moved.after.status, Status::Sending | Status::Unconfirmed));
                }
                Ok(moved) => {
                    assert_eq!(moved.after.status, Status::Cancelled);
                    cancelled.push(id);
                }
                Err(refusal) => assert!(matches!(refusal, Refusal::NotCancellable(_)), "{refusal}"),
            },
            3..6 => retried += usize::from(app.apply(id, Cause::Retry).await.is_ok()),
            6..8 => {
                let send_at = app.ctx.clock.now() + chrono::TimeDelta::milliseconds(dice.random_range(-50..100));
                app.apply(id, Cause::Reschedule { send_at }).await.ok();
            }
            what => {
                let cover = match dice.random_range(0..4) {
                    0 => Cover::Queue,
                    1 => Cover::Priority(Priority::Normal),
                    2 => Cover::Campaign(CAMPAIGN),
                    _ => Cover::Domain("mg.example.com".into()),
                };
                if what == 8 {
                    place(&app.ctx, &cover, hold::Cause::Pause, None, None).await.unwrap();
                } else {
                    lift(&app.ctx, None).await.unwrap();
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..4))).await;
    }
    (cancelled, retried)
}

async fn an_email_moved_to_later_is_rung_for_anew(backend: Backend) {
    let app = App::start(Plan::on(backend).without_workers()).await;
    let id = app.send(1, Priority::Normal).await[0];
    app.sql("UPDATE email_queue SET fed_at = created_at").await;
    let send_at = app.ctx.clock.now() + chrono::TimeDelta::minutes(1);
    app.apply(id, Cause::Reschedule { send_at }).await.unwrap();
    let email = app.email(id).await;
    assert_eq!((email.status, email.fed_at), (Status::Scheduled, None), "the bell that rang was for another time");
}

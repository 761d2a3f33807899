//! Mailgun's log, read by a process that is killed between two of its pages: the next one reads what is left, and nothing counts
//! twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use entity::delivery_event::{self, Source};
use entity::reconcile_mark;
use jobs::Context;
use sea_orm::EntityTrait;
use tests::database::Backend;
use tests::ledger::assert_ledger_equals_rows;
use tests::mailgun::Tells;
use tests::patience::until_true;
use uuid::Uuid;

use super::{LONG, Served, World};

on_both! {
    a_process_that_is_killed_amid_the_log_leaves_the_rest_to_the_next
}

/// Three pages of the log.
const LETTERS: usize = 6;

/// With a log that can be trusted after two seconds.
async fn serve(world: &World, name: &str) -> Served {
    Served::start(world.launch(name, &["serve"]).env("TIMING_LOG_DIVISOR", "900")).await
}

/// How often each email was recorded as accepted.
async fn recorded(ctx: &Context) -> HashMap<Uuid, usize> {
    let mut recorded = HashMap::new();
    for event in delivery_event::Entity::find().all(ctx.store.write()).await.unwrap() {
        assert_eq!(event.source, Source::Reconciled, "there were no webhooks");
        *recorded.entry(event.email_id.unwrap()).or_default() += 1;
    }
    recorded
}

async fn a_process_that_is_killed_amid_the_log_leaves_the_rest_to_the_next(backend: Backend) {
    let world = World::of(backend).await.hurry(10);
    world.mailgun.tell_log(|_| Tells::Status(500));
    let victim = serve(&world, "victim").await;
    let ctx = world.context().await;
    let ids = victim.take(LETTERS).await;
    world.mailgun.until("all to be accepted", LONG, |state| state.accepted() == LETTERS as u64).await;
    let stuck = Arc::new(AtomicBool::new(false));
    let reached = stuck.clone();
    world.mailgun.tell_log(move |asked| match asked.page {
        0 => Tells::Page,
        _ => {
            reached.store(true, Ordering::SeqCst);
            Tells::Silence
        }
    });
    until_true("the second page to be asked for", LONG, async || stuck.load(Ordering::SeqCst)).await;
    victim.process.kill9().await;

    let before = recorded(&ctx).await;
    assert!(!before.is_empty() && before.len() < LETTERS, "it was killed amid them: {before:?}");
    let mark = reconcile_mark::Entity::find().one(ctx.store.write()).await.unwrap().unwrap();
    let missing = |id: &&Uuid| !before.contains_key(id);
    for id in ids.iter().filter(missing) {
        let accepted = world.mailgun.look(|state| {
            let mine = state.messages().iter().find(|message| message.email_id == id.to_string());
            mine.unwrap().seen_at
        });
        assert!(mark.checked_through < accepted, "the watermark has passed what was never read");
    }

    world.mailgun.tell_log(|_| Tells::Page);
    let _next = serve(&world, "next").await;
    until_true("the rest to be recovered", LONG, async || recorded(&ctx).await.len() == LETTERS).await;
    let behind = ctx.clock.now();
    until_true("the watermark to pass them", LONG, async || {
        let mark = reconcile_mark::Entity::find().one(ctx.store.write()).await.unwrap().unwrap();
        mark.checked_through > behind
    })
    .await;
    assert!(recorded(&ctx).await.values().all(|times| *times == 1), "read again, and recorded once");
    assert_eq!(world.mailgun.doubles(), Vec::<String>::new());
    assert_ledger_equals_rows(&ctx).await;
}

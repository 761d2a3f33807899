//! Campaigns in batches, sent by processes that are killed amid a call or share the work: each recipient is in doubt, and out of
//! it, by an id of its own; nobody gets it twice; and the ledger adds up all the while.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use entity::{Outcome, Status, attempt, email};
use jobs::Context;
use jobs::campaign::{Draft, create, launch};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use tests::database::Backend;
use tests::ledger::assert_ledger_equals_rows;
use tests::mailgun::{Reply, Tells};
use tests::patience::until_true;
use tests::process::{Launch, Process};
use uuid::Uuid;

use super::{LONG, Served, World, is_from};
use crate::campaigns::{added, draft, emails, people, stands};

on_both! {
    a_call_that_died_with_its_process_is_found_by_what_each_email_bore
    a_call_that_the_log_does_not_show_waits_until_mailgun_is_known_to_keep_a_batchs_ids
}

/// Few, since the log is told two at a time.
const READERS: usize = 12;

/// With a log that can be trusted after two seconds.
fn batching(launch: Launch) -> Launch {
    launch.env("PUBLIC_URL", "https://mail.example.com").env("TIMING_LOG_DIVISOR", "900")
}

/// A process that claims all readers at once, so that one call is for all of them.
async fn serve(world: &World, name: &str) -> Served {
    let slots = (READERS + 2).to_string();
    Served::start(batching(world.launch(name, &["serve"])).env("MAILGUN_BULK_CONCURRENCY", slots)).await
}

/// A process with one call at a time, beside the slot of the high lane.
async fn work(world: &World, name: &str) -> Process {
    let process = batching(world.launch(name, &["work"])).env("MAILGUN_BULK_CONCURRENCY", "2").start();
    process.await_line("Working", LONG).await;
    process
}

async fn launched(ctx: &Context, readers: Range<usize>) -> Uuid {
    let draft = Draft { batch: true, ..draft() };
    let campaign = create(ctx, draft).await.unwrap().unwrap().row.id;
    let n = readers.len() as u64;
    for start in readers.clone().step_by(10_000) {
        added(ctx, campaign, people(start..readers.end.min(start + 10_000))).await;
    }
    let ledger = launch(ctx, campaign, None).await.unwrap().unwrap().ledger;
    assert_eq!(ledger.total() as u64, n);
    campaign
}

/// Waits until so many of the campaign's emails stand there. Its ledger adds up whenever it is looked at.
async fn stand(ctx: &Context, campaign: Uuid, status: Status, n: usize) {
    let total = stands(ctx, campaign).await.ledger.total();
    until_true(&format!("{n} emails to be {status:?}"), LONG, async || {
        let ledger = stands(ctx, campaign).await.ledger;
        assert_eq!(ledger.total(), total, "the ledger adds up");
        ledger.of(status) == n as i64
    })
    .await;
}

/// Each email was accepted once, and the numbers say so.
async fn assert_each_accepted_once(world: &World, ctx: &Context, campaign: Uuid, n: usize) {
    let sent = emails(ctx, campaign).await;
    assert_eq!(sent.len(), n);
    for email in &sent {
        let accepted = world.mailgun.accepted_for(&email.id.to_string());
        assert_eq!((email.status, email.acceptances, accepted), (Status::Sent, 1, 1), "{}", email.id);
    }
    assert_eq!(world.mailgun.doubles(), Vec::<String>::new());
    assert_ledger_equals_rows(ctx).await;
}

async fn outcomes(ctx: &Context, email: Uuid) -> Vec<Outcome> {
    let of = attempt::Entity::find().filter(attempt::Column::EmailId.eq(email));
    of.all(ctx.store.write()).await.unwrap().into_iter().map(|attempt| attempt.outcome).collect()
}

async fn a_call_that_died_with_its_process_is_found_by_what_each_email_bore(backend: Backend) {
    // With Message-Ids of each one's own, and where Mailgun gave one to all of them: then by `v:email-id` alone.
    for reply in [Reply::AcceptThenHang, Reply::SharedIdThenHang] {
        let world = World::of(backend).await.hurry(5);
        world.mailgun.tell_log(|_| Tells::Status(500));
        let first = reply.clone();
        world.mailgun.answer(move |post| if is_from("victim", post) { first.clone() } else { Reply::Ok });
        let victim = serve(&world, "victim").await;
        let ctx = world.context().await;
        let campaign = launched(&ctx, 0..READERS).await;
        world.mailgun.until("the call", LONG, |state| state.posts() == 1).await;
        victim.process.kill9().await;

        let _next = serve(&world, "next").await;
        stand(&ctx, campaign, Status::Unconfirmed, READERS).await;
        for email in emails(&ctx, campaign).await {
            let outcomes = outcomes(&ctx, email.id).await;
            // Its lease tells; unless the machine was so slow that the call had timed out before its process was killed.
            let in_doubt = matches!(outcomes.as_slice(), [Outcome::LeaseRanOut | Outcome::Unconfirmed]);
            assert!(in_doubt && email.fence == 1, "{reply:?}: {outcomes:?}");
        }
        world.mailgun.tell_log(|_| Tells::Page);
        stand(&ctx, campaign, Status::Sent, READERS).await;
        assert_eq!(world.mailgun.look(|state| state.posts()), 1, "nothing was handed over again: {reply:?}");
        assert_each_accepted_once(&world, &ctx, campaign, READERS).await;
    }
}

async fn a_call_that_the_log_does_not_show_waits_until_mailgun_is_known_to_keep_a_batchs_ids(backend: Backend) {
    let world = World::of(backend).await.hurry(5);
    // What was sent is told to nobody, so that nothing speaks for the Message-Ids of a batch.
    world.mailgun.tell_log(|asked| if asked.kinds.is_empty() { Tells::Status(500) } else { Tells::Page });
    let victim = serve(&world, "victim").await;
    let ctx = world.context().await;
    let earlier = launched(&ctx, 0..READERS).await;
    stand(&ctx, earlier, Status::Sent, READERS).await;
    world.mailgun.answer(|post| if is_from("victim", post) { Reply::Hang } else { Reply::Ok });
    let before = world.mailgun.look(|state| state.posts());
    let lost = launched(&ctx, 0..READERS).await;
    world.mailgun.until("the call", LONG, |state| state.posts() > before).await;
    victim.process.kill9().await;

    let _next = serve(&world, "next").await;
    until_true("each to be held", LONG, async || {
        let waiting = emails(&ctx, lost).await;
        let held = |email: &email::Model| {
            let said = email.last_error.as_deref().is_some_and(|said| said.contains("it went in a batch"));
            said && email.status == Status::Unconfirmed && email.resolve_at.is_some()
        };
        waiting.len() == READERS && waiting.iter().all(held)
    })
    .await;
    assert_eq!(world.mailgun.look(|state| state.posts()), before + 1);
    world.mailgun.tell_log(|_| Tells::Page);
    stand(&ctx, lost, Status::Sent, READERS).await;
    assert!(emails(&ctx, lost).await.iter().all(|email| email.fence == 2));
    assert_each_accepted_once(&world, &ctx, lost, READERS).await;
    assert_each_accepted_once(&world, &ctx, earlier, READERS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_leaves_its_call_in_doubt_and_the_other_sends_the_rest() {
    let world = World::shared().await.hurry(5);
    world.mailgun.tell_log(|_| Tells::Status(500));
    let calls = AtomicUsize::new(0);
    let first = move |_: &_| if calls.fetch_add(1, Ordering::SeqCst) == 0 { Reply::AcceptThenHang } else { Reply::Ok };
    world.mailgun.answer(first);
    let _front = world.front().await;
    let (one, two) = (work(&world, "one").await, work(&world, "two").await);
    let ctx = world.context().await;
    let campaign = launched(&ctx, 0..READERS).await;
    world.mailgun.until("the first call", LONG, |state| state.posts() >= 1).await;
    // The only slot of the one is taken, so these are the other's.
    added(&ctx, campaign, people(READERS..2 * READERS)).await;
    world.mailgun.until("a second call", LONG, |state| state.posts() >= 2).await;
    let by_one = world.mailgun.look(|state| is_from("one", &state.messages()[0].post));
    let (victim, name) = if by_one { (one, "one") } else { (two, "two") };
    victim.kill9().await;
    added(&ctx, campaign, people(2 * READERS..3 * READERS)).await;

    until_true("each to be sent or in doubt", LONG, async || {
        let ledger = stands(&ctx, campaign).await.ledger;
        let (sent, doubt) = (ledger.of(Status::Sent), ledger.of(Status::Unconfirmed));
        sent + doubt == 3 * READERS as i64 && doubt > 0
    })
    .await;
    for email in emails(&ctx, campaign).await.iter().filter(|email| email.status == Status::Unconfirmed) {
        let id = email.id.to_string();
        let by_victim = world.mailgun.look(|state| {
            state.messages().iter().any(|message| message.email_id == id && is_from(name, &message.post))
        });
        assert!(by_victim, "{id} is in doubt though it was not the killed process's");
    }
    world.mailgun.tell_log(|_| Tells::Page);
    stand(&ctx, campaign, Status::Sent, 3 * READERS).await;
    assert_each_accepted_once(&world, &ctx, campaign, 3 * READERS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_a_campaign_in_batches_and_send_nothing_twice() {
    const MANY: usize = 4_000;
    let world = World::shared().await;
    // Whoever comes first is kept busy until the other has come, too.
    let callers = Mutex::new(HashSet::new());
    world.mailgun.answer(move |post| {
        let mut callers = callers.lock().unwrap();
        callers.insert(post.header("authorization").map(str::to_owned));
        if callers.len() == 2 { Reply::Ok } else { Reply::Ok.after(Duration::from_secs(3)) }
    });
    let _front = world.front().await;
    let _workers = [work(&world, "one").await, work(&world, "two").await];
    let ctx = world.context().await;
    let campaign = launched(&ctx, 0..MANY).await;
    stand(&ctx, campaign, Status::Sent, MANY).await;
    let shares = [world.accepted_from("one"), world.accepted_from("two")];
    assert!(shares.iter().all(|share| *share > 0) && shares.iter().sum::<usize>() == MANY, "{shares:?}");
    let calls = world.mailgun.look(|state| state.posts());
    assert!(calls < 100, "{calls} calls");
    assert_each_accepted_once(&world, &ctx, campaign, MANY).await;
}

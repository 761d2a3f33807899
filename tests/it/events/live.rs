//! Whoever follows events hears each once and in order, from wherever on, whoever records them, and however slow others are.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use entity::Status;
use entity::delivery_event::Kind;
use futures::stream::BoxStream;
use futures::{StreamExt, future};
use jobs::Context;
use jobs::find::events::{Event, Filter};
use jobs::live::emails::Emails;
use jobs::live::events::{Ended, Events};
use jobs::live::news::News;
use jobs::record::{Recorded, Recorder};
use sea_orm::{ConnectionTrait, TransactionTrait};
use tests::database::Backend;
use tests::patience::{SOON, until_true};
use tests::webhook::Told;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::{Post, READER};
use crate::control::world::draft;

on_both! {
    from_any_cursor_on_each_event_is_heard_once_while_events_pour_in
    who_is_slow_is_told_where_to_go_on_and_holds_up_nobody
    a_cursor_past_retention_is_refused
    who_is_overtaken_by_retention_is_told_so
    who_leaves_leaves_nothing_behind
    an_email_is_followed_to_its_end
}

pub type Heard = BoxStream<'static, Result<Arc<Event>, Ended>>;

/// The events of a process, which hears of its own recorder alone.
pub fn events(ctx: &Arc<Context>, recorder: &Recorder) -> Events {
    let news = News::start(ctx, None, recorder.recorded(), &TaskTracker::new()).unwrap();
    Events::start(ctx, news)
}

pub async fn follow(events: &Events, filter: Filter, after: Option<i64>) -> Heard {
    events.follow(filter, after).await.unwrap().boxed()
}

/// The numbers of the next `n` events.
pub async fn next(heard: &mut Heard, n: usize) -> Vec<i64> {
    let mut seqs = Vec::with_capacity(n);
    while seqs.len() < n {
        let event = timeout(SOON, heard.next()).await.unwrap_or_else(|_| panic!("only {} of {n} came", seqs.len()));
        seqs.push(event.unwrap().unwrap().seq);
    }
    seqs
}

/// Records `n` opens of an email, twenty at a time.
pub async fn record(recorder: &Recorder, email: Uuid, n: usize) {
    let at = entity::Clock::system().now();
    for few in (0..n).collect::<Vec<_>>().chunks(20) {
        let told = few.iter().map(|i| {
            let kind = if i % 3 == 0 { "clicked" } else { "opened" };
            recorder.take(Told::new(kind, email, READER, at).webhook())
        });
        for answer in future::join_all(told).await {
            assert!(matches!(answer, Ok(Recorded::Taken { .. })), "{answer:?}");
        }
    }
}

async fn from_any_cursor_on_each_event_is_heard_once_while_events_pour_in(backend: Backend) {
    let post = Post::new(backend).await;
    let (one, two) = (post.world.one(draft()).await, post.world.one(draft()).await);
    let other = Recorder::start(post.world.restarted().await);
    record(&post.recorder, one, 300).await;
    let hub = events(&post.world.ctx, &post.recorder);
    let of_two = || Filter { kinds: vec![Kind::Clicked], ..Filter::of_email(two) };
    let pour = async { tokio::join!(record(&post.recorder, one, 400), record(&other, two, 400)) };
    let listen = async {
        let mut listeners = Vec::new();
        for after in [None, Some(0), Some(150), Some(299), Some(300)] {
            for filter in [Filter::default(), of_two()] {
                let heard = follow(&hub, filter.clone(), after).await;
                listeners.push((after, filter, heard));
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        }
        future::join_all(listeners.into_iter().map(async |(after, filter, mut heard)| {
            // What is recorded last is heard last.
            let mut seen = Vec::new();
            loop {
                let event = timeout(SOON, heard.next()).await.expect("an event").unwrap().unwrap();
                seen.push(event.seq);
                let last = if filter.email.is_some() { event.url.is_some() } else { event.kind == Kind::Complained };
                if last {
                    return (after, filter, seen);
                }
            }
        }))
        .await
    };
    let whole = async {
        pour.await;
        post.take(&post.told("clicked", two).with("url", "https://example.org")).await;
        post.take(&post.told("complained", one)).await;
    };
    let ((), heard) = tokio::join!(whole, listen);
    let all = post.events().await;
    for (after, filter, seen) in heard {
        let from = after.unwrap_or(seen[0] - 1);
        let meant = all.iter().filter(|row| {
            row.seq > from && (filter == Filter::default() || row.email_id == Some(two) && row.kind == Kind::Clicked)
        });
        assert_eq!(seen, meant.map(|row| row.seq).collect::<Vec<_>>(), "after {after:?}");
        assert!(after.is_some() || seen[0] > 300, "from now on is not from before");
    }
}

async fn who_is_slow_is_told_where_to_go_on_and_holds_up_nobody(backend: Backend) {
    let post = Post::new(backend).await;
    let email = post.world.one(draft()).await;
    let hub = events(&post.world.ctx, &post.recorder);
    let (mut fast, mut slow) =
        (follow(&hub, Filter::default(), None).await, follow(&hub, Filter::default(), None).await);
    let ((), heard) = tokio::join!(record(&post.recorder, email, 1_300), next(&mut fast, 1_300));
    assert_eq!(heard, (1..=1_300).collect::<Vec<_>>());
    assert_eq!(hub.followers(), 1, "the slow one was let go");
    let seen = next(&mut slow, 1).await.len() + {
        let mut more = 0;
        loop {
            match slow.next().await.unwrap() {
                Ok(event) => {
                    more += 1;
                    assert_eq!(event.seq, 1 + more as i64);
                }
                Err(Ended::Slow { seq }) => {
                    assert_eq!(seq, 1 + more as i64);
                    break more;
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    };
    assert!(slow.next().await.is_none());
    assert!((1_000..1_300).contains(&seen), "{seen}");
    let mut again = follow(&hub, Filter::default(), Some(seen as i64)).await;
    assert_eq!(next(&mut again, 1_300 - seen).await, (seen as i64 + 1..=1_300).collect::<Vec<_>>());
}

async fn a_cursor_past_retention_is_refused(backend: Backend) {
    let post = Post::new(backend).await;
    let email = post.world.one(draft()).await;
    record(&post.recorder, email, 20).await;
    let gone = "DELETE FROM email_delivery_events WHERE seq <= 5";
    post.world.ctx.store.write().execute_unprepared(gone).await.unwrap();
    let hub = events(&post.world.ctx, &post.recorder);
    for (after, kept) in [(0, false), (4, false), (5, true), (20, true), (21, false)] {
        let answer = hub.follow(Filter::default(), Some(after)).await;
        assert_eq!(!matches!(answer, Err(Ended::Gone)), kept, "{after}");
    }
    assert_eq!(next(&mut follow(&hub, Filter::default(), Some(5)).await, 15).await, (6..=20).collect::<Vec<_>>());
}

async fn who_is_overtaken_by_retention_is_told_so(backend: Backend) {
    let post = Post::new(backend).await;
    let email = post.world.one(draft()).await;
    record(&post.recorder, email, 300).await;
    let hub = events(&post.world.ctx, &post.recorder);
    let mut heard = follow(&hub, Filter::default(), Some(0)).await;
    assert_eq!(next(&mut heard, 1).await, [1]);
    // Behind what it has read so far.
    let gone = "DELETE FROM email_delivery_events WHERE seq <= 250";
    post.world.ctx.store.write().execute_unprepared(gone).await.unwrap();
    let mut last = 1;
    let ended = loop {
        match timeout(SOON, heard.next()).await.unwrap().unwrap() {
            Ok(event) => {
                assert_eq!(event.seq, last + 1, "there is no gap before it is told");
                last = event.seq;
            }
            Err(ended) => break ended,
        }
    };
    assert!(matches!(ended, Ended::Gone), "{ended:?}");
    assert!(heard.next().await.is_none());
}

async fn who_leaves_leaves_nothing_behind(backend: Backend) {
    let post = Post::new(backend).await;
    let email = post.world.one(draft()).await;
    let hub = events(&post.world.ctx, &post.recorder);
    let mut heard = Vec::new();
    for _ in 0..50 {
        heard.push(follow(&hub, Filter::of_email(email), None).await);
    }
    assert_eq!(hub.followers(), 50);
    drop(heard);
    assert_eq!(hub.followers(), 0);
    // What comes while nobody follows is not heard by whoever comes later.
    record(&post.recorder, email, 40).await;
    let mut later = follow(&hub, Filter::default(), None).await;
    record(&post.recorder, email, 1).await;
    assert_eq!(next(&mut later, 1).await, [41]);
    post.world.ctx.stop.cancel();
    assert!(timeout(SOON, later.next()).await.unwrap().is_none(), "it ends with the process");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_heard_above_a_number_whose_commit_is_held_up() {
    let post = Post::new(Backend::Postgres).await;
    let other = Recorder::start(post.world.restarted().await);
    let write = post.world.ctx.store.write();
    let body = "BEGIN PERFORM pg_advisory_xact_lock(78); RETURN NEW; END";
    let function = format!("CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$");
    write.execute_unprepared(&function).await.unwrap();
    let when = "FOR EACH ROW WHEN (NEW.recipient_key = 'slow@example.org') EXECUTE FUNCTION wait()";
    let trigger = format!("CREATE TRIGGER wait AFTER INSERT ON email_delivery_events {when}");
    write.execute_unprepared(&trigger).await.unwrap();
    let gate = write.begin().await.unwrap();
    gate.execute_unprepared("SELECT pg_advisory_xact_lock(78)").await.unwrap();

    let hub = events(&post.world.ctx, &other);
    let mut heard = follow(&hub, Filter::default(), None).await;
    let now = post.now();
    let slow = Told::new("delivered", Uuid::nil(), "slow@example.org", now).webhook();
    let recorder = post.recorder.clone();
    let held = tokio::spawn(async move { recorder.take(slow).await });
    let text = "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'advisory'";
    until_true("the first to hold the clock", SOON, async || {
        let found = jobs::store::rows(write, post.world.ctx.store.sql(text, [])).await.unwrap();
        found[0].try_get::<i64>("", "n").unwrap() > 0
    })
    .await;
    let fast = Told::new("delivered", Uuid::nil(), "fast@example.org", now).webhook();
    let behind = tokio::spawn(async move { other.take(fast).await });
    // Two looks at the table, at least.
    assert!(timeout(Duration::from_millis(1_200), heard.next()).await.is_err(), "nothing is visible yet");
    gate.commit().await.unwrap();
    assert_eq!(next(&mut heard, 2).await, [1, 2]);
    held.await.unwrap().unwrap();
    behind.await.unwrap().unwrap();
}

async fn an_email_is_followed_to_its_end(backend: Backend) {
    let post = Post::new(backend).await;
    let world = &post.world;
    let (email, other) = (world.one(draft()).await, world.one(draft()).await);
    let emails = Emails::new(&world.ctx);
    assert!(emails.follow(Uuid::max()).await.unwrap().next().await.is_none(), "there is no such email");
    let mut heard = emails.follow(email).await.unwrap();
    let mut status = async || timeout(SOON, heard.next()).await.expect("a change").map(|row| row.unwrap().status);
    assert_eq!(status().await, Some(Status::Queued));
    // Another's changes are its own.
    world.send(&[other]).await;
    world.send(&[email]).await;
    assert_eq!(status().await, Some(Status::Sent));
    post.take(&post.told("delivered", email)).await;
    assert_eq!(status().await, Some(Status::Delivered));
    jobs::bulk::clean(&world.ctx, world.ctx.clock.now() + TimeDelta::seconds(1)).await.unwrap();
    assert_eq!(status().await, None, "it was cleaned away");
}

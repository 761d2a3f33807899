//! What an endpoint is told of, what of, and what becomes of it when its time is over.

use entity::delivery_event::Kind;
use entity::event_replay;
use jobs::accept::Draft as Letter;
use jobs::dispatch::dead::{Filter, count, list};
use jobs::dispatch::replay::{self, Refusal};
use jobs::find::Page;
use jobs::{erase, retention};
use serde_json::json;
use tests::webhook::{DOMAIN, Told};

use super::*;
use crate::events::READER;

on_both! {
    an_event_is_told_once_signed_and_as_it_happened
    what_was_recorded_before_an_endpoint_was_entered_is_not_told
    an_endpoint_hears_of_what_it_wants_alone
    events_beyond_a_group_are_all_told_in_their_order
    a_span_of_time_is_told_again_under_the_same_ids
    who_was_erased_is_named_to_nobody_any_more
    what_was_taken_is_forgotten_after_days_and_what_is_gone_is_not_tried
    a_list_of_dispatches_is_read_from_both_ends
}

async fn an_event_is_told_once_signed_and_as_it_happened(backend: Backend) {
    let stage = Stage::new(backend).await;
    let letter = Letter { tags: vec!["receipt".into()], metadata: Some(json!({ "order": 42 })), ..draft() };
    let email = stage.post.world.one(letter).await;
    let id = stage.post.take(&Told::bounced(email, READER, stage.post.now(), "bounce", "5.1.1")).await;
    stage.tell().await;
    stage.tell().await;
    let heard = stage.listener.heard();
    assert_eq!(stage.listener.ids(), named(&[id]));
    let one = &heard[0];
    assert!(one.is_signed_with(&stage.secret) && !one.is_signed_with(&Secret::generate()));
    assert_eq!((one.signatures(), one.header("content-type")), (1, "application/json"));
    let seconds: i64 = one.header("webhook-timestamp").parse().unwrap();
    assert!((stage.post.now().timestamp() - seconds).abs() < 60);
    let (told, event) = (one.json(), &stage.post.events().await[0]);
    assert_eq!((&told["type"], &told["version"], &told["test"]), (&json!("email.bounced"), &json!(1), &json!(null)));
    assert_eq!(told["timestamp"], json!(event.occurred_at));
    let data = &told["data"];
    assert_eq!(data["emailId"], json!(format!("email:{email}")));
    assert_eq!((&data["recipient"], &data["sendingDomain"]), (&json!(READER), &json!(DOMAIN)));
    assert_eq!((&data["sandbox"], &data["sequence"]), (&json!(true), &json!(event.seq)));
    assert_eq!((&data["tags"], &data["metadata"]), (&json!(["receipt"]), &json!({ "order": 42 })));
    assert_eq!((&data["failure"]["bounceType"], &data["failure"]["smtpCode"]), (&json!("HARD"), &json!(550)));
    assert_eq!(data["failure"]["message"], json!("the server's words"));
    let text = String::from_utf8(one.body.to_vec()).unwrap();
    assert!(!text.contains("Hello") && !text.contains("Good day"), "what an email says is not told: {text}");
    let (dispatch, stands) = (&stage.dispatches().await[0], stage.stands().await);
    assert_eq!((dispatch.state, dispatch.tries, dispatch.http_status), (State::Taken, 1, Some(204)));
    assert_eq!((dispatch.event_id, dispatch.kind, &dispatch.error), (id, Kind::Bounced, &None));
    assert_eq!((stands.taken, stands.seq, stands.failures, stands.lease_until), (1, event.seq, 0, None));
}

async fn what_was_recorded_before_an_endpoint_was_entered_is_not_told(backend: Backend) {
    let stage = Stage::new(backend).await;
    let before = stage.record(2, "delivered").await;
    let late = Listener::start().await;
    entered(stage.ctx(), &late, Wanted::default()).await;
    let after = stage.record(1, "opened").await;
    stage.tell().await;
    assert_eq!(stage.listener.ids().len(), 3);
    assert_eq!(late.ids(), named(&after));
    assert_ne!(before, after);
}

async fn an_endpoint_hears_of_what_it_wants_alone(backend: Backend) {
    let kinds = Wanted { kinds: vec![Kind::Bounced, Kind::Complained], ..Wanted::default() };
    let stage = Stage::wanting(backend, kinds).await;
    let (ctx, world) = (stage.ctx(), &stage.post.world);
    let campaign = Uuid::from_u128(5);
    let wants = [
        Wanted { campaigns: vec![campaign], ..Wanted::default() },
        Wanted { domains: vec!["other.example.com".into()], ..Wanted::default() },
        Wanted { tags: vec!["receipt".into(), "invoice".into()], ..Wanted::default() },
        Wanted { tags: vec!["receipt".into()], kinds: vec![Kind::Opened], ..Wanted::default() },
    ];
    let mut listeners = Vec::new();
    for wanted in wants {
        let listener = Listener::start().await;
        entered(ctx, &listener, wanted).await;
        listeners.push(listener);
    }
    let plain = world.one(draft()).await;
    let of_campaign = world.one(Letter { campaign: Some(campaign), ..draft() }).await;
    let tagged = world.one(Letter { tags: vec!["receipt".into()], ..draft() }).await;
    let bounced = stage.post.take(&Told::bounced(plain, READER, stage.post.now(), "bounce", "5.1.1")).await;
    let delivered = stage.post.take(&stage.post.told("delivered", of_campaign)).await;
    let elsewhere = json!({ "name": "other.example.com" });
    let other = stage.post.take(&stage.post.told("delivered", plain).with("domain", elsewhere)).await;
    let receipt = stage.post.take(&stage.post.told("delivered", tagged)).await;
    let opened = stage.post.take(&stage.post.told("opened", tagged)).await;
    stage.tell().await;
    assert_eq!(stage.listener.ids(), named(&[bounced]));
    let heard: Vec<_> = listeners.iter().map(Listener::ids).collect();
    let of_tag: BTreeSet<_> = heard[2].iter().cloned().collect();
    assert_eq!((&heard[0], &heard[1]), (&named(&[delivered]), &named(&[other])));
    assert_eq!(of_tag, set(&named(&[receipt, opened])));
    assert_eq!(heard[3], named(&[opened]));
    let all = endpoint::all(ctx).await.unwrap();
    assert!(all.iter().all(|endpoint| endpoint.seq == 5), "what nobody wants is passed: {all:?}");
}

async fn events_beyond_a_group_are_all_told_in_their_order(backend: Backend) {
    let stage = Stage::new(backend).await;
    let ids = stage.record(450, "delivered").await;
    stage.tell().await;
    let heard = stage.listener.ids();
    assert_eq!(heard.len(), 450, "each once");
    let place = |id: &String| named(&ids).iter().position(|known| known == id).unwrap();
    let places: Vec<usize> = heard.iter().map(place).collect();
    // Eight are under way at a time.
    assert!(places.iter().enumerate().all(|(i, place)| place.abs_diff(i) < 64), "{places:?}");
    assert_eq!(places.iter().collect::<BTreeSet<_>>().len(), 450);
    assert_eq!(stage.stands().await.taken, 450);
}

async fn a_span_of_time_is_told_again_under_the_same_ids(backend: Backend) {
    let stage = Stage::new(backend).await;
    let ctx = stage.ctx();
    let hour = TimeDelta::hours(1);
    let (mut spans, mut ids) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        stage.post.world.pass(hour);
        spans.push(ctx.clock.now());
        ids.push(stage.record(3, "delivered").await);
        stage.tell().await;
    }
    assert_eq!(stage.listener.heard().len(), 9);
    let id = stage.endpoint.id;
    let row = replay::ask(ctx, id, spans[1], spans[2]).await.unwrap().unwrap();
    assert_eq!((row.told, row.finished_at), (0, None));
    stage.tell().await;
    let again: BTreeSet<String> = stage.listener.ids()[9..].iter().cloned().collect();
    assert_eq!(again, set(&named(&ids[1])));
    let row: event_replay::Model = replay::latest(ctx, id, 1).await.unwrap().remove(0);
    assert_eq!((row.told, row.finished_at.is_some()), (3, true));
    assert_eq!(stage.stands().await.seq, 9, "where it stands is another matter");
    assert_eq!(stage.dispatches().await.len(), 9, "one row for each event");
    // Nothing was recorded then; and what makes no sense is refused.
    replay::ask(ctx, id, spans[0] - hour * 9, spans[0] - hour * 8).await.unwrap().unwrap();
    stage.tell().await;
    assert_eq!(stage.listener.heard().len(), 12);
    assert_eq!(replay::ask(ctx, id, spans[1], spans[1]).await.unwrap(), Err(Refusal::Backwards));
    assert_eq!(replay::ask(ctx, Uuid::nil(), spans[0], spans[1]).await.unwrap(), Err(Refusal::NotFound));
    // All of it, while something new comes and something fails: each is told.
    stage.listener.say(|_, n| listener::Say::Status(if n % 4 == 0 { 500 } else { 200 }));
    let new = stage.record(2, "opened").await;
    replay::ask(ctx, id, spans[0], ctx.clock.now()).await.unwrap().unwrap();
    stage.tell().await;
    stage.tell_after(TimeDelta::seconds(10)).await;
    stage.tell_after(TimeDelta::minutes(10)).await;
    let heard: BTreeSet<String> = stage.listener.ids()[12..].iter().cloned().collect();
    let all = ids.into_iter().flatten().chain(new).collect::<Vec<_>>();
    assert_eq!(heard, set(&named(&all)));
    assert!(stage.states().await.iter().all(|state| *state == State::Taken));
}

async fn who_was_erased_is_named_to_nobody_any_more(backend: Backend) {
    let stage = Stage::new(backend).await;
    stage.listener.say(|_, n| listener::Say::Status(if n == 0 { 500 } else { 200 }));
    stage.record(1, "delivered").await;
    stage.tell().await;
    assert_eq!(stage.listener.heard()[0].json()["data"]["recipient"], json!(READER));
    erase::erase(stage.ctx(), READER).await.unwrap();
    stage.tell_after(TimeDelta::seconds(10)).await;
    let heard = stage.listener.heard();
    assert_eq!((heard.len(), heard[0].id()), (2, heard[1].id()));
    let told = String::from_utf8(heard[1].body.to_vec()).unwrap();
    assert_eq!(heard[1].json()["data"]["recipient"], json!(null), "{told}");
    assert!(!told.contains("reader0") && !told.contains("erased.invalid"), "{told}");
    let dump = tests::dump::Dump::of(&stage.ctx().store).await;
    let ours: Vec<&str> = dump.with(READER).into_iter().filter(|row| row.starts_with("event_")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

async fn what_was_taken_is_forgotten_after_days_and_what_is_gone_is_not_tried(backend: Backend) {
    let stage = Stage::new(backend).await;
    stage.listener.say(|_, n| listener::Say::Status(if n == 0 { 500 } else { 200 }));
    stage.record(3, "delivered").await;
    stage.tell().await;
    assert_eq!(stage.states().await.iter().filter(|state| **state == State::Waiting).count(), 1);
    stage.post.world.pass(TimeDelta::days(2));
    retention::run(stage.ctx()).await.unwrap();
    assert_eq!(stage.states().await.len(), 3);
    stage.post.world.pass(TimeDelta::days(2));
    let told = retention::run(stage.ctx()).await.unwrap();
    assert!(told.contains("2 dispatches"), "{told}");
    assert_eq!(stage.states().await, [State::Waiting]);
    // Its event goes before it could be tried again.
    stage.sql("DELETE FROM email_delivery_events").await;
    stage.tell().await;
    let left = stage.dispatches().await.remove(0);
    assert_eq!((left.state, left.due_at), (State::Dead, None));
    assert_eq!(left.error.as_deref(), Some("the event is past retention"));
    assert_eq!(stage.listener.heard().len(), 3);
    stage.post.world.pass(TimeDelta::days(30));
    let told = retention::run(stage.ctx()).await.unwrap();
    assert!(told.contains("1 dead letters"), "{told}");
    assert!(stage.dispatches().await.is_empty());
}

async fn a_list_of_dispatches_is_read_from_both_ends(backend: Backend) {
    let stage = Stage::new(backend).await;
    let ctx = stage.ctx();
    stage.listener.say(|_, n| listener::Say::Status(if n == 0 { 500 } else { 200 }));
    stage.record(7, "delivered").await;
    stage.tell().await;
    let all = Filter { endpoint: stage.endpoint.id, state: None };
    let seqs = async |filter: &Filter, page| {
        let found = list(ctx, filter, page).await.unwrap();
        (found.items.iter().map(|row| row.seq).collect::<Vec<_>>(), found.has_previous, found.has_next)
    };
    assert_eq!(seqs(&all, Page::First { n: 3, after: None }).await, (vec![7, 6, 5], false, true));
    assert_eq!(seqs(&all, Page::First { n: 3, after: Some(5) }).await, (vec![4, 3, 2], true, true));
    assert_eq!(seqs(&all, Page::First { n: 3, after: Some(2) }).await, (vec![1], true, false));
    assert_eq!(seqs(&all, Page::Last { n: 3, before: None }).await, (vec![3, 2, 1], true, false));
    assert_eq!(seqs(&all, Page::Last { n: 9, before: Some(5) }).await, (vec![7, 6], false, true));
    assert_eq!(count(ctx, &all).await.unwrap(), (7, false));
    let taken = Filter { state: Some(State::Taken), ..all };
    assert_eq!(count(ctx, &taken).await.unwrap(), (6, false));
    assert_eq!(seqs(&taken, Page::First { n: 9, after: None }).await.0.len(), 6);
    let others = Filter { endpoint: Uuid::nil(), state: None };
    assert_eq!(seqs(&others, Page::First { n: 9, after: None }).await, (vec![], false, false));
}

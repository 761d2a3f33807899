//! Our list and Mailgun's own are kept alike: what is read from there, what is told there, and over failures, restarts and
//! several processes.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use entity::provider_list::List;
use entity::provider_order::{self, Lift};
use entity::suppression::{Reason, Source};
use entity::{Priority, Status};
use futures::FutureExt;
use futures::future::BoxFuture;
use jobs::Context;
use jobs::mailer::PostLimits;
use jobs::suppress::enter::{self, NewEntry};
use jobs::suppress::{lift, state};
use jobs::sync::mark::{self, Standing};
use jobs::sync::provider::{Entry, Page, Place, Provider, SyncError};
use jobs::sync::rule::{BY_HAND, MANY};
use jobs::sync::{self, Desk, MailgunLists, pull, push};
use jobs::unsubscribe::Link;
use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder};
use secrecy::SecretString;
use serde_json::{Value, json};
use tests::app::{App, Plan, letter};
use tests::database::Backend;
use tests::mailgun::{Call, FakeMailgun, Told};
use tests::patience::{SOON, until_true};
use tests::webhook::Told as Event;

use super::{entry, passing};
use crate::control::world::{World, draft};
use crate::events::{Post, READER};

on_both! {
    what_stands_on_mailguns_lists_suppresses_here
    who_was_erased_here_and_stands_there_is_known_by_a_mark_alone
    a_pass_that_was_killed_goes_on_behind_its_last_page
    a_page_that_fails_is_asked_for_again_and_those_before_it_are_not
    two_processes_read_each_list_once
    only_what_holds_for_ever_goes_to_mailgun
    what_mailgun_reports_is_not_told_to_it_and_who_follows_our_link_is
    one_bad_entry_spoils_no_other
    a_lift_says_that_it_is_pending_until_mailgun_has_followed
    a_lift_of_one_reason_keeps_what_another_needs
    nobody_to_lift_is_as_good_as_lifted
    mailgun_is_left_alone_for_as_long_as_it_asks
    a_domain_that_is_new_is_told_what_people_entered
    the_other_mode_is_told_nothing
    a_running_process_keeps_them_alike
}

const DOMAIN: &str = "sandbox.mailmind.test";
const ANN: &str = "ann@example.com";

/// A process' desk in front of this Mailgun.
fn desk(ctx: &Arc<Context>, mailgun: &FakeMailgun) -> Desk {
    Desk { ctx: ctx.clone(), provider: Arc::new(lists(ctx, mailgun)) }
}

fn lists(ctx: &Context, mailgun: &FakeMailgun) -> MailgunLists {
    tests::install_tls();
    MailgunLists::new(&mailgun.url(), &SecretString::from("key-test"), PostLimits::default(), ctx.clock.clone())
        .unwrap()
}

/// As Mailgun writes a date.
fn date(at: DateTime<Utc>) -> String {
    at.format("%a, %d %b %Y %H:%M:%S UTC").to_string()
}

/// An entry that Mailgun has had for an hour.
fn told(ctx: &Context, address: &str, more: Value) -> Value {
    let mut entry = json!({ "address": address, "created_at": date(ctx.clock.now() - TimeDelta::hours(1)) });
    entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    entry
}

async fn standing(ctx: &Context, list: List) -> Standing {
    mark::standings(ctx).await.unwrap().into_iter().find(|standing| standing.mark.list == list).unwrap()
}

async fn orders(ctx: &Context) -> Vec<provider_order::Model> {
    let all = provider_order::Entity::find().order_by_asc(provider_order::Column::Target);
    all.all(ctx.store.write()).await.unwrap()
}

/// What blocks an address: why, and by whose word.
async fn blocked(ctx: &Context, address: &str) -> Vec<(Reason, Source)> {
    state::state(ctx, address).await.unwrap().by.into_iter().map(|entry| (entry.reason, entry.source)).collect()
}

async fn lifted(ctx: &Context, list: List) -> Option<Lift> {
    let asked = (ANN.to_owned(), list, ctx.settings.sandbox);
    sync::lifts(ctx, std::slice::from_ref(&asked)).await.unwrap().remove(&asked)
}

fn addresses(entries: &[Value]) -> Vec<&str> {
    entries.iter().map(|entry| entry["address"].as_str().unwrap()).collect()
}

/// The pages of a list that were asked for: behind which address each lies.
fn pages(mailgun: &FakeMailgun, list: &str) -> Vec<Option<String>> {
    let asked = mailgun.lists_asked().into_iter().filter(|call| call.method == "GET" && call.list == list);
    asked.map(|call| call.address).collect()
}

async fn who_was_erased_here_and_stands_there_is_known_by_a_mark_alone(backend: Backend) {
    let (world, mailgun) = (World::new(backend).await, FakeMailgun::start());
    let ctx = &world.ctx;
    jobs::erase::erase(ctx, ANN).await.unwrap();
    mailgun.list(DOMAIN, "bounces", told(ctx, ANN, json!({ "code": "550", "error": "ann@example.com: no such user" })));
    mailgun.list(DOMAIN, "complaints", told(ctx, "bea@example.com", json!({})));
    pull::due(&desk(ctx, &mailgun)).await.unwrap();
    let by = state::state(ctx, ANN).await.unwrap().by;
    assert!(by.len() == 1 && jobs::erase::is_mark(&by[0].target) && by[0].note.is_none(), "{by:?}");
    assert_eq!(blocked(ctx, "bea@example.com").await, [(Reason::Complaint, Source::Provider)]);
    assert_eq!(tests::dump::Dump::of(&ctx.store).await.with(ANN), Vec::<&str>::new());
}

async fn what_stands_on_mailguns_lists_suppresses_here(backend: Backend) {
    let (world, mailgun) = (World::new(backend).await, FakeMailgun::start());
    let ctx = &world.ctx;
    let waiting = world.one(draft()).await;
    let bounces = [
        ("Ann@Example.com", json!({ "code": "550", "error": "5.1.1 no such user" })),
        ("full@example.com", json!({ "code": "552", "error": "5.2.2 mailbox full" })),
        ("fine@example.com", json!({ "code": "550", "error": "5.7.1 you are blocked" })),
    ];
    bounces.into_iter().for_each(|(address, more)| mailgun.list(DOMAIN, "bounces", told(ctx, address, more)));
    mailgun.list(DOMAIN, "complaints", told(ctx, READER, json!({})));
    mailgun.list(DOMAIN, "unsubscribes", told(ctx, "cid@example.com", json!({ "tags": ["*"] })));
    mailgun.list(DOMAIN, "unsubscribes", told(ctx, "fine@example.com", json!({ "tags": ["news"] })));
    assert_eq!(pull::due(&desk(ctx, &mailgun)).await.unwrap(), 3);
    let cases = [
        (ANN, Some(Reason::Bounce)),
        ("full@example.com", Some(Reason::Bounce)),
        (READER, Some(Reason::Complaint)),
        ("cid@example.com", Some(Reason::Unsubscribe)),
        ("fine@example.com", None),
    ];
    for (address, reason) in cases {
        let expected: Vec<_> = reason.map(|reason| (reason, Source::Provider)).into_iter().collect();
        assert_eq!(blocked(ctx, address).await, expected, "{address}");
    }
    let by = state::state(ctx, ANN).await.unwrap().by.remove(0);
    assert_eq!(by.note.as_deref(), Some("550 5.1.1 no such user"));
    assert_eq!((ctx.clock.now() - by.occurred_at).num_minutes(), 60);
    let counts = async |list| {
        let mark = standing(ctx, list).await.mark;
        (mark.seen, mark.added, mark.known, mark.skipped, mark.finished_at.is_some())
    };
    assert_eq!(counts(List::Bounces).await, (3, 2, 0, 1, true));
    assert_eq!(counts(List::Complaints).await, (1, 1, 0, 0, true));
    assert_eq!(counts(List::Unsubscribes).await, (2, 1, 0, 1, true));
    // What waits is noted with each page, and taken up after a moment.
    world.pass(TimeDelta::minutes(2));
    jobs::bulk::carry_on(ctx).await.unwrap();
    assert_eq!(world.status(waiting).await, Status::Suppressed);
    // Nothing is due until its time, or until somebody asks.
    assert_eq!(pull::due(&desk(ctx, &mailgun)).await.unwrap(), 0);
    mark::request(ctx, Some(DOMAIN)).await.unwrap();
    assert_eq!(pull::due(&desk(ctx, &mailgun)).await.unwrap(), 3);
    assert_eq!(counts(List::Bounces).await, (3, 0, 2, 1, true), "what is known is recorded once");
    assert_eq!(state::state(ctx, ANN).await.unwrap().history.len(), 1);
}

/// Lists that answer so many pages and then no more.
struct Falters {
    lists: MailgunLists,
    pages: AtomicUsize,
}

impl Provider for Falters {
    fn page<'a>(&'a self, place: Place<'a>, at: Option<&'a str>) -> BoxFuture<'a, Result<Page, SyncError>> {
        match self.pages.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => self.lists.page(place, at),
            Err(_) => pending().boxed(),
        }
    }

    fn put<'a>(&'a self, place: Place<'a>, entries: &'a [Entry]) -> BoxFuture<'a, Result<(), SyncError>> {
        self.lists.put(place, entries)
    }

    fn remove<'a>(&'a self, place: Place<'a>, address: &'a str) -> BoxFuture<'a, Result<(), SyncError>> {
        self.lists.remove(place, address)
    }
}

/// Six bounces: three pages.
fn six(ctx: &Context, mailgun: &FakeMailgun) {
    for i in 0..6 {
        mailgun.list(DOMAIN, "bounces", told(ctx, &format!("u{i}@example.com"), json!({ "code": "550", "error": "" })));
    }
}

async fn a_pass_that_was_killed_goes_on_behind_its_last_page(backend: Backend) {
    let (world, mailgun) = (World::new(backend).await, FakeMailgun::start());
    let ctx = world.ctx.clone();
    six(&ctx, &mailgun);
    let falters = Falters { lists: lists(&ctx, &mailgun), pages: AtomicUsize::new(1) };
    let doomed = Desk { ctx: ctx.clone(), provider: Arc::new(falters) };
    let reader = tokio::spawn(async move { pull::due(&doomed).await });
    let read = async || mark::standings(&ctx).await.unwrap().iter().any(|standing| standing.mark.page.is_some());
    until_true("the first page", SOON, read).await;
    reader.abort();
    let began = standing(&ctx, List::Bounces).await.mark.started_at;
    assert_eq!(blocked(&ctx, "u1@example.com").await.len(), 1, "what was read holds");
    let other = world.restarted().await;
    pull::due(&desk(&other, &mailgun)).await.unwrap();
    assert_eq!(pages(&mailgun, "bounces"), [None], "its claim holds for a while");
    other.clock.align(other.clock.now() + TimeDelta::minutes(2));
    pull::due(&desk(&other, &mailgun)).await.unwrap();
    let behind = |i| Some(format!("u{i}@example.com"));
    assert_eq!(pages(&mailgun, "bounces"), [None, behind(1), behind(3), behind(5)]);
    let mark = standing(&other, List::Bounces).await.mark;
    assert_eq!((mark.seen, mark.added, mark.started_at), (6, 6, began), "it is the same pass");
    assert!(mark.finished_at.is_some());
}

async fn a_page_that_fails_is_asked_for_again_and_those_before_it_are_not(backend: Backend) {
    let (world, mailgun) = (World::new(backend).await, FakeMailgun::start());
    let (ctx, desk) = (&world.ctx, desk(&world.ctx, &mailgun));
    six(ctx, &mailgun);
    let third = |call: &Call| call.list == "bounces" && call.address.as_deref() == Some("u3@example.com");
    mailgun.answer_lists(move |call| third(call).then(|| Told::status(500, "out of order")));
    pull::due(&desk).await.unwrap();
    let mark = standing(ctx, List::Bounces).await.mark;
    assert_eq!((mark.seen, mark.failures, mark.finished_at), (4, 1, None));
    assert!(mark.last_error.unwrap().contains("out of order") && mark.failing_since.is_some());
    pull::due(&desk).await.unwrap();
    assert_eq!(pages(&mailgun, "bounces").len(), 3, "it waits before it asks again");
    world.pass(TimeDelta::seconds(11));
    pull::due(&desk).await.unwrap();
    assert_eq!(standing(ctx, List::Bounces).await.mark.failures, 2);
    mailgun.answer_lists(|_| None);
    world.pass(TimeDelta::seconds(21));
    pull::due(&desk).await.unwrap();
    let asked: Vec<_> = pages(&mailgun, "bounces").into_iter().map(|page| page.unwrap_or_default()).collect();
    let [u1, u3, u5] = ["u1@example.com", "u3@example.com", "u5@example.com"];
    assert_eq!(asked, ["", u1, u3, u3, u3, u5]);
    let mark = standing(ctx, List::Bounces).await.mark;
    assert_eq!((mark.seen, mark.added, mark.failures, mark.last_error), (6, 6, 0, None));
}

async fn two_processes_read_each_list_once(backend: Backend) {
    let (world, mailgun) = (World::new(backend).await, FakeMailgun::start());
    six(&world.ctx, &mailgun);
    let other = world.restarted().await;
    let (here, there) = (desk(&world.ctx, &mailgun), desk(&other, &mailgun));
    let (a, b) = tokio::join!(pull::due(&here), pull::due(&there));
    assert_eq!(a.unwrap() + b.unwrap(), 3);
    assert_eq!(pages(&mailgun, "bounces").len(), 4);
    let mark = standing(&other, List::Bounces).await.mark;
    assert_eq!((mark.seen, mark.added), (6, 6));
}

async fn only_what_holds_for_ever_goes_to_mailgun(backend: Backend) {
    let (world, mailgun) = (World::new(backend).await, FakeMailgun::start());
    let (ctx, desk) = (&world.ctx, desk(&world.ctx, &mailgun));
    let note = |text: &str, entry: NewEntry| NewEntry { note: Some(text.to_owned()), ..entry };
    let entries = vec![
        note("asked by phone", entry(ANN, Reason::Manual)),
        note("551 5.1.1 gone", entry("bob+x@example.com", Reason::Bounce)),
        entry("cid@example.com", Reason::Complaint),
        entry("dora@example.com", Reason::Unsubscribe),
        passing(&world, "eve@example.com", Reason::Bounce, 2),
        passing(&world, "eve@example.com", Reason::Manual, 2),
        entry("example.net", Reason::Manual),
    ];
    enter::suppress_many(ctx, entries).await.unwrap();
    assert_eq!(orders(ctx).await.len(), 4);
    assert_eq!(push::due(&desk).await.unwrap(), 3);
    assert_eq!(orders(ctx).await, []);
    let bounces = mailgun.listed(DOMAIN, "bounces");
    assert_eq!(addresses(&bounces), [ANN, "bob+x@example.com"]);
    assert_eq!((&bounces[0]["code"], &bounces[0]["error"]), (&json!("550"), &json!(BY_HAND)), "a note stays here");
    assert_eq!((&bounces[1]["code"], &bounces[1]["error"]), (&json!("551"), &json!("5.1.1 gone")));
    assert_eq!(addresses(&mailgun.listed(DOMAIN, "complaints")), ["cid@example.com"]);
    assert_eq!(mailgun.listed(DOMAIN, "unsubscribes")[0]["tags"], json!(["*"]));
    // What was told comes back as what it was.
    pull::due(&desk).await.unwrap();
    let mark = standing(ctx, List::Bounces).await.mark;
    assert_eq!((mark.seen, mark.known, mark.added), (2, 2, 0));
    assert_eq!(blocked(ctx, ANN).await, [(Reason::Manual, Source::Manual)]);
    // Told again of long ago, what was lifted since stays lifted, and goes nowhere.
    push::due(&desk).await.unwrap();
    lift::unsuppress(ctx, ANN, &Reason::ALL).await.unwrap();
    push::due(&desk).await.unwrap();
    let long_ago = Some(ctx.clock.now() - TimeDelta::days(3));
    enter::suppress(ctx, NewEntry { since: long_ago, ..entry(ANN, Reason::Manual) }).await.unwrap();
    push::due(&desk).await.unwrap();
    assert_eq!(addresses(&mailgun.listed(DOMAIN, "bounces")), ["bob+x@example.com"]);
}

async fn what_mailgun_reports_is_not_told_to_it_and_who_follows_our_link_is(backend: Backend) {
    let (post, mailgun) = (Post::new(backend).await, FakeMailgun::start());
    let ctx = post.world.ctx.clone();
    let email = post.world.one(draft()).await;
    let target = post.world.email(email).await.recipient_key;
    post.take(&Event::bounced(email, &target, post.now(), "bounce", "5.1.1")).await;
    post.take(&Event::new("complained", email, &target, post.now())).await;
    assert_eq!(orders(&ctx).await, []);
    Link { email, target: target.clone(), sandbox: true }.follow(&ctx, &post.recorder).await.unwrap();
    push::due(&desk(&ctx, &mailgun)).await.unwrap();
    assert_eq!(addresses(&mailgun.listed(DOMAIN, "unsubscribes")), [target.as_str()]);
    assert!(mailgun.listed(DOMAIN, "bounces").is_empty() && mailgun.listed(DOMAIN, "complaints").is_empty());
}

async fn one_bad_entry_spoils_no_other(backend: Backend) {
    let (world, mailgun) = (World::new(backend).await, FakeMailgun::start());
    let (ctx, desk) = (&world.ctx, desk(&world.ctx, &mailgun));
    let bad = |call: &Call| call.entries.iter().any(|entry| entry["address"] == "bob@example.com");
    mailgun.answer_lists(move |call| bad(call).then(|| Told::status(400, "bob@example.com is no address")));
    let all = [ANN, "bob@example.com", "cid@example.com"].map(|address| entry(address, Reason::Manual));
    enter::suppress_many(ctx, all.into()).await.unwrap();
    push::due(&desk).await.unwrap();
    assert_eq!(addresses(&mailgun.listed(DOMAIN, "bounces")), [ANN, "cid@example.com"]);
    let left = orders(ctx).await;
    assert_eq!((left.len(), left[0].target.as_str(), left[0].tries), (1, "bob@example.com", 1));
    assert!(left[0].last_error.as_ref().unwrap().contains("is no address"));
    assert_eq!(standing(ctx, List::Bounces).await.mark.push_error, None, "the list itself is well");
}

async fn a_lift_says_that_it_is_pending_until_mailgun_has_followed(backend: Backend) {
    let (world, mailgun) = (World::new(backend).await, FakeMailgun::start());
    let ctx = &world.ctx;
    mailgun.list(DOMAIN, "bounces", told(ctx, ANN, json!({ "code": "550", "error": "" })));
    pull::due(&desk(ctx, &mailgun)).await.unwrap();
    assert_eq!(blocked(ctx, ANN).await, [(Reason::Bounce, Source::Provider)]);
    assert_eq!(lifted(ctx, List::Bounces).await, None);
    mailgun.answer_lists(|call| (call.method == "DELETE").then(|| Told::status(500, "out of order")));
    assert!(lift::unsuppress(ctx, ANN, &[Reason::Bounce]).await.unwrap().told);
    push::due(&desk(ctx, &mailgun)).await.unwrap();
    assert_eq!(lifted(ctx, List::Bounces).await, Some(Lift::Pending));
    assert!(standing(ctx, List::Bounces).await.mark.push_error.unwrap().contains("out of order"));
    // Mailgun's clock may be ahead of ours, so its word alone does not bring the entry back.
    world.pass(TimeDelta::hours(2));
    mailgun.list(DOMAIN, "bounces", told(ctx, ANN, json!({ "code": "550", "error": "" })));
    mark::request(ctx, None).await.unwrap();
    pull::due(&desk(ctx, &mailgun)).await.unwrap();
    assert_eq!(standing(ctx, List::Bounces).await.mark.seen, 1);
    assert_eq!(blocked(ctx, ANN).await, []);
    for _ in 1..MANY {
        world.pass(TimeDelta::hours(2));
        push::due(&desk(ctx, &mailgun)).await.unwrap();
    }
    assert_eq!(lifted(ctx, List::Bounces).await, Some(Lift::Failed));
    let stands = standing(ctx, List::Bounces).await;
    assert_eq!((stands.lifts, stands.failing), (1, 1));
    assert!(orders(ctx).await[0].last_error.as_ref().unwrap().contains("out of order"));
    // It goes on being tried, by whoever is there then.
    mailgun.answer_lists(|_| None);
    let other = world.restarted().await;
    other.clock.align(ctx.clock.now() + TimeDelta::hours(2));
    push::due(&desk(&other, &mailgun)).await.unwrap();
    assert_eq!(lifted(&other, List::Bounces).await, Some(Lift::Done));
    assert!(mailgun.listed(DOMAIN, "bounces").is_empty());
    let stands = standing(&other, List::Bounces).await;
    assert_eq!((stands.lifts, stands.failing, stands.mark.push_error), (0, 0, None));
    // A bounce of after the lift is another one.
    mailgun.list(DOMAIN, "bounces", told(&other, ANN, json!({ "code": "550", "error": "" })));
    mark::request(&other, None).await.unwrap();
    pull::due(&desk(&other, &mailgun)).await.unwrap();
    assert_eq!(blocked(&other, ANN).await, [(Reason::Bounce, Source::Provider)]);
}

async fn a_lift_of_one_reason_keeps_what_another_needs(backend: Backend) {
    let (world, mailgun) = (World::new(backend).await, FakeMailgun::start());
    let (ctx, desk) = (&world.ctx, desk(&world.ctx, &mailgun));
    enter::suppress_many(ctx, vec![entry(ANN, Reason::Manual), entry(ANN, Reason::Bounce)]).await.unwrap();
    push::due(&desk).await.unwrap();
    assert!(!lift::unsuppress(ctx, ANN, &[Reason::Manual]).await.unwrap().told);
    push::due(&desk).await.unwrap();
    assert_eq!(addresses(&mailgun.listed(DOMAIN, "bounces")), [ANN]);
    assert!(lift::unsuppress(ctx, ANN, &[Reason::Bounce]).await.unwrap().told);
    // Entered anew before Mailgun heard of the lift: it hears the last word alone.
    world.pass(TimeDelta::seconds(1));
    enter::suppress(ctx, entry(ANN, Reason::Bounce)).await.unwrap();
    push::due(&desk).await.unwrap();
    assert!(mailgun.lists_asked().iter().all(|call| call.method != "DELETE"));
    assert_eq!((lifted(ctx, List::Bounces).await, orders(ctx).await.len()), (None, 0));
    assert!(!lift::unsuppress(ctx, "example.com", &Reason::ALL).await.unwrap().told, "Mailgun lists no domains");
}

async fn nobody_to_lift_is_as_good_as_lifted(backend: Backend) {
    let (world, mailgun) = (World::new(backend).await, FakeMailgun::start());
    let (ctx, desk) = (&world.ctx, desk(&world.ctx, &mailgun));
    lift::unsuppress(ctx, ANN, &Reason::ALL).await.unwrap();
    push::due(&desk).await.unwrap();
    let asked = mailgun.lists_asked();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|call| call.method == "DELETE" && call.address.as_deref() == Some(ANN)));
    for list in List::ALL {
        assert_eq!(lifted(ctx, list).await, Some(Lift::Done), "{list:?}");
    }
    // Another server that knows no such path is no Mailgun that knows no such address.
    lift::unsuppress(ctx, ANN, &[Reason::Bounce]).await.unwrap();
    let page = || Told { body: "404 page not found".into(), ..Told::status(404, "") };
    mailgun.answer_lists(move |_| Some(page()));
    push::due(&desk).await.unwrap();
    assert_eq!(lifted(ctx, List::Bounces).await, Some(Lift::Pending));
}

async fn mailgun_is_left_alone_for_as_long_as_it_asks(backend: Backend) {
    let (world, mailgun) = (World::new(backend).await, FakeMailgun::start());
    let (ctx, desk) = (&world.ctx, desk(&world.ctx, &mailgun));
    mailgun.answer_lists(|_| Some(Told::limited(60)));
    enter::suppress_many(ctx, vec![entry(ANN, Reason::Complaint), entry("bob@example.com", Reason::Complaint)])
        .await
        .unwrap();
    lift::unsuppress(ctx, "cid@example.com", &[Reason::Complaint]).await.unwrap();
    for _ in 0..3 {
        push::due(&desk).await.unwrap();
        world.pass(TimeDelta::seconds(15));
    }
    assert_eq!(mailgun.lists_asked().len(), 1);
    assert!(orders(ctx).await.iter().all(|order| order.tries == 0), "nothing is spent");
    assert!(standing(ctx, List::Complaints).await.mark.push_error.unwrap().contains("too many requests"));
    pull::due(&desk).await.unwrap();
    let asked = mailgun.lists_asked().len();
    pull::due(&desk).await.unwrap();
    assert_eq!(mailgun.lists_asked().len(), asked);
    let mark = standing(ctx, List::Complaints).await.mark;
    assert_eq!((mark.failures, mark.failing_since), (0, None));
    mailgun.answer_lists(|_| None);
    world.pass(TimeDelta::seconds(61));
    push::due(&desk).await.unwrap();
    assert_eq!(addresses(&mailgun.listed(DOMAIN, "complaints")), [ANN, "bob@example.com"]);
    pull::due(&desk).await.unwrap();
    assert_eq!(standing(ctx, List::Complaints).await.mark.known, 2);
}

async fn a_domain_that_is_new_is_told_what_people_entered(backend: Backend) {
    let (world, mailgun) = (World::through(backend, &["mg.example.com"]).await, FakeMailgun::start());
    enter::suppress_many(
        &world.ctx,
        vec![
            entry(ANN, Reason::Manual),
            passing(&world, "bob@example.com", Reason::Manual, 2),
            entry("cid@example.com", Reason::Complaint),
        ],
    )
    .await
    .unwrap();
    push::due(&desk(&world.ctx, &mailgun)).await.unwrap();
    assert_eq!(addresses(&mailgun.listed("mg.example.com", "bounces")), [ANN]);
    // The process that comes next sends from another domain.
    let other = world.restarted().await;
    pull::due(&desk(&other, &mailgun)).await.unwrap();
    push::due(&desk(&other, &mailgun)).await.unwrap();
    assert_eq!(addresses(&mailgun.listed(DOMAIN, "bounces")), [ANN]);
    assert_eq!(addresses(&mailgun.listed(DOMAIN, "complaints")), ["cid@example.com"]);
    // Once.
    mark::request(&other, None).await.unwrap();
    pull::due(&desk(&other, &mailgun)).await.unwrap();
    assert_eq!(push::due(&desk(&other, &mailgun)).await.unwrap(), 0);
}

async fn the_other_mode_is_told_nothing(backend: Backend) {
    let (world, mailgun) = (World::new(backend).await, FakeMailgun::start());
    let (ctx, desk) = (&world.ctx, desk(&world.ctx, &mailgun));
    enter::suppress(ctx, entry(ANN, Reason::Manual)).await.unwrap();
    for table in ["email_provider_orders", "email_suppression_list"] {
        let text = format!("UPDATE {table} SET sandbox = false");
        ctx.store.write().execute_unprepared(&text).await.unwrap();
    }
    assert_eq!(push::due(&desk).await.unwrap(), 0);
    pull::due(&desk).await.unwrap();
    assert_eq!(push::due(&desk).await.unwrap(), 0, "nor is it offered");
    assert_eq!(orders(ctx).await.len(), 1);
    assert_eq!(mark::standings(ctx).await.unwrap().iter().map(|standing| standing.pushes).sum::<u64>(), 0);
}

async fn a_running_process_keeps_them_alike(backend: Backend) {
    let app = App::start(Plan::on(backend).without_workers()).await;
    let ctx = &app.ctx;
    app.mailgun.list("mg.example.com", "complaints", told(ctx, "u0@example.org", json!({})));
    let mut later = letter("u0@example.org");
    later.send_at = Some(ctx.clock.now() + TimeDelta::hours(3));
    let waiting = tests::app::accepted(app.take(vec![later]).await.remove(0)).id;
    let worker = app.another(true).await;
    app.await_status(waiting, Status::Suppressed).await;
    enter::suppress(ctx, entry(ANN, Reason::Manual)).await.unwrap();
    let listed = |list| app.mailgun.listed("mg.example.com", list);
    until_true("Mailgun to be told", SOON, async || listed("bounces").len() == 1).await;
    lift::unsuppress(ctx, "u0@example.org", &[Reason::Complaint]).await.unwrap();
    until_true("Mailgun to follow", SOON, async || listed("complaints").is_empty()).await;
    let ids = app.send(1, Priority::Normal).await;
    app.await_all(&ids, Status::Sent, SOON).await;
    worker.engine.stop().await;
}

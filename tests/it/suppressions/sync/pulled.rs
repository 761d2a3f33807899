//! What is read from Mailgun's lists: what it means here, and over failures, restarts and several processes once.

use super::*;

on_both! {
    what_stands_on_mailguns_lists_suppresses_here
    who_was_erased_here_and_stands_there_is_known_by_a_mark_alone
    a_pass_that_was_killed_goes_on_behind_its_last_page
    a_page_that_fails_is_asked_for_again_and_those_before_it_are_not
    two_processes_read_each_list_once
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

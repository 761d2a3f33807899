//! What Mailgun's lists are told, entries and lifts, and what each of them says until Mailgun has followed.

use super::*;

on_both! {
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

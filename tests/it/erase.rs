//! Somebody asks to be forgotten: nothing names them any more, they stay blocked, and every number stays.

use chrono::TimeDelta;
use entity::suppression::{Reason, Target};
use entity::{Status, content, erasure, lead};
use jobs::accept::{Answer, Draft};
use jobs::campaign::launch;
use jobs::erase::{self, Erased, export, is_mark};
use jobs::ledger::{Cause, Handed, Settlement};
use jobs::retention;
use jobs::send::claim::claim;
use jobs::store::execute;
use jobs::suppress::{enter, lift, state};
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::json;
use tests::database::Backend;
use tests::dump::Dump;
use tests::ledger::assert_ledger_equals_rows;
use tests::webhook::Told;
use uuid::Uuid;

use crate::api::Served;
use crate::campaigns::{added, emails, executing, expanded, made, person, recipients_of, stands};
use crate::control::world::{World, draft};
use crate::events::Post;

on_both! {
    nothing_names_an_erased_recipient_and_every_number_stays
    others_keep_what_they_share_with_an_erased_recipient
    an_erased_recipient_stays_blocked_until_somebody_lifts_it
    an_event_that_comes_late_does_not_bring_the_address_back
    the_gate_asks_for_an_erased_recipient_as_well
    what_is_under_way_is_erased_once_it_has_ended
    a_copy_is_forgotten_too
    an_export_tells_all_there_is_in_parts
    it_is_done_through_the_api
}

const ANN: &str = "ann.canary@example.com";

/// One email to Ann.
async fn one(world: &World, draft: Draft) -> Uuid {
    let answer = world.accept.take(Uuid::nil(), vec![Draft { to: format!("Ann Canary <{ANN}>"), ..draft }]).await;
    match answer.unwrap().remove(0) {
        Answer::Accepted(email) => email.id,
        other => panic!("{other:?}"),
    }
}

fn manual(address: &str, note: &str) -> enter::NewEntry {
    let target = Target::parse(address).unwrap();
    enter::NewEntry { target, reason: Reason::Manual, note: Some(note.into()), expires_at: None, since: None }
}

async fn nothing_names_an_erased_recipient_and_every_number_stays(backend: Backend) {
    let post = Post::new(backend).await;
    let (world, ctx) = (&post.world, &post.world.ctx);
    let lead = Uuid::from_u128(77);
    let sent = one(world, Draft { lead: Some(lead), ..draft() }).await;
    world.send(&[sent]).await;
    let failed = one(world, draft()).await;
    world.fail(&[failed], &format!("550 {ANN} is nobody")).await;
    let (launched, drafted) = (made(ctx).await, made(ctx).await);
    for campaign in [launched, drafted] {
        added(ctx, campaign, vec![person(ANN), person("bob@example.com")]).await;
    }
    launch(ctx, launched, None).await.unwrap().unwrap();
    let executor = executing(ctx);
    expanded(ctx, launched).await;
    drop(executor);
    let of_campaign: Vec<Uuid> = emails(ctx, launched).await.iter().map(|email| email.id).collect();
    world.send(&of_campaign).await;
    let at = post.now();
    for told in [
        Told::new("delivered", sent, ANN, at),
        Told::new("opened", sent, ANN, at),
        Told::new("clicked", sent, ANN, at).with("url", format!("https://example.com/?for={ANN}")),
        Told::new("delivered", of_campaign[0], ANN, at),
    ] {
        post.take(&told).await;
    }
    post.take(&Told::bounced(failed, ANN, at, "bounce", "5.1.1")).await;
    let waits = one(world, Draft { transactional: true, ..draft() }).await;
    assert_eq!(world.status(waits).await, Status::Suppressed, "the bounce blocks it");
    enter::suppress(ctx, manual(ANN, "Ann Canary asked")).await.unwrap();
    assert!(Dump::of(&ctx.store).await.with(ANN).len() > 10);
    let (counts, metrics) = (world.counts().await, post.metrics().await);

    let erased = erase::erase(ctx, ANN).await.unwrap();
    // Mailgun's list is still to be told what somebody entered.
    let expected =
        Erased { emails: 4, events: 5, suppressions: 2, leads: 1, recipients: 1, under_way: 1, ..Erased::default() };
    assert_eq!(erased, expected);
    let told = "UPDATE email_provider_orders SET done_at = ordered_at";
    execute(ctx.store.write(), ctx.store.sql(told, [])).await.unwrap();
    assert_eq!(erase::carry_on(ctx).await.unwrap(), 0);
    let dump = Dump::of(&ctx.store).await;
    for trace in [ANN, "Ann Canary", "ann.canary"] {
        assert_eq!(dump.with(trace), Vec::<&str>::new(), "{trace}");
    }
    assert_eq!((world.counts().await, post.metrics().await), (counts, metrics));
    post.assert_the_numbers_add_up().await;
    let email = world.email(sent).await;
    assert!(is_mark(&email.recipient_key) && email.recipient == email.recipient_key, "{email:?}");
    assert_eq!((email.status, email.lead_id), (Status::Delivered, None));
    assert_eq!(post.facts(sent).await.unwrap().clicks, 1);
    assert!(email.content_deleted_at.is_some());
    assert_eq!(recipients_of(ctx, drafted).await.len(), 1);
    let standing = stands(ctx, drafted).await.ledger;
    assert_eq!((standing.pending, standing.cleaned, standing.total()), (1, 1, 2));

    assert_eq!(erase::erase(ctx, ANN).await.unwrap(), Erased::default(), "done again, it finds nothing");
    assert_eq!(erasure::Entity::find().count(ctx.store.write()).await.unwrap(), 1);
}

async fn others_keep_what_they_share_with_an_erased_recipient(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let drafts = ["bob@example.com", ANN, "eve@example.com"].map(|to| Draft { to: to.into(), ..draft() });
    let answers = world.accept.take(Uuid::nil(), drafts.into()).await.unwrap();
    let ids: Vec<Uuid> =
        answers.into_iter().map(|a| if let Answer::Accepted(e) = a { e.id } else { panic!("{a:?}") }).collect();
    world.send(&ids).await;
    let own = one(&world, draft()).await;
    let erased = erase::erase(ctx, ANN).await.unwrap();
    assert_eq!((erased.emails, erased.cancelled), (2, 1));
    assert_eq!(world.status(own).await, Status::Cancelled);
    let kept = content::Entity::find().all(ctx.store.write()).await.unwrap();
    assert_eq!(kept.iter().map(|content| content.emails).collect::<Vec<_>>(), [2], "its own content is gone");
    let bob = world.email(ids[0]).await;
    assert_eq!((bob.recipient_key.as_str(), bob.content_id), ("bob@example.com", kept[0].id));
    assert_ledger_equals_rows(ctx).await;
}

async fn an_erased_recipient_stays_blocked_until_somebody_lifts_it(backend: Backend) {
    let post = Post::new(backend).await;
    let (world, ctx) = (&post.world, &post.world.ctx);
    let before = one(world, draft()).await;
    world.send(&[before]).await;
    post.take(&Told::new("complained", before, ANN, post.now())).await;
    let key = |of: &str| of.to_owned();
    erase::erase(ctx, ANN).await.unwrap();
    let after = one(world, draft()).await;
    let email = world.email(after).await;
    assert_eq!((email.status, email.recipient_key), (Status::Suppressed, key(ANN)));
    assert_eq!(email.last_error.as_deref(), Some("its address is suppressed: its owner complained"));
    let state = state::state(ctx, ANN).await.unwrap();
    assert!(state.by.len() == 1 && is_mark(&state.by[0].target), "{state:?}");
    let other = Answer::Accepted(Box::new(world.email(world.one(draft()).await).await));
    assert!(matches!(other, Answer::Accepted(email) if email.status == Status::Queued), "nobody else is blocked");
    assert_eq!(jobs::suppress::tallies::stats(ctx).await.unwrap().complaints, 1, "it counts once");

    let lifted = lift::unsuppress(ctx, ANN, &[Reason::Complaint]).await.unwrap();
    assert_eq!((lifted.lifted.len(), lifted.still_blocked_by.len()), (1, 0));
    let free = one(world, draft()).await;
    assert_eq!(world.status(free).await, Status::Queued);
    // What happened before the lift never suppresses again, whoever tells it.
    post.take(&Told::new("complained", before, ANN, post.now() - TimeDelta::hours(2))).await;
    assert!(state::state(ctx, ANN).await.unwrap().by.is_empty());
}

async fn an_event_that_comes_late_does_not_bring_the_address_back(backend: Backend) {
    let post = Post::new(backend).await;
    let (world, ctx) = (&post.world, &post.world.ctx);
    let email = one(world, draft()).await;
    world.send(&[email]).await;
    erase::erase(ctx, ANN).await.unwrap();
    let at = post.now();
    post.take(&Told::new("delivered", email, ANN, at)).await;
    post.take(&Told::new("clicked", email, ANN, at).with("url", format!("https://example.com/{ANN}"))).await;
    post.take(&Told::bounced(email, ANN, at, "bounce", "5.1.1").with(
        "delivery-status",
        json!({ "code": 550, "enhanced-code": "5.1.1", "message": format!("{ANN}: no such user") }),
    ))
    .await;
    let logged = Told::new("opened", email, ANN, at).logged();
    post.recorder.take_log(vec![logged]).await.unwrap();
    assert_eq!(Dump::of(&ctx.store).await.with(ANN), Vec::<&str>::new());
    let events = post.events().await;
    assert!(
        events.iter().all(|event| !event.copy && event.recipient_key.as_deref().is_some_and(is_mark)),
        "{events:?}"
    );
    assert_eq!(post.facts(email).await.unwrap().clicks, 1, "it has its effect");
    assert_eq!(world.status(email).await, Status::Bounced);
    let blocked = one(world, draft()).await;
    assert_eq!(world.status(blocked).await, Status::Suppressed, "and suppresses whom it is about");
    // Another address at the same email is another person.
    post.take(&Told::new("delivered", email, "eve@example.com", at)).await;
    let last = post.events().await.pop().unwrap();
    assert_eq!((last.copy, last.recipient_key.as_deref()), (true, Some("eve@example.com")));
    post.assert_the_numbers_add_up().await;
}

async fn the_gate_asks_for_an_erased_recipient_as_well(backend: Backend) {
    let post = Post::new(backend).await;
    let (world, ctx) = (&post.world, &post.world.ctx);
    // Accepted before there was a key of marks, and after.
    let (first, old) = (one(world, draft()).await, one(world, draft()).await);
    world.send(&[first]).await;
    ctx.marks.make(ctx).await.unwrap();
    let erased = one(world, draft()).await;
    world.send(&[erased]).await;
    let new = one(world, draft()).await;
    assert_eq!(
        (world.email(old).await.recipient_mark.is_some(), world.email(new).await.recipient_mark.is_some()),
        (false, true)
    );
    // Only what was sent is erased, as if the others had been accepted since.
    let mark = ctx.marks.known().unwrap().mark(ANN);
    let entry = manual(&mark, "");
    enter::suppress(ctx, enter::NewEntry { note: None, ..entry }).await.unwrap();
    erase::erase(ctx, "somebody.else@example.com").await.unwrap();
    let bob = world.one(draft()).await;
    let claims = claim(ctx, &[old, new, bob]).await.unwrap();
    let jobs::send::claim::Claims::Stored(claimed) = claims else { panic!("{claims:?}") };
    assert_eq!(claimed.iter().map(|claimed| claimed.row.id).collect::<Vec<_>>(), [bob]);
    for id in [old, new] {
        assert_eq!(world.status(id).await, Status::Suppressed);
    }
    world.counts().await;
}

async fn what_is_under_way_is_erased_once_it_has_ended(backend: Backend) {
    let post = Post::new(backend).await;
    let (world, ctx) = (&post.world, &post.world.ctx);
    let (lost, claimed) = (one(world, draft()).await, one(world, draft()).await);
    world.lose(&[lost]).await;
    world.claim(&[claimed]).await;
    let erased = erase::erase(ctx, ANN).await.unwrap();
    assert_eq!((erased.emails, erased.cancelled, erased.under_way), (0, 0, 2));
    assert!(world.email(lost).await.cancel_requested && world.email(claimed).await.cancel_requested);
    let sealed = erasure::Entity::find().one(ctx.store.write()).await.unwrap().unwrap();
    assert!(sealed.address.is_some() && sealed.finished_at.is_none());
    // The one comes back unsent, the other had arrived.
    let now = ctx.clock.now();
    let report = Settlement {
        fence: 1,
        doubtful_lease: None,
        handed: Handed::NotHandedOver,
        http_status: None,
        started_at: now,
        finished_at: now,
    };
    world.apply(&[claimed], Cause::Settle(report)).await;
    assert_eq!(world.status(claimed).await, Status::Cancelled);
    post.take(&Told::new("delivered", lost, ANN, post.now())).await;
    // Accepted since, which is another matter.
    let new = one(world, draft()).await;
    let told = retention::run(ctx).await.unwrap();
    assert!(told.contains("3 erasures"), "two emails and an event: {told}");
    let dump = Dump::of(&ctx.store).await;
    let left: Vec<&str> = dump.with(ANN).into_iter().filter(|row| !row.starts_with("leads")).collect();
    assert!(left.len() == 1 && left[0].starts_with("email_queue"), "{left:?}");
    assert_eq!(world.status(new).await, Status::Queued);
    let done = erasure::Entity::find().one(ctx.store.write()).await.unwrap().unwrap();
    assert!(done.address.is_none() && done.finished_at.is_some());
    assert_eq!(world.status(lost).await, Status::Delivered);
    world.counts().await;
}

async fn a_copy_is_forgotten_too(backend: Backend) {
    let post = Post::new(backend).await;
    let (world, ctx) = (&post.world, &post.world.ctx);
    let copied = || Draft { cc: vec![format!("Ann Canary <{ANN}>"), "eve@example.com".into()], ..draft() };
    let (sent, waits) = (world.one(copied()).await, world.one(Draft { cc: vec![ANN.into()], ..draft() }).await);
    world.send(&[sent]).await;
    let erased = erase::erase(ctx, ANN).await.unwrap();
    assert_eq!((erased.copies, erased.emails), (2, 0));
    assert_eq!(Dump::of(&ctx.store).await.with("ann.canary"), Vec::<&str>::new());
    assert_eq!(world.email(waits).await.cc, None, "it goes without");
    let cc = world.email(sent).await.cc.unwrap();
    assert!(cc.contains("eve@example.com") && cc.contains("@erased.invalid"), "{cc}");
    post.take(&Told::new("delivered", sent, ANN, post.now())).await;
    assert_eq!(Dump::of(&ctx.store).await.with(ANN), Vec::<&str>::new());

    // What is being handed over is as it is, until it has ended.
    let claimed = world.one(Draft { bcc: vec![ANN.into()], ..draft() }).await;
    world.claim(&[claimed]).await;
    let erased = erase::erase(ctx, ANN).await.unwrap();
    assert_eq!((erased.copies, erased.under_way), (0, 1));
    assert!(world.email(claimed).await.bcc.unwrap().contains(ANN));
    let now = ctx.clock.now();
    let handed = Handed::Sent { provider_id: "id@mailgun".into() };
    let report =
        Settlement { fence: 1, doubtful_lease: None, handed, http_status: None, started_at: now, finished_at: now };
    world.apply(&[claimed], Cause::Settle(report)).await;
    retention::run(ctx).await.unwrap();
    assert_eq!(Dump::of(&ctx.store).await.with(ANN), Vec::<&str>::new());
    assert!(world.email(claimed).await.bcc.unwrap().contains("@erased.invalid"));
}

async fn an_export_tells_all_there_is_in_parts(backend: Backend) {
    let post = Post::new(backend).await;
    let (world, ctx) = (&post.world, &post.world.ctx);
    let metadata = Some(json!({ "order": 17 }));
    let first =
        one(world, Draft { subject: "The first".into(), metadata, lead: Some(Uuid::from_u128(5)), ..draft() }).await;
    for _ in 0..export::EMAILS {
        one(world, draft()).await;
    }
    world.one(draft()).await;
    post.take(&Told::bounced(first, ANN, post.now(), "bounce", "5.1.1")).await;
    let campaign = made(ctx).await;
    added(ctx, campaign, vec![person(ANN)]).await;

    let part = export::part(ctx, ANN, None).await.unwrap();
    let told = &part.document;
    assert_eq!(told["emails"].as_array().unwrap().len() as u64, export::EMAILS);
    let email = &told["emails"][0];
    assert_eq!((&email["content"]["subject"], &email["content"]["text"]), (&json!("The first"), &json!("Good day")));
    assert_eq!((&email["content"]["metadata"], &email["status"]), (&json!({ "order": 17 }), &json!("BOUNCED")));
    assert_eq!(
        (&told["events"][0]["type"], &told["events"][0]["message"]),
        (&json!("BOUNCED"), &json!("the server's words"))
    );
    assert_eq!(told["suppressions"]["active"][0]["reason"], "BOUNCE");
    assert_eq!(told["leads"][0]["id"], json!(Uuid::from_u128(5)));
    assert_eq!(told["campaigns"][0]["variables"], json!({ "first_name": "Ann" }));
    let rest = export::part(ctx, ANN, part.next).await.unwrap();
    assert_eq!((rest.document["emails"].as_array().unwrap().len(), rest.next), (1, None));
    assert_eq!(rest.document["events"], json!([]));

    erase::erase(ctx, ANN).await.unwrap();
    let gone = export::part(ctx, ANN, None).await.unwrap().document;
    for nothing in ["emails", "events", "leads", "campaigns"] {
        assert_eq!(gone[nothing], json!([]), "{nothing}");
    }
    assert_eq!(lead::Entity::find().count(ctx.store.write()).await.unwrap(), 0);
}

const EXPORT: &str =
    "mutation($address: EmailAddress!, $after: String) { exportRecipient(address: $address, after: $after) {
  document after userErrors { code field message } } }";

const ERASE: &str = "mutation($address: EmailAddress!) { eraseRecipient(address: $address) {
  cancelled emails copies events suppressions leads recipients underWay userErrors { code } } }";

async fn it_is_done_through_the_api(backend: Backend) {
    let served = Served::on(backend).await;
    let client = &served.client;
    let id = client.send_email(tests::client::letter("Ann.Canary@example.com")).await;
    client.await_status(&id, "DELIVERED", tests::patience::SOON).await;
    let told = served.mutate(EXPORT, json!({ "address": ANN })).await;
    assert_eq!(told["document"]["emails"][0]["content"]["subject"], "Hello", "{told}");
    assert_eq!((&told["after"], &told["userErrors"]), (&json!(null), &json!([])));
    let refused = served.mutate(EXPORT, json!({ "address": ANN, "after": "nonsense" })).await;
    assert_eq!(refused["userErrors"][0]["code"], "INVALID");

    let erased = served.mutate(ERASE, json!({ "address": ANN })).await;
    assert_eq!((&erased["emails"], &erased["underWay"]), (&json!(1), &json!(0)), "{erased}");
    let asked =
        "query($id: ID!) { email(id: $id) { to status subject contentDeletedAt content { text } timeline { kind } } }";
    let email = client.query(asked, json!({ "id": id })).await["email"].take();
    assert!(email["to"].as_str().unwrap().ends_with("@erased.invalid"), "{email}");
    assert_eq!(
        (&email["status"], &email["subject"], &email["content"]),
        (&json!("DELIVERED"), &json!(""), &json!(null))
    );
    assert!(email["contentDeletedAt"].is_string() && email["timeline"][0]["kind"] == "ACCEPTED", "{email}");
    let rules = "{ retention { name what afterSeconds variable lastRunAt removed removedInAll } }";
    let rules = client.query(rules, json!({})).await["retention"].take();
    let of = |name: &str| rules.as_array().unwrap().iter().find(|rule| rule["name"] == name).unwrap().clone();
    assert_eq!(
        (&of("bodies")["afterSeconds"], &of("bodies")["variable"]),
        (&json!(2_592_000), &json!("RETENTION_BODIES"))
    );
    assert_eq!(of("emails")["afterSeconds"], 34_560_000);
}

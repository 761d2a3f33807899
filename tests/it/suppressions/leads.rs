//! Leads, from the first email that names one, with the status that the list gives them at the moment.

use chrono::TimeDelta;
use entity::lead::Status;
use entity::suppression::Reason;
use jobs::accept::Draft;
use jobs::find::Page;
use jobs::lead::{self, Filter};
use jobs::suppress::{enter, lift};
use tests::database::Backend;
use uuid::Uuid;

use super::{entry, passing};
use crate::control::world::{World, draft};

on_both! {
    a_leads_status_follows_the_list_and_comes_back
    a_lead_has_the_address_of_its_latest_email
    leads_are_listed_by_status_and_address
}

async fn named(world: &World, lead: Uuid, to: &str) {
    let drafts = vec![Draft { lead: Some(lead), to: to.into(), ..draft() }];
    world.accept.take(Uuid::nil(), drafts).await.unwrap();
}

async fn status(world: &World, lead: Uuid) -> Status {
    lead::with_ids(&world.ctx, &[lead]).await.unwrap()[&lead].status
}

async fn a_leads_status_follows_the_list_and_comes_back(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    let (ann, address) = (Uuid::from_u128(7), "Ann@example.com");
    named(&world, ann, address).await;
    assert_eq!(status(&world, ann).await, Status::Active);
    let cases = [
        (address, Reason::Manual, Status::Suppressed),
        ("example.com", Reason::Bounce, Status::Suppressed),
        (address, Reason::Bounce, Status::Bounced),
        (address, Reason::Unsubscribe, Status::Unsubscribed),
        (address, Reason::Complaint, Status::Complained),
    ];
    for (target, reason, expected) in cases {
        enter::suppress(ctx, entry(target, reason)).await.unwrap();
        assert_eq!(status(&world, ann).await, expected, "{reason:?}");
    }
    lift::unsuppress(ctx, "ann@example.com", &Reason::ALL).await.unwrap();
    assert_eq!(status(&world, ann).await, Status::Suppressed, "its domain is");
    lift::unsuppress(ctx, "example.com", &Reason::ALL).await.unwrap();
    assert_eq!(status(&world, ann).await, Status::Active);
    enter::suppress(ctx, passing(&world, address, Reason::Bounce, 2)).await.unwrap();
    assert_eq!(status(&world, ann).await, Status::Bounced);
    world.pass(TimeDelta::hours(3));
    assert_eq!(status(&world, ann).await, Status::Active, "it expired");
}

async fn a_lead_has_the_address_of_its_latest_email(backend: Backend) {
    let world = World::new(backend).await;
    let (ann, bob) = (Uuid::from_u128(7), Uuid::from_u128(8));
    let to = |lead, to: &str| Draft { lead, to: to.into(), ..draft() };
    let drafts = vec![
        to(Some(ann), "ann@example.com"),
        to(None, "eve@example.com"),
        to(Some(bob), "bob@example.com"),
        to(Some(ann), "ann@example.org"),
    ];
    world.accept.take(Uuid::nil(), drafts).await.unwrap();
    let addresses = async || {
        let found = lead::list(&world.ctx, &Filter::default(), Page::First { n: 10, after: None }).await.unwrap();
        found.page.items.into_iter().map(|lead| (lead.row.id, lead.row.address_key)).collect::<Vec<_>>()
    };
    assert_eq!(addresses().await, [(ann, "ann@example.org".to_owned()), (bob, "bob@example.com".to_owned())]);
    named(&world, bob, "bob@example.net").await;
    named(&world, ann, "ann@example.org").await;
    assert_eq!(addresses().await, [(ann, "ann@example.org".to_owned()), (bob, "bob@example.net".to_owned())]);
}

async fn leads_are_listed_by_status_and_address(backend: Backend) {
    let world = World::new(backend).await;
    let ctx = &world.ctx;
    for i in 0..30u128 {
        named(&world, Uuid::from_u128(i + 1), &format!("reader{}@example.com", i % 29)).await;
    }
    let entries = [3, 9, 27].map(|i| entry(&format!("reader{i}@example.com"), Reason::Bounce));
    enter::suppress_many(ctx, entries.to_vec()).await.unwrap();
    let ids = async |filter: Filter, page| {
        let found = lead::list(ctx, &filter, page).await.unwrap().page;
        (found.items.iter().map(|lead| lead.row.id.as_u128() - 1).collect::<Vec<_>>(), found.has_next)
    };
    let bounced = || Filter { statuses: vec![Status::Bounced], ..Filter::default() };
    assert_eq!(ids(bounced(), Page::First { n: 2, after: None }).await, (vec![3, 9], true));
    let after = Some(Uuid::from_u128(10));
    assert_eq!(ids(bounced(), Page::First { n: 2, after }).await, (vec![27], false));
    assert_eq!(ids(bounced(), Page::Last { n: 2, before: None }).await, (vec![9, 27], false));
    let address = Filter { address_key: Some("reader0@example.com".into()), ..Filter::default() };
    assert_eq!(ids(address, Page::First { n: 5, after: None }).await, (vec![0, 29], false));
    let none = Filter { statuses: vec![Status::Complained], ..Filter::default() };
    assert_eq!(ids(none, Page::First { n: 5, after: None }).await, (vec![], false));
    assert_eq!(lead::count(ctx, &bounced()).await.unwrap(), (3, false));
    assert_eq!(lead::count(ctx, &Filter::default()).await.unwrap(), (30, false));
}

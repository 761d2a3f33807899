//! An email to an address that was lifted here waits until Mailgun's own lists have let go of it as well: sooner it would be
//! refused there, and its address suppressed anew.

use jobs::accept::Draft;
use jobs::ledger::Cause;
use jobs::send::claim::{Claims, claim};
use uuid::Uuid;

use super::*;

on_both! {
    it_waits_until_mailgun_has_let_go
    so_does_one_with_a_copy_to_such_an_address
    a_lift_that_mailgun_refuses_again_and_again_keeps_nothing_back
    what_nobody_will_tell_mailgun_keeps_nothing_back
}

/// Whether the gate lets it go.
async fn goes(world: &World, email: Uuid) -> bool {
    let Ok(Claims::Stored(claimed)) = claim(&world.ctx, &[email]).await else { panic!("the database is there") };
    !claimed.is_empty()
}

/// When its snooze is over.
async fn looked_at_again(world: &World, email: Uuid) {
    let due_at = world.email(email).await.due_at.unwrap();
    world.pass(due_at - world.ctx.clock.now() + TimeDelta::milliseconds(1));
    world.apply(&[email], Cause::Due).await;
}

async fn suppressed_and_lifted(world: &World, desk: &Desk, address: &str) {
    enter::suppress(&world.ctx, entry(address, Reason::Complaint)).await.unwrap();
    push::due(desk).await.unwrap();
    lift::unsuppress(&world.ctx, address, &[Reason::Complaint]).await.unwrap();
}

async fn it_waits_until_mailgun_has_let_go(backend: Backend) {
    let (world, mailgun) = (World::new(backend).await, FakeMailgun::start());
    let desk = desk(&world.ctx, &mailgun);
    suppressed_and_lifted(&world, &desk, READER).await;
    let [to_her, to_another] = world.accept(2, draft()).await[..] else { panic!("two are accepted") };
    assert!(goes(&world, to_another).await);
    assert!(!goes(&world, to_her).await);
    let waits = world.email(to_her).await;
    assert_eq!((waits.status, waits.attempts, waits.fence), (Status::Scheduled, 0, 0), "nothing is spent");
    assert!(waits.last_error.is_some_and(|why| why.contains("still to let go of it")), "and it says why");
    looked_at_again(&world, to_her).await;
    assert!(!goes(&world, to_her).await, "nothing has changed");
    push::due(&desk).await.unwrap();
    assert_eq!(mailgun.listed(DOMAIN, "complaints"), Vec::<Value>::new());
    looked_at_again(&world, to_her).await;
    assert!(goes(&world, to_her).await);
}

async fn so_does_one_with_a_copy_to_such_an_address(backend: Backend) {
    let (world, mailgun) = (World::new(backend).await, FakeMailgun::start());
    let desk = desk(&world.ctx, &mailgun);
    suppressed_and_lifted(&world, &desk, ANN).await;
    let email = world.one(Draft { cc: vec![ANN.to_owned()], ..draft() }).await;
    assert!(!goes(&world, email).await);
    push::due(&desk).await.unwrap();
    looked_at_again(&world, email).await;
    assert!(goes(&world, email).await);
    assert_eq!(world.email(email).await.omitted, None, "she is mailed");
}

async fn a_lift_that_mailgun_refuses_again_and_again_keeps_nothing_back(backend: Backend) {
    let (world, mailgun) = (World::new(backend).await, FakeMailgun::start());
    let desk = desk(&world.ctx, &mailgun);
    suppressed_and_lifted(&world, &desk, READER).await;
    mailgun.answer_lists(|call| (call.method == "DELETE").then(|| Told::status(400, "not this one")));
    let email = world.one(draft()).await;
    let asked = (READER.to_owned(), List::Complaints, true);
    let follows = async || sync::lifts(&world.ctx, std::slice::from_ref(&asked)).await.unwrap()[&asked];
    while follows().await == Lift::Pending {
        assert!(!goes(&world, email).await);
        push::due(&desk).await.unwrap();
        looked_at_again(&world, email).await;
    }
    assert_eq!(mailgun.lists_asked().iter().filter(|call| call.method == "DELETE").count(), MANY as usize);
    assert!(goes(&world, email).await, "Mailgun may say what it likes");
}

async fn what_nobody_will_tell_mailgun_keeps_nothing_back(backend: Backend) {
    let (world, mailgun) = (World::new(backend).await, FakeMailgun::start());
    suppressed_and_lifted(&world, &desk(&world.ctx, &mailgun), READER).await;
    for change in ["domain = 'no-longer-ours.example.com'", "sandbox = NOT sandbox"] {
        world
            .ctx
            .store
            .write()
            .execute_unprepared(&format!("UPDATE email_provider_orders SET {change}"))
            .await
            .unwrap();
        let email = world.one(draft()).await;
        assert!(goes(&world, email).await, "{change}");
    }
}

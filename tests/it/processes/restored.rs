//! A backup, and its restore as docs/deploying.md has it: nothing accepted before the backup is lost, and nothing that was sent
//! after it goes again.

use entity::Status;
use futures::future::join;
use serde_json::{Value, json};
use tests::client::{Client, letter};
use tests::database::Backend;
use tests::mailgun::{Reply, Tells};
use tests::patience::{SOON, until, until_true};
use tests::process::Launch;

use super::{LONG, Served, World, bare, soon, stand};

on_both! {
    a_restored_backup_loses_nothing_and_sends_nothing_twice
    what_mailguns_log_can_not_tell_waits_for_a_person
}

/// The log can be trusted after two seconds.
fn hurried(launch: Launch) -> Launch {
    launch.env("TIMING_LOG_DIVISOR", "900")
}

async fn serve(world: &World, name: &str) -> Served {
    Served::start(hurried(world.launch(name, &["serve"]))).await
}

/// Runs `mailmind restored`, and answers whether it was content and what it said.
async fn restored(world: &World, args: &[&str]) -> (bool, String) {
    let process = hurried(world.launch("restored", &[&["restored"], args].concat())).start();
    let ended = process.ended(SOON).await;
    (ended.success(), process.output().join("\n"))
}

async fn mutate(client: &Client, mutation: &str, variables: Value) -> Value {
    let mut data = client.query(mutation, variables).await;
    let payload = data.as_object_mut().unwrap().values_mut().next().unwrap().take();
    assert_eq!(payload["userErrors"], json!([]), "{mutation}");
    payload
}

const PAUSE_LOW: &str = "mutation { pause(scope: { priority: LOW }) { userErrors { message } } }";
const RESUME_LOW: &str = "mutation { resume(scope: { priority: LOW }) { userErrors { message } } }";
const MARKS: &str = "{ queueStats { reconciliation { domain } } }";

async fn a_restored_backup_loses_nothing_and_sends_nothing_twice(backend: Backend) {
    let mut world = World::of(backend).await;
    world.mailgun.answer(|_| soon());
    world.mailgun.tell_log(|_| Tells::Page);
    let served = serve(&world, "first").await;
    let marked = async || !served.client.query(MARKS, json!({})).await["queueStats"]["reconciliation"][0].is_null();
    until_true("the log to be read", SOON, marked).await;
    // Some are never sent before the restore, so that what goes on afterwards can be told from what does not.
    mutate(&served.client, PAUSE_LOW, json!({})).await;
    let low = (0..20).map(|i| {
        let mut letter = letter(&format!("low{i}@example.org"));
        letter["priority"] = json!("LOW");
        letter
    });
    let low = served.client.send_emails(low.collect()).await;
    let mut before = served.take(600).await;
    before.extend(low.iter().map(|id| bare(id)));
    // The backup is made amid sending and accepting.
    let (backup, during) = join(world.database.back_up(), served.take(200)).await;
    world.mailgun.until("the rest to be sent", LONG, |state| state.accepted() >= 800).await;
    served.process.kill9().await;

    world.database = backup.restore().await;
    let waiting = stand(&*world.context().await).await.into_values().filter(|status| status.is_waiting()).count();
    assert!(waiting > low.len(), "nothing waited in the backup: it would show nothing");
    let (held, said) = restored(&world, &[]).await;
    assert!(held && said.contains("held since"), "{said}");
    let (resumed, said) = restored(&world, &["--resume"]).await;
    assert!(!resumed && said.contains("is not known yet"), "nobody has read the log: {said}");
    let posts = world.mailgun.look(|state| state.posts());

    let served = serve(&world, "second").await;
    let known = async || {
        let sent = world.mailgun.look(|state| state.posts());
        let (resumed, said) = restored(&world, &["--resume"]).await;
        assert!(resumed || sent == posts, "held emails were sent");
        resumed.then_some(said)
    };
    let said = until("Mailgun's log to have told what was sent", LONG, known).await;
    assert!(said.contains("the queue goes on"), "{said}");
    mutate(&served.client, RESUME_LOW, json!({})).await;

    let stand = world.at_rest().await;
    for id in &before {
        assert!(stand.contains_key(id), "{id} was accepted before the backup, and is lost");
    }
    for (id, status) in &stand {
        assert_eq!(*status, Status::Sent, "{id}");
        assert!(before.contains(id) || during.contains(id), "{id} was never accepted");
        assert_eq!(world.mailgun.accepted_for(&id.to_string()), 1, "{id}");
    }
    assert_eq!(world.mailgun.doubles(), Vec::<String>::new());
    assert_eq!(world.mailgun.accepted(), 820);
}

const CREATE: &str = "mutation { createCampaign(input: { name: \"Spring\", transactional: true,
  content: { inline: { subject: \"Hi\", text: \"Hi\" } } }) { campaign { id } userErrors { message } } }";
const ADD: &str = "mutation($id: ID!) { addRecipients(campaignId: $id, recipients: [{ address: \"ann@example.org\" },
  { address: \"bob@example.org\" }]) { added userErrors { message } } }";
const LAUNCH: &str = "mutation($id: ID!) { launchCampaign(id: $id) { userErrors { message } } }";
const HELD: &str = "query($id: ID!) { campaign(id: $id) { status heldBy ledger { pending } } }";

/// Neither did anybody read the log before the backup, nor is it known which recipients have become emails since.
async fn what_mailguns_log_can_not_tell_waits_for_a_person(backend: Backend) {
    let mut world = World::of(backend).await;
    world.mailgun.answer(|_| Reply::Ok);
    world.mailgun.tell_log(|_| Tells::Page);
    let front = world.front().await;
    let campaign = mutate(&front.client, CREATE, json!({})).await["campaign"]["id"].take();
    let id = json!({ "id": campaign });
    mutate(&front.client, ADD, id.clone()).await;
    mutate(&front.client, LAUNCH, id.clone()).await;
    front.take(3).await;
    let backup = world.database.back_up().await;
    front.process.kill9().await;

    world.database = backup.restore().await;
    let (resumed, said) = restored(&world, &["--resume"]).await;
    assert!(!resumed && said.contains("nothing is held"), "{said}");
    let (held, said) = restored(&world, &[]).await;
    assert!(held && said.contains("may not go back to the backup"), "{said}");
    assert!(said.contains(&format!("{} stays paused", campaign.as_str().unwrap())), "{said}");
    assert_eq!(restored(&world, &[]).await, (true, said), "run again, it says the same");

    let served = serve(&world, "second").await;
    let read = async || restored(&world, &[]).await.1.contains("perhaps not from the backup on");
    until_true("the log to be read", LONG, read).await;
    let (resumed, said) = restored(&world, &["--resume"]).await;
    assert!(!resumed, "{said}");
    let stands = served.client.query(HELD, id.clone()).await["campaign"].take();
    assert_eq!((&stands["status"], &stands["ledger"]["pending"]), (&json!("PAUSED"), &json!(2)), "{stands}");
    assert_eq!(world.mailgun.accepted(), 0);

    mutate(&served.client, "mutation { resume { userErrors { message } } }", json!({})).await;
    world.mailgun.until("all to be sent", LONG, |state| state.accepted() >= 3).await;
    let resume = "mutation($id: ID!) { resume(scope: { campaignId: $id }) { userErrors { message } } }";
    mutate(&served.client, resume, id).await;
    world.mailgun.until("the campaign to be sent", LONG, |state| state.accepted() >= 5).await;
    assert_eq!(world.mailgun.doubles(), Vec::<String>::new());
}

//! Campaigns of a seed: filled, launched, filled further, paused, resumed and cancelled amid faults, each call repeated until it
//! is answered; and what they were to be.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::dice::Dice;
use super::load::DOMAINS;
use super::world::World;
use crate::lock;

/// Recipients in one call: few, so that a launch meets recipients who join it, and that batches are many.
const CALL: usize = 25;

/// A campaign of the load.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What it is called.
    pub name: String,
    /// Its `CampaignInput`.
    pub input: Value,
    /// In key form, each once.
    pub recipients: Vec<String>,
    /// Whether it is cancelled while it is sent.
    pub stopped: bool,
    /// The one that was filled and launched. A creation whose answer was lost leaves a draft beside it.
    pub id: Option<Uuid>,
}

/// The campaigns, as they go their way.
#[derive(Clone)]
pub struct Campaigns(Arc<Mutex<Vec<Planned>>>);

impl Campaigns {
    /// Four of them for `emails` recipients together: one by one, two in batches, and one that is cancelled.
    pub fn draw(seed: u64, emails: usize) -> Self {
        let mut dice = Dice::of(seed, "campaigns");
        let one = |(n, share): (usize, usize)| {
            let name = format!("campaign-{seed}-{n}");
            let (stopped, batch) = (n == 3, n == 1 || n == 2 || (n == 3 && dice.percent(50)));
            let priority = if stopped { "LOW" } else { dice.weighted(&[(1, "HIGH"), (3, "NORMAL"), (1, "LOW")]) };
            let content = json!({ "subject": format!("{name} for {{{{ reader }}}}"), "text": "Hello {{ reader }}." });
            let mut input = json!({
                "name": name,
                "from": format!("News <news@{}>", dice.pick(&DOMAINS[..2])),
                "content": { "inline": content },
                "priority": priority,
                "batch": batch,
            });
            if dice.percent(30) {
                input["onUnconfirmed"] = "RESEND".into();
            }
            // Some of them are mailed by single emails as well, and are suppressed for those.
            let recipients = (0..share).map(|i| format!("reader{}@example.org", i * (n + 1))).collect();
            Planned { name, input, recipients, stopped, id: None }
        };
        let shares = [emails / 4, emails / 4, emails / 4, emails / 4];
        Self(Arc::new(Mutex::new(shares.into_iter().enumerate().map(one).collect())))
    }

    /// All of them as they stand.
    pub fn all(&self) -> Vec<Planned> {
        lock(&self.0).clone()
    }

    /// Sends them within about `time`.
    pub async fn send(&self, world: &Arc<World>, seed: u64, time: Duration) {
        let (start, n) = (Instant::now(), self.all().len());
        let each = (0..n).map(|i| async move {
            tokio::time::sleep_until(start + time * i as u32 / n as u32).await;
            self.one(world, Dice::of(seed, ("campaign", i)), i).await;
        });
        futures::future::join_all(each).await;
    }

    async fn one(&self, world: &World, mut dice: Dice, i: usize) {
        let planned = self.all()[i].clone();
        let id = create(world, &planned.input).await;
        lock(&self.0)[i].id = id.strip_prefix("campaign:").and_then(|id| id.parse().ok());
        let (before, after) = planned.recipients.split_at(planned.recipients.len() / 5);
        add(world, &id, before).await;
        launch(world, &id).await;
        if planned.stopped {
            // Those who join it while it ends get an email or stay without one.
            tokio::join!(add(world, &id, after), cancel(world, &id, dice.millis(50, 800)));
            return;
        }
        tokio::time::sleep(dice.millis(0, 200)).await;
        for some in after.chunks(after.len().div_ceil(2)) {
            pause(world, &id, dice.millis(300, 1_500)).await;
            add(world, &id, some).await;
            tokio::time::sleep(dice.millis(100, 1_000)).await;
        }
        pause(world, &id, dice.millis(300, 1_500)).await;
    }
}

/// The payload, once a whole answer came. Some answers never reach whoever asked, who then asks again.
async fn answered(world: &World, field: &str, document: &str, variables: Value) -> Value {
    let mut deaf = Dice::of(0, variables.to_string()).percent(10);
    loop {
        let Some(mut answer) = world.try_ask(document, variables.clone()).await else {
            world.coverage.count("campaign: a call had to be repeated");
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        if std::mem::take(&mut deaf) {
            world.coverage.count("campaign: an answer was lost");
            continue;
        }
        return answer[field].take();
    }
}

async fn create(world: &World, input: &Value) -> String {
    const CREATE: &str = "mutation($input: CampaignInput!) {
      createCampaign(input: $input) { campaign { id } userErrors { code field message } } }";
    world.coverage.count(if input["batch"] == true { "campaign in batches" } else { "campaign one by one" });
    let made = answered(world, "createCampaign", CREATE, json!({ "input": input })).await;
    made["campaign"]["id"].as_str().unwrap_or_else(|| panic!("the campaign makes sense: {made}")).to_owned()
}

/// Adds them. Those who come to a campaign that was cancelled meanwhile are refused.
async fn add(world: &World, id: &str, recipients: &[String]) {
    const ADD: &str = "mutation($id: ID!, $recipients: [RecipientInput!]!) {
      addRecipients(campaignId: $id, recipients: $recipients) { added duplicates userErrors { code field message } } }";
    for call in recipients.chunks(CALL) {
        let inputs: Vec<Value> =
            call.iter().map(|to| json!({ "address": to, "variables": { "reader": to } })).collect();
        let added = answered(world, "addRecipients", ADD, json!({ "id": id, "recipients": inputs })).await;
        if added["userErrors"] != json!([]) {
            world.coverage.count("campaign: recipients came too late");
            continue;
        }
        if added["duplicates"].as_i64().is_some_and(|n| n > 0) {
            world.coverage.count("campaign: recipients came again");
        }
    }
}

async fn launch(world: &World, id: &str) {
    const LAUNCH: &str =
        "mutation($id: ID!) { launchCampaign(id: $id) { campaign { launchedAt } userErrors { code } } }";
    let launched = answered(world, "launchCampaign", LAUNCH, json!({ "id": id })).await;
    if launched["userErrors"] != json!([]) {
        world.coverage.count("campaign: launched already, by a call that was not answered");
    }
}

async fn pause(world: &World, id: &str, time: Duration) {
    const PAUSE: &str = "mutation($scope: Scope!) { pause(scope: $scope) { userErrors { code } } }";
    const RESUME: &str = "mutation($scope: Scope!) { resume(scope: $scope) { ended } }";
    let scope = json!({ "scope": { "campaignId": id } });
    let _: Value = answered(world, "pause", PAUSE, scope.clone()).await;
    world.coverage.count("campaign paused");
    tokio::time::sleep(time).await;
    let _: Value = answered(world, "resume", RESUME, scope).await;
}

async fn cancel(world: &World, id: &str, wait: Duration) {
    const CANCEL: &str = "mutation($id: ID!) { cancelCampaign(id: $id) {
      campaign { ledger { total pending } } userErrors { code } } }";
    tokio::time::sleep(wait).await;
    let cancelled = answered(world, "cancelCampaign", CANCEL, json!({ "id": id })).await;
    if cancelled["userErrors"] != json!([]) {
        world.coverage.count("campaign: too late to be cancelled");
        return;
    }
    world.coverage.count("campaign cancelled");
    if cancelled["campaign"]["ledger"]["pending"].as_i64().is_some_and(|n| n > 0) {
        world.coverage.count("campaign cancelled before everybody had an email");
    }
}

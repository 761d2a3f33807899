//! A campaign from its launch until Mailgun has it all: how long its recipients take to be queued and to be sent, one call each
//! and in batches, and what it costs meanwhile and afterwards to ask how it stands.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use tests::client::Client;
use tests::patience::SOON;
use tokio::time::Instant;

use crate::service::Service;
use crate::usage::peak_memory;
use crate::{Fake, body};

/// Recipients of one call, the most that the API takes.
const CALL: u64 = 10_000;
/// Recipients of the campaign that a large one's ledger is compared with.
const SMALL: u64 = 1_000;
/// How often a ledger is read to know its price.
const READS: usize = 100;

const CREATE: &str = "mutation($input: CampaignInput!) { createCampaign(input: $input) {
  campaign { id } userErrors { message } } }";
const ADD: &str = "mutation($id: ID!, $recipients: [RecipientInput!]!) {
  addRecipients(campaignId: $id, recipients: $recipients) { added userErrors { message } } }";
const LAUNCH: &str = "mutation($id: ID!) { launchCampaign(id: $id) { userErrors { message } } }";
const STANDING: &str = "query($id: ID!) { campaign(id: $id) { status progress estimatedFinish
  ledger { total pending queued sent failed } metrics { sent delivered openRate } } }";

/// Runs one campaign of so many singly and one in batches, and prints what each took.
pub async fn measure(service: &Service, fake: &Fake, recipients: u64) {
    let small = Campaign::made(service, "small", SMALL, false).await;
    small.run(service, fake).await;
    println!("warm after a campaign of {SMALL}; now {recipients} recipients each");
    let single = Campaign::made(service, "single", recipients, false).await;
    let singly = single.run(service, fake).await;
    let batched = Campaign::made(service, "batch", recipients, true).await.run(service, fake).await;
    println!("in batches / singly: {:.2}", singly.as_secs_f64() / batched.as_secs_f64());
    for (campaign, recipients) in [(&small, SMALL), (&single, recipients)] {
        println!("a campaign of {recipients} with ledger and metrics: median {:.2} ms", campaign.price(service).await);
    }
}

struct Campaign {
    id: String,
    name: &'static str,
    recipients: u64,
}

impl Campaign {
    /// Creates it with its recipients.
    async fn made(service: &Service, name: &'static str, recipients: u64, batch: bool) -> Self {
        let html = format!("<p>Dear {{{{ first_name }}}},</p>{}", body());
        let content = json!({ "inline": { "subject": "News for {{ first_name }}", "html": html } });
        let input = json!({ "name": name, "content": content, "batch": batch });
        let made = told(&service.client, CREATE, json!({ "input": input }), "createCampaign").await;
        let id = made["campaign"]["id"].as_str().expect("an id").to_owned();
        let start = Instant::now();
        let calls = (0..recipients.div_ceil(CALL)).map(|call| {
            let numbers = call * CALL..recipients.min((call + 1) * CALL);
            let people: Vec<Value> = numbers.map(|number| person(name, number)).collect();
            let variables = json!({ "id": id, "recipients": people });
            told(&service.client, ADD, variables, "addRecipients")
        });
        futures::stream::iter(calls).buffer_unordered(2).for_each(async |_| {}).await;
        println!("{name}: {recipients} recipients added in {:.1} s", start.elapsed().as_secs_f64());
        Self { id, name, recipients }
    }

    /// Launches it, prints how long its recipients took, and answers the time until all were sent.
    async fn run(&self, service: &Service, fake: &Fake) -> Duration {
        let (before, (known, _)) = (service.spent(fake), fake.counts().await);
        let start = Instant::now();
        told(&service.client, LAUNCH, json!({ "id": self.id }), "launchCampaign").await;
        let (mut queued, mut reads) = (None, Vec::new());
        // 100 a second is slow enough to be a hang.
        let end = start + SOON + Duration::from_millis(self.recipients * 10);
        let sent = loop {
            let asked = Instant::now();
            let standing = self.standing(service).await;
            reads.push(asked.elapsed());
            let ledger = &standing["ledger"];
            if queued.is_none() && ledger["pending"] == 0 {
                queued = Some(start.elapsed());
            }
            if ledger["sent"] == self.recipients {
                break start.elapsed();
            }
            assert!(Instant::now() < end, "{} has come no further than {standing}", self.name);
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let queued = queued.unwrap_or(sent);
        let (name, rate) = (self.name, self.recipients as f64 / sent.as_secs_f64());
        println!(
            "{name}: all queued after {:.1} s, all sent after {:.1} s, {rate:.0} emails/s",
            queued.as_secs_f64(),
            sent.as_secs_f64()
        );
        let peak = peak_memory(service.process.pid());
        println!("{name}: its ledger meanwhile in {:.1} ms (median); peak memory {peak:.0} MB", median(&mut reads));
        service.report(&before, fake, self.recipients);
        let (accepted, doubles) = fake.counts().await;
        assert_eq!((accepted - known, doubles), (self.recipients, 0), "accepted by Mailgun, and twice");
        sent
    }

    async fn standing(&self, service: &Service) -> Value {
        service.client.query(STANDING, json!({ "id": self.id })).await["campaign"].take()
    }

    /// What it costs at rest to ask how it stands, in ms.
    async fn price(&self, service: &Service) -> f64 {
        let mut reads = Vec::with_capacity(READS);
        for _ in 0..READS {
            let asked = Instant::now();
            self.standing(service).await;
            reads.push(asked.elapsed());
        }
        median(&mut reads)
    }
}

fn person(campaign: &str, number: u64) -> Value {
    let address = format!("{campaign}{number}@d{}.example.net", number % 50);
    json!({ "address": address, "variables": { "first_name": format!("Reader {number}") } })
}

/// What a mutation answered that nothing was said against.
async fn told(client: &Client, document: &str, variables: Value, mutation: &str) -> Value {
    let answer = client.query(document, variables).await[mutation].take();
    assert_eq!(answer["userErrors"], json!([]), "{mutation}");
    answer
}

/// In ms.
fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1_000.0
}

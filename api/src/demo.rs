//! `mailmind demo`: a campaign on its way through the sandbox, done with the public API alone and followed by its subscription,
//! so that what is shown is what an application would see.

mod caller;
mod picture;

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::config::Config;
use crate::failure::Failure;
use crate::lifecycle::Lifecycle;
use crate::serve;
use caller::Caller;

/// Recipients in one call.
const AT_ONCE: usize = 5_000;

/// When the last email is sent, its opens and clicks are still to come: the numbers are final once they stood still for so long ..
const STILL: Duration = Duration::from_secs(3);
/// .. and nobody waits for longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whom the campaign is for: of a hundred, so many whose address has the sandbox do this (docs/sandbox.md).
const FATES: [(&str, u32); 9] = [
    ("reader", 54),
    ("open", 24),
    ("click", 8),
    ("machineopen", 4),
    ("bounce", 3),
    ("softbounce", 3),
    ("defer", 2),
    ("complain", 1),
    ("unsubscribe", 1),
];

const NAMES: [&str; 8] = ["Ann", "Bob", "Chiara", "Dai", "Edda", "Farid", "Grace", "Henrik"];

const CREATE: &str = "mutation($input: CampaignInput!) {
  createCampaign(input: $input) { campaign { id name } userErrors { field message } } }";

const ADD: &str = "mutation($id: ID!, $recipients: [RecipientInput!]!) {
  addRecipients(campaignId: $id, recipients: $recipients) { added duplicates refused suppressed userErrors { field message } } }";

const LAUNCH: &str = "mutation($id: ID!) {
  launchCampaign(id: $id) { campaign { status } userErrors { field message } } }";

const FOLLOW: &str = "subscription($id: ID!) { campaignUpdated(id: $id) { status progress ledger {
  total pending cleaned scheduled queued sending unconfirmed sent deferred delivered bounced complained failed cancelled
  suppressed expired } } }";

const METRICS: &str = "query($id: ID!) { campaign(id: $id) { metrics {
  sent delivered deferred bounced hardBounced softBounced complained unsubscribed opened uniqueOpened machineOpened clicked
  uniqueClicked deliveryRate openRate clickRate bounceRate complaintRate } } }";

/// Shows a campaign from its creation to its end.
///
/// # Errors
/// [`Failure::NotInTheSandbox`] where emails would go out; whatever keeps the service from starting.
pub async fn demo(mut config: Config, here: bool, recipients: u32) -> Result<(), Failure> {
    if !config.check()?.mode.is_sandbox() {
        return Err(Failure::NotInTheSandbox);
    }
    let own = if here { None } else { Some(Own::new()?) };
    config.listen = ([127, 0, 0, 1], 0).into();
    if let Some(own) = &own {
        own.take(&mut config);
    }
    let mut setup = config.check()?;
    let life = Lifecycle::under_signals()?;
    let assembled = serve::assemble(&mut setup, true, &life).await?;
    let caller = Caller::new(assembled.app.clone());
    let shown = async {
        let shown = tokio::select! {
            shown = show(&caller, recipients) => shown,
            () = life.soft.cancelled() => Ok(()),
        };
        life.soft.cancel();
        shown
    };
    let (shown, ended) = tokio::join!(shown, assembled.answer(&life, setup.timing.shutdown));
    shown.and(ended)
}

/// A directory with a database of its own, which goes when the demonstration ends.
struct Own(PathBuf);

impl Own {
    fn new() -> Result<Self, Failure> {
        let name = format!("mailmind-demo-{}", entity::Clock::system().id().simple());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).map_err(|error| Failure::DataDir(directory.clone(), error))?;
        Ok(Self(directory))
    }

    /// Lets nothing be used that belongs to somebody else.
    fn take(&self, config: &mut Config) {
        config.data_dir.clone_from(&self.0);
        config.mailgun_api_base = Some("sandbox".to_owned());
        (config.database_url, config.redis_host, config.public_url) = (None, None, None);
        config.content_keyring = None;
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let path: &Path = &self.0;
        if let Err(error) = std::fs::remove_dir_all(path) {
            tracing::warn!(cause = %error, path = %path.display(), "The demo's directory could not be removed");
        }
    }
}

async fn show(caller: &Caller, recipients: u32) -> Result<(), Failure> {
    println!("A campaign of {recipients} recipients on its way through the sandbox. Nothing is delivered.\n");
    let created = caller.ask(CREATE, json!({ "input": campaign() })).await?;
    let id = created["campaign"]["id"].clone();
    println!("  createCampaign   {}", id.as_str().unwrap_or_default());
    let (mut added, mut twice) = (0, 0);
    for group in all(recipients).chunks(AT_ONCE) {
        let done = caller.ask(ADD, json!({ "id": id, "recipients": group })).await?;
        added += done["added"].as_i64().unwrap_or_default();
        twice += done["duplicates"].as_i64().unwrap_or_default();
    }
    println!("  addRecipients    {added} added, {twice} duplicates");
    let mut told = caller.follow(FOLLOW, json!({ "id": id }));
    let launched = caller.ask(LAUNCH, json!({ "id": id })).await?;
    println!("  launchCampaign   {}\n", launched["campaign"]["status"].as_str().unwrap_or_default());
    println!("{}", picture::head());
    let begun = Instant::now();
    loop {
        let campaign = told.next().await.ok_or_else(|| Failure::Demo("the subscription ended".to_owned()))??;
        println!("{}", picture::line(begun.elapsed(), &campaign)?);
        if campaign["status"] == "COMPLETED" {
            break;
        }
    }
    let metrics = finally(caller, &id, told, begun).await?;
    println!("\n{}", picture::metrics(&metrics));
    Ok(())
}

/// Tells on until everything was reported, and answers what became of all.
async fn finally(caller: &Caller, id: &Value, mut told: caller::Told, begun: Instant) -> Result<Value, Failure> {
    let end = Instant::now() + PATIENCE;
    let mut metrics = Value::Null;
    while Instant::now() < end {
        match tokio::time::timeout(STILL, told.next()).await {
            Ok(Some(campaign)) => println!("{}", picture::line(begun.elapsed(), &campaign?)?),
            Ok(None) => break,
            Err(_) => {
                let now = caller.ask(METRICS, json!({ "id": id })).await?["metrics"].take();
                if now == metrics {
                    break;
                }
                metrics = now;
            }
        }
    }
    Ok(metrics)
}

fn campaign() -> Value {
    let html = "<p>Good day {{ first_name }},</p><p>This is what <a href=\"https://example.com/spring\">spring</a> brings.</p>";
    json!({
        "name": "Demo",
        "content": { "inline": {
            "subject": "{{ first_name }}, this is for you",
            "html": html,
            "text": "Good day {{ first_name }},\n\nthis is what spring brings: https://example.com/spring\n",
        } },
        "tags": ["demo"],
        "tracking": { "opens": true, "clicks": true },
    })
}

/// As many recipients, mixed as [`FATES`] says and of this run alone: whom an earlier one suppressed is another.
fn all(recipients: u32) -> Vec<Value> {
    let run = entity::Clock::system().id().simple().to_string();
    (0..recipients)
        .map(|i| {
            let address = format!("{}+{}-{i}@example.com", fate(i), &run[..12]);
            json!({ "address": address, "variables": { "first_name": NAMES[i as usize % NAMES.len()] } })
        })
        .collect()
}

/// Of a hundred that follow each other each fate has its share, and they are mixed: 37 and 100 have no divisor in common.
fn fate(i: u32) -> &'static str {
    let mut place = i * 37 % 100;
    for (word, share) in FATES {
        if place < share {
            return word;
        }
        place -= share;
    }
    FATES[0].0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn of_a_hundred_each_fate_has_its_share() {
        let mut counts = BTreeMap::new();
        (0..100).for_each(|i| *counts.entry(fate(i)).or_insert(0) += 1);
        assert_eq!(counts, FATES.into_iter().collect());
    }
}

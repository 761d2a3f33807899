//! The load of a seed: emails over priorities, policies, domains, copies, deadlines and send times; and the applications that
//! send them, each call repeated with the same keys until it is answered.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use entity::Clock;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::dice::Dice;
use super::world::World;
use crate::lock;

/// The sending domains. Mailgun gives emails of the last one Message-Ids of its own.
pub const DOMAINS: [&str; 3] = ["mg.example.com", "news.example.com", "ids.example.com"];

/// The domain whose Message-Ids Mailgun changes.
pub const RENAMED: &str = DOMAINS[2];

/// Emails in one call.
const CALL: usize = 20;

/// An email of the load.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The one named by its input.
    pub key: String,
    /// To, then cc, then bcc, in key form.
    pub recipients: Vec<String>,
    /// Its `SendEmailInput`; the same whenever it is sent again.
    pub input: Value,
    /// Its id, once it is accepted.
    pub id: Option<Uuid>,
}

/// The load, as it is accepted.
#[derive(Clone)]
pub struct Load(Arc<Mutex<Vec<Planned>>>);

impl Load {
    /// Draws `emails` of them from a seed.
    pub fn draw(seed: u64, emails: usize) -> Self {
        let mut dice = Dice::of(seed, "load");
        // So few addresses that suppressions meet emails under way.
        let address = |dice: &mut Dice| format!("reader{}@example.org", dice.below(emails / 3));
        let one = |n: usize| {
            let domain = dice.weighted(&[(6, DOMAINS[0]), (3, DOMAINS[1]), (1, DOMAINS[2])]);
            let mut recipients = vec![address(&mut dice)];
            let mut input = json!({
                "from": format!("Ann <ann@{domain}>"),
                "to": recipients[0],
                "content": { "inline": { "subject": format!("Number {n}"), "text": "Hello there." } },
                "priority": dice.weighted(&[(3, "HIGH"), (5, "NORMAL"), (3, "LOW")]),
                "idempotencyKey": format!("load-{seed}-{n}"),
            });
            for copies in ["cc", "bcc"] {
                if dice.percent(6) {
                    let copy = address(&mut dice);
                    if !recipients.contains(&copy) {
                        input[copies] = json!([copy]);
                        recipients.push(copy);
                    }
                }
            }
            match dice.below(10) {
                0 => input["onUnconfirmed"] = "HOLD".into(),
                1..4 => input["onUnconfirmed"] = "RESEND".into(),
                4 => input["onUnconfirmed"] = "VERIFY".into(),
                _ => {}
            }
            // In milliseconds from the call; some deadlines follow so close on the send time that they are missed.
            match dice.below(100) {
                0..10 => input["sendAt"] = (1_000 + dice.below(12_000)).into(),
                10..16 => input["deliverBy"] = (12_000 + dice.below(30_000)).into(),
                16..19 => {
                    let send = 12_000 + dice.below(3_000);
                    (input["sendAt"], input["deliverBy"]) = (send.into(), (send + 1 + dice.below(200)).into());
                }
                _ => {}
            }
            if dice.percent(10) {
                input["transactional"] = true.into();
            }
            Planned { key: format!("load-{seed}-{n}"), recipients, input, id: None }
        };
        Self(Arc::new(Mutex::new((0..emails).map(one).collect())))
    }

    /// All of it as it stands.
    pub fn all(&self) -> Vec<Planned> {
        lock(&self.0).clone()
    }

    /// The ids accepted so far.
    pub fn ids(&self) -> Vec<Uuid> {
        lock(&self.0).iter().filter_map(|planned| planned.id).collect()
    }

    /// Sends all of it in about `time`, from several applications.
    pub async fn send(&self, world: &Arc<World>, time: Duration) {
        let calls: Vec<Vec<usize>> = {
            let all: Vec<usize> = (0..lock(&self.0).len()).collect();
            all.chunks(CALL).map(<[usize]>::to_vec).collect()
        };
        let (start, n) = (Instant::now(), calls.len() as u32);
        let mut under_way = tokio::task::JoinSet::new();
        for (i, call) in calls.into_iter().enumerate() {
            tokio::time::sleep_until(start + time * i as u32 / n).await;
            let (load, world) = (self.clone(), world.clone());
            under_way.spawn(async move { load.call(&world, call).await });
        }
        while let Some(done) = under_way.join_next().await {
            done.expect("a call is answered in the end");
        }
    }

    /// One call, repeated until every email of it has an id.
    async fn call(&self, world: &World, call: Vec<usize>) {
        const SEND: &str = "mutation($inputs: [SendEmailInput!]!) {
          sendEmails(inputs: $inputs) { emails { id } userErrors { code field message } } }";
        let now = Clock::system().now();
        for i in &call {
            let input = &mut lock(&self.0)[*i].input;
            for name in ["sendAt", "deliverBy"] {
                if let Some(millis) = input.get(name).and_then(Value::as_i64) {
                    input[name] = (now + TimeDelta::milliseconds(millis)).to_rfc3339().into();
                }
            }
        }
        // Some answers never reach the application, which then calls again.
        let mut deaf = Dice::of(0, &call).percent(10);
        loop {
            let open: Vec<(usize, Value)> = {
                let load = lock(&self.0);
                call.iter().filter(|i| load[**i].id.is_none()).map(|i| (*i, load[*i].input.clone())).collect()
            };
            if open.is_empty() {
                return;
            }
            let inputs: Vec<&Value> = open.iter().map(|(_, input)| input).collect();
            let Some(answer) = world.try_ask(SEND, json!({ "inputs": inputs })).await else {
                world.coverage.count("api: a call had to be repeated");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            if std::mem::take(&mut deaf) {
                world.coverage.count("api: an answer was lost");
                continue;
            }
            let payload = &answer["sendEmails"];
            let mut load = lock(&self.0);
            for ((i, _), email) in open.iter().zip(payload["emails"].as_array().into_iter().flatten()) {
                if let Some(id) = email["id"].as_str().and_then(bare) {
                    load[*i].id = Some(id);
                }
            }
            let errors = payload["userErrors"].as_array().map_or(0, Vec::len);
            assert_eq!(errors, 0, "the load makes sense: {}", payload["userErrors"]);
        }
    }
}

/// The UUID in an email's global id.
pub fn bare(id: &str) -> Option<Uuid> {
    id.strip_prefix("email:")?.parse().ok()
}

//! What people do amid it all: cancel, retry, move, suppress, pause; and what they were answered.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::{Clock, Status, email};
use jobs::Context;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use serde_json::{Value, json};
use uuid::Uuid;

use super::dice::Dice;
use super::load::{DOMAINS, Load, bare};
use super::world::World;
use crate::lock;

const SUPPRESS: &str = "mutation($input: SuppressInput!) {
  suppress(input: $input) { inFlight { id } userErrors { code message } } }";

/// From this answer on nothing goes to an address, but what was named.
#[derive(Clone, Debug)]
pub struct Suppressed {
    pub address: String,
    pub reason: &'static str,
    pub at: DateTime<Utc>,
    pub in_flight: BTreeSet<Uuid>,
}

/// Something that was asked of an email.
#[derive(Clone, Debug)]
pub struct Asked {
    pub email: Uuid,
    pub what: &'static str,
    pub at: DateTime<Utc>,
    pub answer: String,
}

/// All that was asked.
#[derive(Clone, Default)]
pub struct Wishes {
    pub asked: Vec<Asked>,
    pub suppressed: Vec<Suppressed>,
    /// Addresses that were to be suppressed, whatever was answered.
    pub meant: BTreeSet<(String, &'static str)>,
}

/// People, and what they remember.
#[derive(Clone)]
pub struct People {
    pub wishes: Arc<Mutex<Wishes>>,
    seed: u64,
    world: Arc<World>,
    load: Load,
    /// A way into the database past everything.
    pub beside: Arc<Context>,
}

impl People {
    /// At this load.
    pub fn new(seed: u64, world: Arc<World>, load: Load, beside: Arc<Context>) -> Self {
        Self { wishes: Arc::default(), seed, world, load, beside }
    }

    /// Interferes for this long.
    pub async fn interfere(&self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        let busy = async {
            tokio::join!(
                self.again(end, "cancel", 120, 400),
                self.again(end, "suppress", 300, 900),
                self.again(end, "retry", 400, 1_000),
                self.again(end, "move", 700, 1_500),
                self.again(end, "pause", 2_500, 4_000),
            )
        };
        busy.await;
        self.world.ask("mutation { resume { ended } }", json!({})).await;
    }

    async fn again(&self, end: tokio::time::Instant, what: &'static str, from: u64, to: u64) {
        let mut dice = Dice::of(self.seed, what);
        loop {
            tokio::time::sleep(dice.millis(from, to)).await;
            if tokio::time::Instant::now() >= end {
                return;
            }
            match what {
                "cancel" => self.cancel(&mut dice).await,
                "suppress" => self.suppress(&mut dice).await,
                "retry" => self.retry(&mut dice).await,
                "move" => self.reschedule(&mut dice).await,
                _ => self.pause(&mut dice).await,
            }
        }
    }

    async fn of_email(&self, what: &'static str, field: &str, email: Uuid, more: (&str, Value)) {
        self.world.coverage.count(what);
        let id = format!("email:{email}");
        let (declared, given) = if more.0.is_empty() { ("", "") } else { (", $at: DateTime!", ", sendAt: $at") };
        let text = format!(
            "mutation($id: ID!{declared}) {{ {field}(id: $id{given}) {{ email {{ status }} userErrors {{ code }} }} }}"
        );
        let mut variables = json!({ "id": id });
        if !more.0.is_empty() {
            variables[more.0] = more.1;
        }
        // Noted before: what was asked may have its effect though no answer comes.
        let noted = |answer: String| Asked { email, what, at: Clock::system().now(), answer };
        lock(&self.wishes).asked.push(noted("asked".into()));
        if let Some(answer) = self.world.ask(&text, variables).await {
            lock(&self.wishes).asked.push(noted(answer[field].to_string()));
        }
    }

    async fn cancel(&self, dice: &mut Dice) {
        let ids = self.load.ids();
        if ids.is_empty() {
            return;
        }
        // The latest still wait.
        let from = ids.len().saturating_sub(150);
        self.of_email("cancel", "cancelEmail", *dice.pick(&ids[from..]), ("", Value::Null)).await;
    }

    async fn reschedule(&self, dice: &mut Dice) {
        let ids = self.load.ids();
        if ids.is_empty() {
            return;
        }
        let at = Clock::system().now() + TimeDelta::milliseconds(500 + dice.below(5_000) as i64);
        let from = ids.len().saturating_sub(100);
        self.of_email("move", "rescheduleEmail", *dice.pick(&ids[from..]), ("at", json!(at.to_rfc3339()))).await;
    }

    async fn retry(&self, dice: &mut Dice) {
        let failed = email::Entity::find().select_only().column(email::Column::Id);
        let failed = failed.filter(email::Column::Status.is_in([Status::Failed, Status::Suppressed]));
        let ids: Vec<Uuid> = failed.into_tuple().all(self.beside.store.read()).await.unwrap_or_default();
        if !ids.is_empty() {
            self.of_email("retry", "retryEmail", *dice.pick(&ids), ("", Value::Null)).await;
        }
    }

    async fn suppress(&self, dice: &mut Dice) {
        if let Some(address) = self.somebody(dice).await {
            self.suppress_one(dice, address).await;
        }
    }

    /// Suppresses some whose emails are under way.
    pub async fn suppress_under_way(&self, dice: &mut Dice, n: usize) {
        let mut addresses = self.under_way().await;
        dice.shuffle(&mut addresses);
        let all = addresses.into_iter().take(n).enumerate().map(|(i, address)| {
            let mut dice = Dice::of(self.seed, ("under way", i));
            async move { self.suppress_one(&mut dice, address).await }
        });
        futures::future::join_all(all).await;
    }

    async fn under_way(&self) -> Vec<String> {
        let under_way = email::Entity::find().filter(email::Column::Status.eq(Status::Sending));
        let found = under_way.select_only().column(email::Column::RecipientKey).into_tuple();
        found.all(self.beside.store.read()).await.unwrap_or_default()
    }

    async fn suppress_one(&self, dice: &mut Dice, address: String) {
        let reason = dice.weighted(&[(3, "MANUAL"), (1, "COMPLAINT"), (1, "UNSUBSCRIBE")]);
        self.world.coverage.count("suppress");
        lock(&self.wishes).meant.insert((address.clone(), reason));
        let input = json!({ "target": address, "reason": reason });
        if let Some(answer) = self.world.ask(SUPPRESS, json!({ "input": input })).await {
            let at = Clock::system().now();
            let named = answer["suppress"]["inFlight"].as_array().into_iter().flatten();
            let in_flight: BTreeSet<Uuid> = named.filter_map(|email| bare(email["id"].as_str()?)).collect();
            if !in_flight.is_empty() {
                self.world.coverage.count("suppress: some were in flight");
            }
            lock(&self.wishes).suppressed.push(Suppressed { address, reason, at, in_flight });
        }
    }

    /// Whom to suppress: often somebody whose email is under way, which is the hardest.
    async fn somebody(&self, dice: &mut Dice) -> Option<String> {
        if dice.percent(60) {
            let addresses = self.under_way().await;
            if !addresses.is_empty() {
                return Some(dice.pick(&addresses).clone());
            }
        }
        let all = self.load.all();
        let latest: Vec<_> = all.iter().rev().filter(|planned| planned.id.is_some()).take(200).collect();
        if latest.is_empty() {
            return None;
        }
        let planned = dice.pick(&latest);
        Some(dice.pick(&planned.recipients).clone())
    }

    async fn pause(&self, dice: &mut Dice) {
        self.world.coverage.count("pause");
        let scope = match dice.below(3) {
            0 => Value::Null,
            1 => json!({ "domain": dice.pick(&DOMAINS) }),
            _ => json!({ "priority": dice.pick(&["HIGH", "NORMAL", "LOW"]) }),
        };
        let pause = "mutation($scope: Scope) { pause(scope: $scope) { userErrors { code } } }";
        self.world.ask(pause, json!({ "scope": scope })).await;
        tokio::time::sleep(dice.millis(300, 1_200)).await;
        self.world.ask("mutation { resume { ended } }", json!({})).await;
    }
}

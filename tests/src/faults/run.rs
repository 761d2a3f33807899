//! One seed from its start to its verdict.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use entity::{Clock, Outcome, Policy, Status, delivery_event, email};
use jobs::Context;
use jobs::store::rows;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};
use tokio::time::Instant;
use uuid::Uuid;

use super::campaigns::Campaigns;
use super::check::{self, Violation};
use super::follow::Follower;
use super::hooks::Hooks;
use super::load::{Load, RENAMED};
use super::mailgun::{BATCHES, takes_batches};
use super::people::People;
use super::story::story;
use super::truth::{Truth, batched};
use super::world::{PREFIX, Pace, World};
use super::{logbook, redis, trouble};
use crate::ledger::assert_ledger_equals_rows;
use crate::lock;

/// How a seed is run.
#[derive(Clone, Debug)]
pub struct Options {
    pub seed: u64,
    pub emails: usize,
    /// For how long emails come in and faults happen.
    pub time: Duration,
    pub pace: Pace,
    /// The guard that is switched off.
    pub sabotage: Option<String>,
    /// Whether faults happen to what is around the emails, too.
    pub trouble: bool,
}

/// What came of it.
pub struct Verdict {
    pub violations: Vec<Violation>,
    /// The stories that go with them.
    pub stories: Vec<String>,
    pub coverage: BTreeMap<&'static str, u64>,
    pub statuses: BTreeMap<&'static str, usize>,
    pub took: Duration,
    /// How long it took to settle after the last fault.
    pub settled: Duration,
    /// What the processes printed.
    pub output: Vec<(String, Vec<String>)>,
}

/// Stories told at most.
const STORIES: usize = 3;

/// Runs a seed.
pub async fn run(options: &Options) -> Verdict {
    let start = Instant::now();
    let world = World::start(options.seed, options.pace.clone(), options.sabotage.as_deref()).await;
    let (book, newer, base) = (world.mailgun.book.clone(), options.seed.is_multiple_of(2), world.mailgun.fake.url());
    world.mailgun.fake.tell_log(move |asked| logbook::answer(&lock(&book), asked, newer, &base));
    let hooks = Hooks::new(options.seed, world.doors.clone(), world.coverage.clone(), true);
    let bringer = hooks.clone();
    let mut around = tokio::task::JoinSet::new();
    around.spawn(world.mailgun.clone().live(move |logged| bringer.bring(logged)));
    let ctx = world.beside().await;
    let follower = Follower::default();
    around.spawn(follower.clone().follow(ctx.clone()));
    // A quarter of the emails are campaigns'.
    let campaigns = Campaigns::draw(options.seed, options.emails / 4);
    let load = Load::draw(options.seed, options.emails - options.emails / 4);
    let people = People::new(options.seed, world.clone(), load.clone(), ctx.clone());
    let faults = async {
        if options.trouble {
            trouble::make(&world, &people, options.seed, options.time).await;
        }
    };
    let sent = campaigns.send(&world, options.seed, options.time);
    tokio::join!(load.send(&world, options.time), sent, people.interfere(options.time), faults);
    world.mailgun.be_calm();
    let ended = Instant::now();
    let limit = options.pace.limit();
    let settled = settle(&world, &ctx, limit).await;
    let (time, mut violations) = (ended.elapsed(), Vec::new());
    violations.extend(settled.err().map(|what| Violation::new(format!("after {limit:?} it had not settled: {what}"))));
    let truth =
        Truth::gather(&world, &ctx, &load, &campaigns, &people, &hooks, &follower).await.expect("PostgreSQL runs");
    violations.extend(check::all(&truth, &options.pace));
    if let Err(panic) = tokio::spawn(async move { assert_ledger_equals_rows(&ctx).await }).await {
        let words = panic.into_panic();
        let words = words.downcast_ref::<String>().cloned().unwrap_or_default();
        violations.push(Violation::new(format!("the numbers do not add up: {words}")));
    }
    violations.extend(circles(&world.postgres.log()));
    violations.extend(redis::garbage(&world.redis, PREFIX).await.into_iter().map(Violation::new));
    let kinds = trouble::kinds().chain(BATCHES);
    for kind in kinds.filter(|kind| options.trouble && !world.coverage.table().contains_key(kind)) {
        violations.push(Violation::new(format!("nothing is shown: {kind:?} never happened")));
    }
    for outcome in truth.attempts.values().flatten().map(|attempt| attempt.outcome) {
        world.coverage.count(outcome_name(outcome));
    }
    let mut told: Vec<Uuid> = violations.iter().filter_map(|violation| violation.email).collect();
    told.dedup();
    let mut statuses: BTreeMap<&'static str, usize> = BTreeMap::new();
    for email in truth.emails.values() {
        *statuses.entry(email.status.name()).or_default() += 1;
    }
    let mut output = std::mem::take(&mut *lock(&world.past));
    for process in lock(&world.fronts).iter().chain(lock(&world.workers).iter()) {
        output.push((format!("pid {}", process.pid()), process.output()));
    }
    Verdict {
        stories: told.into_iter().take(STORIES).map(|email| story(&truth, email)).collect(),
        violations,
        coverage: world.coverage.table(),
        statuses,
        took: start.elapsed(),
        settled: time,
        output,
    }
}

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Sent => "attempt: sent",
        Outcome::Retry => "attempt: never left",
        Outcome::Held => "attempt: held",
        Outcome::Unconfirmed => "attempt: unconfirmed",
        Outcome::AccountRefused => "attempt: account refused",
        Outcome::Failed => "attempt: failed",
        Outcome::NotHandedOver => "attempt: given back",
        Outcome::LeaseRanOut => "attempt: its lease ran out",
    }
}

impl Pace {
    /// How long it may take to settle: the log is trusted twice over, and some more for a machine with other work.
    fn limit(&self) -> Duration {
        2 * jobs::Timing::divided(self.hurry_log).looks[5] + Duration::from_secs(40)
    }
}

/// Waits until every email has ended and every event is recorded. Answers what has not.
async fn settle(world: &World, ctx: &Arc<Context>, limit: Duration) -> Result<(), String> {
    let end = Instant::now() + limit;
    let mut quiet_since = Clock::system().now();
    loop {
        let open = open(world, ctx).await.unwrap_or_else(|error| Some(error.to_string()));
        let now = Clock::system().now();
        match open {
            Some(open) if Instant::now() > end => return Err(open),
            Some(_) => quiet_since = now,
            // Fates go on for a while after the last acceptance.
            None if (now - quiet_since).num_milliseconds() > 3_500 => return Ok(()),
            None => {}
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// What has not come to its end; `None` where everything has.
async fn open(world: &World, ctx: &Context) -> Result<Option<String>, jobs::Error> {
    let db = ctx.store.write();
    let moving = [Status::Scheduled, Status::Queued, Status::Sending, Status::Unconfirmed];
    let asked = email::Entity::find().filter(email::Column::Status.is_in(moving)).select_only();
    let asked =
        asked.columns([email::Column::Id, email::Column::Status, email::Column::OnUnconfirmed, email::Column::Sender]);
    let taken = world.mailgun.accepted();
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    let posts = lock(&world.mailgun.book).posts.clone();
    let batched = batched(ctx).await?;
    for (id, status, policy, sender) in asked.into_tuple::<(Uuid, Status, Policy, String)>().all(db).await? {
        let decided = policy == Policy::Hold
            || sender.contains(RENAMED)
            || (batched.contains(&id) && !takes_batches(&posts, &sender));
        let waits = status != Status::Unconfirmed || taken.contains_key(&id) || !decided;
        if waits {
            *open.entry(status.name()).or_default() += 1;
        }
    }
    let pending = "SELECT count(*) AS n FROM campaign_recipients r JOIN campaigns k ON k.id = r.campaign_id \
                   WHERE r.email_id IS NULL AND k.launched_at IS NOT NULL AND k.cancelled_at IS NULL";
    let pending: i64 = match rows(db, ctx.store.sql(pending, [])).await?.first() {
        Some(row) => row.try_get("", "n")?,
        None => 0,
    };
    if pending > 0 {
        open.insert("pending", pending as usize);
    }
    let recorded = delivery_event::Entity::find().count(db).await?;
    let logged = lock(&world.mailgun.book).log.len() as u64;
    if open.is_empty() && recorded >= logged {
        return Ok(None);
    }
    Ok(Some(format!("{open:?} emails, {recorded} of {logged} events recorded")))
}

/// Transactions that waited for each other until PostgreSQL ended one of them: nothing is lost by it but time, of which
/// everybody who waited behind them lost a second.
fn circles(log: &str) -> Vec<Violation> {
    let found = log.split("deadlock detected").skip(1);
    let told = found.map(|after| after.lines().take(8).map(|line| line.chars().take(400).collect::<String>()));
    told.map(|lines| {
        Violation::new(format!("transactions waited in a circle:{}", lines.collect::<Vec<_>>().join("\n")))
    })
    .collect()
}

//! The executor: recipients of launched campaigns become emails, in batches, `EXECUTION_BATCH_CONCURRENCY` of them at once over
//! all campaigns. What it remembers is a convenience: whoever begins anew, here or in another process, finds the recipients that
//! have no email, and nobody else.

mod batch;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use sea_orm::Value;
use tokio::task::{Id, JoinError, JoinSet};
use uuid::Uuid;

use crate::Context;
use crate::control::repeat;
use crate::error::Result;
use crate::hold::Holds;
use crate::store::{Dialect, rows};

/// Campaigns looked at in one go.
const LOOK: i64 = 1_000;

/// What work on a campaign came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    /// A whole batch, up to this recipient: there may be more.
    More(Uuid),
    /// Fewer than a batch: the others are others' or there are none.
    Last,
    /// A pause keeps it.
    Paused,
    /// It is not to be expanded (any longer).
    Over,
    /// Nobody is left.
    Closed,
    /// Somebody is left, or came meanwhile.
    Left,
}

/// Makes emails of recipients until the process is to stop.
pub async fn run(ctx: Arc<Context>) {
    let mut executor = Executor::new(ctx.clone());
    let mut looks = tokio::time::interval(ctx.timing.expand);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        executor.begin();
        tokio::select! {
            Some(ended) = executor.under_way.join_next_with_id() => executor.ended(ended),
            () = ctx.executor.notified() => executor.look().await,
            _ = looks.tick() => executor.look().await,
            () = ctx.stop.cancelled() => break,
        }
    }
    while executor.under_way.join_next().await.is_some() {}
}

struct Executor {
    ctx: Arc<Context>,
    /// Batches at once.
    most: usize,
    /// Each stands for a batch of its campaign: one to begin with, two for each whole batch.
    tickets: VecDeque<Uuid>,
    under_way: JoinSet<Result<Done>>,
    whose: HashMap<Id, Uuid>,
    /// Campaigns that are looked through for the last time.
    closing: HashSet<Uuid>,
    /// Up to which recipient a campaign was worked on: the index is not walked from its beginning each time, where those stand
    /// that have an email by now.
    passed: HashMap<Uuid, Uuid>,
}

impl Executor {
    fn new(ctx: Arc<Context>) -> Self {
        // SQLite has one writer: a second batch could only stand in others' way.
        let most = if ctx.store.dialect() == Dialect::Sqlite { 1 } else { ctx.settings.batches };
        Self {
            ctx,
            most,
            tickets: VecDeque::new(),
            under_way: JoinSet::new(),
            whose: HashMap::new(),
            closing: HashSet::new(),
            passed: HashMap::new(),
        }
    }

    /// Begins as many batches as there is room and need for, the campaigns in turn.
    fn begin(&mut self) {
        while self.under_way.len() < self.most
            && let Some(campaign) = self.tickets.pop_front()
        {
            let (ctx, passed) = (self.ctx.clone(), self.passed.get(&campaign).copied().unwrap_or_default());
            let work = async move { repeat(|| batch::expand(&ctx, campaign, passed)).await };
            self.whose.insert(self.under_way.spawn(work).id(), campaign);
        }
    }

    /// Finds campaigns whose time has come and that no pause keeps.
    async fn look(&mut self) {
        match due(&self.ctx).await {
            Ok(found) => {
                let busy: HashSet<Uuid> = self.whose.values().chain(&self.tickets).copied().collect();
                self.tickets.extend(found.into_iter().filter(|campaign| !busy.contains(campaign)));
            }
            Err(error) => tracing::warn!(cause = %error, "Campaigns could not be looked for"),
        }
    }

    fn ended(&mut self, ended: Result<(Id, Result<Done>), JoinError>) {
        let (id, done) = match ended {
            Ok(ended) => ended,
            Err(error) => (error.id(), Err(crate::Error::FlightLost)),
        };
        let Some(campaign) = self.whose.remove(&id) else { return };
        match done {
            Ok(Done::More(last)) => {
                let passed = self.passed.entry(campaign).or_default();
                *passed = last.max(*passed);
                let room = self.tickets.len() + self.under_way.len() + 1 < self.most;
                self.tickets.extend(std::iter::repeat_n(campaign, 1 + usize::from(room)));
            }
            Ok(Done::Last) => {
                self.leave(campaign);
                if self.closing.insert(campaign) {
                    let ctx = self.ctx.clone();
                    let work = async move { repeat(|| batch::close(&ctx, campaign)).await };
                    self.whose.insert(self.under_way.spawn(work).id(), campaign);
                }
            }
            Ok(Done::Left) => {
                self.leave(campaign);
                self.closing.remove(&campaign);
                self.tickets.push_back(campaign);
            }
            Ok(Done::Closed) => {
                self.leave(campaign);
                self.closing.remove(&campaign);
            }
            Ok(Done::Paused | Done::Over) => self.leave(campaign),
            Err(error) => {
                tracing::warn!(campaign.id = %campaign, cause = %error, "A batch of a campaign failed; it is tried again");
                self.leave(campaign);
                self.closing.remove(&campaign);
            }
        }
    }

    /// Begins no further batch of it until it is found again.
    fn leave(&mut self, campaign: Uuid) {
        self.tickets.retain(|other| *other != campaign);
        self.passed.remove(&campaign);
    }
}

/// Campaigns whose time has come and that no pause keeps, the longest due first.
async fn due(ctx: &Context) -> Result<Vec<Uuid>> {
    let (db, now) = (ctx.store.by_key(), ctx.clock.now());
    let text = "SELECT k.id, k.lane, k.scope FROM campaigns k WHERE k.expand_at <= $1 ORDER BY k.expand_at LIMIT $2";
    let found = rows(db, ctx.store.sql(text, [Value::from(now), Value::from(LOOK)])).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let holds = Holds::load(db, now).await?;
    let mut due = Vec::with_capacity(found.len());
    for row in found {
        let scope = ctx.scopes.get(db, &ctx.store, row.try_get("", "scope")?).await?;
        if !holds.is_paused(row.try_get("", "lane")?, &scope) {
            due.push(row.try_get("", "id")?);
        }
    }
    Ok(due)
}

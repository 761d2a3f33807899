//! Ringing for what is due. Only the feeder pushes doorbells, one process feeds a lane at a time, and it takes turns among
//! campaigns and sending domains, skipping those that are held: a paused or a huge campaign costs nobody anything.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::{Priority, Status};
use sea_orm::{ActiveEnum, DatabaseTransaction, Value};
use uuid::Uuid;

use crate::context::Context;
use crate::error::Result;
use crate::hold::{Holds, Leave};
use crate::lane::{Deliver, LaneError, Lanes};
use crate::ledger::{self, Cause, Move, Shard};
use crate::rows::Rows;
use crate::store::{Dialect, execute, rows};

/// A lane holds fewer doorbells than this for each live process that consumes.
const TASKS: u64 = 4;
/// At most this many scopes get their turn in one round.
const TURNS: usize = 64;

/// One lane's feeder.
pub struct Feeder {
    ctx: Arc<Context>,
    lanes: Lanes,
    lane: Priority,
    /// The lanes' generation that was fed last; another one means that what was rung for may be forgotten.
    generation: u64,
    /// The scope that was served last; the next round begins after it.
    last: i32,
}

/// What a round found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// There was more than it could ring for, or exactly as much.
    Full,
    /// Everything due has been rung for.
    Done,
}

impl Feeder {
    /// A feeder for one lane.
    pub fn new(ctx: Arc<Context>, lanes: Lanes, lane: Priority) -> Self {
        let generation = lanes.generation();
        Self { ctx, lanes, lane, generation, last: 0 }
    }

    /// Feeds until the process is to stop.
    pub async fn run(mut self) {
        loop {
            if let Err(error) = self.round().await {
                tracing::warn!(lane = self.lane.name(), cause = %error, "A feeder's round failed");
            }
            tokio::select! {
                () = self.lanes.nudged(self.lane) => {}
                () = tokio::time::sleep(self.ctx.timing.round) => {}
                () = self.ctx.stop.cancelled() => return,
            }
        }
    }

    /// Feeds until the lane is full or nothing is due.
    async fn round(&mut self) -> Result<(), FeedError> {
        while !self.ctx.stop.is_cancelled() && self.ring().await? == Round::Full {}
        Ok(())
    }

    async fn ring(&mut self) -> Result<Round, FeedError> {
        let generation = self.lanes.generation();
        let depth = self.lanes.depth(self.lane).await?;
        let room = (TASKS * self.lanes.live_workers().await).saturating_sub(depth);
        if room == 0 {
            return Ok(Round::Done);
        }
        let open = self.open_scopes().await?;
        if open.is_empty() {
            return Ok(Round::Done);
        }
        let size = self.ctx.settings.slots.min(Deliver::MOST);
        let want = room as usize * size;
        let horizon = self.horizon(generation, depth);
        let ids = self.pick(&open, want, horizon).await?;
        self.generation = generation;
        let full = ids.len() >= want;
        if !ids.is_empty() {
            self.lanes.push(self.lane, Deliver::each(&ids, size)).await?;
        }
        Ok(if full { Round::Full } else { Round::Done })
    }

    /// Emails rung for before this are rung for again: at once when the lane's memory may be gone, soon when it is empty, else
    /// after a while.
    fn horizon(&self, generation: u64, depth: u64) -> DateTime<Utc> {
        let now = self.ctx.clock.now();
        if generation != self.generation {
            now
        } else if depth == 0 {
            now - self.ctx.timing.refeed_idle
        } else {
            now - self.ctx.timing.refeed
        }
    }

    /// The scopes in which something waits, by the tallies, and is due: those after the last served first. Campaigns of
    /// tomorrow take no turn of today's. The earliest is asked for by its order, so that the due index answers: any other walks
    /// what a scope has sent already.
    async fn open_scopes(&self) -> Result<Vec<i32>> {
        let text = "SELECT t.scope FROM email_tallies t WHERE t.lane = $1 AND t.status IN ($2, $3) GROUP BY t.scope \
                    HAVING sum(t.n) > 0 AND (SELECT q.due_at FROM email_queue q WHERE q.lane = $1 AND q.scope = t.scope \
                    AND q.due_at IS NOT NULL ORDER BY q.due_at LIMIT 1) <= $4 ORDER BY t.scope";
        let values = [
            Value::from(self.lane.to_value()),
            Value::from(Status::Scheduled.to_value()),
            Value::from(Status::Queued.to_value()),
            Value::from(self.ctx.clock.now()),
        ];
        let found = rows(self.ctx.store.by_key(), self.ctx.store.sql(text, values)).await?;
        let mut scopes: Vec<i32> = found.iter().map(|r| Ok(r.try_get("", "scope")?)).collect::<Result<_>>()?;
        let after = scopes.partition_point(|scope| *scope <= self.last);
        scopes.rotate_left(after);
        Ok(scopes)
    }

    /// Chooses what to ring for and notes that it was rung for, while no other process feeds this lane.
    async fn pick(&mut self, scopes: &[i32], want: usize, horizon: DateTime<Utc>) -> Result<Vec<Uuid>> {
        let ctx = self.ctx.clone();
        let tx = ctx.store.begin().await?;
        if !self.alone(&tx).await? {
            return Ok(Vec::new());
        }
        let now = ctx.clock.now();
        let served = self.whose_turn(&tx, scopes, TURNS.min(want), now).await?;
        let mut turns: Vec<VecDeque<(Uuid, Status)>> = Vec::with_capacity(served.len());
        let mut left = want;
        for (i, (scope, most)) in served.iter().enumerate() {
            let share = left.div_ceil(served.len() - i);
            let due = self.due(&tx, *scope, now, horizon, share.min(*most)).await?;
            left -= due.len();
            turns.push(due.into());
            self.last = *scope;
        }
        let chosen = in_turns(turns);
        self.promote(&tx, &chosen).await?;
        self.note(&tx, now, &chosen).await?;
        tx.commit().await?;
        Ok(chosen.into_iter().map(|(id, _)| id).collect())
    }

    /// The first `turns` scopes that no hold keeps, each with how many of its emails may go now. What is held takes nobody's
    /// turn.
    async fn whose_turn(
        &self,
        tx: &DatabaseTransaction,
        scopes: &[i32],
        turns: usize,
        now: DateTime<Utc>,
    ) -> Result<Vec<(i32, usize)>> {
        let ctx = &self.ctx;
        let holds = Holds::load(tx, now).await?;
        let transport = ctx.settings.transport();
        let mut served = Vec::new();
        for scope in scopes {
            if served.len() == turns {
                break;
            }
            let known = ctx.scopes.get(tx, &ctx.store, *scope).await?;
            match holds.over(self.lane, &known, &transport, now) {
                Leave::Held { .. } => {}
                Leave::Open => served.push((*scope, usize::MAX)),
                // Two, so that the gate can choose another than the last to look.
                Leave::Probe(_) => served.push((*scope, 2)),
            }
        }
        Ok(served)
    }

    /// Whether this process may feed the lane now. To lose a round's notes costs a bell rung twice, so they need not wait for
    /// the disk.
    async fn alone(&self, tx: &DatabaseTransaction) -> Result<bool> {
        let store = &self.ctx.store;
        if store.dialect() == Dialect::Postgres {
            execute(tx, store.sql("SET LOCAL synchronous_commit = off", [])).await?;
        }
        let text = format!("SELECT lane FROM email_lanes WHERE lane = $1 {}", store.skip_locked());
        Ok(!rows(tx, store.sql(text, [Value::from(self.lane.to_value())])).await?.is_empty())
    }

    async fn due(
        &self,
        tx: &DatabaseTransaction,
        scope: i32,
        now: DateTime<Utc>,
        horizon: DateTime<Utc>,
        most: usize,
    ) -> Result<Vec<(Uuid, Status)>> {
        let store = &self.ctx.store;
        let text = format!(
            "SELECT q.id, q.status FROM email_queue q WHERE q.lane = $1 AND q.scope = $2 AND q.due_at <= $3 \
             AND q.status IN ($4, $5) AND (q.fed_at IS NULL OR q.fed_at <= $6) ORDER BY q.due_at LIMIT $7 {}",
            store.skip_locked()
        );
        let values = [
            Value::from(self.lane.to_value()),
            Value::from(scope),
            Value::from(now),
            Value::from(Status::Scheduled.to_value()),
            Value::from(Status::Queued.to_value()),
            Value::from(horizon),
            Value::from(most as i64),
        ];
        let found = rows(tx, store.sql(text, values)).await?;
        found.iter().map(|r| Ok((r.try_get("", "id")?, r.try_get("", "status")?))).collect()
    }

    /// SCHEDULED emails whose time has come become QUEUED.
    async fn promote(&self, tx: &DatabaseTransaction, chosen: &[(Uuid, Status)]) -> Result<()> {
        let moves: Vec<Move> = chosen
            .iter()
            .filter(|(_, status)| *status == Status::Scheduled)
            .map(|(id, _)| Move { email: *id, cause: Cause::Due })
            .collect();
        if !moves.is_empty() {
            ledger::apply(tx, &self.ctx, Shard::Control, &moves).await?;
        }
        Ok(())
    }

    async fn note(&self, tx: &DatabaseTransaction, now: DateTime<Utc>, chosen: &[(Uuid, Status)]) -> Result<()> {
        if chosen.is_empty() {
            return Ok(());
        }
        let text = "UPDATE email_queue AS q SET fed_at = $1 FROM {rows} AS v WHERE q.id = v.id";
        let ids = Rows::new().uuid("id", chosen.iter().map(|(id, _)| *id));
        execute(tx, self.ctx.store.sql_rows(text, [Value::from(now)], ids)).await?;
        Ok(())
    }
}

/// One from each scope in turn, until all are through.
fn in_turns<T>(mut scopes: Vec<VecDeque<T>>) -> Vec<T> {
    let mut chosen = Vec::with_capacity(scopes.iter().map(VecDeque::len).sum());
    while scopes.iter().any(|scope| !scope.is_empty()) {
        chosen.extend(scopes.iter_mut().filter_map(VecDeque::pop_front));
    }
    chosen
}

#[derive(Debug, thiserror::Error)]
enum FeedError {
    #[error(transparent)]
    Job(#[from] crate::Error),
    #[error(transparent)]
    Lane(#[from] LaneError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_email_waits_for_one_of_a_campaigns_and_not_for_all() {
        let campaign: VecDeque<u32> = (0..100).collect();
        assert_eq!(in_turns(vec![campaign, VecDeque::from([1_000])])[..3], [0, 1_000, 1]);
    }
}

//! Sending: a process's slots, one POST each. A slot is taken before an email is claimed and given back only when the outcome
//! is stored, so a process never has more emails under way than slots, and a killed one leaves no more than that in doubt.

pub mod claim;
mod hand_over;
pub mod personal;
pub mod room;
pub mod settle;

use std::sync::Arc;

use entity::Priority;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::context::Context;
use crate::mailer::{Lease, Mailer};
use claim::{Claimed, Claims};
use room::{Room, Slot};
use settle::Settle;

/// Claims that may be under way at once. One: while it waits for its commit, more slots fall free, and the next claim takes
/// them all. Several at a time made smaller groups and cost more than they hid (measured: two halved the rate).
const CLAIMS: usize = 1;
/// At most this many emails share one claim.
const MOST: usize = 100;

/// A process's sender.
#[derive(Clone)]
pub struct Sender {
    pub room: Arc<Room>,
    ctx: Arc<Context>,
    mailer: Arc<dyn Mailer>,
    settle: Settle,
    tasks: TaskTracker,
}

impl Sender {
    /// Starts the sender's task. It ends when the process is to stop.
    pub fn start(ctx: Arc<Context>, mailer: Arc<dyn Mailer>) -> Self {
        let sender = Self {
            room: Room::new(ctx.settings.slots),
            settle: Settle::start(ctx.clone()),
            tasks: TaskTracker::new(),
            mailer,
            ctx,
        };
        sender.tasks.spawn(sender.clone().run());
        sender
    }

    /// A doorbell rang: waits a moment for room and leaves what finds none; the feeder will ring again.
    pub async fn offer(&self, lane: Priority, ids: Vec<Uuid>) {
        self.room.offer(lane, ids, self.ctx.timing.offer).await;
    }

    /// Waits until nothing is under way any more.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn run(self) {
        let claims = Arc::new(tokio::sync::Semaphore::new(CLAIMS));
        loop {
            let Ok(claim) = claims.clone().acquire_owned().await else { return };
            let picked = tokio::select! {
                picked = self.room.pick(MOST) => picked,
                () = self.ctx.stop.cancelled() => return,
            };
            self.room.thirsty(&picked).into_iter().for_each(|lane| self.ctx.nudge(lane));
            let sender = self.clone();
            self.tasks.spawn(async move {
                sender.send(picked).await;
                drop(claim);
            });
        }
    }

    /// Claims what was picked and hands each claimed email over in a task of its own. Slots of emails that were not to be had
    /// fall free at once.
    async fn send(&self, picked: Vec<(Uuid, Slot)>) {
        let timing = &self.ctx.timing;
        // Measured before the claim: the database's lease ends later than this one, never earlier.
        let lease = Lease::starting_now(timing.lease, timing.lease_margin);
        let ids: Vec<Uuid> = picked.iter().map(|(id, _)| *id).collect();
        let claimed = self.claim(&ids).await;
        let mut slots: std::collections::HashMap<Uuid, Slot> = picked.into_iter().collect();
        for email in claimed {
            let Some(slot) = slots.remove(&email.row.id) else { continue };
            let sender = self.clone();
            self.tasks.spawn(async move {
                let report = hand_over::hand_over(&sender.ctx, &*sender.mailer, &email, lease).await;
                sender.settle.report(&email, report).await;
                drop(slot);
            });
        }
    }

    /// Claims together; when the database refuses that for good, one by one, so that an email it can't take keeps nobody
    /// else back.
    async fn claim(&self, ids: &[Uuid]) -> Vec<Claimed> {
        let error = match claim::claim(&self.ctx, ids).await {
            Ok(claims) => return self.sure(claims).await,
            Err(error) => error,
        };
        tracing::warn!(cause = %error, emails = ids.len(), "A claim failed; its emails wait for the next bell");
        let mut claimed = Vec::new();
        if ids.len() > 1 && !error.is_transient() {
            for id in ids {
                match claim::claim(&self.ctx, &[*id]).await {
                    Ok(claims) => claimed.extend(self.sure(claims).await),
                    Err(error) => tracing::error!(email.id = %id, cause = %error, "An email can't be claimed"),
                }
            }
        }
        claimed
    }

    /// What is certainly this worker's. What may be is given back: nothing is handed over on a guess.
    async fn sure(&self, claims: Claims) -> Vec<Claimed> {
        match claims {
            Claims::Stored(claimed) => claimed,
            Claims::Doubtful(claimed, error) => {
                tracing::warn!(cause = %error, emails = claimed.len(), "A claim's commit gave no answer; it is given back");
                futures::future::join_all(claimed.iter().map(|email| self.settle.give_back(email))).await;
                Vec::new()
            }
        }
    }
}

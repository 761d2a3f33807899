//! Webhooks on their way: one task with a heap of what is due, a bounded number of calls at a time, Mailgun's clock for
//! what was not taken, and the disorder that the control surface asks for.

mod call;
mod delivery;
mod queue;
mod settings;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entity::clock;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde::Serialize;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(super) use self::call::Caller;
pub(super) use self::delivery::{Delivery, Listed, State};
use self::queue::{Job, Manner, Queue};
pub(super) use self::settings::Settings;
use super::Mailgun;
use super::event::Occurrence;
use super::fate::Told;
use super::hooks::Hook;
use super::store::Accepted;

/// How many webhooks are called at the same time.
const MOST_CALLS: usize = 32;
/// How many deliveries are remembered.
const MOST_DELIVERIES: usize = 10_000;
/// How long the task sleeps where nothing is due.
const IDLE: Duration = Duration::from_secs(3_600);

#[derive(Default)]
pub(super) struct Outbox {
    queue: Mutex<Queue>,
    /// Rung when something earlier may be due.
    rung: Notify,
    settings: RwLock<Arc<Settings>>,
    /// The newest, oldest first.
    deliveries: Mutex<VecDeque<Arc<Delivery>>>,
    last_number: AtomicU64,
    /// Jobs that were taken from the queue and are not done.
    under_way: AtomicUsize,
}

/// How much there is to do.
#[derive(Serialize)]
pub(super) struct Counts {
    /// Events and calls that are not yet due, or wait for a slot.
    waiting: usize,
    /// Calls that are being made.
    under_way: usize,
    /// Calls that the settings hold back.
    held: usize,
    /// What found no room.
    dropped: u64,
}

impl Outbox {
    pub(super) fn settings(&self) -> Arc<Settings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts other settings in force; what was held back is looked at again.
    pub(super) fn set(&self, settings: Settings) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
        self.queue().release();
        self.rung.notify_one();
    }

    /// The newest deliveries that are wanted, newest first.
    pub(super) fn newest(&self, wanted: impl Fn(&Delivery) -> bool, limit: usize) -> Vec<Arc<Delivery>> {
        self.deliveries().iter().rev().filter(|delivery| wanted(delivery)).take(limit).cloned().collect()
    }

    /// Calls these webhooks once more, with the signatures they had; answers how many there is room for.
    pub(super) fn redeliver(&self, deliveries: Vec<Arc<Delivery>>, now: DateTime<Utc>) -> usize {
        let mut queue = self.queue();
        let put = deliveries.into_iter().map(|delivery| queue.push(now, Job::Call(delivery, Manner::Again)));
        let count = put.filter(|there_was_room| *there_was_room).count();
        drop(queue);
        self.rung.notify_one();
        count
    }

    /// A job is in one of the counts from when it is put to when it is done.
    pub(super) fn counts(&self) -> Counts {
        let queue = self.queue();
        Counts {
            waiting: queue.waiting(),
            under_way: self.under_way.load(Ordering::Relaxed),
            held: queue.held(),
            dropped: queue.dropped(),
        }
    }

    /// Forgets what is on its way and what was.
    pub(super) fn clear(&self) {
        *self.queue() = Queue::default();
        self.deliveries().clear();
    }

    /// Takes what is due; it is under way until [`Self::done`].
    fn due(&self, now: DateTime<Utc>) -> Option<Job> {
        let mut queue = self.queue();
        let job = queue.due(now)?;
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Some(job)
    }

    fn done(&self) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }

    fn remember(&self, delivery: Arc<Delivery>) {
        let mut deliveries = self.deliveries();
        deliveries.push_back(delivery);
        if deliveries.len() > MOST_DELIVERIES {
            deliveries.pop_front();
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deliveries(&self) -> MutexGuard<'_, VecDeque<Arc<Delivery>>> {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mailgun {
    /// Sees to what will become of a message: the lists it will put its recipients on, and the webhooks that will tell
    /// of it. Where no webhook is registered nothing is scheduled.
    pub(super) fn foresee(&self, message: &Arc<Accepted>) {
        for (address, fate) in message.recipients().zip(&message.fates) {
            if let Some((list, after)) = fate.lists() {
                self.lists.will_hold(&message.domain, list, address, message.leaves_at() + after);
            }
        }
        if !self.hooks.are_any() {
            return;
        }
        let told = message.fates.iter().enumerate().filter(|(_, fate)| fate.told() == Told::Everyone);
        let mut queue = self.outbox.queue();
        for event in told.filter_map(|(recipient, _)| Occurrence::of(message, recipient, 0)) {
            queue.push(event.at(), Job::Happens(event));
        }
        drop(queue);
        self.outbox.rung.notify_one();
    }

    /// Calls webhooks until told to stop.
    pub(super) async fn tell(&self, caller: Caller, closing: CancellationToken) {
        let mut calls = FuturesUnordered::new();
        loop {
            let now = self.clock.now();
            while calls.len() < MOST_CALLS
                && let Some(job) = self.outbox.due(now)
            {
                match job {
                    Job::Happens(event) => {
                        self.happens(&event, now);
                        self.outbox.done();
                    }
                    Job::Call(delivery, manner) if self.is_wanted(&delivery, manner) => {
                        calls.push(self.call(&caller, delivery, manner));
                    }
                    Job::Call(..) => self.outbox.done(),
                }
            }
            let next = self.outbox.queue().next().map(|at| (at - now).to_std().unwrap_or_default());
            let wait = if calls.len() < MOST_CALLS { next.unwrap_or(IDLE).min(IDLE) } else { IDLE };
            tokio::select! {
                () = closing.cancelled() => return,
                Some(()) = calls.next() => self.outbox.done(),
                () = self.outbox.rung.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Makes a delivery for each URL that wants the event, and looks forward to the recipient's next one.
    fn happens(&self, event: &Occurrence, now: DateTime<Utc>) {
        let targets = Hook::of(event.step.event).map(|hook| (hook, self.hooks.targets(&event.message.domain, hook)));
        let calls = targets.into_iter().flat_map(|(hook, urls)| urls.into_iter().map(move |url| (hook, url)));
        for (hook, target) in calls {
            let number = self.outbox.last_number.fetch_add(1, Ordering::Relaxed) + 1;
            let signature = self.signing_key.sign(now);
            let delivery = Arc::new(Delivery::new(number, hook, target, event.clone(), signature));
            self.outbox.remember(delivery.clone());
            self.schedule(delivery, now);
        }
        let place = event.place;
        if let Some(next) = Occurrence::of(&event.message, place.recipient, place.step + 1) {
            self.outbox.queue().push(next.at(), Job::Happens(next));
        }
    }

    /// Puts a new delivery where the settings want it, once or twice.
    fn schedule(&self, delivery: Arc<Delivery>, now: DateTime<Utc>) {
        let settings = self.outbox.settings();
        let twice = settings.repeats(delivery.number, clock::chance());
        let mut queue = self.outbox.queue();
        if twice {
            queue.push(now + settings.wait(clock::chance()), Job::Call(delivery.clone(), Manner::Again));
        }
        queue.push(now + settings.wait(clock::chance()), Job::Call(delivery, Manner::Usual));
    }

    /// Whether a call that is due is still to be made; one that is to be held back is put aside.
    fn is_wanted(&self, delivery: &Arc<Delivery>, manner: Manner) -> bool {
        if manner == Manner::Usual && delivery.is_settled() {
            return false;
        }
        let silent = self.outbox.settings().silences(delivery.recipient());
        if silent {
            delivery.hold();
            self.outbox.queue().hold(delivery.clone(), manner);
        }
        !silent
    }

    /// Makes one call, and schedules the next by Mailgun's clock where it was not taken.
    async fn call(&self, caller: &Caller, delivery: Arc<Delivery>, manner: Manner) {
        let outcome = caller.call(&delivery, self.base("")).await;
        let now = self.clock.now();
        let retry =
            delivery.tried(outcome, manner, |tries| self.outbox.settings().retry_after(tries).map(|wait| now + wait));
        if let Some(at) = retry {
            self.outbox.queue().push(at, Job::Call(delivery, Manner::Usual));
        }
    }
}

/// Milliseconds as a span of time.
fn millis(count: u64) -> TimeDelta {
    TimeDelta::milliseconds(i64::try_from(count).unwrap_or(i64::MAX / 2))
}

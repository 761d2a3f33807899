//! Delivery events as they come, for any number of followers: one task reads what is new from the table, once for all who have
//! come to the end of it. Whoever is behind reads for itself until it has caught up, and joins without a gap and without a double.
//!
//! Numbers become visible in their order, so whoever has read up to one has missed none before it. A follower who takes too long
//! is let go and told from where to go on; nobody waits for it.

mod follow;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;

use super::news::{News, Way};
use crate::Context;
use crate::filter::Order;
use crate::find::events::{self, Event, Filter, Seqs};

pub use follow::Ended;

/// Between two looks at the table: what comes meanwhile is read in one.
const ROUND: Duration = Duration::from_millis(10);
/// How often it looks where no news can be relied on …
const ASK: Duration = Duration::from_millis(500);
/// … and where news comes through Redis, which may lose some.
const ASK_ALL_THE_SAME: Duration = Duration::from_secs(5);
/// Events read at a time.
const GROUP: u64 = 500;
/// Events that may wait for a follower.
const WAITING: usize = 1_000;

/// The events of a process for its followers. Clones are the same.
#[derive(Clone)]
pub struct Events(Arc<Hub>);

struct Hub {
    ctx: Arc<Context>,
    followers: Mutex<Followers>,
    next: AtomicU64,
    /// Rings when somebody comes who had nobody before.
    joined: Notify,
}

/// Who is at the end of the events, and where that end is.
#[derive(Default)]
struct Followers {
    /// Everything up to this number has been handed on.
    head: i64,
    by_key: HashMap<u64, Follower>,
}

struct Follower {
    filter: Filter,
    /// It has seen everything up to this number by itself.
    seen: i64,
    sender: mpsc::Sender<Arc<Event>>,
}

/// A follower's place; it is given up when dropped.
struct Place {
    hub: Arc<Hub>,
    key: u64,
    events: mpsc::Receiver<Arc<Event>>,
}

impl Events {
    /// Starts reading, which it does while somebody follows, until the process is to stop.
    pub fn start(ctx: &Arc<Context>, news: News) -> Self {
        let hub = Arc::new(Hub {
            ctx: ctx.clone(),
            followers: Mutex::default(),
            next: AtomicU64::new(0),
            joined: Notify::new(),
        });
        tokio::spawn(hub.clone().run(news));
        Self(hub)
    }

    /// How many follow at the end of the events.
    pub fn followers(&self) -> usize {
        self.0.followers().by_key.len()
    }
}

impl Hub {
    fn followers(&self) -> MutexGuard<'_, Followers> {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets somebody in who has seen everything up to `seen` that `filter` means. Answers its place, and up to which number it
    /// has still to read: what is above that comes by itself.
    fn join(self: &Arc<Self>, filter: Filter, seen: i64) -> (Place, i64) {
        let (sender, events) = mpsc::channel(WAITING);
        let key = self.next.fetch_add(1, Ordering::Relaxed);
        let mut followers = self.followers();
        if followers.by_key.is_empty() {
            followers.head = seen;
            self.joined.notify_one();
        }
        let head = followers.head;
        followers.by_key.insert(key, Follower { filter, seen: seen.max(head), sender });
        (Place { hub: self.clone(), key, events }, head)
    }

    async fn run(self: Arc<Self>, mut news: News) {
        let work = async {
            loop {
                if self.followers().end().is_none() {
                    self.joined.notified().await;
                } else {
                    let ask = match news.way() {
                        Way::Redis => ASK_ALL_THE_SAME,
                        Way::Alone | Way::Asking => ASK,
                    };
                    tokio::select! {
                        () = news.more() => {}
                        () = self.joined.notified() => {}
                        () = sleep(ask) => {}
                    }
                }
                self.catch_up().await;
                sleep(ROUND).await;
            }
        };
        tokio::select! {
            () = work => {}
            () = self.ctx.stop.cancelled() => {}
        }
        // With their senders gone, all hear the end.
        self.followers().by_key.clear();
    }

    /// Hands on everything that is new.
    async fn catch_up(&self) {
        loop {
            let Some(head) = self.followers().end() else { return };
            let seqs = Seqs { first: head + 1, ..Seqs::ALL };
            match events::read(&self.ctx, &Filter::default(), seqs, Order::Ascending, GROUP).await {
                Ok(found) => {
                    let more = found.len() as u64 == GROUP;
                    if self.hand_on(head, found) && !more {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(cause = %error, "New events could not be read; they are looked for again");
                    return;
                }
            }
        }
    }

    /// Hands events on, that were read after `head`, to each who means them. Answers whether that is still where everybody was.
    fn hand_on(&self, head: i64, events: Vec<Event>) -> bool {
        let Some(last) = events.last().map(|event| event.seq) else { return true };
        let events: Vec<Arc<Event>> = events.into_iter().map(Arc::new).collect();
        let mut followers = self.followers();
        if followers.head != head {
            // All had left meanwhile, and somebody came who is elsewhere.
            return false;
        }
        followers.head = last;
        followers.by_key.retain(|_, follower| {
            let meant = events.iter().filter(|event| event.seq > follower.seen && follower.filter.means(event));
            for event in meant {
                match follower.sender.try_send(event.clone()) {
                    Ok(()) => {}
                    // What waits for it stays to be taken, and then it hears that it was let go.
                    Err(TrySendError::Full(_) | TrySendError::Closed(_)) => return false,
                }
            }
            true
        });
        true
    }
}

impl Followers {
    /// From where on is read for them; `None` when there is nobody.
    fn end(&self) -> Option<i64> {
        (!self.by_key.is_empty()).then_some(self.head)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hub.followers().by_key.remove(&self.key);
    }
}

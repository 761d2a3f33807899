//! What many follow at the price of one: one task computes it twice a second, only while somebody listens, and tells every
//! listener when it changed. It is looked at, not announced, so that what other processes do is seen as well.

pub mod campaigns;
pub mod each;
pub mod emails;
pub mod events;
pub mod news;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{Stream, stream};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::Context;
use crate::alert::{self, Alert};
use crate::error::{Error, Result};
use crate::stats::{self, QueueStats};

/// How often it is computed, and how much time lies between two things that a listener is told.
const ROUND: Duration = Duration::from_millis(500);

/// Something that changes and is followed. Clones are the same.
pub struct Live<T>(Arc<Shared<T>>);

struct Shared<T> {
    look: Box<dyn Fn() -> BoxFuture<'static, Result<T>> + Send + Sync>,
    stop: CancellationToken,
    /// Where the task tells; `None` while there is no task.
    told: Mutex<Option<Told<T>>>,
}

type Told<T> = watch::Sender<Option<State<T>>>;
type State<T> = std::result::Result<Arc<T>, Arc<Error>>;

/// How the queue stands, as it changes.
pub fn queue(ctx: &Arc<Context>) -> Live<QueueStats> {
    let shared = ctx.clone();
    let look = move || -> BoxFuture<'static, Result<QueueStats>> {
        let ctx = shared.clone();
        Box::pin(async move { stats::queue(&ctx).await })
    };
    Live::new(look, ctx.stop.clone())
}

/// What is alerted, as it changes.
pub fn alerts(ctx: &Arc<Context>) -> Live<Vec<Alert>> {
    let shared = ctx.clone();
    let look = move || -> BoxFuture<'static, Result<Vec<Alert>>> {
        let ctx = shared.clone();
        Box::pin(async move { alert::list(&ctx).await })
    };
    Live::new(look, ctx.stop.clone())
}

impl<T: PartialEq + Send + Sync + 'static> Live<T> {
    /// Something that `look` computes, until `stop`.
    pub fn new(
        look: impl Fn() -> BoxFuture<'static, Result<T>> + Send + Sync + 'static,
        stop: CancellationToken,
    ) -> Self {
        Self(Arc::new(Shared { look: Box::new(look), stop, told: Mutex::default() }))
    }

    /// How it stands, at once, and then whenever it changed, at most twice a second; what came in between is left out. When it
    /// can't be computed, that is told once. Ends with the process.
    pub fn follow(&self) -> impl Stream<Item = Result<Arc<T>>> + Send + use<T> {
        stream::unfold((self.listen(), None), |(mut heard, last)| async move {
            match last {
                None => drop(heard.wait_for(Option::is_some).await.ok()?),
                Some(last) => {
                    sleep_until(last + ROUND).await;
                    heard.changed().await.ok()?;
                }
            }
            let state = heard.borrow_and_update().clone()?;
            Some((state.map_err(Error::Shared), (heard, Some(Instant::now()))))
        })
    }

    fn listen(&self) -> watch::Receiver<Option<State<T>>> {
        let mut told = self.0.told();
        if let Some(told) = &*told {
            return told.subscribe();
        }
        let (sender, heard) = watch::channel(None);
        if !self.0.stop.is_cancelled() {
            *told = Some(sender.clone());
            tokio::spawn(tell(self.0.clone(), sender));
        }
        heard
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Shared<T> {
    fn told(&self) -> MutexGuard<'_, Option<Told<T>>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn tell<T: PartialEq>(shared: Arc<Shared<T>>, sender: Told<T>) {
    let mut round = interval(ROUND);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let looked = async {
            round.tick().await;
            if nobody_listens(&shared, &sender) {
                return None;
            }
            Some((shared.look)().await)
        };
        let state = tokio::select! {
            state = looked => state,
            () = shared.stop.cancelled() => None,
        };
        let Some(state) = state else { break };
        let state = state.map(Arc::new).map_err(Arc::new);
        sender.send_if_modified(|before| {
            let changed = !before.as_ref().is_some_and(|before| same(before, &state));
            if changed {
                *before = Some(state);
            }
            changed
        });
    }
    if shared.stop.is_cancelled() {
        // With the last sender gone, whoever still listens hears the end.
        *shared.told() = None;
    }
}

/// Whether the task can end. Whoever comes after finds no task and starts one.
fn nobody_listens<T>(shared: &Shared<T>, sender: &Told<T>) -> bool {
    let mut told = shared.told();
    let nobody = sender.receiver_count() == 0;
    if nobody {
        *told = None;
    }
    nobody
}

fn same<T: PartialEq>(one: &State<T>, other: &State<T>) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => one == other,
        (Err(_), Err(_)) => true,
        (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

    use futures::StreamExt;
    use futures::stream::BoxStream;

    use super::*;

    /// A number that a test sets, and how often it was looked at. Negative: it can't be had.
    #[derive(Default)]
    struct Number {
        value: AtomicI64,
        looks: AtomicUsize,
    }

    impl Number {
        fn set(&self, value: i64) {
            self.value.store(value, Ordering::SeqCst);
        }

        fn looks(&self) -> usize {
            self.looks.load(Ordering::SeqCst)
        }
    }

    fn live() -> (Arc<Number>, Live<i64>, CancellationToken) {
        let (number, stop) = (Arc::new(Number::default()), CancellationToken::new());
        let seen = number.clone();
        let look = move || -> BoxFuture<'static, Result<i64>> {
            seen.looks.fetch_add(1, Ordering::SeqCst);
            let value = seen.value.load(Ordering::SeqCst);
            Box::pin(async move { if value < 0 { Err(Error::FlightLost) } else { Ok(value) } })
        };
        (number, Live::new(look, stop.clone()), stop)
    }

    async fn heard(listener: &mut BoxStream<'_, Result<Arc<i64>>>) -> i64 {
        *listener.next().await.unwrap().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn any_number_of_listeners_costs_one_look_a_round() {
        let (number, live, _stop) = live();
        let mut listeners: Vec<_> = (0..50).map(|_| live.follow().boxed()).collect();
        for listener in &mut listeners {
            assert_eq!(heard(listener).await, 0);
        }
        assert_eq!(number.looks(), 1);
        for round in 1..=5 {
            number.set(round);
            for listener in &mut listeners {
                assert_eq!(heard(listener).await, round);
            }
            assert_eq!(number.looks(), 1 + round as usize);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_is_told_of_changes_alone_and_twice_a_second_at_most() {
        let (number, live, _stop) = live();
        let mut first = live.follow().boxed();
        assert_eq!(heard(&mut first).await, 0);
        tokio::time::sleep(ROUND * 3 / 5).await;
        // Whoever comes later is told at once what is known, and has its own half seconds.
        let mut second = live.follow().boxed();
        let begun = Instant::now();
        assert_eq!(heard(&mut second).await, 0);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        number.set(1);
        assert_eq!(heard(&mut second).await, 1);
        assert_eq!(begun.elapsed(), ROUND);
        assert_eq!(heard(&mut first).await, 1);
        let quiet = tokio::time::timeout(ROUND * 20, first.next()).await;
        assert!(quiet.is_err(), "nothing changed");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_looks_while_nobody_listens() {
        let (number, live, _stop) = live();
        let mut listener = live.follow().boxed();
        assert_eq!(heard(&mut listener).await, 0);
        drop(listener);
        tokio::time::sleep(ROUND * 2).await;
        let looks = number.looks();
        number.set(7);
        tokio::time::sleep(ROUND * 20).await;
        assert_eq!(number.looks(), looks);
        assert_eq!(heard(&mut live.follow().boxed()).await, 7, "and not what was known long ago");
    }

    #[tokio::test(start_paused = true)]
    async fn what_can_not_be_had_is_told_once_and_so_is_its_return() {
        let (number, live, _stop) = live();
        number.set(-1);
        let mut listener = live.follow().boxed();
        assert!(listener.next().await.unwrap().unwrap_err().is_away());
        assert!(tokio::time::timeout(ROUND * 20, listener.next()).await.is_err());
        number.set(2);
        assert_eq!(heard(&mut listener).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_the_process() {
        let (_, live, stop) = live();
        let mut listener = live.follow().boxed();
        assert_eq!(heard(&mut listener).await, 0);
        stop.cancel();
        assert!(listener.next().await.is_none());
        assert!(live.follow().boxed().next().await.is_none());
    }
}

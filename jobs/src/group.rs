//! Natural group commit: whatever gathers while one transaction is in flight goes into the next, and each caller gets its own
//! answer after the commit. At rest a group has one member and waits for nobody; under load it has hundreds.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// At most this many members share one transaction.
pub const MOST: usize = 500;

/// A group commit for members `T`, each answered with an `R`.
pub struct Group<T, R> {
    door: mpsc::UnboundedSender<(T, oneshot::Sender<Result<R>>)>,
}

impl<T, R> Clone for Group<T, R> {
    fn clone(&self) -> Self {
        Self { door: self.door.clone() }
    }
}

/// One transaction over all members: answers in their order. It may be called again with the same members, so it must be
/// harmless when an earlier call's commit held and only its answer was lost.
pub type Flight<T, R> = Arc<dyn Fn(Arc<Vec<T>>) -> BoxFuture<'static, Result<Vec<R>>> + Send + Sync>;

/// How a group behaves.
#[derive(Clone, Debug)]
pub struct Manner {
    /// For logs.
    pub name: &'static str,
    /// Transactions at a time.
    pub flights: usize,
    /// For how long a transaction is repeated that failed of something transient; `None` = until it holds. In time, not in
    /// tries: with the database gone a try may take seconds, and after its return each broken connection of the pool costs
    /// one at once.
    pub patience: Option<Duration>,
    /// Ends endless repeating.
    pub stop: CancellationToken,
}

impl<T: Send + Sync + Clone + 'static, R: Send + 'static> Group<T, R> {
    /// Starts the group's task on the current runtime. It ends when the last clone of the group is gone.
    pub fn start(manner: Manner, fly: Flight<T, R>) -> Self {
        let (door, mut waiting) = mpsc::unbounded_channel::<(T, oneshot::Sender<Result<R>>)>();
        let free = Arc::new(Semaphore::new(manner.flights));
        tokio::spawn(async move {
            loop {
                // First a free flight, then the passengers: whoever comes meanwhile still catches it.
                let Ok(permit) = free.clone().acquire_owned().await else { return };
                let mut boarding = Vec::new();
                if waiting.recv_many(&mut boarding, MOST).await == 0 {
                    return;
                }
                let (manner, fly) = (manner.clone(), fly.clone());
                tokio::spawn(async move {
                    let (members, callers): (Vec<T>, Vec<_>) = boarding.into_iter().unzip();
                    let answers = settle(&manner, &fly, members).await;
                    drop(permit);
                    for (caller, answer) in callers.into_iter().zip(answers) {
                        // A caller that went away has its member done all the same.
                        let _ = caller.send(answer);
                    }
                });
            }
        });
        Self { door }
    }

    /// Adds a member and waits for its answer. The member's fate does not hang on this future.
    ///
    /// # Errors
    /// The transaction's own; [`Error::FlightLost`] when it panicked.
    pub async fn put(&self, member: T) -> Result<R> {
        self.send(member)?.await.unwrap_or(Err(Error::FlightLost))
    }

    /// Adds a member; its answer comes through the receiver.
    ///
    /// # Errors
    /// When the group has ended.
    pub fn send(&self, member: T) -> Result<oneshot::Receiver<Result<R>>> {
        let (answer, answered) = oneshot::channel();
        self.door.send((member, answer)).map_err(|_| Error::Stopping)?;
        Ok(answered)
    }
}

/// Flies the whole group until it holds or fails of something lasting; then each member alone, so that only the culprit hears
/// of its error.
async fn settle<T: Clone + Send + Sync, R: Send>(
    manner: &Manner,
    fly: &Flight<T, R>,
    members: Vec<T>,
) -> Vec<Result<R>> {
    let members = Arc::new(members);
    match repeat(manner, fly, members.clone()).await {
        Ok(answers) => answers.into_iter().map(Ok).collect(),
        Err(error) if members.len() == 1 || error.is_transient() => {
            let error = Arc::new(error);
            members.iter().map(|_| Err(Error::Shared(error.clone()))).collect()
        }
        Err(error) => {
            tracing::warn!(group = manner.name, members = members.len(), cause = %error, "A group failed; its members go one by one");
            let mut answers = Vec::with_capacity(members.len());
            for member in members.iter() {
                let alone = repeat(manner, fly, Arc::new(vec![member.clone()])).await;
                answers.push(alone.and_then(|mut one| one.pop().ok_or(Error::FlightLost)));
            }
            answers
        }
    }
}

async fn repeat<T, R>(manner: &Manner, fly: &Flight<T, R>, members: Arc<Vec<T>>) -> Result<Vec<R>> {
    let (mut tries, began) = (0, tokio::time::Instant::now());
    loop {
        match fly(members.clone()).await {
            Err(error) if error.is_transient() && manner.patience.is_none_or(|most| began.elapsed() < most) => {
                tries += 1;
                tracing::warn!(group = manner.name, tries, cause = %error, "A group's transaction is repeated");
                let pause = Duration::from_millis(20 * 2u64.pow(tries.min(6)));
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = manner.stop.cancelled() => return Err(error),
                }
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests may")]

    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn manner() -> Manner {
        Manner { name: "test", flights: 1, patience: Some(Duration::from_secs(5)), stop: CancellationToken::new() }
    }

    fn lasting() -> Error {
        Error::Stored(serde_json::from_str::<u8>("x").unwrap_err())
    }

    #[tokio::test]
    async fn whoever_gathers_during_a_flight_shares_the_next() {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let gate = Arc::new(Semaphore::new(0));
        let (seen, hold) = (sizes.clone(), gate.clone());
        let group = Group::start(
            manner(),
            Arc::new(move |members: Arc<Vec<u32>>| {
                let (seen, hold) = (seen.clone(), hold.clone());
                Box::pin(async move {
                    seen.lock().unwrap().push(members.len());
                    hold.acquire().await.unwrap().forget();
                    Ok(members.iter().map(|m| m * 2).collect())
                })
            }),
        );
        let first = group.send(1).unwrap();
        while sizes.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let rest: Vec<_> = (2..12).map(|n| group.send(n).unwrap()).collect();
        gate.add_permits(2);
        assert_eq!(first.await.unwrap().unwrap(), 2);
        for (n, answer) in (2..12).zip(rest) {
            assert_eq!(answer.await.unwrap().unwrap(), n * 2);
        }
        assert_eq!(*sizes.lock().unwrap(), [1, 10]);
    }

    #[tokio::test]
    async fn one_poisoned_member_alone_hears_of_its_error() {
        let group = Group::start(
            manner(),
            Arc::new(|members: Arc<Vec<u32>>| {
                Box::pin(async move { if members.contains(&13) { Err(lasting()) } else { Ok(members.to_vec()) } })
            }),
        );
        let answers: Vec<_> = (10..20).map(|n| group.send(n).unwrap()).collect();
        for (n, answer) in (10..20).zip(answers) {
            let answer = answer.await.unwrap();
            assert_eq!(answer.is_ok(), n != 13, "{n}");
        }
    }

    #[tokio::test]
    async fn something_transient_is_repeated_whole() {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = calls.clone();
        let group = Group::start(
            manner(),
            Arc::new(move |members: Arc<Vec<u32>>| {
                let turn = count.fetch_add(1, Ordering::SeqCst);
                Box::pin(async move {
                    if turn < 2 {
                        Err(sea_orm::DbErr::Conn(sea_orm::RuntimeErr::Internal("gone".into())).into())
                    } else {
                        Ok(members.to_vec())
                    }
                })
            }),
        );
        assert_eq!(group.put(7).await.unwrap(), 7);
        assert_eq!(calls.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_caller_hears_of_an_outage_once_its_patience_is_over() {
        let patience = Duration::from_millis(20);
        let calls = Arc::new(AtomicUsize::new(0));
        let count = calls.clone();
        let group: Group<u32, u32> = Group::start(
            Manner { patience: Some(patience), ..manner() },
            Arc::new(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
                Box::pin(async move {
                    // As a pool waits for a connection to a database that is away.
                    tokio::time::sleep(patience).await;
                    Err(sea_orm::DbErr::Conn(sea_orm::RuntimeErr::Internal("refused".into())).into())
                })
            }),
        );
        assert!(group.put(7).await.unwrap_err().is_away());
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_member_is_done_though_its_caller_went_away() {
        let done = Arc::new(AtomicUsize::new(0));
        let count = done.clone();
        let group = Group::start(
            manner(),
            Arc::new(move |members: Arc<Vec<u32>>| {
                count.fetch_add(members.len(), Ordering::SeqCst);
                Box::pin(async move { Ok(members.to_vec()) })
            }),
        );
        drop(group.send(1).unwrap());
        group.put(2).await.unwrap();
        assert_eq!(done.load(Ordering::SeqCst), 2);
    }
}

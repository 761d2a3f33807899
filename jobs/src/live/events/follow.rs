//! One follower's way through the events: from a number on through the table, page by page, and from its end on with all others.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::{Stream, stream};

use super::{Events, Hub, Place};
use crate::error::{Error, Result};
use crate::filter::Order;
use crate::find::events::{self, Event, Filter, Seqs};

/// Events read at a time by one who is behind.
const PAGE: u64 = 200;

/// Why there are no more events for a follower.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// It took too long; it may go on after this number.
    #[error("events came faster than they were taken")]
    Slow { seq: i64 },
    /// Some of the events after its number are past retention.
    #[error("events after this number are gone")]
    Gone,
    /// The table could not be read.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// How far a follower is.
struct Follower {
    hub: Arc<Hub>,
    filter: Filter,
    /// Everything up to this number was read for it; what of that it was not told yet is in `read`.
    seen: i64,
    read: VecDeque<Arc<Event>>,
    stage: Stage,
}

enum Stage {
    /// It reads from the table.
    Behind,
    /// It has its place; up to this number it reads from the table.
    Closing(i64, Place),
    /// It hears with all others.
    There(Place),
    /// It was told why there is no more.
    Over,
}

impl Events {
    /// The events that `filter` means, in the order of their numbers, each once: those after the number `after`, or those that
    /// are recorded from now on. Ends with the process, or after one error.
    ///
    /// # Errors
    /// [`Ended::Gone`], and the database's own.
    pub async fn follow(
        &self,
        filter: Filter,
        after: Option<i64>,
    ) -> Result<impl Stream<Item = Result<Arc<Event>, Ended>> + Send + use<>, Ended> {
        let hub = self.0.clone();
        let (seen, stage) = match after {
            None => (events::last(&hub.ctx).await?, None),
            Some(seq) if events::is_kept(&hub.ctx, seq).await? => (seq, Some(Stage::Behind)),
            Some(_) => return Err(Ended::Gone),
        };
        // Whoever follows from now on has its place from now on, whenever it is first asked.
        let stage = stage.unwrap_or_else(|| {
            let (place, head) = hub.join(filter.clone(), seen);
            Stage::Closing(head, place)
        });
        let follower = Follower { hub, filter, seen, read: VecDeque::new(), stage };
        Ok(stream::unfold(follower, async |mut follower| {
            let next = follower.next().await?;
            Some((next, follower))
        }))
    }
}

impl Follower {
    async fn next(&mut self) -> Option<Result<Arc<Event>, Ended>> {
        loop {
            if let Some(event) = self.read.pop_front() {
                return Some(Ok(event));
            }
            let seen = self.seen;
            let read = match &mut self.stage {
                Stage::Behind => self.read_on(None).await,
                Stage::Closing(up_to, _) => {
                    let up_to = *up_to;
                    self.read_on(Some(up_to)).await
                }
                Stage::There(place) => match place.events.recv().await {
                    Some(event) => {
                        self.seen = event.seq;
                        return Some(Ok(event));
                    }
                    None if self.hub.ctx.stop.is_cancelled() => return None,
                    None => return Some(Err(self.over(Ended::Slow { seq: self.seen }))),
                },
                Stage::Over => return None,
            };
            // Retention may have gone past whoever is far behind, before it read.
            match read {
                Ok(_) if !events::is_kept(&self.hub.ctx, seen).await.unwrap_or(true) => {
                    self.read.clear();
                    return Some(Err(self.over(Ended::Gone)));
                }
                Ok(true) => {}
                Ok(false) => self.come_closer(),
                Err(error) => return Some(Err(self.over(error.into()))),
            }
        }
    }

    /// Reads a page up to this number, or to the last there is; answers whether there may be more.
    async fn read_on(&mut self, up_to: Option<i64>) -> Result<bool> {
        let up_to = match up_to {
            Some(up_to) => up_to,
            None => events::last(&self.hub.ctx).await?,
        };
        if self.seen >= up_to {
            return Ok(false);
        }
        let seqs = Seqs { first: self.seen + 1, last: up_to };
        let page = events::read(&self.hub.ctx, &self.filter, seqs, Order::Ascending, PAGE).await?;
        let last = page.last().map(|event| event.seq).filter(|_| page.len() as u64 == PAGE);
        // After the last page nothing up to the end is left, whatever the filter passed over.
        self.seen = last.unwrap_or(up_to);
        self.read.extend(page.into_iter().map(Arc::new));
        Ok(last.is_some())
    }

    fn come_closer(&mut self) {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Behind => {
                let (place, head) = self.hub.join(self.filter.clone(), self.seen);
                Stage::Closing(head, place)
            }
            Stage::Closing(_, place) | Stage::There(place) => Stage::There(place),
            Stage::Over => Stage::Over,
        };
    }

    fn over(&mut self, why: Ended) -> Ended {
        self.stage = Stage::Over;
        why
    }
}

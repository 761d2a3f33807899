//! Single rows as they change, for any number of followers: twice a second one look at all of them that anybody follows.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{self, BoxFuture};
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use uuid::Uuid;

use super::Live;
use crate::Context;
use crate::error::Result;

/// Something with an id that can be looked at together with others of its kind.
pub trait Followed: Clone + PartialEq + Send + Sync + 'static {
    /// Those of them that there are, by id.
    fn look(ctx: &Context, ids: Vec<Uuid>) -> impl Future<Output = Result<HashMap<Uuid, Self>>> + Send;

    /// A follower who was told of `last` is to be told of this.
    fn differs(&self, last: &Self) -> bool;
}

/// Those that somebody follows. Clones are the same.
pub struct Each<T> {
    ctx: Arc<Context>,
    followers: Arc<Followers>,
    live: Live<Seen<T>>,
}

/// How many follow each.
#[derive(Default)]
struct Followers(Mutex<HashMap<Uuid, usize>>);

/// What a look showed.
struct Seen<T> {
    /// When it began, by the monotonic clock: whoever read later knows better.
    begun: Duration,
    /// `None` = there is none any more.
    rows: HashMap<Uuid, Option<T>>,
}

impl<T: PartialEq> PartialEq for Seen<T> {
    /// That the same was seen later is no news.
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows
    }
}

/// Somebody follows it as long as this lives.
struct Place {
    followers: Arc<Followers>,
    id: Uuid,
}

impl<T> Clone for Each<T> {
    fn clone(&self) -> Self {
        Self { ctx: self.ctx.clone(), followers: self.followers.clone(), live: self.live.clone() }
    }
}

impl<T: Followed> Each<T> {
    /// Looks while somebody follows, until the process is to stop.
    pub fn new(ctx: &Arc<Context>) -> Self {
        let followers: Arc<Followers> = Arc::default();
        let (looks_at, shared) = (followers.clone(), ctx.clone());
        let look = move || -> BoxFuture<'static, Result<Seen<T>>> {
            let (ctx, ids) = (shared.clone(), looks_at.ids());
            Box::pin(async move {
                let begun = ctx.clock.elapsed();
                let mut rows: HashMap<Uuid, Option<T>> = ids.iter().map(|id| (*id, None)).collect();
                rows.extend(T::look(&ctx, ids).await?.into_iter().map(|(id, row)| (id, Some(row))));
                Ok(Seen { begun, rows })
            })
        };
        Self { ctx: ctx.clone(), followers, live: Live::new(look, ctx.stop.clone()) }
    }

    /// How it stands, at once, and then whenever that changed, at most twice a second; what came in between is left out.
    /// Ends when it is there no longer, and at once where there is none. While the database is away, that is told once.
    ///
    /// # Errors
    /// The database's own.
    pub async fn follow(&self, id: Uuid) -> Result<BoxStream<'static, Result<T>>> {
        let place = self.followers.enter(id);
        let known_at = self.ctx.clock.elapsed();
        let Some(first) = T::look(&self.ctx, vec![id]).await?.remove(&id) else { return Ok(stream::empty().boxed()) };
        let changes = self.live.follow().scan((place, first.clone()), move |(place, last), seen| {
            let told = match seen {
                Err(error) => Some(Some(Err(error))),
                // That look was before what was told first.
                Ok(seen) if seen.begun < known_at => Some(None),
                Ok(seen) => match seen.rows.get(&place.id) {
                    // That look was before anybody followed it.
                    None => Some(None),
                    Some(None) => None,
                    Some(Some(row)) if row.differs(last) => {
                        *last = row.clone();
                        Some(Some(Ok(row.clone())))
                    }
                    Some(Some(_)) => Some(None),
                },
            };
            future::ready(told)
        });
        Ok(stream::once(async { Ok(first) }).chain(changes.filter_map(future::ready)).boxed())
    }
}

impl Followers {
    fn counts(&self) -> MutexGuard<'_, HashMap<Uuid, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ids(&self) -> Vec<Uuid> {
        self.counts().keys().copied().collect()
    }

    fn enter(self: &Arc<Self>, id: Uuid) -> Place {
        *self.counts().entry(id).or_default() += 1;
        Place { followers: self.clone(), id }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.followers.counts();
        if let Some(count) = counts.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.id);
            }
        }
    }
}

//! Emails as they change, for any number of followers: twice a second one look at all rows that anybody follows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entity::email;
use futures::future::{self, BoxFuture};
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use uuid::Uuid;

use super::Live;
use crate::Context;
use crate::error::Result;
use crate::find;
use crate::store::rows;

/// Rows asked for in one statement.
const GROUP: usize = 500;

/// The emails that somebody follows. Clones are the same.
#[derive(Clone)]
pub struct Emails {
    ctx: Arc<Context>,
    followed: Arc<Followed>,
    live: Live<Seen>,
}

/// How many follow each email.
#[derive(Default)]
struct Followed(Mutex<HashMap<Uuid, usize>>);

/// The rows that were looked at; `None` = there is no such email any more.
type Seen = HashMap<Uuid, Option<email::Model>>;

/// Somebody follows the email as long as this lives.
struct Place {
    followed: Arc<Followed>,
    id: Uuid,
}

impl Emails {
    /// Looks while somebody follows, until the process is to stop.
    pub fn new(ctx: &Arc<Context>) -> Self {
        let followed: Arc<Followed> = Arc::default();
        let (looks_at, shared) = (followed.clone(), ctx.clone());
        let look = move || -> BoxFuture<'static, Result<Seen>> {
            let (ctx, ids) = (shared.clone(), looks_at.ids());
            Box::pin(async move { look(&ctx, ids).await })
        };
        Self { ctx: ctx.clone(), followed, live: Live::new(look, ctx.stop.clone()) }
    }

    /// How the email stands, at once, and then whenever that changed, at most twice a second; what came in between is left out.
    /// Ends when it is cleaned away, and at once where there is none. While the database is away, that is told once.
    ///
    /// # Errors
    /// The database's own.
    pub async fn follow(&self, id: Uuid) -> Result<BoxStream<'static, Result<email::Model>>> {
        let place = self.followed.enter(id);
        let Some(first) = find::email(&self.ctx, id).await? else { return Ok(stream::empty().boxed()) };
        let changes = self.live.follow().scan((place, first.clone()), |(place, last), seen| {
            let told = match seen.map(|seen| seen.get(&place.id).cloned()) {
                Err(error) => Some(Some(Err(error))),
                // That look was before anybody followed it.
                Ok(None) => Some(None),
                Ok(Some(None)) => None,
                Ok(Some(Some(row))) if changed(last, &row) => {
                    *last = row.clone();
                    Some(Some(Ok(row)))
                }
                Ok(Some(Some(_))) => Some(None),
            };
            future::ready(told)
        });
        Ok(stream::once(async { Ok(first) }).chain(changes.filter_map(future::ready)).boxed())
    }
}

/// Where it stands is another; a look that is older than what was told says nothing new.
fn changed(last: &email::Model, row: &email::Model) -> bool {
    let shown = |email: &email::Model| (email.status, email.updated_at, email.cancel_requested);
    row.updated_at >= last.updated_at && shown(row) != shown(last)
}

async fn look(ctx: &Context, ids: Vec<Uuid>) -> Result<Seen> {
    let mut seen: Seen = ids.iter().map(|id| (*id, None)).collect();
    for group in ids.chunks(GROUP) {
        let asked = ctx.store.sql_ids("SELECT q.* FROM email_queue q WHERE q.id {ids}", [], group.iter().copied());
        for row in find::models::<email::Model>(&rows(ctx.store.read(), asked).await?)? {
            seen.insert(row.id, Some(row));
        }
    }
    Ok(seen)
}

impl Followed {
    fn counts(&self) -> MutexGuard<'_, HashMap<Uuid, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ids(&self) -> Vec<Uuid> {
        self.counts().keys().copied().collect()
    }

    fn enter(self: &Arc<Self>, id: Uuid) -> Place {
        *self.counts().entry(id).or_default() += 1;
        Place { followed: self.clone(), id }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.followed.counts();
        if let Some(count) = counts.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.id);
            }
        }
    }
}

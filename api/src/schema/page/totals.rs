//! How many things a list has in all: counted only when it is asked, and once, whichever of the two fields asks first.

use std::sync::Arc;

use async_graphql::Context;
use futures::future::BoxFuture;
use tokio::sync::OnceCell;

use crate::schema::asked::Asked;
use crate::schema::count::int;
use crate::schema::fault::Fault;

/// A number of things, and whether there may be more.
type Counted = jobs::Result<(u64, bool)>;

/// A count that can be made.
pub struct Totals {
    count: Box<dyn Fn(Arc<jobs::Context>) -> BoxFuture<'static, Counted> + Send + Sync>,
    counted: OnceCell<(u64, bool)>,
}

impl Totals {
    /// What `count` will say of the things that `filter` means.
    pub fn of<F: Clone + Send + Sync + 'static>(
        filter: F,
        count: impl for<'a> Fn(&'a jobs::Context, &'a F) -> BoxFuture<'a, Counted> + Copy + Send + Sync + 'static,
    ) -> Self {
        let count = move |ctx: Arc<jobs::Context>| -> BoxFuture<'static, Counted> {
            let filter = filter.clone();
            Box::pin(async move { count(&ctx, &filter).await })
        };
        Self { count: Box::new(count), counted: OnceCell::new() }
    }

    async fn ask(&self, ctx: &Context<'_>) -> Result<(u64, bool), Fault> {
        let count = async || (self.count)(ctx.app()?.ctx.clone()).await.map_err(Fault::from);
        self.counted.get_or_try_init(count).await.copied()
    }

    /// How many there are, as far as one counts.
    pub(super) async fn number(&self, ctx: &Context<'_>) -> Result<i32, Fault> {
        Ok(int(self.ask(ctx).await?.0))
    }

    /// There may be more.
    pub(super) async fn are_capped(&self, ctx: &Context<'_>) -> Result<bool, Fault> {
        Ok(self.ask(ctx).await?.1)
    }
}

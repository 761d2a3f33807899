//! Campaigns as they move, for those who follow them: thousands of changes in a second are one.

use std::collections::HashMap;

use uuid::Uuid;

use super::each::{Each, Followed};
use crate::Context;
use crate::campaign::{self, Campaign};
use crate::error::Result;

/// The campaigns that somebody follows. Clones are the same.
pub type Campaigns = Each<Campaign>;

impl Followed for Campaign {
    async fn look(ctx: &Context, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Self>> {
        campaign::find(ctx, &ids).await
    }

    /// When it may end is guessed anew at each look, and no news by itself.
    fn differs(&self, last: &Self) -> bool {
        (&self.row, self.ledger, self.status) != (&last.row, last.ledger, last.status)
    }
}

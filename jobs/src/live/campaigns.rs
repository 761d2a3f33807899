//! Campaigns as they move, for those who follow them: thousands of changes in a second are one.

use std::collections::HashMap;

use chrono::TimeDelta;
use uuid::Uuid;

use super::each::{Each, Followed};
use crate::Context;
use crate::campaign::{self, Campaign};
use crate::error::Result;
use crate::metric::{self, Figures, Range};

/// What happened longer ago and is counted only now is seen with the next change: a look costs no more for a campaign that is
/// years old.
const LATELY: TimeDelta = TimeDelta::days(2);

/// The campaigns that somebody follows. Clones are the same.
pub type Campaigns = Each<Moving>;

/// A campaign that somebody follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Moving {
    /// How it stands.
    pub campaign: Campaign,
    /// Opens and clicks move no email, and are news all the same.
    lately: Figures,
}

impl Followed for Moving {
    async fn look(ctx: &Context, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Self>> {
        let since = Range { since: Some(ctx.clock.now() - LATELY), until: None };
        let figures = metric::of_campaigns(ctx, &ids, since).await?;
        let found = campaign::find(ctx, &ids).await?.into_iter();
        let moving =
            found.map(|(id, campaign)| (id, Self { campaign, lately: figures.get(&id).copied().unwrap_or_default() }));
        Ok(moving.collect())
    }

    /// When it may end is guessed anew at each look, and no news by itself.
    fn differs(&self, last: &Self) -> bool {
        let stands = |moving: &Self| (moving.campaign.ledger, moving.campaign.status, moving.lately);
        stands(self) != stands(last) || self.campaign.row != last.campaign.row
    }
}

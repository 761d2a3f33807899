//! Where recipients go: into a campaign, or in a dry run nowhere, counted as if they did.

use std::collections::HashSet;

use entity::EmailAddress;
use jobs::Context;
use jobs::campaign::Refusal;
use jobs::campaign::recipients::{self, Added, NewRecipient, Refused};
use jobs::suppress::List;
use uuid::Uuid;

/// What recipients are added to.
pub struct Target {
    /// `None` = one that would be made.
    campaign: Option<Uuid>,
    /// In a dry run the addresses so far, of which the campaign does not learn.
    seen: Option<HashSet<String>>,
}

impl Target {
    /// A campaign that is there.
    pub fn there(campaign: Uuid, dry_run: bool) -> Self {
        Self { campaign: Some(campaign), seen: dry_run.then(HashSet::new) }
    }

    /// A campaign that would be made.
    pub fn imagined() -> Self {
        Self { campaign: None, seen: Some(HashSet::new()) }
    }

    /// The campaign's id, where there is one.
    pub fn id(&self) -> Option<Uuid> {
        self.campaign
    }

    /// Adds recipients, at most [`recipients::MOST`], or says what would become of them.
    ///
    /// # Errors
    /// The database's own; a refusal of the campaign inside.
    pub async fn add(&mut self, ctx: &Context, recipients: Vec<NewRecipient>) -> jobs::Result<Result<Added, Refusal>> {
        match (&mut self.seen, self.campaign) {
            (None, Some(id)) => recipients::add(ctx, id, recipients, false).await,
            (None, None) => Ok(Err(Refusal::NotFound)),
            (Some(seen), campaign) => would_add(ctx, campaign, seen, recipients).await,
        }
    }
}

/// What would become of recipients after those whose addresses were seen.
async fn would_add(
    ctx: &Context,
    campaign: Option<Uuid>,
    seen: &mut HashSet<String>,
    recipients: Vec<NewRecipient>,
) -> jobs::Result<Result<Added, Refusal>> {
    let (mut places, mut fresh, mut keys, mut known) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (place, recipient) in recipients.into_iter().enumerate() {
        let key = EmailAddress::parse(&recipient.address).ok().map(|address| address.key());
        if key.as_ref().is_some_and(|key| seen.contains(key)) {
            known += 1;
        } else {
            places.push(place);
            fresh.push(recipient);
            keys.push(key);
        }
    }
    let added = match campaign {
        Some(id) => recipients::add(ctx, id, fresh, true).await?,
        None => Ok(imagine(ctx, &fresh).await?),
    };
    Ok(added.map(|mut added| {
        added.known += known;
        let refused: HashSet<usize> = added.refused.iter().map(|refused| refused.index).collect();
        let taken = keys.into_iter().enumerate().filter(|(index, _)| !refused.contains(index));
        seen.extend(taken.filter_map(|(_, key)| key));
        added.refused.iter_mut().for_each(|refused| refused.index = places[refused.index]);
        added
    }))
}

/// What an empty campaign would take of them.
async fn imagine(ctx: &Context, recipients: &[NewRecipient]) -> jobs::Result<Added> {
    let (mut added, mut keys) = (Added::default(), HashSet::new());
    for (index, recipient) in recipients.iter().enumerate() {
        match recipient.check() {
            Err(complaints) => added.refused.push(Refused { index, complaints }),
            Ok((mailbox, _)) if keys.insert(mailbox.address.key()) => added.added += 1,
            Ok(_) => added.known += 1,
        }
    }
    let list = List::ask(ctx.store.read(), ctx, ctx.clock.now(), ctx.settings.sandbox, keys.iter().map(String::as_str));
    let list = list.await?;
    added.suppressed = keys.iter().filter(|key| list.blocks(key, false).is_some()).count() as u64;
    Ok(added)
}

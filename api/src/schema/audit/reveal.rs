//! Showing an address to somebody who sees it masked.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, ID, Object, SimpleObject};
use entity::{ApiScope, EmailAddress, Mailbox};

use super::trail;
use crate::schema::asked::Asked;
use crate::schema::fault::Fault;
use crate::schema::guard::Needs;
use crate::schema::lead::Leads;
use crate::schema::loader::{Emails, Events};
use crate::schema::node::Kind;
use crate::schema::refusal::{UserError, UserErrorCode};
use crate::schema::suppression::Entries;

/// A reason, in characters.
const MOST_REASON: usize = 500;

/// Addresses as they are.
#[derive(Default, SimpleObject)]
pub struct RevealAddressPayload {
    /// Whom it is about: an email's recipient, an event's, a lead, or an entry's target; null where that is a domain, or where it
    /// was refused.
    address: Option<EmailAddress>,
    /// Those who get a copy of an email.
    copies: Vec<EmailAddress>,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// Showing addresses.
#[derive(Default)]
pub struct RevealMutations;

#[Object]
impl RevealMutations {
    /// Shows an address in full that a key that may only read sees masked, of one thing at a time. Who asked, for what and why stays in
    /// the audit log. Requires the scope REVEAL.
    #[graphql(guard = "Needs(ApiScope::Reveal)")]
    async fn reveal_address(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "An email's, a delivery event's, a lead's or a suppression's id.")] id: ID,
        #[graphql(desc = "Why, in at most 500 characters.")] reason: String,
    ) -> Result<RevealAddressPayload, Fault> {
        let refuse = |error| Ok(RevealAddressPayload { user_errors: vec![error], ..RevealAddressPayload::default() });
        let reason = reason.trim();
        if reason.is_empty() || reason.chars().count() > MOST_REASON || reason.chars().any(char::is_control) {
            let message = format!("must be 1 to {MOST_REASON} characters without line breaks");
            return refuse(UserError::at(&["reason"], UserErrorCode::Invalid, message));
        }
        trail::because(reason);
        let Some(found) = named(ctx, &id).await? else {
            let message = "is the id of nothing with an address";
            return refuse(UserError::at(&["id"], UserErrorCode::NotFound, message));
        };
        trail::subject(&id);
        trail::did(found.len() as u64);
        if let Some(address) = found.first() {
            trail::recipient(&ctx.app()?.ctx, &address.key()).await?;
        }
        let mut found = found.into_iter();
        Ok(RevealAddressPayload { address: found.next(), copies: found.collect(), user_errors: Vec::new() })
    }
}

/// The addresses of what has this id, its recipient's first; `None` where there is no such thing.
async fn named(ctx: &Context<'_>, id: &ID) -> Result<Option<Vec<EmailAddress>>, Fault> {
    let one = |address: &str| EmailAddress::parse(address).ok().into_iter().collect();
    if let Some(id) = Kind::Email.read(id) {
        let emails = ctx.data_opt::<DataLoader<Emails>>().ok_or(Fault::Unattended)?;
        let Some(email) = emails.load_one(id).await? else { return Ok(None) };
        let copies = [&email.cc, &email.bcc].into_iter().flatten();
        let copies = copies.map(|list| serde_json::from_str::<Vec<String>>(list)).collect::<Result<Vec<_>, _>>();
        let copies = copies.map_err(jobs::Error::from)?;
        let all = std::iter::once(&email.recipient).chain(copies.iter().flatten());
        // A stored mailbox is one.
        return Ok(Some(all.filter_map(|text| Mailbox::parse(text).ok()).map(|mailbox| mailbox.address).collect()));
    }
    if let Some(id) = Kind::DeliveryEvent.read(id) {
        let events = ctx.data_opt::<DataLoader<Events>>().ok_or(Fault::Unattended)?;
        return Ok(events.load_one(id).await?.and_then(|event| event.recipient_key).map(|address| one(&address)));
    }
    if let Some(id) = Kind::Lead.read(id) {
        let leads = ctx.data_opt::<DataLoader<Leads>>().ok_or(Fault::Unattended)?;
        return Ok(leads.load_one(id).await?.map(|lead| one(&lead.row.address_key)));
    }
    if let Some(id) = Kind::Suppression.read(id) {
        let entries = ctx.data_opt::<DataLoader<Entries>>().ok_or(Fault::Unattended)?;
        return Ok(entries.load_one(id).await?.map(|entry| one(&entry.target)));
    }
    Ok(None)
}

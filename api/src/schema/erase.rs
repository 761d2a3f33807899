//! What a person may ask about themselves: to be forgotten, and to be told what is known of them.

use async_graphql::{Context, Object, SimpleObject};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entity::{ApiScope, EmailAddress};
use jobs::erase::export::{self, Place};
use jobs::erase::{self, Erased};
use serde_json::json;
use uuid::Uuid;

use super::asked::Asked;
use super::audit::trail;
use super::count::int;
use super::fault::Fault;
use super::guard::Needs;
use super::refusal::{UserError, UserErrorCode};

/// What became of the wish to erase somebody.
#[derive(Default, SimpleObject)]
pub struct EraseRecipientPayload {
    /// Emails that waited and were cancelled.
    cancelled: i32,
    /// Emails to the address that were erased, the cancelled among them.
    emails: i32,
    /// Emails to others of which it had a copy.
    copies: i32,
    /// Delivery events that name it no longer.
    events: i32,
    /// Entries of the suppression list that go on blocking it, by a keyed hash.
    suppressions: i32,
    /// Leads that are gone.
    leads: i32,
    /// Campaigns that had it as a recipient who had no email yet.
    recipients: i32,
    /// Emails that are being handed over, or perhaps with Mailgun: they were asked to stop and are erased by themselves once
    /// they have ended, within an hour. 0 when nothing is left.
    under_way: i32,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// What is known of somebody, or a part of it.
#[derive(Default, SimpleObject)]
pub struct ExportRecipientPayload {
    /// At most 100 emails with what they say and 1,000 events; in the first part the suppression list, leads and campaigns too.
    document: Option<serde_json::Value>,
    /// Where the next part begins; null when this is the last.
    after: Option<String>,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// What is done about a person.
#[derive(Default)]
pub struct EraseMutations;

#[Object]
impl EraseMutations {
    /// Forgets an address. What waits for it is cancelled; contents that were its own are shredded, with its variables; in
    /// emails, events and the suppression list a mark takes its place, under which it stays blocked; leads go. Numbers stay.
    /// Contents that a campaign shares with others stay. It can't be undone; done again, it erases what came since. Requires the
    /// scope ADMIN.
    #[graphql(guard = "Needs(ApiScope::Admin)")]
    async fn erase_recipient(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom to forget.")] address: EmailAddress,
    ) -> Result<EraseRecipientPayload, Fault> {
        let app = ctx.app()?.ctx.clone();
        trail::recipient(&app, &address.key()).await?;
        let erased = erase::erase(&app, &address.key()).await?;
        trail::did(
            erased.emails + erased.copies + erased.events + erased.suppressions + erased.leads + erased.recipients,
        );
        trail::after(json!({ "underWay": erased.under_way }));
        Ok(erased.into())
    }

    /// Tells everything that is known of an address as one document, in parts where there is much. Requires the scope ADMIN.
    #[graphql(guard = "Needs(ApiScope::Admin)")]
    async fn export_recipient(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "About whom.")] address: EmailAddress,
        #[graphql(desc = "The `after` of the part before.")] after: Option<String>,
    ) -> Result<ExportRecipientPayload, Fault> {
        let from = match after.as_deref().map(place) {
            Some(None) => {
                let error = UserError::at(&["after"], UserErrorCode::Invalid, "is the `after` of no part");
                return Ok(ExportRecipientPayload { user_errors: vec![error], ..ExportRecipientPayload::default() });
            }
            known => known.flatten(),
        };
        trail::recipient(&ctx.app()?.ctx, &address.key()).await?;
        let part = export::part(&ctx.app()?.ctx, &address.key(), from).await?;
        Ok(ExportRecipientPayload {
            document: Some(part.document),
            after: part.next.map(cursor),
            user_errors: Vec::new(),
        })
    }
}

impl From<Erased> for EraseRecipientPayload {
    fn from(erased: Erased) -> Self {
        Self {
            cancelled: int(erased.cancelled),
            emails: int(erased.emails),
            copies: int(erased.copies),
            events: int(erased.events),
            suppressions: int(erased.suppressions),
            leads: int(erased.leads),
            recipients: int(erased.recipients),
            under_way: int(erased.under_way),
            user_errors: Vec::new(),
        }
    }
}

/// A place as a text.
fn cursor(place: Place) -> String {
    let mut bytes = place.email.as_bytes().to_vec();
    bytes.extend(place.event.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn place(text: &str) -> Option<Place> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (email, event) = bytes.split_first_chunk::<16>()?;
    Some(Place { email: Uuid::from_bytes(*email), event: i64::from_be_bytes(event.try_into().ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_from_its_text_and_other_texts_are_none() {
        let there = Place { email: Uuid::from_u128(7), event: 300 };
        assert_eq!(place(&cursor(there)), Some(there));
        for text in ["", "nonsense", "%"] {
            assert_eq!(place(text), None, "{text}");
        }
    }
}

//! Making a campaign, filling it, launching and stopping it.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::ApiScope;
use jobs::campaign::recipients::{self, Refused};
use jobs::campaign::{self, Refusal, create};
use serde_json::{Value, json};
use uuid::Uuid;

use super::input::{CampaignInput, RecipientInput};
use super::{Campaign, by_id};
use crate::schema::asked::Asked;
use crate::schema::audit::trail;
use crate::schema::count::int;
use crate::schema::fault::Fault;
use crate::schema::guard::Needs;
use crate::schema::node::Kind;
use crate::schema::refusal::{UserError, UserErrorCode};

/// A campaign, and what became of the wish for it.
#[derive(Default, SimpleObject)]
pub struct CampaignPayload {
    /// The campaign as it stands now; null where nothing could be done.
    campaign: Option<Campaign>,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// What became of recipients. Those `added`, the `duplicates` and the `refused` add up to those that were given.
#[derive(Default, SimpleObject)]
pub struct AddRecipientsPayload {
    /// The campaign as it stands now; null where nothing could be done.
    campaign: Option<Campaign>,
    /// Recipients that it did not have; in a dry run, that would be added.
    added: i32,
    /// Recipients whose address it had already, or that were given twice.
    duplicates: i32,
    /// Recipients that can't be taken as they are; `userErrors` says why.
    refused: i32,
    /// Of the added, those that must not be mailed at the moment: if that is still so when their turn comes, their emails end
    /// SUPPRESSED.
    suppressed: i32,
    /// What to mend; the second part of `field` is the recipient's place. The others are added all the same.
    user_errors: Vec<UserError>,
}

/// What a refusal is about, and of what kind it is; those without a place speak of the campaign that the first argument names.
fn refused(refusal: &Refusal, id: &str) -> UserError {
    let (field, code) = match refusal {
        Refusal::NotFound => (id, UserErrorCode::NotFound),
        Refusal::Cancelled | Refusal::Completed | Refusal::Launched => (id, UserErrorCode::Conflict),
        Refusal::OtherMode(_) | Refusal::NoTemplate | Refusal::DeadlineOver => (id, UserErrorCode::Conflict),
        Refusal::NeedsPublicUrl | Refusal::Template(_) => (id, UserErrorCode::Invalid),
        Refusal::TooMany => ("recipients", UserErrorCode::LimitExceeded),
        Refusal::SendAt(_) => ("sendAt", UserErrorCode::Invalid),
    };
    UserError::at(&[field], code, refusal.to_string())
}

/// What is about to change, for the audit log.
async fn note(ctx: &Context<'_>, id: Uuid) -> Result<(), Fault> {
    trail::subject(&Kind::Campaign.id(id));
    if let Some(campaign) = campaign::find(&ctx.app()?.ctx, &[id]).await?.get(&id) {
        trail::before(state(campaign));
    }
    Ok(())
}

fn state(campaign: &campaign::Campaign) -> Value {
    let row = &campaign.row;
    json!({ "name": row.name, "sendAt": row.send_at, "launchedAt": row.launched_at, "cancelledAt": row.cancelled_at })
}

/// The campaign that an argument names.
fn named(id: &ID, argument: &str) -> Result<Uuid, UserError> {
    Kind::Campaign.read(id).ok_or_else(|| refused(&Refusal::NotFound, argument))
}

impl From<Result<campaign::Campaign, UserError>> for CampaignPayload {
    fn from(done: Result<campaign::Campaign, UserError>) -> Self {
        match done {
            Ok(campaign) => Self { campaign: Some(Campaign::new(campaign)), user_errors: Vec::new() },
            Err(error) => Self { campaign: None, user_errors: vec![error] },
        }
    }
}

/// Recipients to add, each with its place in the call, and the mistakes of the others.
fn read(recipients: Vec<RecipientInput>) -> (Vec<usize>, Vec<recipients::NewRecipient>, Vec<UserError>) {
    let (mut places, mut read, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for (place, recipient) in recipients.into_iter().enumerate() {
        match recipient.read() {
            Ok(recipient) => {
                places.push(place);
                read.push(recipient);
            }
            Err(complaint) => errors.push(UserError::complaint(complaint).under(&["recipients", &place.to_string()])),
        }
    }
    (places, read, errors)
}

/// Changes of campaigns.
#[derive(Default)]
pub struct CampaignMutations;

#[Object]
impl CampaignMutations {
    /// Creates a campaign: a DRAFT without recipients, which sends nothing until it is launched. Requires the scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn create_campaign(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The campaign.")] input: CampaignInput,
    ) -> Result<CampaignPayload, Fault> {
        let created = match input.draft() {
            Ok(draft) => create::create(&ctx.app()?.ctx, draft).await?,
            Err(complaints) => Err(complaints),
        };
        Ok(match created {
            Ok(campaign) => {
                trail::subject(&Kind::Campaign.id(campaign.row.id));
                trail::after(state(&campaign));
                Ok(campaign).into()
            }
            Err(complaints) => {
                let errors = complaints.into_iter().map(|complaint| UserError::complaint(complaint).under(&["input"]));
                CampaignPayload { campaign: None, user_errors: errors.collect() }
            }
        })
    }

    /// Adds recipients to a campaign, up to 10,000 in a call and any number of calls; a bad one does not spoil the rest, and the same
    /// call again adds nothing twice. Those of a launched campaign get their emails at once. Requires the scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn add_recipients(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The campaign's id.")] campaign_id: ID,
        #[graphql(desc = "Whom to add.")] recipients: Vec<RecipientInput>,
        #[graphql(desc = "Only say what would become of them.", default = false)] dry_run: bool,
    ) -> Result<AddRecipientsPayload, Fault> {
        let refuse = |error| AddRecipientsPayload { user_errors: vec![error], ..AddRecipientsPayload::default() };
        if recipients.len() > recipients::MOST {
            return Ok(refuse(refused(&Refusal::TooMany, "campaignId")));
        }
        let id = match named(&campaign_id, "campaignId") {
            Ok(id) => id,
            Err(error) => return Ok(refuse(error)),
        };
        trail::subject(&campaign_id);
        let (places, read, mut user_errors) = read(recipients);
        let unread = user_errors.len();
        let added = match recipients::add(&ctx.app()?.ctx, id, read, dry_run).await? {
            Ok(added) => added,
            Err(refusal) => return Ok(refuse(refused(&refusal, "campaignId"))),
        };
        trail::did(if dry_run { 0 } else { added.added });
        let refused = added.refused.len() + unread;
        for Refused { index, complaints } in added.refused {
            let place = places.get(index).copied().unwrap_or(index).to_string();
            let errors = complaints.into_iter().map(UserError::complaint);
            user_errors.extend(errors.map(|error| error.under(&["recipients", &place])));
        }
        Ok(AddRecipientsPayload {
            campaign: by_id(ctx, id).await?,
            added: int(added.added),
            duplicates: int(added.known),
            refused: int(refused),
            suppressed: int(added.suppressed),
            user_errors,
        })
    }

    /// Launches a campaign: its content is frozen, and from `sendAt` on each recipient gets an email. Launched again before that,
    /// it has the newer time. Requires the scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn launch_campaign(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The campaign's id.")] id: ID,
        #[graphql(desc = "When to begin; up to five minutes past means now. Without it, now.")] send_at: Option<
            DateTime<Utc>,
        >,
    ) -> Result<CampaignPayload, Fault> {
        let id = match named(&id, "id") {
            Ok(id) => id,
            Err(error) => return Ok(Err(error).into()),
        };
        note(ctx, id).await?;
        let launched = campaign::launch(&ctx.app()?.ctx, id, send_at).await?;
        launched.iter().for_each(|campaign| trail::after(state(campaign)));
        Ok(launched.map_err(|refusal| refused(&refusal, "id")).into())
    }

    /// Cancels a campaign for good: no recipient gets an email any more, those that wait end CANCELLED, in the background where they
    /// are many, and those under way are asked to stop. Recipients without an email stay `pending` in its ledger. Requires the
    /// scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn cancel_campaign(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The campaign's id.")] id: ID,
    ) -> Result<CampaignPayload, Fault> {
        let id = match named(&id, "id") {
            Ok(id) => id,
            Err(error) => return Ok(Err(error).into()),
        };
        note(ctx, id).await?;
        let cancelled = campaign::cancel(&ctx.app()?.ctx, id).await?;
        cancelled.iter().for_each(|(campaign, _)| trail::after(state(campaign)));
        Ok(cancelled.map(|(campaign, _)| campaign).map_err(|refusal| refused(&refusal, "id")).into())
    }
}

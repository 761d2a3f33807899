//! What a person or the application asks of one email.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, TimeDelta, Utc};
use entity::{ApiScope, email};
use jobs::control;
use jobs::ledger::Refusal;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Email;
use crate::schema::asked::Asked;
use crate::schema::audit::trail;
use crate::schema::fault::Fault;
use crate::schema::guard::Needs;
use crate::schema::node::Kind;
use crate::schema::refusal::{UserError, UserErrorCode};

/// A time this little in the past means now, as for `sendEmail`.
const PAST_IS_NOW: TimeDelta = TimeDelta::minutes(5);
/// Nobody means a time this far off.
const FURTHEST: TimeDelta = TimeDelta::days(2 * 365);

/// An email as it stands afterwards, or what to mend.
type Done = (Option<Email>, Vec<UserError>);

/// A payload of its own for each mutation, so that each may grow by itself.
macro_rules! payload {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(SimpleObject)]
        pub struct $name {
            /// The email as it stands now; null where nothing could be done.
            email: Option<Email>,
            /// What to mend.
            user_errors: Vec<UserError>,
        }

        impl From<Done> for $name {
            fn from((email, user_errors): Done) -> Self {
                Self { email, user_errors }
            }
        }
    };
}

payload! {
    /// What became of the wish to cancel; an email under way says `cancelRequested`.
    CancelEmailPayload
}
payload! {
    /// What became of the wish to retry.
    RetryEmailPayload
}
payload! {
    /// What became of the wish for another time.
    RescheduleEmailPayload
}
payload! {
    /// What became of the decision.
    ResolveEmailPayload
}

/// Control over single emails.
#[derive(Default)]
pub struct ControlMutations;

#[Object]
impl ControlMutations {
    /// Cancels an email that waits. One that is SENDING or UNCONFIRMED is asked to stop: it ends CANCELLED if it turns out not
    /// to have left. Requires the scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn cancel_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The email.")] id: ID,
    ) -> Result<CancelEmailPayload, Fault> {
        let Some(id) = named(ctx, &id).await? else { return Ok(none().into()) };
        Ok(answer(control::cancel(&ctx.app()?.ctx, id).await?).into())
    }

    /// Queues a FAILED email anew with all its tries, or a SUPPRESSED one whose suppression was lifted; none whose content was
    /// deleted. Requires the scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn retry_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The email.")] id: ID,
    ) -> Result<RetryEmailPayload, Fault> {
        let Some(id) = named(ctx, &id).await? else { return Ok(none().into()) };
        Ok(answer(control::retry(&ctx.app()?.ctx, id).await?).into())
    }

    /// Moves an email that waits to another time; up to five minutes past means now. Requires the scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn reschedule_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The email.")] id: ID,
        #[graphql(desc = "When to send it.")] send_at: DateTime<Utc>,
    ) -> Result<RescheduleEmailPayload, Fault> {
        let Some(id) = named(ctx, &id).await? else { return Ok(none().into()) };
        let ctx = &ctx.app()?.ctx;
        if let Some(problem) = time_problem(send_at, ctx.clock.now()) {
            return Ok((None, vec![UserError::at(&["sendAt"], UserErrorCode::Invalid, problem)]).into());
        }
        Ok(answer(control::reschedule(ctx, id, send_at).await?).into())
    }

    /// Takes a person's word on an UNCONFIRMED email: Mailgun has it, or has it not and it goes again. Requires the scope
    /// MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn resolve_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The email.")] id: ID,
        #[graphql(desc = "Whether Mailgun has it.")] sent: bool,
    ) -> Result<ResolveEmailPayload, Fault> {
        let Some(id) = named(ctx, &id).await? else { return Ok(none().into()) };
        Ok(answer(control::resolve(&ctx.app()?.ctx, id, sent).await?).into())
    }
}

fn time_problem(send_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<&'static str> {
    if send_at < now - PAST_IS_NOW {
        Some("is in the past")
    } else if send_at > now + FURTHEST {
        Some("is more than two years away")
    } else {
        None
    }
}

/// The email that an id names, noted in the audit log as it stands before anything is done to it.
async fn named(ctx: &Context<'_>, id: &ID) -> Result<Option<Uuid>, Fault> {
    let Some(uuid) = Kind::Email.read(id) else { return Ok(None) };
    trail::subject(id);
    if let Some(email) = jobs::find::email(&ctx.app()?.ctx, uuid).await? {
        trail::before(state(&email));
    }
    Ok(Some(uuid))
}

/// What control may change of an email.
fn state(email: &email::Model) -> Value {
    json!({ "status": email.status.name(), "sendAt": email.send_at, "cancelRequested": email.cancel_requested })
}

fn answer(done: Result<email::Model, Refusal>) -> Done {
    match done {
        Ok(row) => {
            trail::after(state(&row));
            (Some(Email::new(row)), Vec::new())
        }
        Err(refusal) => (None, vec![refusal.into()]),
    }
}

fn none() -> Done {
    answer(Err(Refusal::NotFound))
}

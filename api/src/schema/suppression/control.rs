//! Entering, lifting and cleaning.

use std::time::Duration;

use async_graphql::{Context, Object, SimpleObject};
use entity::ApiScope;
use entity::provider_order::Lift;
use entity::suppression::{Reason, Target};
use jobs::suppress::enter::{self, Entered};
use jobs::suppress::{lift, list, state};
use jobs::sync;
use serde_json::{Value, json};

use super::Suppression;
use super::input::SuppressInput;
use crate::schema::asked::Asked;
use crate::schema::audit::trail;
use crate::schema::count::int;
use crate::schema::email::Email;
use crate::schema::fault::Fault;
use crate::schema::guard::Needs;
use crate::schema::node::Kind;
use crate::schema::refusal::{UserError, UserErrorCode};

/// How long a lift waits for Mailgun's lists to follow: they are told by the second.
const PATIENCE: Duration = Duration::from_secs(3);
/// As many as one call enters.
const MOST: usize = 10_000;

/// What became of the wish to suppress.
#[derive(Default, SimpleObject)]
pub struct SuppressPayload {
    /// The entry as it stands: one of the same reason that holds longer is not shortened.
    suppression: Option<Suppression>,
    /// Emails that waited and ended SUPPRESSED.
    suppressed: i32,
    /// Emails that wait and are still to end; the work on them goes on in the background. None of them is sent meanwhile.
    remaining: i32,
    /// There may be more than `remaining` says.
    remaining_is_capped: bool,
    /// Emails that were SENDING or UNCONFIRMED to it: they may still arrive. All of them when nothing remains, up to 1,000; copies
    /// (cc, bcc) are not among them.
    in_flight: Vec<Email>,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// What became of the wish to suppress many.
#[derive(Default, SimpleObject)]
pub struct SuppressManyPayload {
    /// Different targets and reasons that were entered; in a dry run, that would be.
    entered: i32,
    /// Emails that waited and ended SUPPRESSED.
    suppressed: i32,
    /// Emails that wait and are still to end; the work on them goes on in the background. None of them is sent meanwhile. In a
    /// dry run, all that would end.
    remaining: i32,
    /// There may be more than `remaining` says.
    remaining_is_capped: bool,
    /// Emails that were SENDING or UNCONFIRMED to any of them: they may still arrive. All of them when nothing remains, up to
    /// 1,000; copies (cc, bcc) are not among them.
    in_flight: Vec<Email>,
    /// What to mend: these were not entered, the others were.
    user_errors: Vec<UserError>,
}

/// What became of the wish to lift.
#[derive(Default, SimpleObject)]
pub struct UnsuppressPayload {
    /// The entries that blocked and no longer do.
    lifted: Vec<Suppression>,
    /// The entries that go on blocking: of other reasons, or of the address' whole domain.
    still_blocked_by: Vec<Suppression>,
    /// Whether Mailgun's own lists have let go of the address as well, for which the answer waits a moment. PENDING: not yet, as
    /// Mailgun does not answer; until then it keeps email to the address back, and `providerLift` of the entries says when it is
    /// done. Null where there is nothing to tell.
    provider_lift: Option<Lift>,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// What became of the wish to clean.
#[derive(SimpleObject)]
pub struct CleanSuppressionsPayload {
    /// Expired entries that left the lists.
    archived: i32,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// Changes of the suppression list.
#[derive(Default)]
pub struct SuppressionMutations;

#[Object]
impl SuppressionMutations {
    /// Lets nothing be sent any more to an address, or to any address at a domain. Emails that wait for it end SUPPRESSED; those
    /// under way are named. Requires the scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn suppress(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom, and why.")] input: SuppressInput,
    ) -> Result<SuppressPayload, Fault> {
        let app = &ctx.app()?.ctx;
        let entry = match input.read(app.clock.now()) {
            Ok(entry) => entry,
            Err(errors) => {
                let user_errors = errors.into_iter().map(|error| error.under(&["input"])).collect();
                return Ok(SuppressPayload { user_errors, ..SuppressPayload::default() });
            }
        };
        let key = entry.target.key();
        trail::recipient(app, &key).await?;
        trail::before(blocked(app, &key).await?);
        let (stands, Entered { in_flight, waiting, .. }) = enter::suppress(app, entry).await?;
        trail::subject(&Kind::Suppression.id(stands.id));
        trail::after(blocked(app, &key).await?);
        Ok(SuppressPayload {
            suppression: Some(Suppression::new(stands)),
            suppressed: int(waiting.done),
            remaining: int(waiting.remaining),
            remaining_is_capped: waiting.remaining_is_capped,
            in_flight: in_flight.into_iter().map(Email::new).collect(),
            user_errors: Vec::new(),
        })
    }

    /// The same for up to 10,000 at once; a bad one does not spoil the rest. Requires the scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn suppress_many(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom, and why.")] inputs: Vec<SuppressInput>,
        #[graphql(desc = "Only say what would become of it.", default = false)] dry_run: bool,
    ) -> Result<SuppressManyPayload, Fault> {
        if inputs.len() > MOST {
            let message = format!("has {} entries; {MOST} are allowed", inputs.len());
            let user_errors = vec![UserError::at(&["inputs"], UserErrorCode::LimitExceeded, message)];
            return Ok(SuppressManyPayload { user_errors, ..SuppressManyPayload::default() });
        }
        let app = &ctx.app()?.ctx;
        let (now, mut entries, mut user_errors) = (app.clock.now(), Vec::with_capacity(inputs.len()), Vec::new());
        for (i, input) in inputs.into_iter().enumerate() {
            match input.read(now) {
                Ok(entry) => entries.push(entry),
                Err(errors) => {
                    user_errors.extend(errors.into_iter().map(|error| error.under(&["inputs", &i.to_string()])));
                }
            }
        }
        let entered = if dry_run {
            enter::would_suppress(app, &entries).await?
        } else {
            enter::suppress_many(app, entries).await?
        };
        trail::did(if dry_run { 0 } else { entered.entered });
        Ok(SuppressManyPayload {
            entered: int(entered.entered),
            suppressed: int(entered.waiting.done),
            remaining: int(entered.waiting.remaining),
            remaining_is_capped: entered.waiting.remaining_is_capped,
            in_flight: entered.in_flight.into_iter().map(Email::new).collect(),
            user_errors,
        })
    }

    /// Lets an address, or a domain, be mailed again. What happened before never suppresses it again, however late it is
    /// reported. Emails that ended SUPPRESSED stay so until they are retried. Requires the scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn unsuppress(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The address or the domain.")] target: String,
        #[graphql(desc = "Of which reasons; without it, of all.")] reasons: Option<Vec<Reason>>,
    ) -> Result<UnsuppressPayload, Fault> {
        let target = match Target::parse(&target) {
            Ok(target) => target,
            Err(why) => {
                let user_errors = vec![UserError::at(&["target"], UserErrorCode::Invalid, why.to_string())];
                return Ok(UnsuppressPayload { user_errors, ..UnsuppressPayload::default() });
            }
        };
        let reasons = reasons.unwrap_or_else(|| Reason::ALL.to_vec());
        let jobs = &ctx.app()?.ctx;
        trail::recipient(jobs, &target.key()).await?;
        trail::before(blocked(jobs, &target.key()).await?);
        let done = lift::unsuppress(jobs, &target.key(), &reasons).await?;
        trail::did(done.lifted.len() as u64);
        if let Some(entry) = done.lifted.first() {
            trail::subject(&Kind::Suppression.id(entry.id));
        }
        trail::after(blocked(jobs, &target.key()).await?);
        let provider_lift =
            if done.told { sync::followed(jobs, &target.key(), &reasons, PATIENCE).await? } else { None };
        Ok(UnsuppressPayload {
            lifted: done.lifted.into_iter().map(Suppression::new).collect(),
            still_blocked_by: done.still_blocked_by.into_iter().map(Suppression::new).collect(),
            provider_lift,
            user_errors: Vec::new(),
        })
    }

    /// Takes expired entries out of the lists; it is done by itself every six hours. They stay in the history. Requires the
    /// scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn clean_suppressions(&self, ctx: &Context<'_>) -> Result<CleanSuppressionsPayload, Fault> {
        let archived = list::archive(&ctx.app()?.ctx).await?;
        trail::did(archived);
        Ok(CleanSuppressionsPayload { archived: int(archived), user_errors: Vec::new() })
    }
}

/// What blocks a target, for the audit log.
async fn blocked(ctx: &jobs::Context, key: &str) -> jobs::Result<Value> {
    let by = state::state(ctx, key).await?.by;
    let entries = by.iter().map(|entry| json!({ "reason": entry.reason.name(), "expiresAt": entry.expires_at }));
    Ok(json!({ "blockedBy": entries.collect::<Vec<_>>() }))
}

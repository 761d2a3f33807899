//! Why emails wait, and pausing and resuming.

use async_graphql::{Context, Enum, ID, Object, OneofObject, SimpleObject};
use chrono::{DateTime, Utc};
use entity::hold::{self, Cause};
use entity::{ApiScope, Priority, scope};
use jobs::hold::{Cover, Holds};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};

use crate::config;

use super::asked::Asked;
use super::audit::trail;
use super::count::int;
use super::fault::Fault;
use super::guard::Needs;
use super::mask::Words;
use super::node::Kind;
use super::refusal::{UserError, UserErrorCode};

/// A reason, in characters.
const MOST_REASON: usize = 500;

/// What a hold covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "hold::Kind")]
pub enum HoldScope {
    /// Every email.
    Queue,
    /// The emails of one priority.
    Priority,
    /// The emails of one campaign.
    Campaign,
    /// The emails of one sending domain.
    Domain,
}

/// Who holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Cause")]
pub enum HoldCause {
    /// A person.
    Pause,
    /// Mailgun, which asked to wait.
    RateLimit,
}

/// A wait that a person ordered.
#[derive(SimpleObject)]
pub struct Pause {
    /// What it covers.
    scope: HoldScope,
    /// Which one: a priority, a campaign's id, a sending domain; null for the whole queue.
    subject: Option<String>,
    /// Why.
    reason: Option<Words>,
    /// It ends by itself then; null when somebody has to end it.
    until: Option<DateTime<Utc>>,
    /// Since when.
    created_at: DateTime<Utc>,
}

/// Something that makes emails wait. An email under one waits, spends no try, and goes when it ends.
#[derive(SimpleObject)]
pub struct Hold {
    /// What it covers.
    scope: HoldScope,
    /// Which one: a priority, a campaign's id, a sending domain; null for the whole queue.
    subject: Option<String>,
    /// Who holds.
    cause: HoldCause,
    /// Why, as it was given.
    reason: Option<Words>,
    /// All of it in words.
    description: Words,
    /// It ends by itself then; null when somebody has to end it.
    until: Option<DateTime<Utc>>,
    /// Since when.
    created_at: DateTime<Utc>,
}

/// What a hold of this row covers, as the API names it.
fn subject(row: &hold::Model) -> Option<String> {
    match row.kind {
        hold::Kind::Queue => None,
        hold::Kind::Priority => Some(row.subject.to_uppercase()),
        hold::Kind::Campaign => {
            Some(row.subject.parse().map_or_else(|_| row.subject.clone(), |id| Kind::Campaign.id(id).0))
        }
        hold::Kind::Domain => Some(row.subject.clone()),
    }
}

impl From<hold::Model> for Pause {
    fn from(row: hold::Model) -> Self {
        let subject = subject(&row);
        let hold::Model { kind, reason, until, created_at, .. } = row;
        Self { scope: kind.into(), subject, reason: reason.map(Words), until, created_at }
    }
}

impl From<hold::Model> for Hold {
    fn from(row: hold::Model) -> Self {
        let (subject, description) = (subject(&row), Words(jobs::hold::words(&row)));
        let hold::Model { kind, cause, reason, until, created_at, .. } = row;
        let reason = reason.map(Words);
        Self { scope: kind.into(), subject, cause: cause.into(), reason, description, until, created_at }
    }
}

/// A part of the queue.
#[derive(Clone, Debug, OneofObject)]
pub enum Scope {
    /// The emails of this campaign.
    CampaignId(ID),
    /// The emails that go through this sending domain.
    Domain(String),
    /// The emails of this priority.
    Priority(Priority),
}

/// What became of the wish to pause.
#[derive(SimpleObject)]
pub struct PausePayload {
    /// The pause; null where it was refused.
    pause: Option<Pause>,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// What became of the wish to resume.
#[derive(SimpleObject)]
pub struct ResumePayload {
    /// How many pauses ended.
    ended: i32,
    /// What to mend.
    user_errors: Vec<UserError>,
}

/// What holds emails.
#[derive(Default)]
pub struct HoldQueries;

#[Object]
impl HoldQueries {
    /// Everything that makes emails wait at this moment, but for breakers, which stand in `queueStats`. Requires the scope
    /// READ.
    #[graphql(guard = "Needs(ApiScope::Read)")]
    async fn holds(&self, ctx: &Context<'_>) -> Result<Vec<Hold>, Fault> {
        let ctx = &ctx.app()?.ctx;
        let holds = Holds::load(ctx.store.read(), ctx.clock.now()).await?;
        Ok(holds.holds.into_iter().map(Hold::from).collect())
    }
}

/// Pausing and resuming.
#[derive(Default)]
pub struct HoldMutations;

#[Object]
impl HoldMutations {
    /// Makes a part of the queue wait; emails already under way are finished. Paused again, a part has the newer reason and
    /// end. Requires the scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn pause(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which part; without it, everything.")] scope: Option<Scope>,
        #[graphql(desc = "Why, in at most 500 characters.")] reason: Option<String>,
        #[graphql(desc = "It ends by itself then; without it, `resume` ends it.")] until: Option<DateTime<Utc>>,
    ) -> Result<PausePayload, Fault> {
        let ctx = &ctx.app()?.ctx;
        let cover = match cover(ctx, scope).await? {
            Ok(cover) => cover,
            Err(error) => return Ok(PausePayload { pause: None, user_errors: vec![error] }),
        };
        let user_errors = mistakes(reason.as_deref(), until, ctx.clock.now());
        if !user_errors.is_empty() {
            return Ok(PausePayload { pause: None, user_errors });
        }
        note(&cover);
        trail::before(states(ctx, Some(&cover)).await?);
        let row = jobs::hold::place(ctx, &cover, Cause::Pause, reason, until).await?;
        trail::after(json!([state(&row)]));
        Ok(PausePayload { pause: Some(row.into()), user_errors })
    }

    /// Ends the pause of a part of the queue; without a scope, the pause of the whole queue and all others. Waits that Mailgun
    /// asked for go on. Requires the scope MANAGE.
    #[graphql(guard = "Needs(ApiScope::Manage)")]
    async fn resume(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which part; without it, every pause there is.")] scope: Option<Scope>,
    ) -> Result<ResumePayload, Fault> {
        let ctx = &ctx.app()?.ctx;
        let everything = scope.is_none();
        let cover = match cover(ctx, scope).await? {
            Ok(cover) => cover,
            Err(error) => return Ok(ResumePayload { ended: 0, user_errors: vec![error] }),
        };
        let which = Some(&cover).filter(|_| !everything);
        note(&cover);
        trail::before(states(ctx, which).await?);
        let ended = jobs::hold::lift(ctx, which).await?;
        trail::did(ended);
        trail::after(states(ctx, which).await?);
        Ok(ResumePayload { ended: int(ended), user_errors: Vec::new() })
    }
}

/// What a pause is about, for the audit log.
fn note(cover: &Cover) {
    match cover {
        Cover::Queue => trail::subject_named("queue".to_owned()),
        Cover::Priority(lane) => trail::subject_named(format!("priority:{}", lane.name().to_uppercase())),
        Cover::Campaign(id) => trail::subject(&Kind::Campaign.id(*id)),
        Cover::Domain(domain) => trail::subject_named(format!("domain:{domain}")),
    }
}

/// The pauses of a part of the queue, or all of them.
async fn states(ctx: &jobs::Context, cover: Option<&Cover>) -> jobs::Result<Value> {
    let holds = Holds::load(ctx.store.read(), ctx.clock.now()).await?;
    Ok(holds.pauses().filter(|hold| cover.is_none_or(|cover| cover.is_of(hold))).map(state).collect())
}

fn state(hold: &hold::Model) -> Value {
    json!({ "subject": subject(hold), "reason": hold.reason, "until": hold.until })
}

fn mistakes(reason: Option<&str>, until: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Vec<UserError> {
    let mut errors = Vec::new();
    if reason.is_some_and(|text| text.chars().count() > MOST_REASON || text.chars().any(char::is_control)) {
        let message = format!("must be at most {MOST_REASON} characters without line breaks");
        errors.push(UserError::at(&["reason"], UserErrorCode::Invalid, message));
    }
    if until.is_some_and(|end| end <= now) {
        errors.push(UserError::at(&["until"], UserErrorCode::Invalid, "is in the past"));
    }
    errors
}

async fn cover(ctx: &jobs::Context, scope: Option<Scope>) -> Result<Result<Cover, UserError>, Fault> {
    let unknown = |field, message: &str| UserError::at(&["scope", field], UserErrorCode::NotFound, message);
    Ok(match scope {
        None => Ok(Cover::Queue),
        Some(Scope::Priority(lane)) => Ok(Cover::Priority(lane)),
        Some(Scope::CampaignId(id)) => {
            Kind::Campaign.read(&id).map(Cover::Campaign).ok_or_else(|| unknown("campaignId", "is no campaign's id"))
        }
        Some(Scope::Domain(text)) => {
            let Ok(domain) = config::domain(&text) else { return Ok(Err(unknown("domain", "is no domain"))) };
            // A pause of a misspelt domain would hold nothing and look as if it did.
            if ctx.settings.domains.contains(&domain) || has_sent(ctx, &domain).await? {
                Ok(Cover::Domain(domain))
            } else {
                Err(unknown("domain", "is no sending domain: MAILGUN_DOMAIN names them"))
            }
        }
    })
}

/// Emails went through this domain once: it may have been taken out of MAILGUN_DOMAIN since.
async fn has_sent(ctx: &jobs::Context, domain: &str) -> jobs::Result<bool> {
    let asked = scope::Entity::find().filter(scope::Column::SendingDomain.eq(domain));
    Ok(asked.one(ctx.store.read()).await?.is_some())
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_pause_that_would_be_over_or_has_no_readable_reason_is_refused() {
        let now = DateTime::UNIX_EPOCH;
        let fields = |reason: Option<&str>, until| -> Vec<String> {
            mistakes(reason, until, now).into_iter().flat_map(|error| error.field.unwrap_or_default()).collect()
        };
        assert_eq!(fields(Some("weekend"), Some(now + TimeDelta::seconds(1))), Vec::<String>::new());
        assert_eq!(fields(None, Some(now)), ["until"]);
        assert_eq!(fields(Some("a\nb"), None), ["reason"]);
        assert_eq!(fields(Some(&"x".repeat(501)), Some(now)), ["reason", "until"]);
    }
}

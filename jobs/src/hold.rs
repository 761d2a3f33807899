//! Why emails wait: pauses by a person, waits that Mailgun asked for, and open breakers. Lifting one is one statement and a
//! nudge; an email under a hold spends nothing.

use chrono::{DateTime, TimeDelta, Utc};
use entity::hold::{self, Cause, Kind};
use entity::{Priority, breaker};
use sea_orm::{ActiveEnum, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, QueryFilter, Value};
use uuid::Uuid;

use crate::Context;
use crate::error::Result;
use crate::scope::Scope;
use crate::store::{Store, execute, rows};

/// What a pause or its end covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cover {
    Queue,
    Priority(Priority),
    Campaign(Uuid),
    Domain(String),
}

impl Cover {
    /// A hold covers exactly this.
    pub fn is_of(&self, hold: &hold::Model) -> bool {
        let (kind, subject) = self.key();
        hold.kind == kind && hold.subject == subject
    }

    fn key(&self) -> (Kind, String) {
        match self {
            Cover::Queue => (Kind::Queue, String::new()),
            Cover::Priority(lane) => (Kind::Priority, lane.name().to_owned()),
            Cover::Campaign(id) => (Kind::Campaign, id.to_string()),
            Cover::Domain(domain) => (Kind::Domain, domain.clone()),
        }
    }
}

/// Everything that holds at one moment.
#[derive(Clone, Debug, Default)]
pub struct Holds {
    pub holds: Vec<hold::Model>,
    pub breakers: Vec<breaker::Model>,
}

/// Whether a scope's emails may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leave {
    /// They may.
    Open,
    /// They wait, for this reason, until then where it is known.
    Held { why: String, until: Option<DateTime<Utc>> },
    /// One may go ahead to see whether the way is open again; the breaker's key.
    Probe(String),
}

impl Holds {
    /// What holds at `now`.
    ///
    /// # Errors
    /// The database's own.
    pub async fn load(db: &impl ConnectionTrait, now: DateTime<Utc>) -> Result<Self> {
        let holds =
            hold::Entity::find().filter(hold::Column::Until.is_null().or(hold::Column::Until.gt(now))).all(db).await?;
        let breakers = breaker::Entity::find().filter(breaker::Column::Open.eq(true)).all(db).await?;
        Ok(Self { holds, breakers })
    }

    /// Whether emails of a lane and scope may leave by the way `transport` at `now`. A pause outranks a probe.
    pub fn over(&self, lane: Priority, scope: &Scope, transport: &str, now: DateTime<Utc>) -> Leave {
        if let Some(hold) = self.that_cover(lane, scope).next() {
            return Leave::Held { why: words(hold), until: hold.until };
        }
        let domain = domain_key(&scope.domain);
        let mut probe = None;
        for open in self.breakers.iter().filter(|b| b.key == transport || b.key == domain) {
            if open.probe_at.is_none_or(|at| at > now) {
                let why =
                    format!("held while Mailgun does not take it: {}", open.reason.as_deref().unwrap_or("no answer"));
                return Leave::Held { why, until: open.probe_at };
            }
            probe.get_or_insert_with(|| open.key.clone());
        }
        probe.map_or(Leave::Open, Leave::Probe)
    }

    /// Whether a person paused emails of a lane and scope, by whatever covers them.
    pub fn is_paused(&self, lane: Priority, scope: &Scope) -> bool {
        self.that_cover(lane, scope).any(|hold| hold.cause == Cause::Pause)
    }

    fn that_cover(&self, lane: Priority, scope: &Scope) -> impl Iterator<Item = &hold::Model> {
        let campaign = scope.campaign.map(|id| id.to_string());
        self.holds.iter().filter(move |hold| match hold.kind {
            Kind::Queue => true,
            Kind::Priority => hold.subject == lane.name(),
            Kind::Campaign => campaign.as_deref() == Some(&hold.subject),
            Kind::Domain => hold.subject == scope.domain,
        })
    }

    /// The pauses among them.
    pub fn pauses(&self) -> impl Iterator<Item = &hold::Model> {
        self.holds.iter().filter(|h| h.cause == Cause::Pause)
    }
}

/// The key of a sending domain's breaker.
pub fn domain_key(domain: &str) -> String {
    format!("domain:{domain}")
}

/// Why a hold holds, in words.
pub fn words(hold: &hold::Model) -> String {
    let what = match hold.kind {
        Kind::Queue => "the queue".to_owned(),
        Kind::Priority => format!("priority {}", hold.subject.to_uppercase()),
        Kind::Campaign => "its campaign".to_owned(),
        Kind::Domain => format!("the sending domain {}", hold.subject),
    };
    let mut text = match hold.cause {
        Cause::Pause => format!("{what} is paused"),
        Cause::RateLimit => format!("Mailgun asked {what} to wait"),
    };
    if let Some(until) = hold.until {
        text.push_str(&until.format(" until %Y-%m-%d %H:%M:%S UTC").to_string());
    }
    if let Some(reason) = hold.reason.as_deref().filter(|r| !r.is_empty()) {
        text.push_str(": ");
        text.push_str(reason);
    }
    text
}

/// Holds what `cover` names, or changes the hold that is there already. Answers the hold.
///
/// # Errors
/// The database's own.
pub async fn place(
    ctx: &Context,
    cover: &Cover,
    cause: Cause,
    reason: Option<String>,
    until: Option<DateTime<Utc>>,
) -> Result<hold::Model> {
    let (kind, subject) = cover.key();
    // A later end outlasts an earlier one when Mailgun speaks; a person's word replaces the person's word before.
    let until_rule = match cause {
        Cause::Pause => "excluded.until",
        Cause::RateLimit => {
            "CASE WHEN email_holds.until > excluded.until THEN email_holds.until ELSE excluded.until END"
        }
    };
    let text = format!(
        "INSERT INTO email_holds (id, kind, subject, cause, reason, until, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
         ON CONFLICT (kind, subject, cause) DO UPDATE SET reason = excluded.reason, until = {until_rule}, \
         created_at = CASE WHEN email_holds.until <= excluded.created_at THEN excluded.created_at ELSE email_holds.created_at END"
    );
    let values = [
        Value::from(ctx.clock.id()),
        Value::from(kind.to_value()),
        Value::from(subject.clone()),
        Value::from(cause.to_value()),
        Value::from(reason),
        Value::from(until),
        Value::from(ctx.clock.now()),
    ];
    execute(ctx.store.write(), ctx.store.sql(text, values)).await?;
    let found = hold::Entity::find()
        .filter(hold::Column::Kind.eq(kind))
        .filter(hold::Column::Subject.eq(subject))
        .filter(hold::Column::Cause.eq(cause))
        .one(ctx.store.write())
        .await?;
    Ok(found.ok_or_else(|| sea_orm::DbErr::RecordNotFound("the hold just placed".into()))?)
}

/// Ends the pause over `cover`; with `None` every pause there is. Its end stays noted, since an email's age counts from it.
/// Answers how many pauses ended.
///
/// # Errors
/// The database's own.
pub async fn lift(ctx: &Context, cover: Option<&Cover>) -> Result<u64> {
    let now = Value::from(ctx.clock.now());
    let mut text = "UPDATE email_holds SET until = $1 WHERE cause = $2 AND (until IS NULL OR until > $1)".to_owned();
    let mut values = vec![now, Value::from(Cause::Pause.to_value())];
    if let Some(cover) = cover {
        let (kind, subject) = cover.key();
        text.push_str(" AND kind = $3 AND subject = $4");
        values.extend([Value::from(kind.to_value()), Value::from(subject)]);
    }
    let ended = execute(ctx.store.write(), ctx.store.sql(text, values)).await?.rows_affected();
    Priority::ALL.into_iter().for_each(|lane| ctx.nudge(lane));
    ctx.executor.notify_one();
    Ok(ended)
}

/// A pause that is over.
#[derive(Clone, Debug)]
pub struct Ended {
    pub at: DateTime<Utc>,
    hold: hold::Model,
    scope: Option<i32>,
}

impl Ended {
    /// It was over emails of this lane and scope.
    pub fn covers(&self, lane: Priority, scope: i32) -> bool {
        match self.hold.kind {
            Kind::Queue => true,
            Kind::Priority => self.hold.subject == lane.name(),
            Kind::Campaign | Kind::Domain => self.scope == Some(scope),
        }
    }
}

/// The pauses that ended after `since`.
///
/// # Errors
/// The database's own.
pub async fn ended(db: &impl ConnectionTrait, ctx: &Context, since: DateTime<Utc>) -> Result<Vec<Ended>> {
    let now = ctx.clock.now();
    let over = hold::Entity::find()
        .filter(hold::Column::Cause.eq(Cause::Pause))
        .filter(hold::Column::Until.gt(since))
        .filter(hold::Column::Until.lte(now))
        .all(db)
        .await?;
    let mut ended = Vec::new();
    for hold in over {
        let at = hold.until.unwrap_or(now);
        match hold.kind {
            Kind::Queue | Kind::Priority => ended.push(Ended { at, hold, scope: None }),
            Kind::Campaign | Kind::Domain => {
                for scope in scopes_of(db, &ctx.store, &hold).await? {
                    ended.push(Ended { at, hold: hold.clone(), scope: Some(scope) });
                }
            }
        }
    }
    Ok(ended)
}

async fn scopes_of(db: &impl ConnectionTrait, store: &Store, hold: &hold::Model) -> Result<Vec<i32>> {
    let (text, value) = match hold.kind {
        Kind::Campaign => (
            "SELECT id FROM email_scopes WHERE campaign_id = $1",
            Value::from(hold.subject.parse::<Uuid>().unwrap_or_default()),
        ),
        _ => ("SELECT id FROM email_scopes WHERE sending_domain = $1", Value::from(hold.subject.clone())),
    };
    let found = rows(db, store.sql(text, [value])).await?;
    found.iter().map(|r| Ok(r.try_get("", "id")?)).collect()
}

/// Holds that ended so long ago that no email's age counts from them.
///
/// # Errors
/// The database's own.
pub async fn clean(ctx: &Context) -> Result<u64> {
    let oldest = ctx.clock.now() - ctx.settings.max_age - TimeDelta::hours(1);
    Ok(hold::Entity::delete_many().filter(hold::Column::Until.lt(oldest)).exec(ctx.store.write()).await?.rows_affected)
}

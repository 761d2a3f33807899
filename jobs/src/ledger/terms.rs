//! The terms in which the ledger speaks: an email as it stands, what may happen to it, and how that comes out.

use chrono::{DateTime, Utc};
use entity::{Policy, Priority, Status};
use uuid::Uuid;

/// What the ledger knows of an email and may change. The rest of the row never changes after acceptance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub id: Uuid,
    pub lane: Priority,
    pub scope: i32,
    pub status: Status,
    pub fence: i32,
    pub attempts: i32,
    pub due_at: Option<DateTime<Utc>>,
    pub lease_until: Option<DateTime<Utc>>,
    pub resolve_at: Option<DateTime<Utc>>,
    pub send_at: DateTime<Utc>,
    pub deliver_by: Option<DateTime<Utc>>,
    pub policy: Policy,
    pub cancel_requested: bool,
    pub acceptances: i32,
    pub heard: bool,
    pub rejected: bool,
    pub last_error: Option<String>,
    pub provider_id: Option<String>,
    pub omitted: Option<String>,
    pub first_try_at: Option<DateTime<Utc>>,
    pub sent_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// What it said is deleted: it can't go again.
    pub content_gone: bool,
}

/// What happened, or is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Cause {
    /// Its time has come.
    Due,
    /// A worker takes it, until then. `omitted` names copies the gate left out.
    Claim { until: DateTime<Utc>, omitted: Option<String> },
    /// Its recipient must not be mailed.
    Suppress { why: String },
    /// It was accepted for the sandbox and this process sends for real, or the other way round.
    WrongMode { why: &'static str },
    /// Its campaign is cancelled.
    CampaignCancelled,
    /// Its `deliverBy` is over.
    DeadlineOver,
    /// It would be refused now for what is being mended: nothing is spent, and it is looked at again then.
    Snooze { until: DateTime<Utc>, why: &'static str },
    /// A worker reports how its hand-over ended.
    Settle(Settlement),
    /// The worker that held it fell silent.
    LeaseOver,
    /// The wait of an UNCONFIRMED email of policy RESEND is over.
    Resend,
    /// Somebody asks to cancel it.
    Cancel,
    /// Somebody asks to take it up again.
    Retry,
    /// Somebody asks to send it at another time.
    Reschedule { send_at: DateTime<Utc> },
    /// Mailgun's log, read whole and after its trust window, shows no trace of the hand-over in doubt.
    Absent { fence: i32 },
    /// It is to be looked for in Mailgun's log then, or no more; `why` says what a person should know who has to decide.
    Look { fence: i32, at: Option<DateTime<Utc>>, why: Option<&'static str> },
    /// Somebody knows what became of an UNCONFIRMED email.
    Resolve { sent: bool },
    /// Mailgun reported something about it.
    Report(Report),
}

/// An event, as far as it says where the email stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub said: Said,
    /// When it happened, by Mailgun's clock.
    pub at: DateTime<Utc>,
    /// What to show as the reason; `None` where another event of the kind is the one to show.
    pub why: Option<String>,
}

/// What an event says of where the email stands, in rising order: the highest that was said holds, whatever came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Said {
    /// Mailgun has it.
    Accepted,
    /// Mailgun tries on.
    Deferred,
    /// Mailgun refused it after taking it: the one event that proves no acceptance.
    Rejected,
    /// It arrived. An open and a click say so as well.
    Delivered,
    Bounced,
    Complained,
}

/// A worker's report about one claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Settlement {
    /// The claim it speaks of.
    pub fence: i32,
    /// Set by a worker that does not know whether its claim was stored: another's may have the same fence, but not the
    /// same lease.
    pub doubtful_lease: Option<DateTime<Utc>>,
    pub handed: Handed,
    pub http_status: Option<u16>,
    pub started_at: DateTime<Utc>,
    pub finished_at: DateTime<Utc>,
}

/// How a hand-over ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Handed {
    /// Mailgun accepted it under this id.
    Sent { provider_id: String },
    /// It never left; a further try is due then.
    Retry { why: String, due_at: DateTime<Utc> },
    /// Mailgun asked to wait: nothing is spent, a hold keeps it.
    Held { why: String },
    /// Mailgun refused the account, or what answered was not Mailgun: nothing is spent, a breaker keeps it.
    AccountRefused { why: String },
    /// Nobody knows.
    Unconfirmed { why: String },
    /// Mailgun refused the email.
    Failed { why: String },
    /// The worker did not post it.
    NotHandedOver,
}

/// What a decision rests on besides the row.
#[derive(Clone, Debug)]
pub struct Facts {
    pub now: DateTime<Utc>,
    /// `MAILGUN_MAX_RETRIES`: tries in all.
    pub max_tries: i32,
    /// When an email in doubt is looked for first.
    pub first_look: chrono::TimeDelta,
    /// How long an email rests that can't leave and has no try to spend.
    pub snooze: chrono::TimeDelta,
    /// When nothing waits on Mailgun any longer: `EMAIL_MAX_AGE`.
    pub max_age: chrono::TimeDelta,
    /// Why its recipient must not be mailed, where that was asked.
    pub suppressed: Option<String>,
    /// When the last pause over it ended; its age counts from then.
    pub pause_ended: Option<DateTime<Utc>>,
    /// Its campaign is cancelled, where that was asked.
    pub campaign_cancelled: bool,
}

/// What a cause did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It stands elsewhere now.
    Moved,
    /// It stands where it stood, with something noted: a wish to cancel, a second acceptance, another time.
    Noted,
    /// Everything was as it should be already.
    Nothing,
}

/// Why a cause can't have its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such email, or somebody else holds its row for the moment.
    #[error("there is no such email")]
    NotFound,
    /// The worker's claim is over.
    #[error("the claim is over")]
    Stale,
    /// It can't be cancelled from this state.
    #[error("an email that is {0} can't be cancelled")]
    NotCancellable(Name),
    /// It can't be retried from this state.
    #[error("an email that is {0} can't be retried")]
    NotRetryable(Name),
    /// Mailgun would reject it again: the same email is not taken twice.
    #[error("Mailgun rejected it: send it anew")]
    Rejected,
    /// What it said is deleted.
    #[error("its content is past retention or was erased: send it anew")]
    ContentGone,
    /// It may be with Mailgun; only somebody who knows may decide.
    #[error("it may be with Mailgun: use resolveEmail to say whether it was sent")]
    Unconfirmed,
    /// Its recipient is still suppressed.
    #[error("its recipient is still suppressed")]
    StillSuppressed,
    /// Nothing of its campaign is sent any more.
    #[error("its campaign is cancelled")]
    CampaignCancelled,
    /// Its `deliverBy` is over.
    #[error("its deliverBy is over")]
    DeadlineOver,
    /// It would be sent when its `deliverBy` is over.
    #[error("the new time is not before its deliverBy")]
    AfterDeadline,
    /// It no longer waits.
    #[error("an email that is {0} can't be rescheduled")]
    NotReschedulable(Name),
    /// Nobody has to decide about it.
    #[error("an email that is {0} needs no decision: only UNCONFIRMED ones do")]
    NotUnconfirmed(Name),
    /// The feeder, the gate or a watcher came too late.
    #[error("an email that is {0} is not waiting")]
    NotWaiting(Name),
}

/// A status by its public name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name(pub Status);

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name())
    }
}

//! The states of an email: who enters each, who leaves it.

use sea_orm::{DeriveActiveEnum, EnumIter, Iterable};
use serde::{Deserialize, Serialize};

/// Where an email stands. `jobs::ledger` alone changes it.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    EnumIter,
    DeriveActiveEnum,
    Serialize,
    Deserialize,
    async_graphql::Enum,
)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[serde(rename_all = "UPPERCASE")]
#[graphql(name = "EmailStatus")]
#[repr(i16)]
pub enum Status {
    /// Due later: a send time in the future, a retry that backs off, a snooze. The feeder promotes it to QUEUED.
    Scheduled = 0,
    /// Due now and waiting for a free slot; a hold may keep it waiting.
    Queued = 1,
    /// Claimed by a worker, which is handing it to Mailgun. Ends within a minute, one way or another.
    Sending = 2,
    /// Perhaps with Mailgun: the answer never came. Left by proof, by the sender's policy, or by a person.
    Unconfirmed = 3,
    /// Mailgun accepted it.
    Sent = 4,
    /// Mailgun tries on after a temporary refusal.
    Deferred = 5,
    /// The recipient's server took it.
    Delivered = 6,
    /// The recipient's server refused it for good.
    Bounced = 7,
    /// The recipient reported it as spam.
    Complained = 8,
    /// Ended without Mailgun: it was refused, or the tries are spent. `retryEmail` takes it up again.
    Failed = 9,
    /// Ended because somebody asked.
    Cancelled = 10,
    /// Ended because the recipient must not be mailed.
    Suppressed = 11,
    /// Ended because its time was over before Mailgun could take it.
    Expired = 12,
}

impl Status {
    /// All of them, in the order of their numbers.
    pub fn all() -> impl Iterator<Item = Status> {
        Status::iter()
    }

    /// Its name, as the API has it.
    pub fn name(self) -> &'static str {
        match self {
            Status::Scheduled => "SCHEDULED",
            Status::Queued => "QUEUED",
            Status::Sending => "SENDING",
            Status::Unconfirmed => "UNCONFIRMED",
            Status::Sent => "SENT",
            Status::Deferred => "DEFERRED",
            Status::Delivered => "DELIVERED",
            Status::Bounced => "BOUNCED",
            Status::Complained => "COMPLAINED",
            Status::Failed => "FAILED",
            Status::Cancelled => "CANCELLED",
            Status::Suppressed => "SUPPRESSED",
            Status::Expired => "EXPIRED",
        }
    }

    /// Mailgun has accepted it, whatever happened later.
    pub fn is_accepted(self) -> bool {
        match self {
            Status::Sent | Status::Deferred | Status::Delivered | Status::Bounced | Status::Complained => true,
            Status::Scheduled | Status::Queued | Status::Sending | Status::Unconfirmed => false,
            Status::Failed | Status::Cancelled | Status::Suppressed | Status::Expired => false,
        }
    }

    /// Nothing further will be sent unless a person asks: accepted by Mailgun, or ended without it.
    pub fn is_finished(self) -> bool {
        self.is_accepted() || matches!(self, Status::Failed | Status::Cancelled | Status::Suppressed | Status::Expired)
    }

    /// Not yet handed over, and nobody holds it: it may be cancelled, moved, held.
    pub fn is_waiting(self) -> bool {
        matches!(self, Status::Scheduled | Status::Queued)
    }
}

/// What to do when it is unknown whether Mailgun took an email.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[serde(rename_all = "UPPERCASE")]
#[graphql(name = "UnconfirmedPolicy")]
#[repr(i16)]
pub enum Policy {
    /// Send again only once Mailgun's own log shows no trace of the first hand-over.
    Verify = 0,
    /// Send again after a short wait: late is worse than twice.
    Resend = 1,
    /// A person decides, by `resolveEmail`.
    Hold = 2,
}

/// How a try ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize, async_graphql::Enum,
)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[graphql(name = "AttemptOutcome")]
#[repr(i16)]
pub enum Outcome {
    /// Mailgun accepted the email.
    Sent = 0,
    /// It never left; it will be tried again.
    Retry = 1,
    /// Mailgun asked to wait; the try was not counted.
    Held = 2,
    /// It may have reached Mailgun; no readable answer came.
    Unconfirmed = 3,
    /// Mailgun refused the account or the address we called; the try was not counted.
    AccountRefused = 4,
    /// Mailgun refused the email.
    Failed = 5,
    /// The worker gave it back before handing it over; the try was not counted.
    NotHandedOver = 6,
    /// The worker fell silent while it held the email.
    LeaseRanOut = 7,
}

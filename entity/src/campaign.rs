//! `campaigns`: one content for many recipients. Who they are stands in [`crate::recipient`], how many stand where in
//! [`crate::tally`]; whether a campaign is paused or completed is computed when it is read.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::{Policy, Priority};

/// What a campaign's data key is bound to when it is wrapped.
pub const TABLE: &str = "campaigns";

/// One campaign.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "campaigns")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    /// The small id of this campaign on its sending domain ([`crate::scope`]).
    pub scope: i32,
    pub lane: Priority,
    /// The From mailbox, ready for the header.
    pub sender: String,
    pub reply_to: Option<String>,
    /// The template that the content is taken from at launch.
    pub template_id: Option<Uuid>,
    /// Before the launch the campaign's own part of the content; from then on all of it, never to change.
    pub content_id: Uuid,
    /// Which key of the keyring wraps the data key that recipients' variables are sealed with.
    pub key_id: String,
    pub wrapped_key: Vec<u8>,
    pub on_unconfirmed: Policy,
    pub transactional: bool,
    pub test_mode: bool,
    /// Fixed when it is created, as an email's.
    pub sandbox: bool,
    /// Up to 1,000 recipients go to Mailgun in one call.
    pub batch: bool,
    pub deliver_by: Option<DateTime<Utc>>,
    /// When recipients begin to become emails; set by the launch.
    pub send_at: Option<DateTime<Utc>>,
    /// When to look for recipients who have no email yet; NULL when there is no need to.
    pub expand_at: Option<DateTime<Utc>>,
    pub launched_at: Option<DateTime<Utc>>,
    pub cancelled_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Where a campaign stands. It is not stored: it follows from its row, its ledger and the pauses at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, async_graphql::Enum)]
#[graphql(name = "CampaignStatus")]
pub enum Status {
    /// It was not launched yet.
    Draft,
    /// It was launched for a later time.
    Scheduled,
    /// Emails are made, wait, or are under way.
    Running,
    /// A pause over it, its priority, its sending domain or the queue keeps what is open of it.
    Paused,
    /// Every recipient has an email, and every email has come to an end. A retry or further recipients open it again.
    Completed,
    /// It was cancelled: nothing of it is sent any more.
    Cancelled,
}

impl Status {
    /// Of this campaign, by whether a pause covers it, and how many recipients and emails of it are still open.
    pub fn of(campaign: &Model, paused: bool, open: i64, now: DateTime<Utc>) -> Self {
        if campaign.cancelled_at.is_some() {
            Status::Cancelled
        } else if campaign.launched_at.is_none() {
            Status::Draft
        } else if paused && open > 0 {
            Status::Paused
        } else if campaign.send_at.is_some_and(|at| at > now) {
            Status::Scheduled
        } else if open == 0 {
            Status::Completed
        } else {
            Status::Running
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    fn campaign(launched: bool, send_at: i64, cancelled: bool) -> Model {
        Model {
            id: Uuid::nil(),
            name: String::new(),
            scope: 1,
            lane: Priority::Normal,
            sender: String::new(),
            reply_to: None,
            template_id: None,
            content_id: Uuid::nil(),
            key_id: String::new(),
            wrapped_key: Vec::new(),
            on_unconfirmed: Policy::Verify,
            transactional: false,
            test_mode: false,
            sandbox: true,
            batch: false,
            deliver_by: None,
            send_at: launched.then(|| at(send_at)),
            expand_at: None,
            launched_at: launched.then(|| at(-60)),
            cancelled_at: cancelled.then(|| at(-1)),
            created_at: at(-90),
            updated_at: at(-90),
        }
    }

    #[test]
    fn a_campaign_stands_where_the_first_rule_that_applies_says() {
        let (draft, scheduled, begun) =
            (campaign(false, 0, false), campaign(true, 10, false), campaign(true, -10, false));
        let cases = [
            (&draft, false, 0, Status::Draft),
            (&draft, true, 7, Status::Draft),
            (&scheduled, false, 7, Status::Scheduled),
            (&scheduled, true, 7, Status::Paused),
            (&scheduled, true, 0, Status::Scheduled),
            (&begun, false, 7, Status::Running),
            (&begun, true, 7, Status::Paused),
            (&begun, false, 0, Status::Completed),
            (&begun, true, 0, Status::Completed),
            (&campaign(false, 0, true), false, 7, Status::Cancelled),
            (&campaign(true, 10, true), true, 7, Status::Cancelled),
            (&campaign(true, -10, true), false, 0, Status::Cancelled),
        ];
        for (i, (campaign, paused, open, expected)) in cases.into_iter().enumerate() {
            assert_eq!(Status::of(campaign, paused, open, at(0)), expected, "case {i}");
        }
        assert_eq!(Status::of(&scheduled, false, 7, at(10)), Status::Running, "at its time it begins");
    }
}

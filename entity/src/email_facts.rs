//! `email_facts`: what became of an email beside its status. A table of its own, so that an open never copies a queue row.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

/// What is known of one email; a row comes with its first event. Times are Mailgun's, and each is the first of its kind
/// unless it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_facts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub email_id: Uuid,
    pub deferrals: i32,
    pub deferred_at: Option<DateTime<Utc>>,
    /// The latest deferral: its reason is the one to show.
    pub last_deferred_at: Option<DateTime<Utc>>,
    pub rejected_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
    pub bounced_at: Option<DateTime<Utc>>,
    pub hard_bounced_at: Option<DateTime<Utc>>,
    pub complained_at: Option<DateTime<Utc>>,
    pub unsubscribed_at: Option<DateTime<Utc>>,
    /// By people.
    pub opens: i32,
    pub opened_at: Option<DateTime<Utc>>,
    pub clicks: i32,
    pub clicked_at: Option<DateTime<Utc>>,
    /// By machines.
    pub machine_opens: i32,
    pub machine_opened_at: Option<DateTime<Utc>>,
    pub machine_clicks: i32,
    pub machine_clicked_at: Option<DateTime<Utc>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Of an email that nothing was reported of.
    pub fn none(email_id: Uuid) -> Self {
        Self {
            email_id,
            deferrals: 0,
            deferred_at: None,
            last_deferred_at: None,
            rejected_at: None,
            delivered_at: None,
            bounced_at: None,
            hard_bounced_at: None,
            complained_at: None,
            unsubscribed_at: None,
            opens: 0,
            opened_at: None,
            clicks: 0,
            clicked_at: None,
            machine_opens: 0,
            machine_opened_at: None,
            machine_clicks: 0,
            machine_clicked_at: None,
        }
    }
}

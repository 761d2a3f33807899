//! `leads`: the people emails are for, as the application names them, each since the first email that named it. Whether one may
//! be mailed is computed from the suppression list when it is read.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::*;

use crate::suppression::{self, Reason};

/// One lead.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "leads")]
pub struct Model {
    /// The application's own id of it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The address of the latest email to it, in its key form.
    pub address_key: String,
    /// The email that the address comes from.
    pub email_id: Uuid,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Whether a lead may be mailed, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, async_graphql::Enum)]
#[graphql(name = "LeadStatus")]
pub enum Status {
    /// It may.
    Active,
    /// Mail to its address came back.
    Bounced,
    /// It reported spam.
    Complained,
    /// It opted out.
    Unsubscribed,
    /// Its address was entered by hand, or its whole domain must not be mailed.
    Suppressed,
}

impl Status {
    /// By the entries that block an address. Of several reasons the one counts that its owner minds most.
    pub fn of(address_key: &str, blocking: &[suppression::Model]) -> Self {
        let own = |reason| blocking.iter().any(|entry| entry.target == address_key && entry.reason == reason);
        if blocking.is_empty() {
            Status::Active
        } else if own(Reason::Complaint) {
            Status::Complained
        } else if own(Reason::Unsubscribe) {
            Status::Unsubscribed
        } else if own(Reason::Bounce) {
            Status::Bounced
        } else {
            Status::Suppressed
        }
    }
}

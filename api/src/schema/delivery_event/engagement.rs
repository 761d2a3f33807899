//! What was done with an email beside its status: opened, its links followed.

use async_graphql::SimpleObject;
use chrono::{DateTime, Utc};
use entity::email_facts;

use crate::schema::count::int;

/// How often people and machines did something with an email, and when first.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct Engagement {
    /// How often people did.
    count: i32,
    /// When a person first did.
    first_at: Option<DateTime<Utc>>,
    /// How often machines did, as far as Mailgun can tell.
    machine_count: i32,
    /// When a machine first did.
    machine_first_at: Option<DateTime<Utc>>,
}

impl Engagement {
    /// Opening.
    pub fn opens(facts: &email_facts::Model) -> Self {
        Self {
            count: int(facts.opens),
            first_at: facts.opened_at,
            machine_count: int(facts.machine_opens),
            machine_first_at: facts.machine_opened_at,
        }
    }

    /// Following a link.
    pub fn clicks(facts: &email_facts::Model) -> Self {
        Self {
            count: int(facts.clicks),
            first_at: facts.clicked_at,
            machine_count: int(facts.machine_clicks),
            machine_first_at: facts.machine_clicked_at,
        }
    }
}

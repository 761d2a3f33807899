//! What must hold when everything has come to rest. Each rule reads the truth and names what breaks it.

mod campaigns;
mod mails;
mod numbers;
mod suppressions;

use uuid::Uuid;

use super::truth::Truth;
use super::world::Pace;

/// A promise that was broken.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Which, in a sentence.
    pub what: String,
    /// Whose story shows it.
    pub email: Option<Uuid>,
}

impl Violation {
    /// Of no email in particular.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), email: None }
    }

    /// Of this email.
    pub fn of(email: Uuid, what: impl Into<String>) -> Self {
        Self { what: what.into(), email: Some(email) }
    }
}

/// Everything that is broken.
pub fn all(truth: &Truth, pace: &Pace) -> Vec<Violation> {
    let mut found = Vec::new();
    mails::each_accepted_email_is_there_once(truth, &mut found);
    mails::each_stands_where_its_events_say(truth, &mut found);
    mails::each_end_is_explained(truth, &mut found);
    mails::none_is_taken_twice(truth, pace, &mut found);
    suppressions::nothing_goes_to_a_suppressed_address(truth, pace, &mut found);
    suppressions::the_list_follows_from_what_happened(truth, &mut found);
    campaigns::each_has_come_to_its_end(truth, &mut found);
    numbers::events_are_those_of_the_log(truth, &mut found);
    numbers::the_follower_missed_none(truth, &mut found);
    numbers::facts_follow_from_the_log(truth, &mut found);
    numbers::metrics_follow_from_the_log(truth, &mut found);
    found
}

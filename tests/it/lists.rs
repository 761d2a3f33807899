//! Lists of emails, of events and of campaigns: right for every filter, in both directions; and as cheap among many emails as among few.

mod campaigns;
mod events;
mod flat;
pub mod queue;
mod walk;

//! Lists of emails and of events: right for every filter, in both directions; and as cheap among many emails as among few.

mod events;
mod flat;
pub mod queue;
mod walk;

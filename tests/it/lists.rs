//! Lists of emails: right for every filter, in both directions; and as cheap among many emails as among few.

mod flat;
pub mod queue;
mod walk;

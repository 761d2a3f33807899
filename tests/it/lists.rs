//! Lists of emails, of events, of campaigns and of the audit log: right for every filter, in both directions; and as cheap among many emails as among few.

mod audit;
mod campaigns;
mod events;
mod flat;
pub mod queue;
mod walk;

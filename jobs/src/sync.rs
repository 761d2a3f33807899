//! Our suppression list and Mailgun's own, kept alike: for each sending domain Mailgun's bounces, complaints and unsubscribes
//! are read into ours, and what people enter and lift here is told to them.
//!
//! `pull` reads, list by list and page by page; where it stands is stored with each page. `outbox` notes what is to be told in the
//! transaction that changes our list, and `push` tells it until Mailgun has followed. One process reads a list at a time, and
//! one tells it something: their claims stand in `mark`. What follows from what is in `rule`, and pure.

mod mailgun;
pub mod mark;
pub(crate) mod outbox;
mod page;
pub mod provider;
pub mod pull;
pub mod push;
pub mod rule;

use std::sync::Arc;

pub use mailgun::MailgunLists;
pub use outbox::{Lifted, followed, lifts};

use crate::Context;
use provider::Provider;

/// Which way suppressions go between Mailgun and us: `SUPPRESSION_SYNC`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// None.
    Off,
    /// Mailgun's are read, and nothing is told to it.
    Pull,
    /// Both ways.
    #[default]
    Both,
}

/// What a process needs that keeps the lists alike.
#[derive(Clone)]
pub struct Desk {
    pub ctx: Arc<Context>,
    pub provider: Arc<dyn Provider>,
}

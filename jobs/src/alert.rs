//! Alerts: what somebody should look at, in one table ([`table::RULES`]). Of all processes one at a time reads the figures,
//! lets the rules judge them and keeps what came of it; whoever knows where to tells it, once however many processes there are
//! and however often they start anew.
//!
//! `count` is what each process met and no other table tells, `figures` reads it all, `rule` judges (pure), `course` says how an
//! alert goes on (pure), `round` keeps it; `own` is what a process knows without the database; `message` is what is told
//! (pure), `tell` tells it; `list` is for whoever asks.

pub mod count;
mod course;
mod figures;
pub mod list;
mod message;
mod own;
mod round;
mod rule;
pub mod table;
mod tell;

use chrono::TimeDelta;
use secrecy::SecretString;

pub use list::{Alert, known, list};
pub use message::test;
pub use own::Own;
pub use rule::{LAG, Limit, ONCE_WITHIN, SIGNED_WITHIN, STALLED, STRANGERS, TRIED_WITHIN, Thresholds};
pub use table::{Name, RULES, Rule, Severity};
pub use tell::{Receiver, Untold};

pub(crate) use round::run as watch;
pub(crate) use tell::run as tell;

/// What the user sets.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `ALERT_WEBHOOK_URL`: who is told.
    pub url: Option<SecretString>,
    /// `ALERT_REPEAT`: after how long they are told again while it goes on.
    pub repeat: TimeDelta,
    pub thresholds: Thresholds,
}

impl Default for Settings {
    fn default() -> Self {
        Self { url: None, repeat: TimeDelta::hours(4), thresholds: Thresholds::default() }
    }
}

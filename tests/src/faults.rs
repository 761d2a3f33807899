//! The fault suite: real processes on real servers in front of a Mailgun that misbehaves, with faults drawn from a seed; and
//! what must hold afterwards, checked against a fold over what was accepted and Mailgun's own log.
//!
//! `load` and `campaigns` say what is sent, `mailgun` answers it and `hooks` reports it, `people` interfere, `trouble` takes things away,
//! `check` compares, and `story` tells an email's life from every source. `run` puts it together.

#![expect(missing_docs, reason = "a field's name says it; where it does not, it has a comment")]

pub mod campaigns;
pub mod check;
pub mod dice;
pub mod follow;
pub mod hooks;
pub mod load;
pub mod logbook;
pub mod mailgun;
pub mod people;
pub mod redis;
pub mod run;
pub mod scenario;
pub mod story;
pub mod trouble;
pub mod truth;
pub mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::lock;

/// How often each kind of fault happened: what did not happen shows nothing.
#[derive(Clone, Default)]
pub struct Coverage(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Coverage {
    /// It happened once more.
    pub fn count(&self, what: &'static str) {
        *lock(&self.0).entry(what).or_default() += 1;
    }

    /// All counts.
    pub fn table(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.0).clone()
    }
}

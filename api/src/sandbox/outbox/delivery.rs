//! One event on its way to one URL, and what came of it.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::Outcome;
use super::queue::Manner;
use crate::sandbox::event::Occurrence;
use crate::sandbox::hooks::{Hook, Target};
use crate::sandbox::signing::Signature;

/// An event for one URL, under one signature, however often it is told.
pub(in crate::sandbox) struct Delivery {
    /// 1 for the first.
    pub(in crate::sandbox) number: u64,
    hook: Hook,
    pub(super) target: Target,
    event: Occurrence,
    signature: Signature,
    progress: Mutex<Progress>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::sandbox) enum State {
    Waiting,
    /// Back by the settings.
    Held,
    /// Answered 200.
    Taken,
    /// Answered 406.
    Refused,
    /// Not taken for eight hours.
    GivenUp,
}

struct Progress {
    state: State,
    tries: u32,
    last: Option<Outcome>,
    next_at: Option<DateTime<Utc>>,
}

/// A delivery as it is shown.
#[derive(Serialize)]
pub(in crate::sandbox) struct Listed {
    number: u64,
    event: &'static str,
    event_id: String,
    message_id: String,
    recipient: String,
    url: Target,
    signature: Signature,
    state: State,
    tries: u32,
    /// The status of the last answer, or why there was none.
    last: Option<Value>,
    next_at: Option<DateTime<Utc>>,
}

impl Delivery {
    pub(super) fn new(number: u64, hook: Hook, target: Target, event: Occurrence, signature: Signature) -> Self {
        let progress = Mutex::new(Progress { state: State::Waiting, tries: 0, last: None, next_at: None });
        Self { number, hook, target, event, signature, progress }
    }

    pub(in crate::sandbox) fn recipient(&self) -> &str {
        self.event.recipient()
    }

    /// Without angle brackets.
    pub(in crate::sandbox) fn message_id(&self) -> String {
        self.event.message_id()
    }

    pub(in crate::sandbox) fn hook(&self) -> &'static str {
        self.hook.name()
    }

    pub(in crate::sandbox) fn state(&self) -> State {
        self.progress().state
    }

    /// Whether it will not be told again by itself.
    pub(super) fn is_settled(&self) -> bool {
        match self.state() {
            State::Taken | State::Refused | State::GivenUp => true,
            State::Waiting | State::Held => false,
        }
    }

    pub(super) fn hold(&self) {
        let mut progress = self.progress();
        if progress.state == State::Waiting {
            progress.state = State::Held;
        }
    }

    /// What is posted.
    pub(super) fn body(&self, base: &str) -> Value {
        json!({ "signature": self.signature, "event-data": self.event.data(base) })
    }

    /// Takes note of a call, and says when the next is due. Only the usual way has a next one.
    pub(super) fn tried(
        &self,
        outcome: Outcome,
        manner: Manner,
        retry: impl FnOnce(u32) -> Option<DateTime<Utc>>,
    ) -> Option<DateTime<Utc>> {
        let mut progress = self.progress();
        progress.tries += 1;
        let settled = match outcome {
            Outcome::Answered(200) => Some(State::Taken),
            Outcome::Answered(406) => Some(State::Refused),
            Outcome::Answered(_) | Outcome::Failed(_) => None,
        };
        progress.last = Some(outcome);
        match (settled, manner) {
            (Some(state), _) => {
                progress.state = state;
                progress.next_at = None;
            }
            (None, Manner::Again) => {}
            (None, Manner::Usual) => {
                progress.next_at = retry(progress.tries);
                progress.state = if progress.next_at.is_some() { State::Waiting } else { State::GivenUp };
                return progress.next_at;
            }
        }
        None
    }

    pub(in crate::sandbox) fn listed(&self) -> Listed {
        let progress = self.progress();
        Listed {
            number: self.number,
            event: self.hook(),
            event_id: self.event.id(),
            message_id: self.message_id(),
            recipient: self.recipient().to_owned(),
            url: self.target.clone(),
            signature: self.signature.clone(),
            state: progress.state,
            tries: progress.tries,
            last: progress.last.as_ref().map(|last| match last {
                Outcome::Answered(status) => json!(status),
                Outcome::Failed(why) => json!(why),
            }),
            next_at: progress.next_at,
        }
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! What a person can mend, as data: each mutation's `userErrors`.

use async_graphql::resolver_utils::enum_value;
use async_graphql::{Enum, SimpleObject, Value};
use jobs::accept::Complaint;
use jobs::ledger::Refusal;

use super::audit::trail;

/// Something that the caller can mend.
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject)]
pub struct UserError {
    /// What kind of mistake it is.
    pub code: UserErrorCode,
    /// The way to the argument at fault, such as `["inputs", "3", "to"]`; null when it is no single one.
    pub field: Option<Vec<String>>,
    /// What is wrong, in words.
    pub message: String,
}

/// Kinds of mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum UserErrorCode {
    /// The value can't be taken.
    Invalid,
    /// There is no such thing.
    NotFound,
    /// It contradicts what is there, such as an idempotency key that stands for another email.
    Conflict,
    /// The email can't be cancelled from where it stands.
    NotCancellable,
    /// The email can't be retried from where it stands.
    NotRetryable,
    /// The email no longer waits.
    NotReschedulable,
    /// Nobody has to decide about the email.
    NotUnconfirmed,
    /// More than one call may ask for.
    LimitExceeded,
    /// The database could not store this one, though others of the call: nothing of it is accepted, and the same may be
    /// asked for again.
    NotStored,
}

impl UserErrorCode {
    /// As the API has it.
    fn name(self) -> String {
        match enum_value(self) {
            Value::Enum(name) => name.to_string(),
            other => other.to_string(),
        }
    }
}

impl UserError {
    /// Every mistake is made here, and so none is missed by the audit log.
    fn new(code: UserErrorCode, field: Vec<String>, message: String) -> Self {
        trail::refused(|| code.name());
        Self { code, field: Some(field), message }
    }

    /// A mistake in the argument at `path`.
    pub fn at(path: &[&str], code: UserErrorCode, message: impl Into<String>) -> Self {
        Self::new(code, path.iter().map(|&part| part.to_owned()).collect(), message.into())
    }

    /// A draft's complaint.
    pub fn complaint(complaint: Complaint) -> Self {
        Self::new(UserErrorCode::Invalid, complaint.path, complaint.message)
    }

    /// The same mistake, in something that `path` leads to.
    pub fn under(self, path: &[&str]) -> Self {
        let field = path.iter().map(|&part| part.to_owned()).chain(self.field.unwrap_or_default()).collect();
        Self { field: Some(field), ..self }
    }
}

impl From<Refusal> for UserError {
    /// All refusals but one speak of the email that `id` names.
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::NotFound => UserErrorCode::NotFound,
            Refusal::Stale | Refusal::NotWaiting(_) => UserErrorCode::Conflict,
            Refusal::NotCancellable(_) => UserErrorCode::NotCancellable,
            Refusal::NotRetryable(_) | Refusal::Rejected | Refusal::Unconfirmed | Refusal::ContentGone => {
                UserErrorCode::NotRetryable
            }
            Refusal::StillSuppressed | Refusal::DeadlineOver | Refusal::CampaignCancelled => {
                UserErrorCode::NotRetryable
            }
            Refusal::NotReschedulable(_) => UserErrorCode::NotReschedulable,
            Refusal::AfterDeadline => {
                return Self::at(&["sendAt"], UserErrorCode::Invalid, refusal.to_string());
            }
            Refusal::NotUnconfirmed(_) => UserErrorCode::NotUnconfirmed,
        };
        Self::at(&["id"], code, refusal.to_string())
    }
}

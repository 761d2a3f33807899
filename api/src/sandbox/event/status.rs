//! What `delivery-status` says of an attempt, and `reason` of one that failed.

use serde_json::{Map, Value};

use crate::sandbox::fate::Failure;
use crate::sandbox::lists::List;

/// What an attempt ended with.
pub(super) struct Status {
    pub(super) code: u16,
    enhanced: Option<&'static str>,
    message: &'static str,
    description: &'static str,
    bounce_type: Option<&'static str>,
    retry_seconds: Option<u32>,
}

impl Status {
    const NONE: Self =
        Self { code: 0, enhanced: None, message: "", description: "", bounce_type: None, retry_seconds: None };

    /// Delivered.
    pub(super) const DELIVERED: Self = Self { code: 250, message: "OK", ..Self::NONE };
    /// Taken in test mode.
    pub(super) const DISCARDED: Self = Self { code: 650, message: "Ok", ..Self::NONE };

    pub(super) fn json(&self, attempt: u32) -> Map<String, Value> {
        let mut told = Map::new();
        let mut put = |name: &str, value: Value| drop(told.insert(name.to_owned(), value));
        put("code", self.code.into());
        put("message", self.message.into());
        put("description", self.description.into());
        put("attempt-no", attempt.into());
        put("session-seconds", 0.25.into());
        if let Some(enhanced) = self.enhanced {
            put("enhanced-code", enhanced.into());
        }
        if let Some(bounce_type) = self.bounce_type {
            put("bounce-type", bounce_type.into());
        }
        if let Some(seconds) = self.retry_seconds {
            put("retry-seconds", seconds.into());
        }
        told
    }
}

impl Failure {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Bounce => "bounce",
            Self::Deferred | Self::MailboxFull => "generic",
            Self::Old => "old",
            Self::Blocked => "espblock",
            Self::Listed(List::Bounces) => "suppress-bounce",
            Self::Listed(List::Unsubscribes) => "suppress-unsubscribe",
            Self::Listed(List::Complaints | List::Whitelists) => "suppress-complaint",
        }
    }

    pub(super) fn status(self) -> Status {
        match self {
            Self::Bounce => Status {
                code: 550,
                enhanced: Some("5.1.1"),
                message: "5.1.1 The email account that you tried to reach does not exist.",
                bounce_type: Some("hard"),
                ..Status::NONE
            },
            Self::Deferred => Status {
                code: 421,
                enhanced: Some("4.7.0"),
                message: "4.7.0 Try again later, closing connection.",
                retry_seconds: Some(600),
                ..Status::NONE
            },
            Self::Old => Status { code: 602, message: "Too old", description: "Too old", ..Status::NONE },
            Self::MailboxFull => Status {
                code: 552,
                enhanced: Some("5.2.2"),
                message: "5.2.2 The email account that you tried to reach is over quota.",
                bounce_type: Some("soft"),
                ..Status::NONE
            },
            Self::Blocked => Status {
                code: 550,
                enhanced: Some("5.7.1"),
                message: "5.7.1 Our system has detected that this message is likely unsolicited mail.",
                ..Status::NONE
            },
            Self::Listed(list) => listed(list),
        }
    }
}

fn listed(list: List) -> Status {
    let (code, description) = match list {
        List::Bounces => (605, "Not delivering to previously bounced address"),
        List::Unsubscribes => (606, "Not delivering to unsubscribed address"),
        List::Complaints | List::Whitelists => (607, "Not delivering to a user who marked your messages as spam"),
    };
    Status { code, description, ..Status::NONE }
}

//! What is said on a socket, in either direction, and the words in which one is closed (graphql-ws, PROTOCOL.md).

use async_graphql::{Response, ServerError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::transport::parameters::Parameters;

/// The largest message, in bytes: as large as the body of a key that may only read.
pub const MOST: usize = 1024 * 1024;

/// A client's message.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromClient {
    /// The first, with what lets the client in.
    ConnectionInit {
        /// `{"authorization": "Bearer …"}`, in either case.
        payload: Option<Value>,
    },
    /// Begins an operation.
    Subscribe {
        /// What the client calls it.
        id: String,
        /// What it is.
        payload: Parameters,
    },
    /// Ends one.
    Complete {
        /// Which.
        id: String,
    },
    /// Asks for a pong with the same payload.
    Ping {
        /// Anything.
        payload: Option<Value>,
    },
    /// A sign of life.
    Pong {},
}

impl FromClient {
    /// Reads a message; `None` when it is none of the protocol's.
    pub fn read(text: &str) -> Option<Self> {
        let message = serde_json::from_str(text).ok()?;
        match &message {
            Self::Subscribe { id, .. } | Self::Complete { id } if id.is_empty() => None,
            _ => Some(message),
        }
    }
}

/// What a `connection_init` says its sender may be let in by.
pub fn authorization(payload: Option<&Value>) -> Option<&str> {
    let payload = payload?;
    let said = payload.get("authorization").or_else(|| payload.get("Authorization"))?;
    said.as_str()
}

/// The key in `Bearer …`.
pub fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, key) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim()).filter(|key| !key.is_empty())
}

/// A message of ours.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToClient {
    /// The client is let in.
    ConnectionAck,
    /// Asks for a sign of life.
    Ping,
    /// Gives one.
    Pong {
        /// What the ping said.
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Value>,
    },
    /// An operation's result, or one of them.
    Next {
        /// Which operation's.
        id: String,
        /// The result.
        payload: Response,
    },
    /// An operation was not begun; it is over.
    Error {
        /// Which.
        id: String,
        /// Why.
        payload: Vec<ServerError>,
    },
    /// An operation has ended.
    Complete {
        /// Which.
        id: String,
    },
}

/// Why we close a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// The process stops.
    GoingAway,
    /// The message is none of the protocol's.
    NoMessage,
    /// Something was asked before the socket was acknowledged.
    NotYet,
    /// There is no key, or it lets nobody in.
    Forbidden,
    /// The permission has run out.
    Expired,
    /// The key was revoked, or may now do something else.
    Changed,
    /// Nothing was said for too long at the beginning.
    NoBeginning,
    /// There was no sign of life.
    Silent,
    /// An operation of this name is under way.
    NotUnique,
    /// The beginning was said twice.
    TwoBeginnings,
    /// The message is larger than [`MOST`].
    TooLarge,
    /// Keys can't be looked up at the moment.
    TryAgain,
    /// The key has too many sockets.
    Crowded,
}

impl Close {
    /// The close frame's code.
    pub fn code(self) -> u16 {
        match self {
            Close::GoingAway => 1001,
            Close::TooLarge => 1009,
            Close::TryAgain | Close::Crowded => 1013,
            Close::NoMessage => 4400,
            Close::NotYet => 4401,
            Close::Forbidden | Close::Expired | Close::Changed => 4403,
            Close::NoBeginning | Close::Silent => 4408,
            Close::NotUnique => 4409,
            Close::TwoBeginnings => 4429,
        }
    }

    /// The close frame's reason: 123 bytes at most (RFC 6455, 5.5).
    pub fn reason(self) -> &'static str {
        match self {
            Close::GoingAway => "The service is stopping",
            Close::TooLarge => "A message has at most 1 MiB",
            Close::TryAgain => "Keys can't be looked up at the moment; please try again",
            Close::Crowded => "This key has as many sockets open as it may; please close some, or try again",
            Close::NoMessage => "Invalid message",
            Close::NotYet => "Unauthorized",
            Close::Forbidden => {
                "Forbidden: connection_init needs {\"authorization\": \"Bearer <key>\"} with a valid key"
            }
            Close::Expired => "Forbidden: the key has expired",
            Close::Changed => "Forbidden: the key was revoked or changed",
            Close::NoBeginning => "Connection initialisation timeout",
            Close::Silent => "No sign of life",
            Close::NotUnique => "An operation with this id is under way",
            Close::TwoBeginnings => "Too many initialisation requests",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_protocols_own_messages_are_read() {
        let cases = [
            (r#"{"type":"connection_init"}"#, true),
            (r#"{"type":"connection_init","payload":{"authorization":"Bearer x"}}"#, true),
            (r#"{"type":"subscribe","id":"1","payload":{"query":"{ a }"}}"#, true),
            (r#"{"type":"complete","id":"1"}"#, true),
            (r#"{"type":"ping"}"#, true),
            (r#"{"type":"pong","payload":{"a":1}}"#, true),
            (r#"{"type":"subscribe","id":"","payload":{"query":"{ a }"}}"#, false),
            (r#"{"type":"subscribe","id":1,"payload":{"query":"{ a }"}}"#, false),
            (r#"{"type":"subscribe","id":"1","payload":{}}"#, false),
            (r#"{"type":"subscribe","id":"1"}"#, false),
            (r#"{"type":"complete"}"#, false),
            // Of the older protocol.
            (r#"{"type":"start","id":"1","payload":{"query":"{ a }"}}"#, false),
            (r#"{"type":"stop","id":"1"}"#, false),
            (r#"{"type":"connection_terminate"}"#, false),
            (r#"{"type":"connection_ack"}"#, false),
            (r#"{}"#, false),
            ("nonsense", false),
            ("", false),
        ];
        for (text, good) in cases {
            assert_eq!(FromClient::read(text).is_some(), good, "{text}");
        }
    }

    #[test]
    fn a_key_is_found_in_either_spelling_of_its_name() {
        let cases = [
            (json!({ "authorization": "Bearer k1" }), Some("k1")),
            (json!({ "Authorization": "bearer  k1 " }), Some("k1")),
            (json!({ "authorization": "Basic k1" }), None),
            (json!({ "authorization": "Bearer " }), None),
            (json!({ "authorization": "k1" }), None),
            (json!({ "authorization": 1 }), None),
            (json!({ "token": "Bearer k1" }), None),
            (json!("Bearer k1"), None),
        ];
        for (payload, key) in cases {
            assert_eq!(authorization(Some(&payload)).and_then(bearer), key, "{payload}");
        }
    }
}

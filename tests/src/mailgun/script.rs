//! What a script can answer, and what that means on the wire.

use std::time::Duration;

use super::Post;

/// A test's script: one reply for each message.
pub type Script = dyn Fn(&Post) -> Reply + Send + Sync;

/// How the fake treats one message.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Accepts: 200 with the message's id.
    Ok,
    /// Accepts under an id of its own making, whatever the message asked for.
    OtherId,
    /// Refuses with this status, these headers and this body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// Accepts, and answers with this status as if it had not.
    AcceptThen(u16),
    /// Never answers; does not accept.
    Hang,
    /// Accepts and never answers.
    AcceptThenHang,
    /// The same, and of a batch the mails have one id of its own making for all, whatever each asked for.
    SharedIdThenHang,
    /// Closes the connection without an answer; does not accept.
    Cut,
    /// Accepts and closes the connection without an answer.
    AcceptThenCut,
    /// Accepts, answers 200, and closes the connection amid the body.
    AcceptThenHalf,
    /// Does nothing for a while, then as the other says.
    Delay(Duration, Box<Reply>),
}

impl Reply {
    /// Refuses with a status and Mailgun's usual JSON around the text.
    pub fn status(status: u16, message: &str) -> Self {
        Reply::Status(status, Vec::new(), serde_json::json!({ "message": message }).to_string())
    }

    /// The reply, after a delay.
    pub fn after(self, delay: Duration) -> Self {
        Reply::Delay(delay, Box::new(self))
    }

    /// The id it is accepted under: the message's own where it has one.
    pub(super) fn message_id(&self, post: &Post) -> String {
        let own = post.message_id();
        match self {
            Reply::OtherId => own.replacen('<', "<another.", 1),
            _ => own,
        }
    }

    /// Whether each mail of a batch is accepted under the id it asked for.
    pub(super) fn keeps_own_ids(&self) -> bool {
        !matches!(self, Reply::SharedIdThenHang)
    }

    /// Whether the message is accepted, and what goes over the wire.
    pub(super) fn plan(self, message_id: &str) -> (bool, Answer) {
        match self {
            Reply::Ok | Reply::OtherId => (true, Answer::whole(200, queued(message_id))),
            Reply::Status(status, headers, body) => (false, Answer::Whole { status, headers, body }),
            Reply::AcceptThen(status) => (true, Answer::whole(status, r#"{"message":"scripted"}"#.to_owned())),
            Reply::Hang => (false, Answer::Silence),
            Reply::AcceptThenHang | Reply::SharedIdThenHang => (true, Answer::Silence),
            Reply::Cut => (false, Answer::Cut),
            Reply::AcceptThenCut => (true, Answer::Cut),
            Reply::AcceptThenHalf => (true, Answer::Half { body: queued(message_id) }),
            Reply::Delay(_, then) => then.plan(message_id),
        }
    }
}

/// Mailgun's words for an accepted message.
fn queued(message_id: &str) -> String {
    format!(r#"{{"id":"{message_id}","message":"Queued. Thank you."}}"#)
}

/// What goes over the wire.
pub(super) enum Answer {
    Whole { status: u16, headers: Vec<(&'static str, String)>, body: String },
    Half { body: String },
    Silence,
    Cut,
}

impl Answer {
    fn whole(status: u16, body: String) -> Self {
        Answer::Whole { status, headers: Vec::new(), body }
    }
}

/// Whether a connection can be used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Open,
    Closed,
}

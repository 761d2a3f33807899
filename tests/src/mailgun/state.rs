//! What the fake remembers: every message it accepted, and how often it saw and accepted each email.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use super::{Memory, Post};

/// A message that was accepted.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Its `v:email-id`; empty where it had none.
    pub email_id: String,
    /// The id that was answered, in angle brackets.
    pub message_id: String,
    /// The `to` it was sent with.
    pub to: String,
    /// When it was accepted.
    pub at: Instant,
    /// The same by the clock on the wall.
    pub seen_at: DateTime<Utc>,
    /// The whole request.
    pub post: Post,
}

#[derive(Clone, Copy, Default)]
struct Tally {
    posts: u32,
    accepted: u32,
}

/// Everything the fake remembers.
#[derive(Default)]
pub struct State {
    messages: Vec<Accepted>,
    emails: HashMap<Box<str>, Tally>,
    posts: u64,
    accepted: u64,
}

impl State {
    /// How many messages came in, whatever they were answered.
    pub fn posts(&self) -> u64 {
        self.posts
    }

    /// How many messages were accepted, doubles included.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// How often the email with this id came in.
    pub fn posts_for(&self, email_id: &str) -> u32 {
        self.emails.get(email_id).map_or(0, |tally| tally.posts)
    }

    /// How often the email with this id was accepted.
    pub fn accepted_for(&self, email_id: &str) -> u32 {
        self.emails.get(email_id).map_or(0, |tally| tally.accepted)
    }

    /// The accepted messages in order; empty where only counts are kept.
    pub fn messages(&self) -> &[Accepted] {
        &self.messages
    }

    /// The ids of the emails that were accepted more than once. A message without an id is nobody's double.
    pub fn doubles(&self) -> Vec<String> {
        let doubled = self.emails.iter().filter(|(id, tally)| tally.accepted > 1 && !id.is_empty());
        doubled.map(|(id, _)| id.to_string()).collect()
    }

    pub(super) fn saw(&mut self, post: &Post) {
        self.posts += 1;
        self.tally(post.email_id()).posts += 1;
    }

    pub(super) fn accept(&mut self, post: Post, message_id: String, seen_at: DateTime<Utc>, memory: Memory) {
        self.accepted += 1;
        self.tally(post.email_id()).accepted += 1;
        match memory {
            Memory::Counts => {}
            Memory::Messages => self.messages.push(Accepted {
                email_id: post.email_id().to_owned(),
                message_id,
                to: post.field("to").unwrap_or_default(),
                at: Instant::now(),
                seen_at,
                post,
            }),
        }
    }

    /// The counts as JSON, for a bench in another process.
    pub(super) fn stats(&self) -> String {
        let (posts, accepted, doubles) = (self.posts, self.accepted, self.doubles().len());
        format!(r#"{{"posts":{posts},"accepted":{accepted},"doubles":{doubles}}}"#)
    }

    fn tally(&mut self, email_id: &str) -> &mut Tally {
        // Looked up first: the key is only copied for an email not seen before.
        if !self.emails.contains_key(email_id) {
            self.emails.insert(email_id.into(), Tally::default());
        }
        self.emails.get_mut(email_id).expect("inserted above")
    }
}

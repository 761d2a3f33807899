//! What the fake remembers: every message it accepted, and how often it saw and accepted each email.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::batch::{self, Each};
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
    /// Of a batch: what stands for its placeholders.
    pub variables: Map<String, Value>,
}

impl Accepted {
    /// The first field of this name, as the recipient gets it.
    pub fn said(&self, name: &str) -> Option<String> {
        Some(batch::filled_in(&self.post.field(name)?, &self.variables))
    }
}

/// Under which ids a message is accepted.
pub(super) struct Ids {
    /// The one that is answered.
    pub(super) answered: String,
    /// Each mail of a batch has the one it asked for, not the one that is answered.
    pub(super) keeps_own: bool,
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
        match batch::each(post) {
            Some(all) => all.iter().for_each(|one| self.tally(&one.email_id).posts += 1),
            None => self.tally(post.email_id()).posts += 1,
        }
    }

    pub(super) fn accept(&mut self, post: Post, ids: Ids, seen_at: DateTime<Utc>, memory: Memory) {
        let Ids { answered: message_id, keeps_own } = ids;
        match batch::each(&post) {
            Some(all) => {
                for Each { to, email_id, message_id: own, variables } in all {
                    // What is no Message-Id is overlooked: then they share the one that was answered.
                    let message_id =
                        own.filter(|id| keeps_own && id.contains('@')).unwrap_or_else(|| message_id.clone());
                    self.keep(
                        Accepted {
                            email_id,
                            message_id,
                            to,
                            at: Instant::now(),
                            seen_at,
                            post: post.clone(),
                            variables,
                        },
                        memory,
                    );
                }
            }
            None => {
                let (email_id, to) = (post.email_id().to_owned(), post.field("to").unwrap_or_default());
                let variables = Map::new();
                self.keep(Accepted { email_id, message_id, to, at: Instant::now(), seen_at, post, variables }, memory);
            }
        }
    }

    fn keep(&mut self, message: Accepted, memory: Memory) {
        self.accepted += 1;
        self.tally(&message.email_id).accepted += 1;
        match memory {
            Memory::Counts => {}
            Memory::Messages => self.messages.push(message),
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

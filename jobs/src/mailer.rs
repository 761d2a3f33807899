//! Stub until the branch `mailer` is merged.

use std::time::Duration;

use secrecy::SecretString;

pub trait Mailer: Send + Sync + 'static {}

#[derive(Clone, Copy, Debug)]
pub struct PostLimits {
    pub post: Duration,
    pub connect: Duration,
    pub idle: Duration,
    pub slots: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("stub")]
pub struct MailgunError;

pub struct Mailgun;

impl Mailgun {
    pub fn new(_base: &str, _key: &SecretString, _limits: PostLimits) -> Result<Self, MailgunError> {
        Ok(Self)
    }
}

impl Mailer for Mailgun {}

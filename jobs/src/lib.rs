//! What happens to an email between the moment it is accepted and the last event about it.

pub mod backoff;
pub mod mailer;
pub mod verdict;

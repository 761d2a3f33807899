//! The tables and the value types they are made of: models, enums, finders and pure rules.
//!
//! `email` is the queue itself, and around it stand `content` (what an email says), `attempt` (its tries), `tally` (how many
//! stand where), `rate` (how many go each minute), `failure` (which failed), `scope` (campaign × sending domain), `hold`, `breaker` and `lane` (why and where
//! emails wait), `idempotency_key`, `bulk_operation`, `cron_run`, `api_key`, `suppression` (from
//! `suppression_fact`, counted in `suppression_tally`, kept like Mailgun's own lists by `provider_list` and `provider_order`), `lead`, `delivery_event` (around it `event_clock`, `event_key`,
//! `event_seal`, `webhook_token`, `quarantined_event`; told to an `event_endpoint`, signed with its `endpoint_secret`s, as
//! `event_dispatch` and `event_replay` have it), `unsubscribe_key`, `retention_run`, `erasure` and `mark_key` (who was
//! erased, and what stands for them), `audit_entry` (who did what), `alert` (what is wrong, told by an `alert_count`), and
//! what follows from events: `email_facts` and `campaign_metrics`. A `campaign` has a content, perhaps from a `template`, and its
//! `recipient`s.

#![expect(missing_docs, reason = "a column's name says it; where it does not, it has a comment")]

pub mod address;
pub mod alert;
pub mod alert_count;
pub mod api_key;
pub mod api_scope;
pub mod attempt;
pub mod audit_entry;
pub mod breaker;
pub mod bulk_operation;
pub mod campaign;
pub mod campaign_metrics;
pub mod clock;
pub mod content;
pub mod cron_run;
pub mod delivery_event;
pub mod domain_health;
pub mod email;
pub mod email_facts;
pub mod endpoint_secret;
pub mod erasure;
pub mod event_clock;
pub mod event_dispatch;
pub mod event_endpoint;
pub mod event_key;
pub mod event_replay;
pub mod event_seal;
pub mod failure;
pub mod hold;
pub mod idempotency_key;
pub mod lane;
pub mod lead;
pub mod mark_key;
pub mod priority;
pub mod provider_list;
pub mod provider_order;
pub mod quarantined_event;
pub mod rate;
pub mod recipient;
pub mod reconcile_mark;
pub mod retention_run;
pub mod scope;
pub mod sealed;
pub mod status;
pub mod suppression;
pub mod suppression_fact;
pub mod suppression_tally;
pub mod tally;
pub mod template;
pub mod unsubscribe_key;
pub mod webhook_token;

pub use address::{AddressError, EmailAddress, Mailbox};
pub use api_scope::{ApiScope, ApiScopes};
pub use clock::Clock;
pub use priority::Priority;
pub use status::{Outcome, Policy, Status};

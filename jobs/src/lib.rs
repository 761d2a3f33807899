//! What happens to an email, from its acceptance to its end. Knows no GraphQL.
//!
//! `accept` takes it in, `feed` rings for it when it is due, `lane` carries the bell, `send` claims, hands over and settles;
//! `event` reads what Mailgun reports and `record` keeps it, with what follows from it; `resolve` asks Mailgun's `log` for
//! emails in doubt and `reconcile` for events that no webhook brought; `sync` keeps Mailgun's own suppressions and ours
//! alike; `ledger` alone changes where an email stands. `hold` and
//! `breaker` make it wait, `control` and `bulk` act on request, `campaign` makes emails of recipients, `render` says what each
//! of them reads, `restored` holds what a backup brought back; `retention` forgets what has had its time, `erase` whoever asks for
//! it, `audit` keeps who did what, `keyring` rotates keys, `dispatch` tells applications of events, `alert` says what somebody
//! should look at, and `engine` starts and stops it all.

#![expect(missing_docs, reason = "a field's name says it; where it does not, it has a comment")]

pub mod accept;
pub mod alert;
pub mod audit;
pub mod backoff;
mod batch;
pub mod breaker;
pub mod bulk;
pub mod campaign;
pub mod clean;
mod content;
mod context;
pub mod control;
pub mod cron;
pub mod dispatch;
pub mod engine;
pub mod erase;
pub mod error;
pub mod event;
pub mod feed;
pub mod filter;
pub mod find;
pub mod group;
pub mod guard;
pub mod hold;
pub mod keyring;
pub mod lane;
pub mod lead;
pub mod ledger;
pub mod live;
pub mod log;
pub mod look;
pub mod mailer;
pub mod metric;
pub mod reconcile;
pub mod record;
pub mod render;
pub mod resolve;
pub mod restored;
pub mod retention;
mod rounds;
pub mod rows;
pub mod scope;
pub mod send;
pub mod stats;
pub mod store;
pub mod suppress;
pub mod sync;
pub mod template;
pub mod timeline;
pub mod timing;
pub mod unsubscribe;
pub mod verdict;
pub mod watch;

pub use context::{Context, Settings};
pub use engine::Engine;
pub use error::{Error, Result};
pub use store::Store;
pub use timing::Timing;

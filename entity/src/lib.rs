//! The tables and the value types they are made of: models, enums, finders and pure rules.

pub mod address;
pub mod clock;
pub mod priority;
pub mod sealed;

pub use address::{AddressError, EmailAddress, Mailbox};
pub use clock::Clock;
pub use priority::Priority;

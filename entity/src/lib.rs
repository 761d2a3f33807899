//! The tables and the value types they are made of: models, enums, finders and pure rules.

pub mod clock;
pub mod priority;

pub use clock::Clock;
pub use priority::Priority;

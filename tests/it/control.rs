//! Control over a queue that nobody works on: what is asked of one email and of many, on both back ends. Each scenario ends
//! with tallies that equal the rows.

mod many;
mod one;
mod retention;
mod stats;
pub mod world;

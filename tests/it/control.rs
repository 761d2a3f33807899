//! Control over a queue that nobody works on: what is asked of one email and of many, on both back ends. Each scenario ends
//! with tallies that equal the rows.

mod one;
mod stats;
mod world;

//! The integration tests: one binary, so that one process starts the database server once for all of them.
#![expect(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod api;
mod control;
mod harness;
mod migrations;
mod send;

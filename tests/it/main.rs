//! The integration tests: one binary, so that one process starts the database server once for all of them.
#![expect(clippy::unwrap_used, reason = "a test that can't go on panics")]

/// Runs each test on both back ends.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod sqlite { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $name() { super::$name(tests::database::Backend::Sqlite).await })* }
        mod postgres { $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)] async fn $name() { super::$name(tests::database::Backend::Postgres).await })* }
    };
}

mod alerts;
mod api;
mod campaigns;
mod canary;
mod conformance;
mod control;
mod database;
mod dependencies;
mod dispatch;
mod erase;
mod events;
mod fairness;
mod faults;
mod full;
mod groups;
mod harness;
mod holds;
mod keyring;
mod leases;
mod limits;
mod lists;
mod migrations;
mod ops;
mod outage;
mod processes;
mod races;
mod reconcile;
mod redis;
mod resolve;
mod retention;
mod sandbox;
mod sealed;
mod send;
mod suppressions;
mod templates;
mod usual;
mod webhooks;

//! What the outside sees: GraphQL, the paths beside it, and the `mailmind` command. Knows no apalis.
//!
//! `command` reads what was asked; `serve` puts a process together and takes it apart; `transport` carries requests to
//! `schema`; `auth` says who asks; `limit` says how much; `webhook` takes what Mailgun reports; `health` says how it stands; `sandbox` stands in for Mailgun.

mod account;
#[expect(missing_docs, reason = "each part is described where it is made")]
pub mod app;
mod audit;
pub mod auth;
mod campaigns;
mod check;
mod command;
#[expect(missing_docs, reason = "each field of a configuration is described where the user reads it")]
pub mod config;
pub mod connection;
pub mod dashboard;
mod demo;
mod failure;
mod health;
mod keyring;
mod lifecycle;
pub mod limit;
mod registration;
mod replay;
mod rest;
mod restored;
pub mod sandbox;
pub mod schema;
mod serve;
mod suppressions;
mod telemetry;
pub mod transport;
mod unsubscribe;
pub mod webhook;

pub use auth::Door;
pub use transport::routes;

/// The `mailmind` command: reads the arguments and the environment, and does what they ask.
pub fn main() -> std::process::ExitCode {
    // Before anything that may speak TLS: two providers are linked in, and neither is the default by itself. One that is
    // installed already was chosen by whoever calls this.
    rustls::crypto::ring::default_provider().install_default().ok();
    command::run()
}

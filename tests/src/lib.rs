//! The test harness: real servers started for a test and gone with it, a scripted Mailgun, our own processes under
//! signals, and a client of the public API. What the integration tests (`it/`) and the bench are built from.

pub mod app;
pub mod child;
pub mod client;
pub mod database;
pub mod dump;
pub mod faults;
pub mod hostile;
pub mod ledger;
pub mod mailgun;
pub mod patience;
pub mod process;
pub mod proxy;
pub mod redis;
pub mod webhook;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks; a panic of another test while it held the lock is that test's failure, not ours.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Installs the TLS provider that HTTP clients ask for; once a process.
pub fn install_tls() {
    // A second call finds it installed, which is what was wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Shows the logs of a failing test, as far as `RUST_LOG` asks for them.
pub fn show_logs() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    // The first test of the process sets it up for all.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
}
